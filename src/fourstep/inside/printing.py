"""A page of words and tables as text: on a screen with colours, in a file without, in a notebook."""

import html
import io
import shutil
import sys
from typing import Any

NARROWEST, WIDEST = 72, 120  # columns of a page


def page_text(page: Any) -> str:
    """What rich would print, without colours, as wide as the screen.

    Characters that standard output does not have are replaced.
    """
    from rich.console import Console  # noqa: PLC0415 - slow to import

    width = min(max(shutil.get_terminal_size((100, 24)).columns, NARROWEST), WIDEST)
    file = io.StringIO()
    Console(file=file, width=width, color_system=None, emoji=False, highlight=False, legacy_windows=False).print(page)
    text = "\n".join(line.rstrip() for line in file.getvalue().splitlines())
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def page_html(page: Any) -> str:
    """The same as a notebook shows it."""
    return f'<pre style="line-height: 1.25; white-space: pre">{html.escape(page_text(page))}</pre>'


def print_page(page: Any) -> None:
    """Print it on standard output, in colours where that can show them."""
    from rich.console import Console  # noqa: PLC0415 - slow to import

    if sys.stdout is None:  # a program without a console has none
        return
    console = Console(emoji=False, highlight=False, force_jupyter=False)
    if console.is_terminal:
        console.width = min(max(console.width, NARROWEST), WIDEST)
        console.print(page)
    else:
        sys.stdout.write(page_text(page) + "\n")
