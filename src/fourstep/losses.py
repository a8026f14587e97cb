"""What the number that a loss function returns stands for, so that it can be added up exactly.

torch's losses return a mean over items, a sum over items, or one value per item. Everything here turns these into the
same two facts: the mean, and how many items it is the mean of.
"""

from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

import torch
from torch import Tensor, nn

from fourstep.errors import DataError, FourstepError, ShapeError

LossFn: TypeAlias = Callable[[Any, Any], Tensor]

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
    while not isinstance(targets, Tensor):
        targets = next(iter(targets.values() if isinstance(targets, dict) else targets))
    if not isinstance(loss_fn, nn.CrossEntropyLoss | nn.NLLLoss):
        return targets.numel()
    if targets.is_floating_point():  # class probabilities: the classes are along dimension 1
        return targets.numel() // targets.shape[1]
    kept = targets != loss_fn.ignore_index
    if loss_fn.weight is None:
        return kept.sum()
    return (loss_fn.weight[targets.where(kept, 0)] * kept).sum()


def sums_items(loss: Tensor, loss_fn: LossFn | None = None) -> bool:
    """Is this scalar the sum over its items, and not their mean?

    A loss module says so itself (`reduction`). A plain function's result is known by the operation that made it:
    torch's documented `grad_fn._saved_*` attributes. A scalar without history counts as a mean.
    """
    reduction = getattr(loss_fn, "reduction", None)
    if reduction is not None:
        return bool(reduction == "sum")
    made_by: Any = loss.grad_fn
    if made_by is None or loss.dim() > 0:
        return False
    if made_by.name() == "SumBackward0":
        # `stack([loss_a, loss_b]).sum()` adds up means, and is none over items
        summed = made_by._saved_self_sym_sizes  # noqa: SLF001 - documented: pytorch.org/docs/stable/notes/autograd.html
        return not _is_few_losses(made_by, summed)
    return getattr(made_by, "_saved_reduction", None) == _SUM


def _is_few_losses(made_by: Any, summed: tuple[int, ...]) -> bool:
    """Was `torch.stack` of scalars what was summed?"""
    source = made_by.next_functions[0][0]
    return len(summed) == 1 and source is not None and source.name() == "StackBackward0"


def returns_sum(loss_fn: LossFn, outputs: Any, targets: Any) -> bool:
    """Does `loss_fn` sum over its items? A plain function is tried once, for where nothing is differentiated."""
    if hasattr(loss_fn, "reduction") or not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
        return sums_items(torch.tensor(0.0), loss_fn)
    with torch.inference_mode(mode=False), torch.enable_grad():
        return sums_items(loss_fn(outputs.clone().requires_grad_(), targets.clone()))


def mean_loss(loss: Tensor, items: int | Tensor, *, is_sum: bool) -> Tensor:
    """The mean per item, a scalar, of a loss of any reduction."""
    if loss.dim() > 0:
        return loss.mean() if isinstance(items, int) else loss.sum() / items
    return loss / items if is_sum else loss


def measure_loss(
    loss_fn: LossFn, outputs: Any, targets: Any, items: int | Tensor, total_items: int | Tensor
) -> tuple[Tensor, Tensor]:
    """A micro-batch's loss in its two roles.

    Args:
        loss_fn: of any reduction.
        outputs: the model's answer.
        targets: the truth.
        items: `count_items` of this micro-batch.
        total_items: of all micro-batches of the update; the same object where there is one.

    Returns:
        The scalar to differentiate (this micro-batch's share of the update's loss; a sum stays a sum), and the mean per
        item.

    Raises:
        ShapeError, DataError: outputs and targets do not belong together.
    """
    loss = call_loss(loss_fn, outputs, targets)
    is_sum = sums_items(loss, loss_fn)
    mean = mean_loss(loss, items, is_sum=is_sum)
    if is_sum:
        return loss, mean
    return (mean if total_items is items else mean * (items / total_items)), mean


def call_loss(loss_fn: LossFn, outputs: Any, targets: Any) -> Tensor:
    """`loss_fn(outputs, targets)`, with a mistake in the shapes or labels explained in one line.

    Raises:
        ShapeError: `(n, 1)` against `(n,)`, which torch would broadcast to n x n.
        DataError: labels that are no class, or of the wrong type.
    """
    check_shapes(outputs, targets)
    try:
        loss = loss_fn(outputs, targets)
    except (IndexError, RuntimeError, ValueError) as error:
        _explain(error, outputs, targets)
    if not isinstance(loss, Tensor):
        raise DataError(
            f"the loss function returned a {type(loss).__name__}: expected a tensor, as torch's losses return"
        )
    return loss


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
    raise ShapeError(
        f"outputs have shape {tuple(outputs.shape)} but targets {tuple(targets.shape)}, which would be compared "
        f"{len(outputs)} x {len(targets)}: expected the same shape. Mend: {mend}"
    )


def _explain(error: Exception, outputs: Any, targets: Any) -> NoReturn:
    """Raise the one-line cause of a loss function's failure where it is known, else the failure itself."""
    if isinstance(error, FourstepError) or not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
        raise error
    classes = outputs.shape[1] if outputs.dim() > 1 else 0
    if targets.dtype in (torch.int64, torch.uint8) and classes and targets.numel():
        low, high = int(targets.min()), int(targets.max())
        if low < 0 or high >= classes:
            raise DataError(
                f"labels run from {low} to {high} but the model has {classes} outputs: expected labels in "
                f"0..{classes - 1}. Give the model {high + 1} outputs, or renumber the labels from 0"
            ) from error
    shapes = f"outputs are {_described(outputs)}, targets {_described(targets)}"
    raise DataError(
        f"the loss function refused the batch ({_first_line(error)}): {shapes}. "
        "Class indices must be int64 of shape (batch,), values float32 of the outputs' shape"
    ) from error


def _described(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", maxsplit=1)[0][:120].rstrip(". ")
