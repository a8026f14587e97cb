"""What is measured of a model's answers, sample by sample.

A metric is a plain function `(outputs, targets) -> one value per sample`; its mean over all samples is reported, exact
for a short last batch. Anything with torchmetrics' `update`, `compute` and `reset` is accepted too.

Shapes: B samples in a batch, K classes or outputs.
"""

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Bool, Num
from torch import Tensor

from fourstep.errors import ConfigError, ShapeError
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
            the targets' own shape, as `(B,)` or `(B, K)`: each is a yes or no of its own, yes above 0;
            probabilities, where yes is above 0.5, are none.
        targets: class indices `(B,)` or `(B, ...)`; or in the outputs' shape 0 and 1, or the classes' probabilities:
            of these the largest is the truth. Probabilities are rows that add up to 1 and are not all 0 and 1.

    Returns:
        True where right, in the targets' shape; for probabilities each sample's answer once per class.

    Raises:
        ShapeError: the shapes do not belong together.

    >>> accuracy(torch.tensor([[0.1, 0.9], [0.8, 0.2]]), torch.tensor([1, 1]))
    tensor([ True, False])
    """
    if outputs.shape == targets.shape:
        each = (outputs > 0) == (targets > 0.5)  # noqa: PLR2004 - targets are 0 or 1
        if not targets.is_floating_point() or targets.dim() == 1 or targets.shape[1] == 1:
            return each
        return (outputs.argmax(1, keepdim=True) == targets.argmax(1, keepdim=True)).where(_are_shares(targets), each)
    check_shapes(outputs, targets)
    _check_classes(outputs, targets)
    return outputs.argmax(dim=1) == targets


def _are_shares(targets: Tensor) -> Tensor:
    """Are these probabilities of classes, and not a yes or no for each? A scalar, for which nobody waits."""
    is_whole = (targets == 0) | (targets == 1)
    return ((targets.sum(1) - 1).abs() < 1e-3).all() & (targets >= 0).all() & ~is_whole.all()  # noqa: PLR2004 - of half precision


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
        A function of logits `(B, K)` and class indices `(B,)`, or probabilities `(B, K)` of which the largest is the
        truth, to `(B,)` truth values.

    Raises:
        ConfigError: `k` is below 1.
        ShapeError: when called with fewer than `k` classes, or shapes that do not belong together.

    >>> top_k(2)(torch.tensor([[0.3, 0.1, 0.2]]), torch.tensor([2]))
    tensor([True])
    """
    if k < 1:
        raise ConfigError(f"top_k({k}): expected 1 or more")

    def is_in_top_k(outputs: Num[Tensor, "B K"], targets: Num[Tensor, "B ..."]) -> Bool[Tensor, " B"]:
        if targets.is_floating_point() and targets.shape == outputs.shape:
            targets = targets.argmax(1)
        _check_classes(outputs, targets)
        if outputs.shape[1] < k:
            raise ShapeError(
                f"top_k({k}) of outputs with {outputs.shape[1]} classes: use a k of {outputs.shape[1]} or less"
            )
        return (outputs.topk(k, dim=1).indices == targets[:, None]).any(dim=1)

    return is_in_top_k


def absolute_error(outputs: Num[Tensor, "B ..."], targets: Num[Tensor, "B ..."]) -> Num[Tensor, " B"]:
    """How far a regression's answers are off (绝对误差), in the target's units; their mean where a sample has several.

    Args:
        outputs: `(B, ...)`.
        targets: of the same shape.

    Raises:
        ShapeError: the shapes differ.

    >>> absolute_error(torch.tensor([[1.0], [5.0]]), torch.tensor([[2.0], [5.0]]))
    tensor([1., 0.])
    """
    _check_same(outputs, targets)
    return (outputs - targets).abs().flatten(1).mean(1) if outputs.dim() > 1 else (outputs - targets).abs()


def _check_same(outputs: Tensor, targets: Tensor) -> None:
    if outputs.shape != targets.shape:
        raise ShapeError(
            f"outputs have shape {tuple(outputs.shape)} but targets {tuple(targets.shape)}: expected the same. "
            "targets[:, None] makes a column"
        )


class LogRMSE:
    """The metric: the root of the mean squared error of logarithms (对数均方根误差), for prices and other sizes.

    An error of 10 % counts the same for a small price as for a large one. Its state stays on the device; it is exact
    for a short last batch.

    Args:
        floor: predictions below it count as it, above 0: a logarithm needs more than 0. The book's is 1.

    Raises:
        ConfigError: `floor` is not above 0.
        ShapeError: when called with outputs and targets of different shapes.

    Targets must be above 0; else the number is NaN.

    Source: *Dive into Deep Learning*, section 4.10.4, as the competition on house prices has it.

    >>> metric = LogRMSE()
    >>> metric.update(torch.tensor([[200.0], [100.0]]), torch.tensor([[100.0], [100.0]]))
    >>> round(metric.compute(), 4)  # the root of ln(2)**2 / 2
    0.4901
    """

    def __init__(self, floor: float = 1.0) -> None:
        if not floor > 0:
            raise ConfigError(f"floor {floor}: expected more than 0")
        self.floor = floor
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.total: float | Tensor = 0.0
        self.count = 0

    def update(self, outputs: Num[Tensor, "..."], targets: Num[Tensor, "..."]) -> None:
        """Add a batch."""
        _check_same(outputs, targets)
        squares = (outputs.float().clamp(min=self.floor).log() - targets.float().log()).square()
        wide = torch.float32 if squares.device.type == "mps" else torch.float64  # which has no float64
        self.total = self.total + squares.sum(dtype=wide)
        self.count += targets.numel()

    def compute(self) -> float:
        """The number for all batches since `reset`. Waits for the device."""
        return math.sqrt(float(self.total) / self.count) if self.count else math.nan
