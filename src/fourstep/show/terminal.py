"""A run in the terminal: the curves as they grow, the last epochs' numbers and, below them, a progress bar."""

import atexit
import sys
from collections import deque
from collections.abc import Mapping
from time import perf_counter

from rich.console import Console, Group
from rich.live import Live
from rich.segment import SegmentLines

from fourstep.events import Event
from fourstep.history import History
from fourstep.show.chart import BUCKETS
from fourstep.show.lines import print_lines
from fourstep.show.pace import Pace
from fourstep.show.page import draw_page
from fourstep.show.progress import Progress
from fourstep.show.stage import leave_stage, take_stage
from fourstep.show.table import LastEpochs
from fourstep.show.thinning import Curves, add_row

REFRESHES = 4  # a second
SHARE = 0.01  # of the time goes into drawing the curves


class Terminal:
    """Draws a run's events on standard output.

    The events come from the training loop and only leave a note; a thread draws four times a second, so that the clock
    goes on during a long step or evaluation. Inside another run, as in its hook, it prints lines, above the other's
    curves.

    Args:
        history: the rows that there are before the run goes on.
        evaluated: batches that are evaluated after an epoch, for each one that is trained on.
    """

    def __init__(self, history: History, evaluated: float = 0.0) -> None:
        self._rows: deque[Mapping[str, float]] = deque(
            history.rows
        )  # still to be drawn; filled by the loop, emptied by the thread
        self._curves: Curves = {}
        self._last = LastEpochs()
        self._page = SegmentLines([], new_lines=True)  # laid out once per drawing, not at each refresh
        self._size = (0, 0)
        self._pace = Pace(0.0, SHARE)
        self._heard = 0.0
        self._is_open = True
        self._evaluated = evaluated
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
                leave_stage(self)

    def _hear(self, event: Event) -> None:
        self._heard = perf_counter()
        if not take_stage(self):
            print_lines(event)
            return
        if self._progress is None:
            self._progress = Progress(event, self._evaluated)
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
            leave_stage(self)

    def _picture(self) -> Group:
        """What stands on the screen now."""
        if self._progress is None:
            return Group()
        size, event = self._console.size, self._progress.event
        is_due = self._rows and (self._pace.is_due() or event.kind == "end")
        if is_due or size != self._size:
            self._size = size
            with self._pace.drawing():
                self._draw_page(event.num_epochs)
        now = event.seconds + perf_counter() - self._heard
        return Group(self._page, *self._progress.lines(now, size.width))

    def _draw_page(self, num_epochs: int) -> None:
        while self._rows:
            row = self._rows.popleft()
            add_row(self._curves, row, BUCKETS)
            self._last.add(row)
        lines = draw_page(self._curves, self._last.rows, num_epochs, *self._size)
        self._page = SegmentLines(self._console.render_lines(Group(*lines), pad=False), new_lines=True)
