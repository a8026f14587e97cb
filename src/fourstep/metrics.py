"""Exact metrics: sums and counts that stay on the device until a row is written.

A metric is a plain function `(outputs, targets) -> one value per sample`; its mean over all samples is reported, exact
for a short last batch. Anything with torchmetrics' `update`, `compute` and `reset` is accepted too.

Shapes: B samples in a batch, K classes or outputs.
"""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Num
from torch import Tensor, nn

from fourstep.errors import ConfigError, DataError, ShapeError
from fourstep.losses import check_shapes

MetricFn: TypeAlias = Callable[[Any, Any], Tensor]


@runtime_checkable
class StatefulMetric(Protocol):
    """torchmetrics' protocol: state that is updated per batch and computed when asked."""

    def update(self, outputs: Any, targets: Any) -> None: ...  # noqa: D102
    def compute(self) -> Any: ...  # noqa: D102
    def reset(self) -> None: ...  # noqa: D102


Metric: TypeAlias = MetricFn | StatefulMetric


def accuracy(outputs: Num[Tensor, "..."], targets: Num[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """Which samples are classified right (准确率).

    Args:
        outputs: logits. `(B, K)`, or `(B, K, ...)` with classes along dimension 1: the largest is the prediction. Of
            the targets' own shape, as `(B,)` or `(B, K)`: each is a yes or no of its own, yes above 0.
        targets: class indices `(B,)` or `(B, ...)`, or 0 and 1 in the outputs' shape.

    Returns:
        True where right, in the targets' shape.

    Raises:
        ShapeError: the shapes do not belong together.

    >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    tensor([ True, False])
    """
    if outputs.shape == targets.shape:
        return (outputs > 0) == (targets > 0.5)  # noqa: PLR2004 - targets are 0 or 1
    check_shapes(outputs, targets)
    _check_classes(outputs, targets)
    return outputs.argmax(dim=1) == targets


def _check_classes(outputs: Tensor, targets: Tensor) -> None:
    if outputs.dim() != targets.dim() + 1 or outputs.shape[:1] + outputs.shape[2:] != targets.shape:
        raise ShapeError(
            f"outputs have shape {tuple(outputs.shape)} but targets {tuple(targets.shape)}: expected logits "
            "(batch, classes) and class indices (batch,). If the targets are one-hot, pass targets.argmax(dim=1)"
        )


def top_k(k: int) -> MetricFn:
    """The metric: is the target among the `k` largest outputs?

    Args:
        k: 1 or more, at most the number of classes.

    Returns:
        A function of logits `(B, K)` and class indices `(B,)` to `(B,)` truth values.

    Raises:
        ConfigError: `k` is below 1.
        ShapeError: when called with fewer than `k` classes, or shapes that do not belong together.

    >>> top_k(2)(torch.tensor([[0.3, 0.1, 0.2]]), torch.tensor([2]))
    tensor([True])
    """
    if k < 1:
        raise ConfigError(f"top_k({k}): expected 1 or more")

    def is_in_top_k(outputs: Num[Tensor, "B K"], targets: Num[Tensor, " B"]) -> Bool[Tensor, " B"]:
        _check_classes(outputs, targets)
        if outputs.shape[1] < k:
            raise ShapeError(
                f"top_k({k}) of outputs with {outputs.shape[1]} classes: use a k of {outputs.shape[1]} or less"
            )
        return (outputs.topk(k, dim=1).indices == targets[:, None]).any(dim=1)

    return is_in_top_k


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
            if items == 0:  # every target ignored: torch's mean of nothing is NaN, and counts for nothing
                continue
            if self.first_bad_batch is None and not math.isfinite(value):
                self.first_bad_batch = self.batches
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
        self.means["loss"].add(mean.detach() * items, items)

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
            self.means[name].add(values.sum(), values.numel())
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
            result.update({name: float(metric.compute()) for name, metric in self.stateful.items()})
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
