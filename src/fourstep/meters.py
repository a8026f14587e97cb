"""Exact sums and counts that stay on the device until a row is written."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fourstep.errors import ConfigError, DataError
from fourstep.metrics import Metric, StatefulMetric


class Mean:
    """The mean of values over items, added up without waiting for the device.

    Batch sums are kept as they come, and read in one transfer by `Meters.compute`, where they are added in double
    precision in the order of the batches. The values given must not be changed in place afterwards.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.total = 0.0
        self.items = 0.0
        self.batches = 0  # read so far
        self.first_bad_batch: int | None = None  # counted from 1: the first whose sum is NaN or infinite
        self._sums: list[Tensor] = []
        self._counts: list[int | Tensor] = []

    def add(self, sum_: Tensor, items: int | Tensor) -> None:
        """Add a batch: the sum of its values, a scalar, and how many they are."""
        self._sums.append(sum_)
        self._counts.append(items)

    def pending(self) -> tuple[list[Tensor], list[int | Tensor]]:
        """The batches that are not read yet; they count as read from now on."""
        taken = self._sums, self._counts
        self._sums, self._counts = [], []
        return taken

    def read(self, sums: list[float], counts: list[float]) -> None:
        """Add up what `pending` gave, now on the host."""
        for value, items in zip(sums, counts, strict=True):
            self.batches += 1
            if self.first_bad_batch is None and not math.isfinite(value):
                self.first_bad_batch = self.batches
            if items == 0:  # every target ignored: torch's mean of nothing is NaN, and counts for nothing
                continue
            self.total += value
            self.items += items

    def value(self) -> float:
        """The mean of all that was read; NaN of nothing."""
        return self.total / self.items if self.items else math.nan


class Meters:
    """The loss and the metrics of one split, added up over batches.

    Args:
        metrics: name -> function of `(outputs, targets)`, or an object with `update`, `compute` and `reset`.
        device: where the objects' state is to be.

    Objects are copied, so that two splits never share one's state.

    Raises:
        ConfigError: a metric that is neither, or one named `loss`.
    """

    def __init__(self, metrics: Mapping[str, Metric] | None = None, device: torch.device | None = None) -> None:
        metrics = dict(metrics or {})
        for name, metric in metrics.items():
            if isinstance(metric, type):
                raise ConfigError(
                    f"metric {name!r} is the class {metric.__name__}: expected an object, {metric.__name__}(...)"
                )
            if name == "loss":
                raise ConfigError("a metric is named 'loss', as the loss itself is: give it another name")
            if not (callable(metric) or isinstance(metric, StatefulMetric)):
                raise ConfigError(
                    f"metric {name!r} is a {type(metric).__name__}: expected a function (outputs, targets) -> "
                    "one value per sample, or an object with update, compute and reset"
                )
        self.stateful = {
            name: copy.deepcopy(metric) for name, metric in metrics.items() if isinstance(metric, StatefulMetric)
        }
        for metric in self.stateful.values():
            if isinstance(metric, nn.Module):
                metric.to(device)
        self.functions = {name: metric for name, metric in metrics.items() if not isinstance(metric, StatefulMetric)}
        self.means = {name: Mean() for name in ("loss", *self.functions)}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._stateful_batches = 0
        for mean in self.means.values():
            mean.reset()
        for metric in self.stateful.values():
            metric.reset()

    def add_loss(self, mean: Tensor, items: int | Tensor) -> None:
        """Add a batch's loss: its mean, a scalar, over `items`."""
        self.means["loss"].add(_wide(mean.detach()) * items, items)

    @torch.no_grad()
    def add_outputs(self, outputs: Any, targets: Any) -> None:
        """Add a batch to every metric.

        Raises:
            DataError: a metric that does not give one value per sample.
        """
        for name, function in self.functions.items():
            values: Any = function(outputs, targets)  # whatever the user's function returns
            if not isinstance(values, Tensor) or values.dim() == 0:
                raise DataError(
                    f"metric {name!r} returned {values!r}: expected a tensor with one value per sample, whose "
                    "mean over all samples is taken for you"
                )
            self.means[name].add(_wide(values).sum(), values.numel())
        for metric in self.stateful.values():
            metric.update(outputs, targets)
        self._stateful_batches += 1

    def compute(self) -> dict[str, float]:
        """The means of what was added so far, by name, `loss` first. The only place that waits for the device."""
        pending = {name: mean.pending() for name, mean in self.means.items()}
        sums = _to_host([value for values, _ in pending.values() for value in values])
        counts = _to_host([count for _, counts in pending.values() for count in counts])
        start = 0
        for name, (values, _) in pending.items():
            end = start + len(values)
            self.means[name].read(sums[start:end], counts[start:end])
            start = end
        result = {name: mean.value() for name, mean in self.means.items() if mean.batches}
        if self._stateful_batches:
            result.update({name: _as_number(name, metric.compute()) for name, metric in self.stateful.items()})
        return result


def _to_host(values: list[int | Tensor]) -> list[float]:
    """Every value as a float, all tensors in one transfer."""
    scalars = [value for value in values if isinstance(value, Tensor)]
    if not scalars:
        return [float(value) for value in values]
    # MPS has no float64; a batch's sum is a float32 already, and its count is far below 2**24
    exact = torch.float32 if scalars[0].device.type == "mps" else torch.float64
    kinds = {scalar.dtype for scalar in scalars}
    stacked = torch.stack(scalars) if len(kinds) == 1 else torch.stack([scalar.to(exact) for scalar in scalars])
    read = iter(stacked.to(exact).tolist())
    return [next(read) if isinstance(value, Tensor) else float(value) for value in values]


def _wide(values: Tensor) -> Tensor:
    """Half precision as float32, in which sums of a batch neither overflow nor lose their last digits."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def _as_number(name: str, value: Any) -> float:
    """What an object's `compute` gave.

    Raises:
        DataError: it is not one number.
    """
    if isinstance(value, Tensor) and value.numel() == 1:
        return float(value)
    if isinstance(value, int | float):
        return float(value)
    kind = f"tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    raise DataError(f"metric {name!r} computed a {kind}: expected one number. Give each number a metric of its own")
