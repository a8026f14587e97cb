"""Where a figure is seen: in a notebook's cell, in a window, or nowhere until it is saved."""

import io
import sys
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fourstep.d2l.counters import Number

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REDRAW_SECONDS = 0.25  # at most a few pictures a second
MAX_SHARE = 0.1  # of the time may go into drawing
MAX_FIGURES = 10  # kept open for `plt.show`; matplotlib warns from 20 on


def notebook_shell() -> Any | None:
    """The shell of the notebook that this runs in; None elsewhere, a terminal's IPython included."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


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
    return plt.figure(num=f"fourstep {number}", figsize=figsize, layout="constrained")


class Screen:
    """Shows one figure while it grows.

    A notebook shows it in one place, which is updated, and nothing else in the cell is touched; a window is refreshed;
    elsewhere nothing is shown. What comes too soon after the last picture is shown at the end of the notebook's cell.

    Attributes:
        figure: the figure.
    """

    def __init__(self, figsize: tuple[Number, Number]) -> None:
        from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

        self._window = has_windows()
        self._shell = None if self._window else notebook_shell()
        # in a notebook not pyplot's, which would show it a second time below the cell
        self.figure = open_figure(figsize) if self._shell is None else Figure(figsize=figsize, layout="constrained")
        self._handle: Any = None
        self._cell = 0  # the run of a cell under which the picture stands
        self._due = 0.0
        self._is_waiting = False
        if self._window:
            self.figure.show()

    def refresh(self) -> None:
        """Show the figure as it is now, unless it was shown a moment ago."""
        if self._shell is None and not self._window:
            return
        if self._shell is not None and self._cell != self._shell.execution_count:
            self._cell = self._shell.execution_count
            self._handle, self._due = (
                None,
                0.0,
            )  # the picture went with its cell's output: this cell gets one of its own
        started = perf_counter()
        if started < self._due:
            self._wait()
            return
        self._draw()
        ended = perf_counter()
        self._due = ended + max(REDRAW_SECONDS, (ended - started) / MAX_SHARE)

    def _draw(self) -> None:
        if self._window:
            self.figure.canvas.draw_idle()
            self.figure.canvas.flush_events()
            return
        from IPython.display import display  # noqa: PLC0415 - a notebook has it

        buffer = io.StringIO()
        self.figure.savefig(buffer, format="svg", bbox_inches="tight")
        picture = {"image/svg+xml": buffer.getvalue(), "text/plain": "curves"}
        if self._handle is None:
            self._handle = display(picture, raw=True, display_id=True)  # type: ignore[no-untyped-call] # IPython has no types
        else:
            self._handle.update(picture, raw=True)

    def _wait(self) -> None:
        """Let the window draw when it next can, or the notebook when the cell ends."""
        if self._window:
            self.figure.canvas.draw_idle()
        elif not self._is_waiting and self._shell is not None:
            self._is_waiting = True
            self._shell.events.register("post_run_cell", self._end_cell)

    def _end_cell(self, _result: object = None) -> None:
        if self._shell is not None:
            self._shell.events.unregister("post_run_cell", self._end_cell)
        self._is_waiting = False
        self._draw()
