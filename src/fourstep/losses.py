"""What the number that a loss function returns stands for, so that it can be added up exactly.

torch's losses return a mean over items, a sum over items, or one value per item. Everything here turns these into the
same two facts: the mean, and how many items it is the mean of.
"""

import math
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn, TypeAlias
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from fourstep.errors import ConfigError, DataError, FourstepError, ShapeError
from fourstep.nesting import batch_length, first_tensor, map_tensors

LossFn: TypeAlias = Callable[[Any, Any], Tensor]

_LARGEST = 2**24  # to which float32 counts without gaps
_SUM = 2  # torch's code for reduction="sum" in `grad_fn._saved_reduction` (aten/src/ATen/core/Reduction.h)


def count_items(loss_fn: LossFn | None, targets: Any) -> int | Tensor:
    """How many items `loss_fn`'s mean over these targets averages.

    Args:
        loss_fn: the loss function; None for one that counts every target.
        targets: the batch's targets; a nesting counts by its first tensor.

    Returns:
        For class indices under `CrossEntropyLoss` or `NLLLoss`, the targets that are not `ignore_index`, each by its
        class's weight, as a scalar on the device; else the number of targets, as an int.
    """
    truth = first_tensor(targets, "targets")
    if isinstance(loss_fn, nn.MultiLabelMarginLoss | nn.MultiLabelSoftMarginLoss):  # their mean is over samples
        return len(truth)
    if not isinstance(loss_fn, nn.CrossEntropyLoss | nn.NLLLoss):
        return truth.numel()
    if truth.is_floating_point():  # class probabilities: the classes are along dimension 1
        return truth.numel() // (truth.shape[1] if truth.dim() > 1 else 1)
    truth = truth.long()  # bytes wrap around: 156 would be -100
    kept: Tensor = truth != loss_fn.ignore_index
    if loss_fn.weight is None:
        return kept.count_nonzero()
    known = truth.where(kept, 0).clamp(0, len(loss_fn.weight) - 1)  # the loss itself refuses what is no class
    return (loss_fn.weight[known] * kept).sum()


def returns_sum(loss_fn: LossFn, outputs: Any, targets: Any, loss: Tensor) -> bool:
    """Is the scalar `loss`, which `loss_fn` gave for this batch, a sum over its items and not their mean?

    torch's modules say so themselves. Any other function is tried once, which waits for the device: over the batch
    twice, a sum doubles and a mean stays. What cannot be tried counts as a mean.
    """
    if loss.dim() > 0:
        return False
    if type(loss_fn).__module__.startswith("torch.nn."):
        return getattr(loss_fn, "reduction", "mean") == "sum"
    method = getattr(loss_fn, "__func__", None)  # a bound method is a new object each time: its object is not
    owner = loss_fn if method is None else getattr(loss_fn, "__self__", None)
    with suppress(TypeError, KeyError):  # what has no hash or no weak references is tried each time
        return _known_sums[owner][method]
    known = _doubles(loss_fn, outputs, targets, float(loss.detach()))
    with suppress(TypeError):
        if known is not None:
            _known_sums.setdefault(owner, {})[method] = known
    return bool(known)


_known_sums: WeakKeyDictionary[Any, dict[Any, bool]] = (
    WeakKeyDictionary()
)  # what functions and methods were found to be


def _doubles(loss_fn: LossFn, outputs: Any, targets: Any, once: float) -> bool | None:
    """Is the loss of the batch twice about twice the loss of the batch? None where that cannot be told."""

    def twice(tensor: Tensor) -> Tensor:
        return torch.cat([tensor.detach()] * 2) if tensor.dim() else tensor.detach()

    if not once or not math.isfinite(once):
        return None
    try:
        with torch.no_grad():
            doubled = float(loss_fn(map_tensors(twice, outputs), map_tensors(twice, targets)))
    except Exception:  # noqa: BLE001 - whatever the user's function does not take; then it is a mean
        return False
    return doubled / once > 1.5  # noqa: PLR2004 - between a mean's 1 and a sum's 2


def was_summed(loss: Tensor, targets: Any) -> bool:
    """Is this scalar known to be a sum over these targets? For where the function that made it is not at hand.

    It is where `reduction="sum"`, or `.sum()` over as many values or rows, made it, by torch's documented attributes
    `grad_fn._saved_*`. A sum that was then scaled or added to others cannot be told from a mean.
    """
    made_by: Any = loss.grad_fn
    if made_by is None or loss.dim() > 0:
        return False
    if made_by.name() == "SumBackward0":
        summed = made_by._saved_self_sym_sizes  # noqa: SLF001 - documented: pytorch.org/docs/stable/notes/autograd.html
        return len(summed) > 0 and summed[0] == batch_length(targets)
    return getattr(made_by, "_saved_reduction", None) == _SUM


def mean_loss(loss: Tensor, items: int | Tensor, *, is_sum: bool) -> Tensor:
    """The mean per item, a scalar, of a loss of any reduction."""
    if loss.dim() > 0:
        return loss.mean() if isinstance(items, int) else loss.sum() / items
    return loss / items if is_sum else loss


