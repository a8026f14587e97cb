"""A bar for work that is counted."""

import io
import sys

import pytest

from fourstep.show.bar import counting


class Terminal(io.StringIO):
    """Text that is a terminal."""

    def isatty(self) -> bool:
        """It is."""
        return True


def test_counts_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done, how much of it, in how much."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    with counting("decoding", 30) as count:
        count(10)
        count(20)

    assert "decoding" in terminal.getvalue()
    assert "30/30" in terminal.getvalue()


@pytest.mark.parametrize("stream", [io.StringIO(), None])
def test_says_nothing_elsewhere(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO | None) -> None:
    """A file, a pipe, a program without a console."""
    monkeypatch.setattr(sys, "stderr", stream)
    with counting("decoding", 3) as count:
        count(3)

    assert stream is None or not stream.getvalue()
