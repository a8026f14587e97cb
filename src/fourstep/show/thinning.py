"""Curves of any length with as many points as a picture can show."""

import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

Number: TypeAlias = float | int  # the tests check annotations by beartype, to which an int is no float
BUCKETS = 512  # a panel is some 700 pixels wide, a browser's window a thousand


class ThinnedCurve:
    """The lowest and the highest point of every so many in a row, and the latest ones as they are.

    Up to twice `buckets` points it is the curve itself; then the buckets become twice as wide.

    Args:
        buckets: half of how many points there are at most.

    Attributes:
        xs: of the points to draw, in their order.
        ys: likewise.

    >>> curve = ThinnedCurve()
    >>> for step in range(5000):
    ...     curve.add(step, step % 7)
    >>> len(curve.xs) < 1100, curve.xs[-1], sorted(set(curve.ys))
    (True, 4999, [0, 6])
    """

    def __init__(self, buckets: int = BUCKETS) -> None:
        self.xs: list[Number] = []
        self.ys: list[Number] = []
        self._buckets = buckets
        self._width = 2  # points in a bucket; a full one keeps two of them
        self._full = 0  # buckets that are full
        self._inside = 0  # points in the one that is not
        self._is_guest = False  # the last point, which its full bucket would not keep

    def add(self, x: Number, y: Number) -> None:
        """Add a point, in the time that one takes."""
        if self._is_guest:
            del self.xs[-1], self.ys[-1]
        self.xs.append(x)
        self.ys.append(y)
        self._inside += 1
        start = 2 * self._full
        if len(self.xs) - start > 2:  # noqa: PLR2004 - its lowest, its highest, and the latest
            self._keep_two(start, len(self.xs) - 1)
        if self._inside == self._width:
            self._keep_two(start, len(self.xs))
            self._full, self._inside = self._full + 1, 0
        if self._full == self._buckets:
            self._halve()
        self._is_guest = (self.xs[-1], self.ys[-1]) != (x, y)
        if self._is_guest:
            self.xs.append(x)
            self.ys.append(y)

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


Curves: TypeAlias = dict[str, ThinnedCurve]  # by their names, `split/metric`


def add_row(curves: Curves, row: Mapping[str, float], buckets: int = BUCKETS) -> None:
    """Add a row of a history to its curves; what is not finite cannot be drawn and is left out."""
    for name, value in row.items():
        if "/" in name:
            curve = curves.get(name)
            if curve is None:
                curve = curves[name] = ThinnedCurve(buckets)
            if math.isfinite(value) and math.isfinite(row["epoch"]):
                curve.add(row["epoch"], value)


def curves_of(rows: Iterable[Mapping[str, float]]) -> Curves:
    """The curves of a history."""
    curves: Curves = {}
    for row in rows:
        add_row(curves, row)
    return curves
