"""What is seen of a run."""

from pathlib import Path
from typing import Literal, TypeAlias

from fourstep.events import Hook
from fourstep.history import History

Show: TypeAlias = Literal["auto", "terminal", "lines", "none"]


def open_display(show: Show, history: History) -> tuple[Hook, ...]:
    """Show it."""
    return ()


def save_curves(history: History, path: str | Path) -> None:
    """Draw it."""
