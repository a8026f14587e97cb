"""A growing figure where matplotlib has nothing to show it in: a chart in the terminal, or a file."""

import atexit
import math
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from rich.console import Console, Group
from rich.live import Live

from fourstep.show.chart import BUCKETS, draw_panel
from fourstep.show.lines import say
from fourstep.show.pace import Pace
from fourstep.show.stage import leave_stage, take_stage
from fourstep.show.thinning import ThinnedCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDEST, LINES = 76, 10  # of the chart
SMALLEST = 30, 14  # columns and lines below which no chart is drawn
SECONDS_APART, FILE_SECONDS_APART = 0.25, 10.0
SHARE = 0.01  # of the time may go into drawing
FILE, MAX_PICTURES = "d2l-figure", 10


class Chart:
    """Draws the first axes' curves as braille dots; the chart stays where it is, and what is printed comes above it.

    Attributes:
        figure: what is drawn, for `d2l.plt.savefig`.
    """

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        self._console = Console(markup=False, emoji=False, highlight=False, force_jupyter=False)
        self._live: Live | None = None
        self._pace = Pace(SECONDS_APART, SHARE)

    def refresh(self) -> None:
        """Draw, unless it was a moment ago."""
        if self._live is not None and not self._pace.is_due():
            return
        if take_stage(self, self.finish):  # unless a run draws its own curves
            with self._pace.drawing():
                self._draw()

    def finish(self) -> None:
        """Draw a last time, and leave the chart where it is: what is printed comes below it now."""
        if self._live is not None:
            self._draw()
            sys.stdout.flush()
            self._live.stop()
            atexit.unregister(self.finish)
            leave_stage(self)
            self._live = None

    def _begin(self) -> Live:
        is_terminal = sys.stderr is not None and sys.stderr.isatty()
        live = Live(console=self._console, auto_refresh=False, redirect_stderr=is_terminal, vertical_overflow="crop")
        live.start()
        atexit.register(self.finish)  # nobody says when a loop is over
        return live

    def _draw(self) -> None:
        if self._live is None:
            self._live = self._begin()
        size = self._console.size
        if size.width >= SMALLEST[0] and size.height >= SMALLEST[1]:
            lines = draw_axes(self.figure.axes[0], min(WIDEST, size.width), min(LINES, size.height - 4))
            self._live.update(Group(*lines), refresh=True)


def draw_axes(axes: "Axes", width: int, height: int) -> list[Any]:
    """The curves of matplotlib's axes as lines of text.

    Args:
        axes: with curves; the legend gives their names.
        width: in columns.
        height: of the curves alone, in lines.
    """
    legend = axes.get_legend()
    names = [] if legend is None else [text.get_text() for text in legend.get_texts()]
    low, high = axes.get_xlim()
    low, high = (low, high) if high - low >= 1 else (low, low + 1)
    curves = {}
    for number, line in enumerate(axes.get_lines()):
        name = names[number] if number < len(names) else axes.get_ylabel() or f"curve {number + 1}"
        curve = curves[name] = ThinnedCurve(BUCKETS)
        for x, y in np.asarray(line.get_data(), dtype=float).T.tolist():
            if math.isfinite(y):
                curve.add(x, y)
    return draw_panel(
        "loss" if axes.get_yscale() == "log" else "", curves, epochs=(low, high), width=width, height=height
    )


class Picture:
    """Saves the figure beside the program: now and then while it grows, and when the program ends.

    Attributes:
        figure: the figure. Who saves it by its `savefig` or pyplot's gets no second one at the end.
    """

    _count = 0
    _open: ClassVar[deque["Picture"]] = deque()  # the latest ten, as many as pyplot's figures

    def __init__(self, figure: "Figure") -> None:
        self.figure = figure
        Picture._count += 1
        self._path = Path.cwd() / (f"{FILE}-{self._count}.svg" if self._count > 1 else f"{FILE}.svg")
        self._is_told = False
        self._pace = Pace(FILE_SECONDS_APART, SHARE)
        self._pace.wait()
        self._can_save = True
        self._is_saved = True
        self._savefig = figure.savefig
        figure.savefig = self._save_as_asked  # type: ignore[method-assign] # to know that it was called
        atexit.register(self._save)
        Picture._open.append(self)
        if len(Picture._open) > MAX_PICTURES:
            oldest = Picture._open.popleft()
            oldest._save()  # noqa: SLF001 - of its own class
            atexit.unregister(oldest._save)  # noqa: SLF001 - as above

    @classmethod
    def of(cls, figure: "Figure") -> "Picture":
        """The picture of a figure, of which there may be one already."""
        return next((one for one in cls._open if one.figure is figure), None) or cls(figure)

    def refresh(self) -> None:
        """Save, unless that was a moment ago: then when the program ends."""
        self._is_saved = False
        if self._can_save and self._pace.is_due():
            with self._pace.drawing():
                self._save()

    def finish(self) -> None:
        """Nothing: the program's end does it, unless the figure is saved elsewhere until then."""

    def _save_as_asked(self, *args: Any, **kwargs: Any) -> None:
        self._savefig(*args, **kwargs)
        self._is_saved = True

    def _save(self) -> None:
        if self._is_saved:
            return
        self._is_saved = True
        try:
            self._savefig(self._path)
        except OSError as error:
            say(f"the figure could not be saved as {self._path} ({error.strerror or error})")
            atexit.unregister(self._save)
            self._can_save = False
        else:
            if not self._is_told:
                say(f"figure: {self._path}")
            self._is_told = True
