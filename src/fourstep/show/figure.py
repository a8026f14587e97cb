"""A run's curves as a picture: drawn by matplotlib's objects, without pyplot and its global state."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fourstep.errors import ConfigError
from fourstep.files import atomic_write
from fourstep.history import History
from fourstep.show.best import best_point, judged
from fourstep.show.labels import is_logarithmic, metric_of, number, panels, title

COLOURS = {"train": "tab:blue", "val": "tab:orange", "test": "tab:green"}
STYLES = ("-", "--", ":", "-.")  # of several metrics in one panel
FEW = 30  # points up to which each is marked

# What would make two files of the same picture differ: the time of writing, and random names inside an SVG
UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def figure_of(history: History) -> Figure:
    """The curves, the losses in one panel and the other metrics in another; the best val or test value is marked.

    Args:
        history: one row or more with measured numbers.

    Raises:
        ConfigError: there is nothing to draw.
    """
    groups = panels(history.curves())
    if not groups:
        raise ConfigError(
            "the history holds no measured number: expected one epoch or more before its curves are drawn"
        )
    figure = Figure(figsize=(5 * len(groups), 3.6), layout="constrained")
    for index, (name, curves) in enumerate(groups):
        _draw_panel(figure.add_subplot(1, len(groups), index + 1), history, name, curves)
    return figure


def _draw_panel(axes: Axes, history: History, label: str, curves: Sequence[str]) -> None:
    metrics = list(dict.fromkeys(metric_of(name) for name in curves))
    values: list[float] = []
    for name in curves:
        epochs, points = history.series(name)
        values += filter(math.isfinite, points)
        colour = COLOURS.get(name.partition("/")[0], "tab:gray")
        style = STYLES[metrics.index(metric_of(name)) % len(STYLES)]
        axes.plot(epochs, points, style, color=colour, marker="." if len(points) <= FEW else None, label=title(name))
        if name in judged(curves):
            _mark_best(axes, metric_of(name), epochs, points, colour)
    if is_logarithmic(label, values):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(title(label), parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(visible=True, alpha=0.3)
    for text in axes.legend().get_texts():
        text.set_parse_math(False)  # a name is no formula


def _mark_best(axes: Axes, metric: str, epochs: Sequence[float], points: Sequence[float], colour: str) -> None:
    """Ring the best point of a curve, where it is known what is best."""
    best = best_point(metric, epochs, points)
    if best is not None:
        epoch, value = best
        where = f"best {number(value)} at epoch {epoch:g}"
        axes.plot(epoch, value, "o", color=colour, markersize=9, fillstyle="none", label=where)


def save_figure(figure: Figure, path: str | Path) -> None:
    """Write a picture, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: of matplotlib.
        path: its ending says how: `.svg`, `.png` or `.pdf`.

    Raises:
        ConfigError: another ending.
        DataFileError: the file cannot be written.
    """
    kind = Path(path).suffix.lower().removeprefix(".")
    if kind not in UNDATED:
        raise ConfigError(f"{path} ends in {Path(path).suffix!r}: expected .svg, .png or .pdf")
    # text stays text in an SVG: small, sharp, searchable
    with atomic_write(path) as part, mpl.rc_context({"svg.hashsalt": "fourstep", "svg.fonttype": "none"}):
        figure.savefig(part, format=kind, dpi=150, metadata=UNDATED[kind])
