"""Curves as the page's script takes them: few points, few digits, no number that JSON lacks."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from fourstep.history import History
from fourstep.show.best import best_point, judged
from fourstep.show.labels import is_logarithmic, metric_of, panels, title
from fourstep.show.thinning import ThinnedCurve

DIGITS = 6  # of a number on the page
COLOURS = {"train": 0, "val": 1, "test": 2}  # of a single run, by split; a style sheet has eight
NUM_COLOURS = 8
DASHES = {"train": "2 4", "val": "", "test": ""}  # where the colour tells runs apart


class Summary(NamedTuple):
    """The last number of a curve, and its best, each with its epoch; None where it has none."""

    last: tuple[float, float]
    best: tuple[float, float] | None


class ThinnedCurves:
    """A run's curves, thinned as its rows come."""

    def __init__(self) -> None:
        self._thinned: dict[str, ThinnedCurve] = {}
        self._last: dict[str, tuple[float, float]] = {}

    @classmethod
    def of(cls, history: History) -> "ThinnedCurves":
        """The curves of a history."""
        curves = cls()
        for row in history:
            curves.add(row)
        return curves

    def add(self, row: Mapping[str, float]) -> None:
        """Add a row's numbers; one that is not finite cannot be drawn and is left out."""
        for name, value in row.items():
            if "/" in name and math.isfinite(value) and math.isfinite(row["epoch"]):
                self._thinned.setdefault(name, ThinnedCurve()).add(row["epoch"], value)
                self._last[name] = row["epoch"], value

    @property
    def names(self) -> list[str]:
        """Of the curves, `split/metric`, in the order of their first numbers."""
        return list(self._thinned)

    def points(self, name: str) -> tuple[list[float], list[float]]:
        """What is drawn of a curve, its last point too."""
        curve, last = self._thinned[name], self._last[name]
        missing = [] if curve.xs[-1] == last[0] else [last]
        return [*curve.xs, *(x for x, _ in missing)], [*curve.ys, *(y for _, y in missing)]

    def summary(self, name: str) -> Summary:
        """The last and the best of a curve."""
        return Summary(self._last[name], best_point(metric_of(name), *self.points(name)))


def charts_of(curves: ThinnedCurves, epochs: float) -> list[dict[str, Any]]:
    """The charts of one run: losses in one, other metrics in another; a colour per split.

    Args:
        curves: of the run.
        epochs: where the horizontal axis ends at least.
    """
    marked = judged(curves.names)
    return [
        _chart(
            panel,
            [
                _curve(curves, name, title(name), _colour(name), _dash_of_metric(name, names), marks=name in marked)
                for name in names
            ],
            epochs,
        )
        for panel, names in panels(curves.names)
    ]


def compared_charts(runs: Iterable[tuple[str, ThinnedCurves]]) -> list[dict[str, Any]]:
    """The charts of several runs: one per metric, a colour per run, a dash per split.

    Args:
        runs: the name and the curves of each.
    """
    charts: dict[str, list[dict[str, Any]]] = {}
    for number, (run, curves) in enumerate(runs):
        marked = judged(curves.names)
        for name in curves.names:
            split, _, metric = name.partition("/")
            label, dash = f"{run}: {title(name)}", DASHES.get(split, "6 3")
            drawn = _curve(curves, name, label, number % NUM_COLOURS, dash, marks=name in marked)
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


def _curve(curves: ThinnedCurves, name: str, label: str, colour: int, dash: str, *, marks: bool) -> dict[str, Any]:
    xs, ys = curves.points(name)
    best = curves.summary(name).best if marks else None
    return {
        "name": label,
        "colour": colour,
        "dash": dash,
        "x": [_short(x) for x in xs],
        "y": [_short(y) for y in ys],
        "best": None if best is None else [_short(part) for part in best],
    }


def _colour(name: str) -> int:
    return COLOURS.get(name.partition("/")[0], 3)


def _dash_of_metric(name: str, names: list[str]) -> str:
    metrics = list(dict.fromkeys(map(metric_of, names)))
    return ("", "6 3", "2 3", "8 3 2 3")[metrics.index(metric_of(name)) % 4]


def _short(value: float) -> float:
    return float(f"{value:.{DIGITS}g}")
