"""A run's curves in files, drawn anew while it trains: for a viewer beside a program that has no screen."""

from pathlib import Path

from fourstep.errors import DataFileError
from fourstep.events import Event
from fourstep.history import History
from fourstep.show.figure import draw_figure, save_figure
from fourstep.show.lines import say
from fourstep.show.pace import Pace
from fourstep.show.thinning import Curves, add_row

FILE, ENDINGS = "curves", (".svg", ".png")
SECONDS_APART, SHARE = 1.0, 0.01


class PictureFile:
    """Draws a run's curves into an SVG and a PNG, each whole at every moment, and says once where they are.

    Args:
        history: the rows that there are before the run goes on.
        folder: the run's; None for the current one, where the files are then named after fourstep.
    """

    def __init__(self, history: History, folder: Path | None) -> None:
        name = Path.cwd() / f"fourstep-{FILE}" if folder is None else folder / FILE
        self._paths = [name.with_suffix(ending) for ending in ENDINGS]
        self._curves: Curves = {}
        for row in history:
            add_row(self._curves, row)
        self._pace = Pace(SECONDS_APART, SHARE)
        self._is_told = self._is_new = False

    def on_event(self, event: Event) -> None:
        """Draw an event's row, where that is due; a hook. What the disk does not take is tried again at the end."""
        if event.row:
            add_row(self._curves, event.row)
            self._is_new = True
        if self._is_new and self._curves and (event.kind == "end" or self._pace.is_due()):
            self._is_new = False
            with self._pace.drawing():
                self._save()

    def _save(self) -> None:
        figure = draw_figure(self._curves)
        try:
            for path in self._paths:
                save_figure(figure, path)
        except DataFileError as error:
            if not self._is_told:
                say(f"no picture of the curves: {error}")
        else:
            if not self._is_told:
                say(f"curves: {' and '.join(map(str, self._paths))}")
        self._is_told = True
