"""A run below a notebook's cell: progress, the curves as a picture and the last epochs' numbers, in one place.

Drawing takes the training loop's own time, so that little of it goes into pictures: a bar that moves costs less than a
millisecond and comes often, a picture some tens of them and comes when it is due.
"""

import base64
import io
from html import escape
from time import perf_counter
from typing import Any

from matplotlib.backends import backend_agg, backend_svg  # noqa: F401 - slow to import: not in the first picture's time
from matplotlib.figure import Figure

from fourstep.events import Event
from fourstep.history import History
from fourstep.show.cell import Cell, Content
from fourstep.show.figure import draw_figure, render
from fourstep.show.labels import title
from fourstep.show.pace import Pace
from fourstep.show.progress import Progress
from fourstep.show.table import LastEpochs, table_html
from fourstep.show.thinning import Curves, add_row

SECONDS_APART = 0.25
PICTURES, REST = 0.008, 0.002  # shares of the time: for pictures, and for all that is around them
WIDTH = 640  # pixels of the bar


class Notebook:
    """Shows a run's events below the cell that runs; a later cell gets a place of its own.

    Args:
        history: the rows that there are before the run goes on.
        shell: the notebook's.
        evaluated: batches that are evaluated after an epoch, for each one that is trained on.
    """

    def __init__(self, history: History, shell: Any, evaluated: float = 0.0) -> None:
        self._curves: Curves = {}
        self._last = LastEpochs()
        for row in history:
            self._add(row)
        self._is_new = bool(self._curves)  # something is not in the picture
        self._figure: Figure | None = None
        self._picture = ""
        self._pace = Pace(SECONDS_APART, PICTURES)
        self._cell = Cell(shell, self._content, Pace(SECONDS_APART, REST))
        self._evaluated = evaluated
        self._progress: Progress | None = None
        self._heard = 0.0

    def on_event(self, event: Event) -> None:
        """Show an event, where that is due; a hook."""
        self._heard = perf_counter()
        if self._progress is None:
            self._progress = Progress(event, self._evaluated)
        self._progress.hear(event)
        if event.row:
            self._add(event.row)
            self._is_new = True
        if event.kind == "end":
            self._cell.finish()
        else:
            self._cell.refresh()

    def _add(self, row: Any) -> None:
        add_row(self._curves, row)
        self._last.add(row)

    def _content(self, *, is_last: bool) -> Content:
        """The whole as HTML; at the last also as PNG, for who may not show a stranger's HTML, and for paper."""
        if self._progress is None:
            return {"text/plain": ""}
        if self._is_new and (is_last or self._pace.is_due()):
            self._is_new = False
            with self._pace.drawing():
                self._figure = draw_figure(self._curves)
                self._picture = _picture_html(_drawn(self._figure, "svg"), ", ".join(map(title, self._curves)))
        event, now = self._progress.event, self._progress.event.seconds + perf_counter() - self._heard
        words = [word for word in self._progress.words(now) if word]
        html = _bar_html(event.epochs_done / event.num_epochs, words) + self._picture + table_html(self._last.rows)
        content = {"text/html": html, "text/plain": "  ".join(words)}
        if is_last and self._figure is not None:
            content["image/png"] = base64.b64encode(_drawn(self._figure, "png")).decode()
        return content


def _drawn(figure: Figure, kind: str) -> bytes:
    buffer = io.BytesIO()
    render(figure, kind, buffer)
    return buffer.getvalue()


def _picture_html(svg: bytes, words: str) -> str:
    """The picture apart from the page, so that neither's styles and names meet the other's; it does not flicker."""
    source = f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
    return f'<img decoding="sync" style="max-width:100%" alt="{escape(words)}" src="{source}">'


def _bar_html(share: float, words: list[str]) -> str:
    percent = int(100 * share)
    said = escape("  ".join([*words, f"{percent}%"]))
    done = f'<div style="width:{percent}%;height:6px;border-radius:3px;background:#2ca02c"></div>'
    return (
        f'<div style="width:{WIDTH}px;max-width:100%;font-family:monospace;white-space:pre">{said}'
        f'<div style="height:6px;border-radius:3px;background:#8884;margin:4px 0 8px">{done}</div></div>'
    )
