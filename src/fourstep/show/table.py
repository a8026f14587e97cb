"""The last epochs' numbers: as lines of text where there is a terminal, as HTML in a notebook."""

from collections import deque
from collections.abc import Mapping, Sequence
from html import escape

from rich.cells import cell_len
from rich.text import Text

from fourstep.show.best import judged
from fourstep.show.labels import metric_of, number, shortened, title

MOST = 5  # epochs
LONGEST = 14  # characters of a metric's name
HEAD = 2  # lines: splits, and their metrics


class LastEpochs:
    """The rows of the last epochs, each with the seconds that it took.

    Attributes:
        rows: name -> number; `epoch`, `split/metric`, `lr` where it has changed, and `seconds`.
    """

    def __init__(self) -> None:
        self.rows: deque[dict[str, float]] = deque(maxlen=MOST)
        self._ended = 0.0  # the last one, in seconds since the run began
        self._lr: float | None = None  # of the first row
        self._changes = False

    def add(self, row: Mapping[str, float]) -> None:
        """Take note of a history's row; those from the middle of an epoch are left out."""
        if not float(row["epoch"]).is_integer():
            return
        lr = row.get("lr")
        self._lr = lr if self._lr is None else self._lr
        self._changes = self._changes or lr != self._lr
        kept = {name: value for name, value in row.items() if name == "epoch" or "/" in name}
        if self._changes and lr is not None:
            kept["lr"] = lr
        seconds = row.get("seconds", self._ended)
        self.rows.append({**kept, "seconds": seconds - self._ended})
        self._ended = seconds


def _names(rows: Sequence[Mapping[str, float]]) -> list[str]:
    """The columns there are, in their order."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [name for name in names if name != "seconds"] + ["seconds"]


def _by_weight(names: Sequence[str]) -> list[str]:
    """The columns, what a narrow table should keep first."""
    measured = [name for name in names if "/" in name]
    best = judged(measured)
    return ["epoch", *best, *(name for name in measured if name not in best), "seconds", "lr"]


def _cell(row: Mapping[str, float], name: str) -> str:
    if name not in row:
        return ""
    if name == "epoch":
        return f"{row[name]:.0f}"
    return f"{row[name]:.1f}" if name == "seconds" else number(row[name])


def table_lines(rows: Sequence[Mapping[str, float]], width: int) -> list[Text]:
    """The rows below their names, the last one brightest; what does not fit the width is left out.

    Args:
        rows: see `LastEpochs`; none gives no line.
        width: in columns.
    """
    if not rows:
        return []
    names = _names(rows)
    columns = {}
    for name in names:
        split = name.partition("/")[0].partition("-") if "/" in name else ("", "", "")
        head = [shortened(split[2] or split[0], LONGEST), shortened(metric_of(name) or name, LONGEST)]
        cells = head + [_cell(row, name) for row in rows]
        size = max(5, *map(cell_len, cells))
        columns[name] = [" " * (size - cell_len(cell)) + cell for cell in cells]
    room, kept = width, set()
    for name in _by_weight(names):
        if name in columns and cell_len(columns[name][0]) <= room:
            kept.add(name)
            room -= cell_len(columns[name][0]) + 2
    lines = ["  ".join(parts) for parts in zip(*(columns[name] for name in names if name in kept), strict=True)]
    last = len(lines) - 1
    return [Text(line, "" if index == last else "dim") for index, line in enumerate(lines)]


def table_html(rows: Sequence[Mapping[str, float]]) -> str:
    """The same as HTML; names are escaped."""
    if not rows:
        return ""
    names = _names(rows)
    cell = "padding:1px 10px;text-align:right"
    head = "".join(f'<th style="{cell}">{escape(title(name))}</th>' for name in names)
    body = "".join(
        "<tr>" + "".join(f'<td style="{cell}">{_cell(row, name)}</td>' for name in names) + "</tr>" for row in rows
    )
    return f'<table style="border-collapse:collapse"><tr>{head}</tr>{body}</table>'
