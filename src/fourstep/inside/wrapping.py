"""Sentences broken into lines: at spaces, and between Chinese characters, which have none between them."""

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.text import Text

_CLOSING = "，。：；、）”"  # noqa: RUF001 - Chinese marks, with which no line may begin
_PIECES = re.compile(rf"(?:[!-~]+|[^!-~\s])[{_CLOSING}]*|\s+")


class Sentence:
    """A text in one style, wrapped to the width that there is."""

    def __init__(self, text: str, style: str = "") -> None:
        self._text, self._style = text, style

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Text]:
        for line in wrap(self._text, options.max_width):
            yield Text(line, style=self._style)


def wrap(text: str, width: int) -> list[str]:
    """The lines of a text, each at most `width` columns wide where its words allow that.

    >>> wrap("损失是 2.6。猜测时损失是 2.3。", 12)
    ["损失是 2.6。", "猜测时损失是", "2.3。"]
    """
    lines = [""]
    for piece in _PIECES.findall(text):
        if lines[-1] and cell_len((lines[-1] + piece).rstrip()) > width:
            lines[-1] = lines[-1].rstrip()
            lines.append("")
        lines[-1] += piece if lines[-1] or not piece.isspace() else ""
    return [line.rstrip() for line in lines]
