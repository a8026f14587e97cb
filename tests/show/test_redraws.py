"""What it costs to draw a run of 10,000 rows; the bars are 50 ms in a terminal, 150 ms for a picture."""

import io
import math
import tracemalloc
from collections.abc import Callable
from statistics import median
from time import perf_counter
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from fourstep.events import Event
from fourstep.history import History
from fourstep.show.chart import BUCKETS
from fourstep.show.figure import draw_figure, render
from fourstep.show.page import draw_page
from fourstep.show.progress import Progress
from fourstep.show.table import LastEpochs
from fourstep.show.terminal import Terminal
from fourstep.show.thinning import Curves, add_row

pytestmark = pytest.mark.alone

NOISE = 3  # other work on the machine, and these tests' type checks


def long_run(first: int, last: int) -> list[dict[str, float]]:
    """A hundred rows an epoch, noisy."""
    rows = []
    for step in range(first, last):
        loss = 1 / (1 + step / 500) + 0.1 * math.sin(step)
        row = {
            "epoch": step / 100,
            "step": step,
            "train/loss": loss,
            "train/accuracy": 1 - loss,
            "seconds": float(step),
        }
        rows.append(row | ({"test/loss": loss, "test/accuracy": 1 - loss} if step % 100 == 0 else {}))
    return rows


def seconds_of(draw: Callable[[], object]) -> float:
    """The median of five times."""
    draw()
    times = []
    for _ in range(5):
        began = perf_counter()
        draw()
        times.append(perf_counter() - began)
    return median(times)


@pytest.mark.parametrize(("width", "height"), [(40, 24), (80, 24), (200, 60)])
def test_a_terminal_is_redrawn_in_a_moment(width: int, height: int) -> None:
    """All of the page above the bar."""
    curves: Curves = {}
    last = LastEpochs()
    for row in long_run(1, 10_001):
        add_row(curves, row, BUCKETS)
        last.add(row)

    assert draw_page(curves, last.rows, 100, width, height)
    assert seconds_of(lambda: draw_page(curves, last.rows, 100, width, height)) < 0.05 * NOISE


def test_between_two_drawings_the_bar_alone_is_laid_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not what stands above it, four times a second."""
    terminal = Terminal(History())
    event = Event(kind="row", num_epochs=100, seconds=1.0, row={}, epochs_done=1.0, step=100, examples_per_second=1.0)
    terminal._progress = Progress(event)
    terminal._rows.extend(long_run(1, 1_001))
    terminal._console = Console(file=io.StringIO(), force_terminal=True, width=100, height=30)
    laid_out: list[Text] = []
    wrap = Text.wrap

    def counted(text: Text, *rest: Any, **more: Any) -> Any:
        laid_out.append(text)
        return wrap(text, *rest, **more)

    monkeypatch.setattr(Text, "wrap", counted)
    counts = []
    for _ in range(3):
        terminal._console.print(terminal._picture())
        counts.append(len(laid_out))

    assert counts[0] > 10
    assert [counts[1] - counts[0], counts[2] - counts[1]] == [1, 1]


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_a_picture_is_redrawn_in_a_moment(kind: str) -> None:
    """Made anew, and written."""
    curves: Curves = {}
    for row in long_run(1, 10_001):
        add_row(curves, row)

    assert seconds_of(lambda: render(draw_figure(curves), kind, io.BytesIO())) < 0.15 * NOISE


def test_what_is_kept_does_not_grow() -> None:
    """The second 10,000 rows take no more memory than the first."""
    curves: Curves = {}
    last = LastEpochs()

    def hear(first: int, end: int) -> None:
        for row in long_run(first, end):
            add_row(curves, row)
            last.add(row)

    tracemalloc.start()
    hear(1, 10_001)
    before = tracemalloc.get_traced_memory()[0]
    hear(10_001, 20_001)
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()

    assert before < 1_000_000
    assert after - before < 100_000
