"""Curves that grow while a model trains.

Source: *Dive into Deep Learning*, sections 2.4 and 3.6.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fourstep.d2l.counters import Number, as_float
from fourstep.d2l.screen import Screen, notebook_shell
from fourstep.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D

_MORE_STYLES = ("-", "--", "-.", ":")


def use_svg_display() -> None:
    """Let a notebook draw its figures as SVG; elsewhere there is nothing to do."""
    if notebook_shell() is None:
        return
    with suppress(ImportError, AttributeError):  # a notebook without matplotlib_inline draws as it does
        from matplotlib_inline.backend_inline import set_matplotlib_formats  # noqa: PLC0415 - optional

        set_matplotlib_formats("svg")  # type: ignore[no-untyped-call] # it has no types


def set_figsize(figsize: Sequence[Number] = (3.5, 2.5)) -> None:
    """Set the size, width and height in inches, of figures that are made from now on."""
    from matplotlib import rcParams  # noqa: PLC0415 - slow to import

    use_svg_display()
    rcParams["figure.figsize"] = tuple(figsize)


def set_axes(
    axes: "Axes",
    xlabel: str | None,
    ylabel: str | None,
    xlim: Sequence[Number] | None,
    ylim: Sequence[Number] | None,
    xscale: str,
    yscale: str,
    legend: Sequence[str] | None,
) -> None:
    """Label and scale a plot's axes, and give it a grid.

    Args:
        axes: matplotlib's axes.
        xlabel: below the plot; None for none.
        ylabel: beside it.
        xlim: the range that is shown, (low, high); None, or two equal ends, for that of the points.
        ylim: likewise.
        xscale: `"linear"`, `"log"`, or another that matplotlib knows.
        yscale: likewise.
        legend: the curves' names, in the order in which they were drawn; none or empty for no legend.
    """
    axes.set_xlabel(xlabel or "")
    axes.set_ylabel(ylabel or "")
    axes.set_xscale(xscale)
    axes.set_yscale(yscale)
    if xlim is not None and xlim[0] != xlim[1]:
        axes.set_xlim(xlim[0], xlim[1])
    if ylim is not None and ylim[0] != ylim[1]:
        axes.set_ylim(ylim[0], ylim[1])
    if legend:
        axes.legend(list(legend))
    axes.grid(visible=True)


class Animator:
    """Draws curves that grow: in a notebook in one place under the cell, in a live window where matplotlib has one.

    Elsewhere nothing is shown or printed: save the figure by `animator.fig.savefig("curves.svg")`.

    Args:
        xlabel: see `set_axes`, as for `ylabel`, `xlim`, `ylim`, `xscale`, `yscale` and `legend`.
        fmts: matplotlib's format of each curve; further curves get further colours.
        nrows: rows of axes; the first axes are drawn on.
        ncols: columns of axes.
        figsize: width and height in inches.

    Attributes:
        fig: matplotlib's figure, complete after every `add`.
        axes: its axes, a flat list.
        X: each curve's x values; None before the first `add`.
        Y: likewise the y values.

    >>> animator = Animator(xlabel="epoch", legend=["train loss", "test acc"])
    >>> animator.add(1, (0.8, 0.7))
    >>> animator.add(2, (0.5, None))
    >>> animator.Y
    [[0.8, 0.5], [0.7]]
    """

    def __init__(
        self,
        xlabel: str | None = None,
        ylabel: str | None = None,
        legend: Sequence[str] | None = None,
        xlim: Sequence[Number] | None = None,
        ylim: Sequence[Number] | None = None,
        xscale: str = "linear",
        yscale: str = "linear",
        fmts: Sequence[str] = ("-", "m--", "g-.", "r:"),
        nrows: int = 1,
        ncols: int = 1,
        figsize: Sequence[Number] = (3.5, 2.5),
    ) -> None:
        use_svg_display()
        width, height = figsize
        self._screen = Screen((width, height))
        self.fig = self._screen.figure
        self.axes: list[Axes] = list(self.fig.subplots(nrows, ncols, squeeze=False).flat)
        settings = (xlabel, ylabel, xlim, ylim, xscale, yscale, legend)
        self.config_axes: Callable[[], None] = lambda: set_axes(self.axes[0], *settings)
        self.X: list[list[float]] | None = None
        self.Y: list[list[float]] | None = None
        self.fmts = fmts
        self._lines: list[Line2D] = []

    def add(self, x: Any, y: Any) -> None:
        """Add a point to every curve.

        Args:
            x: one number for all curves, or one for each.
            y: one number for each curve, or a single number; a None adds nothing to its curve.

        Raises:
            ConfigError: not as many numbers as there are curves.
        """
        ys = _as_list(y)
        xs = _as_list(x) if _is_list(x) else [x] * len(ys)
        if self.X is None or self.Y is None:
            self.X, self.Y = [[] for _ in ys], [[] for _ in ys]
            self._lines = [self.axes[0].plot([], [], self._format(number))[0] for number in range(len(ys))]
            self.config_axes()  # the legend needs the curves
        if not len(xs) == len(ys) == len(self.X):
            raise ConfigError(
                f"{len(self.X)} curves, but add got {len(xs)} x and {len(ys)} y: expected one for each, or None"
            )
        for a, b, xs_so_far, ys_so_far, line in zip(xs, ys, self.X, self.Y, self._lines, strict=True):
            if a is not None and b is not None:
                xs_so_far.append(as_float(a))
                ys_so_far.append(as_float(b))
                line.set_data(xs_so_far, ys_so_far)
                self.axes[0].update_datalim([(xs_so_far[-1], ys_so_far[-1])])
        self.axes[0].autoscale_view()
        self._screen.refresh()

    def _format(self, number: int) -> str:
        if number < len(self.fmts):
            return self.fmts[number]
        return f"C{number % 10}{_MORE_STYLES[number % len(_MORE_STYLES)]}"


def _is_list(values: Any) -> bool:
    """Does this hold numbers, and is not one itself? Tensors and arrays without dimensions are numbers."""
    return hasattr(values, "__len__") and getattr(values, "ndim", 1) > 0


def _as_list(values: Any) -> list[Any]:
    return list(values) if _is_list(values) else [values]
