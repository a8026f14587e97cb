"""Curves that grow while a model trains.

Source: *Dive into Deep Learning*, sections 2.4 and 3.6.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from fourstep.d2l.counters import Number, as_float
from fourstep.d2l.curves import FORMATS, as_curves, as_list, format_of, is_list
from fourstep.d2l.screen import open_screen, show_still, still_figure
from fourstep.errors import ConfigError
from fourstep.show.places import notebook_shell
from fourstep.show.thinning import ThinnedCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


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


def plot(
    X: Any,  # noqa: N803 - the book's name
    Y: Any = None,  # noqa: N803 - likewise
    xlabel: str | None = None,
    ylabel: str | None = None,
    legend: Sequence[str] | None = None,
    xlim: Sequence[Number] | None = None,
    ylim: Sequence[Number] | None = None,
    xscale: str = "linear",
    yscale: str = "linear",
    fmts: Sequence[str] = FORMATS,
    figsize: Sequence[Number] = (3.5, 2.5),
    axes: "Axes | None" = None,
) -> None:
    """Draw curves.

    Args:
        X: the points' x: one list, array or tensor for all curves, or one for each. Without Y these are the points' y.
        Y: the points' y: one list, array or tensor, or several.
        xlabel: below the plot; None for none.
        ylabel: beside it.
        legend: the curves' names; none or empty for no legend.
        xlim: the range that is shown, (low, high); None for that of the points.
        ylim: likewise.
        xscale: `"linear"`, `"log"`, or another that matplotlib knows.
        yscale: likewise.
        fmts: matplotlib's format of each curve; further curves get further colours.
        figsize: width and height in inches.
        axes: where to draw, in place of what is there; None for the current axes in a notebook; else for those of
            `plt.subplot` while they are empty, or a new figure.

    Raises:
        ShapeError: a curve's x and y differ in length, or there are not as many x as y.

    In a script the figure is in a window, or in the file `d2l-figure.svg` when the program ends; see `Animator`.
    """
    set_figsize(figsize)
    curves = as_curves(X, Y)
    figure = None
    if axes is None:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

        figure = still_figure((figsize[0], figsize[1]))
        axes = plt.gca()
    axes.cla()
    for number, points in enumerate(curves):
        axes.plot(*points, format_of(fmts, number))
    set_axes(axes, xlabel, ylabel, xlim, ylim, xscale, yscale, legend)
    if figure is not None:
        show_still(figure)


class Animator:
    """Draws curves that grow, in a time that does not depend on how many points they have.

    In a notebook in one place under the cell; in a live window where matplotlib has one; else as a chart in the
    terminal; and where there is none, in a file: `d2l-figure.svg` in the current folder, unless you save the figure
    yourself by `d2l.plt.savefig("curves.svg")`. `FOURSTEP_CURVES=off` in the environment leaves out the last two.

    Args:
        xlabel: see `set_axes`, as for `ylabel`, `xlim`, `ylim`, `xscale`, `yscale` and `legend`.
        fmts: matplotlib's format of each curve; further curves get further colours.
        nrows: rows of axes; the first axes are drawn on.
        ncols: columns of axes.
        figsize: width and height in inches.

    Attributes:
        fig: matplotlib's figure, complete after every `add`; from the 1,025th point of a curve on, it holds the lowest
            and the highest of every few.
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
        fmts: Sequence[str] = FORMATS,
        nrows: int = 1,
        ncols: int = 1,
        figsize: Sequence[Number] = (3.5, 2.5),
    ) -> None:
        use_svg_display()
        width, height = figsize
        self._screen = open_screen((width, height))
        self.fig = self._screen.figure
        self.axes: list[Axes] = list(self.fig.subplots(nrows, ncols, squeeze=False).flat)
        settings = (xlabel, ylabel, xlim, ylim, xscale, yscale, legend)
        self.config_axes: Callable[[], None] = lambda: set_axes(self.axes[0], *settings)
        self.X: list[list[float]] | None = None
        self.Y: list[list[float]] | None = None
        self.fmts = fmts
        self._lines: list[Line2D] = []
        self._thinned: list[ThinnedCurve] = []

    def add(self, x: Any, y: Any) -> None:
        """Add a point to every curve.

        Args:
            x: one number for all curves, or one for each.
            y: one number for each curve, or a single number; a None adds nothing to its curve.

        Raises:
            ConfigError: not as many numbers as there are curves.
        """
        ys = as_list(y)
        xs = as_list(x) if is_list(x) else [x] * len(ys)
        if self.X is None or self.Y is None:
            self.X, self.Y = [[] for _ in ys], [[] for _ in ys]
            self._lines = [self.axes[0].plot([], [], format_of(self.fmts, number))[0] for number in range(len(ys))]
            self._thinned = [ThinnedCurve() for _ in ys]
            self.config_axes()  # the legend needs the curves
        if not len(xs) == len(ys) == len(self.X):
            raise ConfigError(
                f"{len(self.X)} curves, but add got {len(xs)} x and {len(ys)} y: expected one for each, or None"
            )
        for number, (a, b) in enumerate(zip(xs, ys, strict=True)):
            if a is not None and b is not None:
                self.X[number].append(as_float(a))
                self.Y[number].append(as_float(b))
                self._draw_to(number, self.X[number][-1], self.Y[number][-1])
        self.axes[0].autoscale_view()
        self._screen.refresh()

    def _draw_to(self, number: int, x: float, y: float) -> None:
        curve = self._thinned[number]
        curve.add(x, y)
        self._lines[number].set_data(curve.xs, curve.ys)
        self.axes[0].update_datalim([(x, y)])

    def finish(self) -> None:
        """Show the last point now; the terminal's chart then stays where it is, and what is printed comes below it."""
        self._screen.finish()
