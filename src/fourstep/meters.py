"""Exact sums and counts that stay on the device until a row is written."""

import copy
import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fourstep.errors import ConfigError, DataError
from fourstep.metrics import Metric, StatefulMetric
from fourstep.nesting import detached
from fourstep.scalars import Scalars, to_host
from fourstep.stateful import read_state, write_state

_COUNTS = ("total", "items", "batches", "first_bad_batch")


class Mean:
    """The mean of values over items, added up without waiting for the device.

    On the CPU a batch is read as it comes: there is nothing to wait for, and no small block stays between a step's
    large ones, where it would make the heap grow. Elsewhere batches are kept, and read in one transfer by
    `Meters.compute`. They are added in double precision, in their order.
    """

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.total = 0.0
        self.items = 0.0
        self.batches = 0  # read so far
        self.first_bad_batch: int | None = None  # counted from 1: the first whose sum is NaN or infinite
        self.sums, self.counts = Scalars(), Scalars()

    def add(self, sum_: Tensor, items: int | Tensor) -> None:
        """Add a batch: the sum of its values, a scalar that nothing changes afterwards, and how many they are."""
        if sum_.is_cpu:
            self._count(float(sum_), float(items))
        else:
            self.sums.add(sum_)
            self.counts.add(items)

    def add_mean(self, mean: Tensor, items: int | Tensor) -> None:
        """Add a batch: the mean of its values, a detached scalar, and how many they are."""
        if mean.is_cpu:
            self._count(float(mean) * float(items) if items else 0.0, float(items))
        else:
            self.sums.add(_wide(mean) * items)
            self.counts.add(items)

    def read(self, sums: list[float], counts: list[float]) -> None:
        """Add up what the two columns held, now on the host."""
        for value, items in zip(sums, counts, strict=True):
            self._count(value, items)

    def _count(self, value: float, items: float) -> None:
        self.batches += 1
        if items == 0:  # every target ignored: torch's mean of nothing is NaN, and counts for nothing
            return
        if self.first_bad_batch is None and not math.isfinite(value):
            self.first_bad_batch = self.batches
        self.total += value
        self.items += items

    def state_dict(self) -> dict[str, Any]:
        """What was added and read so far."""
        return {name: getattr(self, name) for name in _COUNTS}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self.reset()
        for name in _COUNTS:
            setattr(self, name, state[name])

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
        self.loss = Mean()
        self.means = {"loss": self.loss, **{name: Mean() for name in self.functions}}
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._stateful_batches = 0
        for mean in self.means.values():
            mean.reset()
        for metric in self.stateful.values():
            metric.reset()

    def add_loss(self, mean: Tensor, items: int | Tensor) -> None:
        """Add a batch's loss: its mean, a detached scalar, over `items`."""
        self.loss.add_mean(mean, items)

    def add_outputs(self, outputs: Any, targets: Any) -> None:
        """Add a batch to every metric.

        Raises:
            DataError: a metric that does not give one value per sample.
        """
        if not (self.functions or self.stateful):
            return
        outputs = outputs.detach() if isinstance(outputs, Tensor) else detached(outputs)
        with torch.no_grad():
            for name, function in self.functions.items():
                values: Any = function(outputs, targets)  # whatever the user's function returns
                if not isinstance(values, Tensor) or values.dim() == 0:
                    raise DataError(
                        f"metric {name!r} returned {values!r}: expected a tensor with one value per sample, whose "
                        "mean over all samples is taken for you"
                    )
                self.means[name].add(_sum(values), values.numel())
            for metric in self.stateful.values():
                metric.update(outputs, targets)
        self._stateful_batches += 1

    def compute(self) -> dict[str, float]:
        """The means of what was added so far, by name, `loss` first. Waits for the device."""
        self._read()
        result = {name: mean.value() for name, mean in self.means.items() if mean.batches}
        if self._stateful_batches:
            result.update({name: _as_number(name, metric.compute()) for name, metric in self.stateful.items()})
        return result

    def _read(self) -> None:
        columns = [column.take() for mean in self.means.values() for column in (mean.sums, mean.counts)]
        read = iter(to_host(columns))
        for mean in self.means.values():
            mean.read(next(read), next(read))

    def state_dict(self) -> dict[str, Any]:
        """All that was added so far. Waits for the device."""
        self._read()
        return {
            "means": {name: mean.state_dict() for name, mean in self.means.items()},
            "stateful": {name: read_state(metric) for name, metric in self.stateful.items()},
            "stateful_batches": self._stateful_batches,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        for name, mean in self.means.items():
            mean.load_state_dict(state["means"][name])
        for name, metric in self.stateful.items():
            write_state(metric, state["stateful"][name])
        self._stateful_batches = state["stateful_batches"]


def _sum(values: Tensor) -> Tensor:
    """The sum of a batch's values; in float32 for half precision, which would overflow or lose the last digits."""
    if values.dtype is torch.bool:
        return values.count_nonzero()
    return _wide(values).sum()


def _wide(values: Tensor) -> Tensor:
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
