"""A run's curves as a picture: drawn by matplotlib's objects, without pyplot and its global state."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fourstep.errors import ConfigError
from fourstep.files import atomic_write
from fourstep.history import CLEAN, History
from fourstep.show.best import best_point, judged
from fourstep.show.fonts import with_fallbacks
from fourstep.show.labels import is_logarithmic, metric_of, number, panels, title
from fourstep.show.thinning import Curves, ThinnedCurve, curves_of

COLOURS = {"train": "tab:blue", CLEAN: "tab:purple", "val": "tab:orange", "test": "tab:green"}
STYLES = ("-", "--", ":", "-.")  # of several metrics in one panel
FEW = 30  # points up to which each is marked
PANEL = 5.0, 3.6  # inches
MARGINS = {"left": 0.72, "right": 0.12, "bottom": 0.52, "top": 0.16}  # inches; to compute them would double the time

# What would make two files of the same picture differ: the time of writing, and random names inside an SVG
UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}


def figure_of(history: History, *, lr: bool = False) -> Figure:
    """A history's curves: see `draw_figure`.

    Args:
        history: one row or more with measured numbers.
        lr: draw the learning rate too, in a panel of its own.

    Raises:
        ConfigError: there is nothing to draw.
    """
    curves = curves_of(history)
    if not curves:
        raise ConfigError(
            "the history holds no measured number: expected one epoch or more before its curves are drawn"
        )
    rates = ThinnedCurve()
    for row in history if lr else ():
        if "lr" in row:
            rates.add(row["epoch"], row["lr"])
    if lr and not rates.xs:
        raise ConfigError(
            "the history holds no lr: its optimizer has none that is a number, or an older version wrote it"
        )
    return draw_figure({**curves, "lr": rates} if lr else curves)


def draw_figure(curves: Curves) -> Figure:
    """The losses in one panel, the other metrics in another, and `lr` in a third; the best val or test is marked.

    Args:
        curves: one or more.
    """
    groups = panels(name for name in curves if "/" in name) + ([("lr", ["lr"])] if "lr" in curves else [])
    width, height = PANEL[0] * len(groups), PANEL[1]
    figure = Figure(figsize=(width, height))
    for index, (label, names) in enumerate(groups):
        left = PANEL[0] * index + MARGINS["left"]
        inner = PANEL[0] - MARGINS["left"] - MARGINS["right"], height - MARGINS["bottom"] - MARGINS["top"]
        place = (left / width, MARGINS["bottom"] / height, inner[0] / width, inner[1] / height)
        _draw_panel(figure.add_axes(place), label, {name: curves[name] for name in names})
    return figure


def _draw_panel(axes: Axes, label: str, curves: Curves) -> None:
    metrics = list(dict.fromkeys(map(metric_of, curves)))
    best = judged(list(curves))
    for name, curve in curves.items():
        colour = COLOURS.get(name.partition("/")[0], "tab:gray")
        style = STYLES[metrics.index(metric_of(name)) % len(STYLES)]
        marker = "." if len(curve.xs) <= FEW else None
        axes.plot(curve.xs, curve.ys, style, color=colour, marker=marker, label=title(name))
        if name in best:
            _mark_best(axes, name, curve, colour)
    _dress(axes, label, [value for curve in curves.values() for value in curve.ys])


def _mark_best(axes: Axes, name: str, curve: ThinnedCurve, colour: str) -> None:
    """Ring the best point of a curve, where it is known what is best."""
    best = best_point(metric_of(name), curve.xs, curve.ys)
    if best is not None:
        epoch, value = best
        where = f"best {number(value)} at epoch {epoch:g}"
        axes.plot(epoch, value, "o", color=colour, markersize=9, fillstyle="none", label=where)


def _dress(axes: Axes, label: str, values: Sequence[float]) -> None:
    """Axes, grid and legend; a name is no formula."""
    if is_logarithmic(label, values):
        axes.set_yscale("log")
    axes.set_xlabel("epoch")
    axes.set_ylabel(title(label), parse_math=False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(visible=True, alpha=0.3)
    for text in axes.legend(framealpha=0.6, edgecolor="none").get_texts():
        text.set_parse_math(False)


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
    with atomic_write(path) as part:
        render(figure, kind, part)


def render(figure: Figure, kind: str, target: Path | BytesIO) -> None:
    """Write a picture; the same figure gives the same bytes.

    Args:
        figure: of matplotlib.
        kind: `svg`, `png` or `pdf`.
        target: where to.
    """
    settings: Any = {
        "svg.hashsalt": "fourstep",
        "svg.fonttype": "none",  # text stays text: small, searchable
        "image.composite_image": False,  # to paste images together takes longer the more there are
    }
    with mpl.rc_context(settings), _without_fonts() if kind == "svg" else with_fallbacks(figure):
        figure.savefig(target, format=kind, dpi=150, metadata=UNDATED[kind])


@contextmanager
def _without_fonts() -> Iterator[None]:
    """For a picture whose texts are drawn by whoever shows it, in fonts of their own."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        yield
