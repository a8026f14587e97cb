"""What is drawn: lists of points, in the many ways in which they may be given; thinned where they are many."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from fourstep.d2l.counters import Number
from fourstep.errors import ShapeError

FORMATS = ("-", "m--", "g-.", "r:")  # the book's
_MORE_STYLES = ("-", "--", "-.", ":")
BUCKETS = 512  # a picture of the book's size is some 200 pixels wide


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


class ThinnedCurve:
    """The lowest and the highest point of every so many in a row, and the latest ones as they are.

    Up to 1,024 points it is the curve itself; then the buckets become twice as wide.

    Attributes:
        xs: of the points to draw, in their order.
        ys: likewise.

    >>> curve = ThinnedCurve()
    >>> for step in range(5000):
    ...     curve.add(step, step % 7)
    >>> len(curve.xs) < 1100, curve.xs[-1], sorted(set(curve.ys))
    (True, 4999, [0, 6])
    """

    def __init__(self) -> None:
        self.xs: list[Number] = []
        self.ys: list[Number] = []
        self._width = 2  # points in a bucket; a full one keeps two of them
        self._full = 0  # buckets that are full
        self._inside = 0  # points in the one that is not

    def add(self, x: Number, y: Number) -> None:
        """Add a point, in the time that one takes."""
        self.xs.append(x)
        self.ys.append(y)
        self._inside += 1
        start = 2 * self._full
        if len(self.xs) - start > 2:  # noqa: PLR2004 - its lowest, its highest, and the latest
            self._keep_two(start, len(self.xs) - 1)
        if self._inside == self._width:
            self._keep_two(start, len(self.xs))
            self._full, self._inside = self._full + 1, 0
        if self._full == BUCKETS:
            self._halve()

    def _keep_two(self, start: int, end: int) -> None:
        """Of the points from `start` to `end` the lowest and the highest; where all are alike, the first and last."""
        low = min(range(start, end), key=self.ys.__getitem__)
        high = max(range(start, end), key=self.ys.__getitem__)
        two = [start, end - 1] if low == high else sorted((low, high))
        self.xs[start:end] = [self.xs[index] for index in two]
        self.ys[start:end] = [self.ys[index] for index in two]

    def _halve(self) -> None:
        """Make one bucket of every two."""
        for bucket in range(self._full // 2):
            self._keep_two(2 * bucket, 2 * bucket + 4)
        self._full //= 2
        self._width *= 2