def measure_loss(
    loss_fn: LossFn, outputs: Any, targets: Any, total_items: int | Tensor | None = None
) -> tuple[Tensor, Tensor, int | Tensor]:
    """A micro-batch's loss in its two roles.

    Args:
        loss_fn: of any reduction.
        outputs: the model's answer.
        targets: the truth.
        total_items: `count_items` over all micro-batches of the update; None where there is one.

    Returns:
        The scalar to differentiate (this micro-batch's share of the update's loss; a sum stays a sum), the mean per
        item, and the number of items.

    Raises:
        ShapeError, DataError: outputs and targets do not belong together.
    """
    loss = call_loss(loss_fn, outputs, targets)
    saved = _saved_items(loss_fn, targets, loss)
    items = count_items(loss_fn, targets) if saved is None else saved
    summed = returns_sum(loss_fn, outputs, targets, loss)
    mean = mean_loss(loss, items, is_sum=summed)
    if summed:
        return loss, mean, items
    return (mean if total_items is None else mean * (items / total_items)), mean, items


def _saved_items(loss_fn: LossFn, targets: Any, loss: Tensor) -> Tensor | None:
    """`count_items` where torch has counted already: to take a mean over class indices, it needs to.

    Read from the documented attributes `grad_fn._saved_*`; None where there is no such count, or one that was rounded.
    """
    if not isinstance(loss_fn, nn.CrossEntropyLoss | nn.NLLLoss) or loss.dtype not in (torch.float32, torch.float64):
        return None
    exact = isinstance(targets, Tensor) and targets.numel() < _LARGEST
    return getattr(loss.grad_fn, "_saved_total_weight", None) if exact and loss_fn.reduction == "mean" else None


def call_loss(loss_fn: LossFn, outputs: Any, targets: Any) -> Tensor:
    """`loss_fn(outputs, targets)`, with a mistake in the shapes or labels explained in one line.

    Raises:
        ShapeError: `(n, 1)` against `(n,)`, which torch would broadcast to n x n.
        DataError: labels that are no class, or of the wrong type.
    """
    check_shapes(outputs, targets)
    try:
        loss = loss_fn(outputs, targets)
    except (IndexError, RuntimeError, TypeError, ValueError) as error:
        _check_called(loss_fn)
        if isinstance(error, TypeError):
            raise
        _explain(error, outputs, targets)
    if not isinstance(loss, Tensor):
        raise DataError(
            f"the loss function returned a {type(loss).__name__}: expected a tensor, as torch's losses return"
        )
    return loss


def _check_called(loss_fn: Any) -> None:
    """Say where the loss is no object of its class, but the class.

    Raises:
        ConfigError: it is.
    """
    if isinstance(loss_fn, type):
        name = loss_fn.__name__
        raise ConfigError(f"the loss is the class {name}: expected an object of it. Mend: {name}(), with brackets")


def check_shapes(outputs: Any, targets: Any) -> None:
    """Refuse a column against a row, which broadcasts n values against n into n x n.

    Raises:
        ShapeError: one of the two is `(n, 1)` and the other `(n,)`.
    """
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)) or outputs.dim() + targets.dim() != 3:  # noqa: PLR2004
        return
    column = outputs if outputs.dim() > targets.dim() else targets
    if column.shape[1] != 1 or (column is targets and outputs.dim() != 1):
        return
    mend = "targets = targets.reshape(-1, 1)" if column is outputs else "targets = targets.reshape(-1)"
    if column is outputs and not targets.is_floating_point():
        mend = f"{mend}.float() for values or yes and no, or a model with one output for each class"
    raise ShapeError(
        f"outputs have shape {tuple(outputs.shape)} but targets {tuple(targets.shape)}, which would be compared "
        f"{len(outputs)} x {len(targets)}: expected the same shape. Mend: {mend}"
    )


def check_labels(outputs: Tensor, targets: Tensor, ignore_index: int | None = None) -> None:
    """Refuse class indices that the model has no output for; waits for the device. What are no classes is passed over.

    Raises:
        DataError: a label below 0 or too large, other than `ignore_index`.
    """
    if outputs.dim() != targets.dim() + 1 or targets.dtype not in (torch.int64, torch.uint8):
        return
    kept = targets if ignore_index is None else targets[targets != ignore_index]
    if not kept.numel():
        return
    low, high, classes = int(kept.min()), int(kept.max()), outputs.shape[1]
    if low < 0 or high >= classes:
        raise DataError(
            f"labels run from {low} to {high} but the model has {classes} outputs: expected labels in "
            f"0..{classes - 1}. Give the model {high + 1} outputs, or renumber the labels from 0"
        )


def _explain(error: Exception, outputs: Any, targets: Any) -> NoReturn:
    """Raise the one-line cause of a loss function's failure where it is known, else the failure itself."""
    if isinstance(error, FourstepError) or not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
        raise error
    try:
        check_labels(outputs, targets)
    except DataError as said:
        raise said from error
    shapes = f"outputs are {_described(outputs)}, targets {_described(targets)}"
    raise DataError(
        f"the loss function refused the batch ({_first_line(error)}): {shapes}. "
        "Class indices must be int64 of shape (batch,), values float32 of the outputs' shape"
    ) from error


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:120].rstrip(". ")
