"""Where a growing figure is seen: in a notebook's cell, in a window, as a chart in the terminal, or in a file."""

import atexit
import io
import os
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from fourstep.d2l.counters import Number
from fourstep.show import can_draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REDRAW_SECONDS = 0.25  # at most a few pictures a second
MAX_SHARE = 0.1  # of the time may go into drawing
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


def notebook_shell() -> Any | None:
    """The shell of the notebook that this runs in; None elsewhere, a terminal's IPython included."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def is_prompt() -> bool:
    """Does somebody type this line by line?"""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def has_windows() -> bool:
    """Does matplotlib draw into live windows here?"""
    from matplotlib import get_backend  # noqa: PLC0415 - slow to import
    from matplotlib.backends.registry import BackendFilter, backend_registry  # noqa: PLC0415 - as above

    name = get_backend().lower()
    live: list[str] = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call] # no types
    return name in live or "ipympl" in name or name == "widget"


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
        self._due = 0.0
        self.figure.show()

    def refresh(self) -> None:
        """Draw, unless it was a moment ago: then when the window next can."""
        started = perf_counter()
        self.figure.canvas.draw_idle()
        if started >= self._due:
            self.figure.canvas.flush_events()
            self._due = next_due(started)

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
        self._shell = shell
        self._handle: Any = None
        self._cell = 0  # the run of a cell under which the picture stands
        self._due = 0.0
        self._is_waiting = False

    def refresh(self) -> None:
        """Update the picture, unless that was a moment ago: then at the end of the cell."""
        if self._cell != self._shell.execution_count:  # the picture went with its cell's output: a new one here
            self._cell, self._handle, self._due = self._shell.execution_count, None, 0.0
        started = perf_counter()
        if started >= self._due:
            self._draw()
            self._due = next_due(started)
        elif not self._is_waiting:
            self._is_waiting = True
            self._shell.events.register("post_run_cell", self._end_cell)

    def finish(self) -> None:
        """Nothing: the end of the cell does it."""

    def _draw(self) -> None:
        from IPython.display import display  # noqa: PLC0415 - a notebook has it

        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", bbox_inches="tight")
        picture = {"image/svg+xml": buffer.getvalue(), "text/plain": "curves"}
        if self._handle is None:
            self._handle = display(picture, raw=True, display_id=True)  # type: ignore[no-untyped-call] # IPython has no types
        else:
            self._handle.update(picture, raw=True)

    def _end_cell(self, _result: object = None) -> None:
        self._shell.events.unregister("post_run_cell", self._end_cell)
        self._is_waiting = False
        self._draw()


def next_due(started: float) -> float:
    """When the next drawing may begin, after one that began then."""
    now = perf_counter()
    return now + max(REDRAW_SECONDS, (now - started) / MAX_SHARE)
