"""What is seen of a run: curves in the terminal, lines where there is none, pictures in files."""

import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from fourstep.errors import ConfigError, UnknownNameError
from fourstep.events import Hook
from fourstep.history import History
from fourstep.show.places import can_draw, has_dots

Show: TypeAlias = Literal["auto", "terminal", "lines", "none"]


def open_display(show: Any, history: History) -> tuple[Hook, ...]:
    """The hooks that show a run on standard output.

    Args:
        show: `"terminal"` draws a progress bar and the curves as they grow, `"lines"` prints a line per epoch, `"none"`
            shows nothing; `"auto"` draws where the output is a terminal that can, and prints lines elsewhere.
        history: the rows that there are before the run goes on.

    Raises:
        UnknownNameError: `show` is none of these.
        ConfigError: `"terminal"` with an output whose encoding has no characters to draw with.
    """
    if show not in get_args(Show):
        raise UnknownNameError.of("show", str(show), get_args(Show))
    if show == "none" or sys.stdout is None:  # a program without a console has no standard output
        return ()
    if show == "terminal" and not has_dots():
        raise ConfigError(
            f"show 'terminal' draws with braille dots, which the output's encoding {sys.stdout.encoding} lacks: "
            "set PYTHONIOENCODING=utf-8, or use show 'lines'"
        )
    if show == "lines" or (show == "auto" and not can_draw()):
        from fourstep.show.lines import print_lines  # noqa: PLC0415 - only what is shown is imported

        return (print_lines,)
    from fourstep.show.terminal import Terminal  # noqa: PLC0415 - rich and plotille are slow to import

    return (Terminal(history).on_event,)


def save_curves(history: History, path: str | Path) -> None:
    """Draw a run's curves into a file, whole or not at all; the same history gives the same bytes.

    Args:
        history: one row or more with measured numbers.
        path: its ending says how: `.svg`, `.png` or `.pdf`.

    Raises:
        ConfigError: another ending, or nothing to draw.
        DataFileError: the file cannot be written.
    """
    from fourstep.show.figure import figure_of, save_figure  # noqa: PLC0415 - matplotlib is slow to import

    save_figure(figure_of(history), path)
