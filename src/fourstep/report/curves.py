"""Curves as the page's script takes them: few points, few digits, no number that JSON lacks."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fourstep.show.best import best_point, judged
from fourstep.show.labels import is_logarithmic, metric_of, panels, title
from fourstep.show.thinning import Curves, ThinnedCurve

DIGITS = 6  # of a number on the page
LARGEST, LATEST = 1e100, 1e12  # values and epochs beyond which a script's numbers overflow, or stand still
COLOURS = {"train": 0, "val": 1, "test": 2}  # of a single run, by split; a style sheet has eight
NUM_COLOURS = 8
DASHES = {"train": "2 4", "val": "", "test": ""}  # where the colour tells runs apart


class Summary(NamedTuple):
    """The last number of a curve, and its best, each with its epoch; None where it has none."""

    last: tuple[float, float]
    best: tuple[float, float] | None


def summarise(name: str, curve: ThinnedCurve) -> Summary:
    """The last and the best of a curve that has a point."""
    return Summary((curve.xs[-1], curve.ys[-1]), best_point(metric_of(name), curve.xs, curve.ys))


def last_values(rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """The last number of each curve of a history, also where it is NaN and cannot be drawn."""
    return {name: value for row in rows for name, value in row.items() if "/" in name}


def drawable(curves: Curves) -> Curves:
    """The curves that have a point."""
    return {name: curve for name, curve in curves.items() if curve.xs}


def charts_of(curves: Curves, epochs: float) -> list[dict[str, Any]]:
    """The charts of one run: losses in one, other metrics in another; a colour per split.

    Args:
        curves: of the run; each has a point.
        epochs: where the horizontal axis ends at least.
    """
    marked = judged(list(curves))
    return [
        _chart(
            panel,
            [
                _curve(
                    name, curves[name], title(name), _colour(name), _dash_of_metric(name, names), marks=name in marked
                )
                for name in names
            ],
            epochs,
        )
        for panel, names in panels(curves)
    ]


def compared_charts(runs: Iterable[tuple[str, Curves]]) -> list[dict[str, Any]]:
    """The charts of several runs: one per metric, a colour per run, a dash per split.

    Args:
        runs: the name and the curves of each.
    """
    charts: dict[str, list[dict[str, Any]]] = {}
    for number, (run, curves) in enumerate(runs):
        marked = judged(list(curves))
        for name, curve in curves.items():
            split, _, metric = name.partition("/")
            label, dash = f"{run}: {title(name)}", DASHES.get(split, "6 3")
            drawn = _curve(name, curve, label, number % NUM_COLOURS, dash, marks=name in marked)
            charts.setdefault(metric, []).append(drawn)
    return [_chart(metric, drawn, 0.0) for metric, drawn in charts.items()]


def _chart(panel: str, drawn: list[dict[str, Any]], epochs: float) -> dict[str, Any]:
    values = [y for curve in drawn for y in curve["y"]]
    places = [x for curve in drawn for x in curve["x"]]
    first = float(math.floor(min(places)))
    last = max(*places, epochs)
    return {
        "title": title(panel),
        "log": is_logarithmic(panel, values),
        "x": [min(first, last - 1), last],
        "curves": drawn,
    }


def _curve(name: str, curve: ThinnedCurve, label: str, colour: int, dash: str, *, marks: bool) -> dict[str, Any]:
    best = summarise(name, curve).best if marks else None
    return {
        "name": label,
        "colour": colour,
        "dash": dash,
        "x": [_short(x, LATEST) for x in curve.xs],
        "y": [_short(y) for y in curve.ys],
        "best": None if best is None else [_short(best[0], LATEST), _short(best[1])],
    }


def _colour(name: str) -> int:
    return COLOURS.get(name.partition("/")[0], 3)


def _dash_of_metric(name: str, names: list[str]) -> str:
    metrics = list(dict.fromkeys(map(metric_of, names)))
    return ("", "6 3", "2 3", "8 3 2 3")[metrics.index(metric_of(name)) % 4]


def _short(value: float, largest: float = LARGEST) -> float:
    return float(f"{max(-largest, min(value, largest)):.{DIGITS}g}")
