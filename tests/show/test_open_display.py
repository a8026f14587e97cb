"""Which display a run gets."""

import io
import sys

import pytest

import fourstep as fs
from fourstep.show import open_display


class Teletype(io.TextIOWrapper):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        """It does."""
        return True


def opened(show: str) -> list[str]:
    """The names of the hooks that show a run."""
    return [hook.__name__ for hook in open_display(show, fs.History())]


@pytest.mark.parametrize(
    ("term", "encoding", "name"),
    [
        ("xterm-256color", "utf-8", "on_event"),
        ("dumb", "utf-8", "print_lines"),
        ("xterm", "ascii", "print_lines"),
        ("xterm", "gb18030", "on_event"),
    ],
)
def test_auto_draws_where_the_terminal_can(
    term: str, encoding: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A terminal that moves its cursor and has the characters gets curves, another one lines."""
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys, "stdout", Teletype(io.BytesIO(), encoding=encoding))
    assert opened("auto") == [name]


def test_auto_prints_lines_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file or a pipe gets lines, "none" and a program without output nothing."""
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert opened("auto") == ["print_lines"]
    assert opened("lines") == ["print_lines"]
    assert opened("none") == []
    monkeypatch.setattr(sys, "stdout", None)
    assert opened("auto") == []


def test_a_terminal_without_the_characters_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for curves where they cannot be drawn is told why and what to do."""
    monkeypatch.setattr(sys, "stdout", Teletype(io.BytesIO(), encoding="latin-1"))
    with pytest.raises(
        fs.ConfigError, match=r"output's encoding latin-1 lacks: set PYTHONIOENCODING=utf-8, or use show"
    ):
        opened("terminal")


def test_an_unknown_display_is_refused() -> None:
    """The error names the nearest."""
    with pytest.raises(fs.UnknownNameError, match="unknown show 'terminl': did you mean 'terminal'"):
        opened("terminl")
