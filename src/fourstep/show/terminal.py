"""A run in the terminal: the curves as they grow and, below them, a progress bar."""

import atexit
import math
import sys
from collections import deque
from collections.abc import Mapping
from time import perf_counter

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from fourstep.events import Event
from fourstep.history import History
from fourstep.show.chart import Curve, draw_panel
from fourstep.show.labels import panels
from fourstep.show.progress import Progress

REFRESHES = 4  # a second
BESIDE = 72  # columns from which two panels stand side by side
WIDEST = 100  # columns of a panel
SMALLEST = 4, 30  # lines and columns below which no curve is drawn
REST = 100  # times as long as a drawing took until the next may begin: 1 % of the time goes into it


class Terminal:
    """Draws a run's events on standard output.

    The events come from the training loop and only leave a note; a thread draws four times a second, so that the clock
    goes on during a long step or evaluation.

    Args:
        history: the rows that there are before the run goes on.
    """

    def __init__(self, history: History) -> None:
        self._rows: deque[Mapping[str, float]] = deque(
            history.rows
        )  # still to be drawn; filled by the loop, emptied by the thread
        self._curves: dict[str, Curve] = {}
        self._charts: list[Text] = []
        self._size = (0, 0)
        self._rest_until = 0.0
        self._heard = 0.0
        self._is_open = True
        self._progress: Progress | None = None
        self._console = Console(markup=False, emoji=False, highlight=False, force_jupyter=False)
        self._live = Live(
            console=self._console,
            get_renderable=self._picture,
            refresh_per_second=REFRESHES,
            redirect_stderr=sys.stderr is not None and sys.stderr.isatty(),
            vertical_overflow="crop",
        )

    def on_event(self, event: Event) -> None:
        """Take note of an event; a hook. Where the terminal was closed, nothing is drawn any more."""
        if self._is_open:
            try:
                self._hear(event)
            except OSError:
                self._is_open = False

    def _hear(self, event: Event) -> None:
        self._heard = perf_counter()
        if self._progress is None:
            self._progress = Progress(event)
        self._progress.hear(event)
        if event.row:
            self._rows.append(event.row)
        if event.kind == "start":
            atexit.register(self._live.stop)  # a loop whose iterator outlives its error is never told the end
            self._live.start(refresh=True)
        elif event.kind == "end":
            sys.stdout.flush()  # what the user printed without a line's end
            self._live.stop()
            atexit.unregister(self._live.stop)

    def _picture(self) -> Group:
        """What stands on the screen now."""
        if self._progress is None:
            return Group()
        begun, size = perf_counter(), self._console.size
        is_due = self._rows and (begun >= self._rest_until or self._progress.event.kind == "end")
        if is_due or size != self._size:
            self._size = size
            self._draw_charts(self._progress.event.num_epochs)
            self._rest_until = begun + REST * (perf_counter() - begun)
        now = self._progress.event.seconds + begun - self._heard
        return Group(*self._charts, *self._progress.lines(now, size.width))

    def _draw_charts(self, num_epochs: int) -> None:
        while self._rows:
            row = self._rows.popleft()
            for name, value in row.items():
                if "/" in name:
                    self._curves.setdefault(name, Curve(num_epochs)).add(row["epoch"], value)
        self._charts = draw_charts(self._curves, num_epochs, *self._size)


def draw_charts(curves: dict[str, Curve], num_epochs: int, width: int, height: int) -> list[Text]:
    """The panels of losses and of other metrics: side by side in a wide terminal, else one below the other.

    Args:
        curves: name -> points, `split/metric`.
        num_epochs: where the horizontal axis ends.
        width: the terminal's columns.
        height: the terminal's lines; some are left for the progress bar.

    Returns:
        The lines; none where there is nothing to draw, or no room.
    """
    groups = {panel: {name: curves[name] for name in names} for panel, names in panels(curves)}
    first = min((point[0] for curve in curves.values() for point in curve.points()[:1]), default=0.0)
    epochs = float(min(math.floor(first), num_epochs - 1)), float(num_epochs)
    beside = len(groups) == 2 and width >= BESIDE  # noqa: PLR2004 - there are never more
    columns = min(WIDEST, (width - 2) // 2 if beside else width)
    rows = min(12, height - 8) if beside or len(groups) == 1 else min(8, (height - 12) // 2)
    if not groups or rows < SMALLEST[0] or columns < SMALLEST[1]:
        return []
    drawn = [draw_panel(panel, group, epochs=epochs, width=columns, height=rows) for panel, group in groups.items()]
    if not beside:
        return [line for panel in drawn for line in panel]
    most = max(map(len, drawn))
    blank = Text(" " * columns)
    left, right = ([blank] * (most - len(panel)) + panel for panel in drawn)  # their axes on one line
    return [Text.assemble(*pair) for pair in zip(left, [Text("  ")] * most, right, strict=True)]
