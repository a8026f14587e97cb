"""Curves as lines of braille dots, for a terminal."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import starmap
from typing import TypeAlias

import plotille
from rich.text import Text

from fourstep.show.best import best_point, judged
from fourstep.show.labels import is_logarithmic, metric_of, number, round_ticks, title
from fourstep.show.thinning import Curves

Point: TypeAlias = tuple[float, float]

COLOURS = ("cyan", "magenta", "green", "red", "blue", "yellow")  # legible on dark and on light
MARKERS = "ox+#@%"  # one at a curve's end tells it apart without colour; ASCII is one column wide everywhere
BEST = "*"  # where a curve that tells how good the model is was best
LARGEST, SMALLEST = 1e100, 1e-100  # beyond these, what is computed of values would overflow
BUCKETS = 128  # per curve: with two points each more than the dots that a panel is wide
GUTTER = 5  # columns for the labels left of the axis, at least; "epoch" fits


def draw_panel(panel: str, curves: Curves, *, epochs: tuple[float, float], width: int, height: int) -> list[Text]:
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
    drawn = {name: list(starmap(_point, zip(curve.xs, curve.ys, strict=True))) for name, curve in curves.items()}
    values = [value for points in drawn.values() for _, value in points]
    logarithmic = is_logarithmic(panel, values)
    if logarithmic:
        drawn = {name: [(epoch, math.log10(value)) for epoch, value in points] for name, points in drawn.items()}
        values = [math.log10(value) for value in values]
    low, high = _spread(values)
    best = [
        point
        for name in judged(list(curves))
        if (point := best_point(metric_of(name), *_columns(drawn[name]))) is not None
    ]
    ticks = [tick for tick in round_ticks(low, high, most=max(5, height // 2)) if not logarithmic or tick == int(tick)]
    labels = [f"{10**tick:.4g}" if logarithmic else f"{tick:.6g}" for tick in ticks]
    gutter = max(GUTTER, *map(len, labels))
    inner = width - gutter - 1
    rows = _dots(drawn, best, epochs, (low, high), inner, height)
    at_row = {
        int((tick - low) / (high - low) * (height - 0.01)): label for tick, label in zip(ticks, labels, strict=True)
    }
    left = [
        Text(f"{at_row[row]:>{gutter}}┤" if row in at_row else " " * gutter + "│", "dim")
        for row in reversed(range(height))
    ]
    lines = legend(curves, width) + [Text.assemble(*pair) for pair in zip(left, rows, strict=True)]
    lines += [Text(line, "dim") for line in _epoch_axis(epochs, gutter, inner)]
    for line in lines:
        line.truncate(width, pad=True)
    return lines


def _point(x: float, y: float) -> Point:
    return x, max(-LARGEST, min(y, LARGEST))


def _columns(points: list[Point]) -> tuple[list[float], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _spread(values: Sequence[float]) -> tuple[float, float]:
    """The values' range, widened where it is too narrow for an axis."""
    low, high = min(values, default=0.0), max(values, default=1.0)
    size = max(abs(low), abs(high))
    if high - low > max(1e-4 * size, SMALLEST):
        return low, high
    margin = 0.1 * size if size > SMALLEST else 1.0
    return low - margin, high + margin


def _dots(
    drawn: Mapping[str, list[Point]],
    best: Sequence[Point],
    epochs: tuple[float, float],
    values: tuple[float, float],
    width: int,
    height: int,
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
            for marked in best:
                if marked in points:
                    figure.text(*([part] for part in marked), [BEST], lc=colour)
            figure.text(*([part] for part in points[-1]), [MARKERS[index % len(MARKERS)]], lc=colour)
    # some fonts draw the blank pattern as empty rings
    rows = figure.show().replace("\N{BRAILLE PATTERN BLANK}", " ").split("\n")
    return [Text.from_ansi(row) for row in rows]


def _limits(low: float, high: float, dots: int) -> tuple[float, float]:
    """The limits for plotille that put `low` on the first dot and `high` on the last: it leaves out the upper limit."""
    return low, high + (high - low) / (dots - 1)


def legend(curves: Curves, width: int) -> list[Text]:
    """Each curve's marker, name, last value and, where it is known what is good, best: as many on a line as fit."""
    lines, best = [Text()], judged(list(curves))
    for index, (name, curve) in enumerate(curves.items()):
        colour = COLOURS[index % len(COLOURS)]
        value = f" {number(curve.ys[-1])}" if curve.ys else ""
        entries = [Text(f"{MARKERS[index % len(MARKERS)]} {title(name)}{value}", colour)]
        point = best_point(metric_of(name), curve.xs, curve.ys) if name in best else None
        if point is not None:
            entries.append(Text(f"{BEST} best {number(point[1])}", colour))
        for entry in entries:
            if lines[-1] and lines[-1].cell_len + 2 + entry.cell_len > width:
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
