"""A bar for work that is counted: on a terminal, and nothing elsewhere."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], object]]:
    """A bar on standard error, where that is a terminal.

    Args:
        what: what is done.
        total: how much there is to do.

    Yields:
        A function that is told how much more is done.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield lambda more: None  # noqa: ARG005 - nothing is drawn
        return
    from rich import progress as bars  # noqa: PLC0415 - slow to import
    from rich.console import Console  # noqa: PLC0415 - likewise

    columns = (bars.TextColumn("{task.description}"), bars.BarColumn(), bars.MofNCompleteColumn())
    with bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda more: bar.advance(task, more)
