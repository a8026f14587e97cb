"""Which loss it is, as far as that can be told, and what it would be for a model that knows nothing.

Sources: a uniform guess over K classes has cross-entropy ln K, by its definition; the constant with the least squared
error is the mean, and the error is then the variance.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

LossKind: TypeAlias = Literal["cross_entropy", "nll", "bce", "bce_logits", "mse"]

_MODULES: dict[type, LossKind] = {
    nn.CrossEntropyLoss: "cross_entropy",
    nn.NLLLoss: "nll",
    nn.BCELoss: "bce",
    nn.BCEWithLogitsLoss: "bce_logits",
    nn.MSELoss: "mse",
}
_FUNCTIONS: dict[Any, LossKind] = {
    functional.cross_entropy: "cross_entropy",
    functional.nll_loss: "nll",
    functional.binary_cross_entropy: "bce",
    functional.binary_cross_entropy_with_logits: "bce_logits",
    functional.mse_loss: "mse",
}
_NODES: dict[str, LossKind] = {
    "NllLossBackward0": "nll",
    "NllLoss2DBackward0": "nll",
    "BinaryCrossEntropyBackward0": "bce",
    "BinaryCrossEntropyWithLogitsBackward0": "bce_logits",
    "MseLossBackward0": "mse",
}
# nodes of torch's record of a computation that move values and do not change them
_MOVES = ("View", "Reshape", "Permute", "Transpose", "TBackward", "Squeeze", "Unsqueeze", "Clone", "ToCopy", "Alias")
MOST_BEHIND = 30  # operations that are looked through for the loss
_MEAN = 1  # torch's code for reduction="mean" in `grad_fn._saved_reduction` (aten/src/ATen/core/Reduction.h)


@dataclass(frozen=True, kw_only=True)
class Chance:
    """The loss of a model that knows nothing.

    Attributes:
        value: that loss.
        kind: of which loss.
        classes: K, of cross-entropy over classes; else 0.
    """

    value: float
    kind: LossKind
    classes: int


def kind_of_loss(loss_fn: Any, loss: Tensor, outputs: Any) -> LossKind | None:
    """Which loss it is: by the function itself, else by what torch has recorded of it; None where it is another."""
    known = _MODULES.get(type(loss_fn)) if isinstance(loss_fn, nn.Module) else _of_function(loss_fn)
    if known is not None or not isinstance(outputs, Tensor):
        return known
    node = _find(loss.grad_fn, outputs.grad_fn)
    kind = None if node is None else _NODES[node.name()]
    if node is None or kind != "nll":
        return kind
    inner = _skip_moves(node.next_functions[0][0], outputs.grad_fn)
    is_own = inner is not None and inner is not outputs.grad_fn and inner.name() == "LogSoftmaxBackward0"
    return "cross_entropy" if is_own else "nll"


def _of_function(loss_fn: Any) -> LossKind | None:
    """By identity, as an object of the user's own need not be hashable."""
    return next((kind for function, kind in _FUNCTIONS.items() if function is loss_fn), None)


def _find(last: Any, end: Any) -> Any:
    """The first known loss behind what was done to it, such as a penalty that was added; None where there is none."""
    waiting = [last]
    for _ in range(MOST_BEHIND):
        node = waiting.pop(0) if waiting else None
        if node is None or node.name() in _NODES:
            return node
        waiting += [before for before, _ in node.next_functions if before is not None and before is not end]
    return None


def last_function(outputs: Tensor) -> str:
    """The name of what the outputs come from, as torch records it: `"SoftmaxBackward0"`; empty where nothing is."""
    node = _skip_moves(outputs.grad_fn, None)
    return "" if node is None else str(node.name())


def _skip_moves(node: Any, end: Any) -> Any:
    while node is not None and node is not end and any(move in node.name() for move in _MOVES):
        node = node.next_functions[0][0] if node.next_functions else None
    return node


def chance_of(kind: LossKind | None, loss_fn: Any, loss: Tensor, outputs: Any, targets: Any) -> Chance | None:
    """The loss of a uniform guess over the classes, or of always answering the mean; None where it is not known."""
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)) or kind is None or not _is_mean(loss_fn, loss):
        return None
    weighted = any(getattr(loss_fn, name, None) is not None for name in ("weight", "pos_weight"))
    if kind in ("cross_entropy", "nll"):
        classes = outputs.shape[1] if outputs.dim() > 1 else outputs.shape[0]
        return Chance(value=math.log(classes), kind=kind, classes=classes) if not targets.is_floating_point() else None
    if kind in ("bce", "bce_logits"):
        return None if weighted else Chance(value=math.log(2), kind=kind, classes=2)
    truth = targets.detach().to(torch.float32)
    if not truth.dim() or len(truth) < 2:  # noqa: PLR2004 - the variance of one is 0
        return None
    return Chance(value=float(truth.var(0, correction=0).mean()), kind=kind, classes=0)


def _is_mean(loss_fn: Any, loss: Tensor) -> bool:
    """Is the number that loss, a mean over the items, and nothing else?"""
    if isinstance(loss_fn, nn.Module) and type(loss_fn) in _MODULES:
        return getattr(loss_fn, "reduction", "mean") == "mean"
    node = loss.grad_fn
    is_itself = node is not None and (_of_function(loss_fn) is not None or node.name() in _NODES)
    return is_itself and getattr(node, "_saved_reduction", _MEAN) == _MEAN


def lowest_of_bounded(classes: int) -> float:
    """The least cross-entropy that outputs in 0..1 can reach: 1 for the right one of K classes, 0 for the others.

    >>> round(lowest_of_bounded(10), 3)
    1.461
    """
    return math.log(1 + (classes - 1) / math.e)
