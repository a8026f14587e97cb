"""What is drawn: lists of points, in the many ways in which they may be given."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from fourstep.errors import ShapeError

FORMATS = ("-", "m--", "g-.", "r:")  # the book's
_MORE_STYLES = ("-", "--", "-.", ":")


def format_of(fmts: Sequence[str], number: int) -> str:
    """The format, matplotlib's, of a curve, of which there may be more than formats."""
    return fmts[number] if number < len(fmts) else f"C{number % 10}{_MORE_STYLES[number % len(_MORE_STYLES)]}"


def is_list(values: Any) -> bool:
    """Does this hold numbers, and is not one itself? Tensors and arrays without dimensions are numbers."""
    return hasattr(values, "__len__") and getattr(values, "ndim", 1) > 0


def as_list(values: Any) -> list[Any]:
    """Numbers as a list; a single one as a list of it."""
    return list(values) if is_list(values) else [values]


def as_curves(xs: Any, ys: Any) -> list[tuple[Any, ...]]:
    """The points of each curve, as `(y,)` or `(x, y)`; see `plot`.

    Raises:
        ShapeError: a curve's x and y differ in length, or there are not as many x as y.
    """
    if ys is None:
        return [(curve,) for curve in _as_lists(xs)]
    many_x, many_y = _as_lists(xs), _as_lists(ys)
    many_x = many_x * len(many_y) if len(many_x) == 1 else many_x
    if len(many_x) != len(many_y):
        raise ShapeError(f"X holds {len(many_x)} curves but Y {len(many_y)}: expected one x for all, or one for each")
    for number, (x, y) in enumerate(zip(many_x, many_y, strict=True), start=1):
        if len(x) and len(x) != len(y):
            raise ShapeError(f"curve {number} has {len(x)} x but {len(y)} y: expected as many")
    return [(x, y) if len(x) else (y,) for x, y in zip(many_x, many_y, strict=True)]


def _as_lists(values: Any) -> list[Any]:
    """One list of numbers, or several, as a list of them; tensors without gradients and from any device."""
    values = _as_array(values)
    if not is_list(values):
        return [[values]]
    return [_as_array(curve) for curve in values] if len(values) and is_list(values[0]) else [values]


def _as_array(values: Any) -> Any:
    if isinstance(values, Tensor):
        values = values.detach().cpu()
        return (values.float() if values.is_floating_point() else values).numpy()  # numpy knows no bfloat16
    if isinstance(values, list | tuple) and any(isinstance(value, Tensor) and not value.dim() for value in values):
        return np.array([float(value) for value in values])
    if hasattr(values, "__array__"):  # a column of a table, whose [0] need not be its first
        return np.asarray(values)
    return values if isinstance(values, list | tuple) or not isinstance(values, Iterable) else list(values)
