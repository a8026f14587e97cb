"""Curves as lines of braille dots, for a terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import plotille
from rich.text import Text

from fourstep.show.labels import is_logarithmic, number, round_ticks, title

Point: TypeAlias = tuple[float, float]

COLOURS = ("cyan", "magenta", "green", "red", "blue", "yellow")  # legible on dark and on light
MARKERS = "ox+*#@"  # one at a curve's end tells it apart without colour; ASCII is one column wide everywhere
LARGEST, SMALLEST = 1e100, 1e-100  # beyond these, what is computed of values would overflow
BUCKETS = 256  # per curve: more than the dots that a panel is wide
GUTTER = 5  # columns for the labels left of the axis, at least; "epoch" fits


class Curve:
    """A curve's points, thinned as they come: the lowest and the highest of every 1/256 of the run.

    Args:
        num_epochs: where the run ends.
    """

    def __init__(self, num_epochs: int) -> None:
        self.last: Point | None = None
        self._num_epochs = num_epochs
        self._buckets: dict[int, tuple[Point, Point]] = {}

    def add(self, epoch: float, value: float) -> None:
        """Add a point; one that is not finite cannot be drawn and is left out."""
        if not math.isfinite(value):
            return
        self.last = point = epoch, max(-LARGEST, min(value, LARGEST))
        key = int(epoch / self._num_epochs * BUCKETS)
        low, high = self._buckets.get(key, (point, point))
        self._buckets[key] = min(low, point, key=_value), max(high, point, key=_value)

    def points(self) -> list[Point]:
        """In the order of epochs."""
        return sorted({point for pair in self._buckets.values() for point in pair})


def _value(point: Point) -> float:
    return point[1]


def draw_panel(
    panel: str, curves: Mapping[str, Curve], *, epochs: tuple[float, float], width: int, height: int
) -> list[Text]:
    """A legend, the curves, and axes with a few round numbers.

    Args:
        panel: the title of the panel; the legend says it already.
        curves: name -> points, `split/metric`; one or more.
        epochs: where the horizontal axis begins and ends.
        width: of the whole, in columns, 20 or more.
        height: of the curves alone, in lines, 4 or more.

    Returns:
        Lines of exactly `width` columns.
    """
    drawn = {name: curve.points() for name, curve in curves.items()}
    values = [value for points in drawn.values() for _, value in points]
    logarithmic = is_logarithmic(panel, values)
    if logarithmic:
        drawn = {name: [(epoch, math.log10(value)) for epoch, value in points] for name, points in drawn.items()}
        values = [math.log10(value) for value in values]
    low, high = _spread(values)
    ticks = [tick for tick in round_ticks(low, high, most=max(5, height // 2)) if not logarithmic or tick == int(tick)]
    labels = [f"{10**tick:.4g}" if logarithmic else f"{tick:.6g}" for tick in ticks]
    gutter = max(GUTTER, *map(len, labels))
    inner = width - gutter - 1
    rows = _dots(drawn, epochs, (low, high), inner, height)
    at_row = {
        int((tick - low) / (high - low) * (height - 0.01)): label for tick, label in zip(ticks, labels, strict=True)
    }
    left = [
        Text(f"{at_row[row]:>{gutter}}┤" if row in at_row else " " * gutter + "│", "dim")
        for row in reversed(range(height))
    ]
    lines = _legend(curves, width) + [Text.assemble(*pair) for pair in zip(left, rows, strict=True)]
    lines += [Text(line, "dim") for line in _epoch_axis(epochs, gutter, inner)]
    for line in lines:
        line.truncate(width, pad=True)
    return lines


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """The values' range, widened where it is too narrow for an axis."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    size = max(abs(low), abs(high))
    if high - low > max(1e-4 * size, SMALLEST):
        return low, high
    margin = 0.1 * size if size > SMALLEST else 1.0
    return low - margin, high + margin


def _dots(
    drawn: Mapping[str, list[Point]], epochs: tuple[float, float], values: tuple[float, float], width: int, height: int
) -> list[Text]:
    """The curves alone, each with its marker at the end; a character is 2 dots wide and 4 high."""
    figure = plotille.Figure()
    figure.width, figure.height, figure.linesep = width, height, "\n"
    figure.with_x_axis = figure.with_y_axis = figure.origin = False
    figure.set_x_limits(*_limits(*epochs, dots=2 * width))
    figure.set_y_limits(*_limits(*values, dots=4 * height))
    for index, points in enumerate(drawn.values()):
        if points:
            colour = COLOURS[index % len(COLOURS)]
            figure.plot(*zip(*points, strict=True), lc=colour)
            figure.text(*([part] for part in points[-1]), [MARKERS[index % len(MARKERS)]], lc=colour)
    # some fonts draw the blank pattern as empty rings
    rows = figure.show().replace("\N{BRAILLE PATTERN BLANK}", " ").split("\n")
    return [Text.from_ansi(row) for row in rows]


def _limits(low: float, high: float, dots: int) -> tuple[float, float]:
    """The limits for plotille that put `low` on the first dot and `high` on the last: it leaves out the upper limit."""
    return low, high + (high - low) / (dots - 1)


def _legend(curves: Mapping[str, Curve], width: int) -> list[Text]:
    """Each curve's marker, name and last value, as many on a line as fit."""
    lines = [Text()]
    for index, (name, curve) in enumerate(curves.items()):
        value = "" if curve.last is None else f" {number(curve.last[1])}"
        entry = Text(f"{MARKERS[index % len(MARKERS)]} {title(name)}{value}", COLOURS[index % len(COLOURS)])
        if lines[-1] and len(lines[-1]) + 2 + len(entry) > width:
            lines.append(Text())
        lines[-1].append("  " if lines[-1] else "").append_text(entry)
    return lines


def _epoch_axis(epochs: tuple[float, float], gutter: int, width: int) -> Iterable[str]:
    """The horizontal axis and, below, the numbers of some epochs."""
    first, last = epochs
    step = max(1, round(round_ticks(0.0, last - first, max(5, width // 6))[1]))
    marks = [epoch for epoch in range(math.ceil(first), int(last) + 1) if epoch % step == 0 or epoch == last]
    axis, below = ["─"] * width, [" "] * (width + 1)
    for epoch in reversed(marks):  # the last epoch's number is the one to keep
        label = str(epoch)
        column = round((epoch - first) / (last - first) * (width - 1))
        start = min(column - len(label) // 2, width - len(label)) + 1
        if start >= 0 and not "".join(below[max(start - 1, 0) : start + len(label) + 1]).strip():
            axis[column] = "┬"
            below[start : start + len(label)] = label
    return f"{' ' * gutter}└{''.join(axis)}", f"{'epoch':>{gutter}}{''.join(below)}"
