"""What there is to show something in: a terminal, a notebook, a window, or nothing but a file."""

import os
import sys
from typing import Any


def can_draw() -> bool:
    """Is the output a terminal whose cursor can be moved, and that has the characters for curves?"""
    is_terminal = sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    return is_terminal and has_dots()


def has_dots() -> bool:
    """Does the output's encoding have the characters for curves?"""
    try:
        "\N{BRAILLE PATTERN DOTS-1}\N{BOX DRAWINGS LIGHT VERTICAL}".encode(
            getattr(sys.stdout, "encoding", None) or "utf-8"
        )
    except UnicodeEncodeError:
        return False
    return True


def notebook_shell() -> Any | None:
    """The shell of the notebook that this runs in; None elsewhere, a terminal's IPython included."""
    ipython = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell if getattr(shell, "kernel", None) is not None else None


def is_prompt() -> bool:
    """Does somebody type this line by line?"""
    return hasattr(sys, "ps1") or bool(sys.flags.interactive)


def has_windows() -> bool:
    """Does matplotlib draw into live windows here?"""
    from matplotlib import get_backend  # noqa: PLC0415 - slow to import
    from matplotlib.backends.registry import BackendFilter, backend_registry  # noqa: PLC0415 - as above

    name = get_backend().lower()
    live: list[str] = backend_registry.list_builtin(BackendFilter.INTERACTIVE)  # type: ignore[no-untyped-call] # no types
    return name in live or "ipympl" in name or name == "widget"
