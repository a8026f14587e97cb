"""Where a growing figure is seen: in a notebook's cell, in a window, as a chart in the terminal, or in a file."""

import atexit
import io
import os
import sys
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fourstep.d2l.counters import Number
from fourstep.show.cell import Cell, Content
from fourstep.show.pace import Pace
from fourstep.show.places import can_draw, has_windows, is_prompt, notebook_shell

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REDRAW_SECONDS, MAX_SHARE = 0.25, 0.1  # a figure is all that such a loop shows
MAX_FIGURES = 10  # kept open for `plt.show`; matplotlib warns from 20 on


@runtime_checkable
class Screen(Protocol):
    """Shows one figure while it grows."""

    figure: "Figure"

    def refresh(self) -> None:
        """Show the figure as it is now, unless it was shown a moment ago."""

    def finish(self) -> None:
        """Show it as it is now in any case; nothing is added for a while."""


def open_screen(figsize: tuple[Number, Number]) -> Screen:
    """The screen that there is here: a window, a notebook, a terminal that is no prompt, or none but a file.

    The last two are left out where the environment has `FOURSTEP_CURVES=off`.
    """
    if has_windows():
        return Window(figsize)
    shell = notebook_shell()
    if shell is not None:
        return Notebook(figsize, shell)
    figure = open_figure(figsize)
    if os.environ.get("FOURSTEP_CURVES") == "off":
        return Hidden(figure)
    from fourstep.d2l.unseen import Chart, Picture  # noqa: PLC0415 - draws in rich and plotille

    return Chart(figure) if can_draw() and not is_prompt() else Picture(figure)


def show_still(figure: "Figure") -> None:
    """Let pyplot's figure be seen that is drawn already: at the end of a notebook's cell, in a window, or in a file."""
    if notebook_shell() is not None:
        return
    if has_windows():
        figure.show()
    elif os.environ.get("FOURSTEP_CURVES") != "off":
        from fourstep.d2l.unseen import Picture  # noqa: PLC0415 - as above

        Picture.of(figure).refresh()


def open_figure(figsize: tuple[Number, Number]) -> "Figure":
    """A figure that `plt.show` and `plt.savefig` see; the oldest of ten is closed, or by a notebook all of a cell."""
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

    if notebook_shell() is not None:
        return plt.figure(figsize=figsize, layout="constrained")
    ours = [label for label in plt.get_figlabels() if label.startswith("fourstep ")]
    if len(ours) >= MAX_FIGURES:
        plt.close(ours[0])
    number = int(ours[-1].split()[1]) + 1 if ours else 1
    keep_windows_open()
    return plt.figure(num=f"fourstep {number}", figsize=figsize, layout="constrained")


def still_figure(figsize: tuple[Number, Number]) -> "Figure":
    """For a plot that is drawn once: the current figure where its axes are empty, as by `plt.subplot`; else a new one.

    In a notebook always the current one.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

    has_axes = bool(plt.get_fignums() and plt.gcf().axes)
    if notebook_shell() is not None or (has_axes and not plt.gca().has_data()):
        return plt.gcf()
    return open_figure(figsize)


def keep_windows_open() -> None:
    """Let a script that ends well wait until its windows are closed, as by `plt.show()`."""
    if not is_prompt():
        atexit.unregister(_wait_for_windows)
        atexit.register(_wait_for_windows)


def _wait_for_windows() -> None:
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

    canvases = [plt.figure(number).canvas for number in plt.get_fignums()]
    if any(canvas.required_interactive_framework for canvas in canvases) and not hasattr(sys, "last_value"):
        plt.show(block=True)


class Hidden:
    """Shows nothing.

    Attributes:
        figure: the figure, to be saved.
    """

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure

    def refresh(self) -> None:
        """Nothing."""

    def finish(self) -> None:
        """Nothing."""


class Window:
    """A live window of matplotlib's.

    Attributes:
        figure: the figure.
    """

    def __init__(self, figsize: tuple[Number, Number]) -> None:
        self.figure = open_figure(figsize)
        self._pace = Pace(REDRAW_SECONDS, MAX_SHARE)
        self.figure.show()

    def refresh(self) -> None:
        """Draw, unless it was a moment ago: then when the window next can."""
        self.figure.canvas.draw_idle()
        if self._pace.is_due():
            with self._pace.drawing():
                self.figure.canvas.flush_events()

    def finish(self) -> None:
        """Draw now."""
        self.figure.canvas.draw_idle()
        self.figure.canvas.flush_events()


class Notebook:
    """One place below a cell, which is updated; nothing else in the cell is touched.

    What comes too soon after the last picture is shown at the end of the cell.

    Attributes:
        figure: the figure; not pyplot's, which would be shown a second time below the cell.
    """

    def __init__(self, figsize: tuple[Number, Number], shell: Any) -> None:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

        self.figure = Figure(figsize=figsize, layout="constrained")
        self._cell = Cell(shell, self._picture, Pace(REDRAW_SECONDS, MAX_SHARE))

    def refresh(self) -> None:
        """Update the picture, unless that was a moment ago: then at the end of the cell."""
        self._cell.refresh()

    def finish(self) -> None:
        """Nothing: the end of the cell does it."""

    def _picture(self, *, is_last: bool) -> Content:  # noqa: ARG002 - as `Cell` calls it; every picture is whole
        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", bbox_inches="tight")
        return {"image/svg+xml": buffer.getvalue(), "text/plain": "curves"}
