"""What is seen of a run: one chart in the terminal, in a notebook or in a file, and lines where there is none."""

import sys
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from fourstep.errors import ConfigError, UnknownNameError
from fourstep.events import Hook
from fourstep.history import History
from fourstep.show.places import can_draw, has_dots, notebook_shell

Show: TypeAlias = Literal["auto", "terminal", "notebook", "file", "lines", "none"]


def open_display(show: Any, history: History, folder: Path | None = None, evaluated: float = 0.0) -> tuple[Hook, ...]:
    """The hooks that show a run.

    Args:
        show: `"terminal"` draws the curves as they grow, the last epochs' numbers and a progress bar; `"notebook"` does
            so below the cell, in one place; `"file"` keeps `curves.svg` and `curves.png` in the run's folder, or
            `fourstep-curves.svg` and `.png` in the current one, up to date; `"lines"` prints a line per epoch; `"none"`
            shows nothing. `"auto"` takes the notebook or the terminal where there is one that can draw, else lines.
        history: the rows that there are before the run goes on.
        folder: the run's; None where it has none.
        evaluated: batches that are evaluated after an epoch, for each one that is trained on.

    Raises:
        UnknownNameError: `show` is none of these.
        ConfigError: `"terminal"` with an output whose encoding has no characters to draw with; `"notebook"` elsewhere.
    """
    if show not in get_args(Show):
        raise UnknownNameError.of("show", str(show), get_args(Show))
    if show == "auto":
        show = "notebook" if notebook_shell() is not None else "terminal" if can_draw() else "lines"
    if show == "notebook":
        return (_in_notebook(history, evaluated),)
    if show == "file":
        from fourstep.show.infile import PictureFile  # noqa: PLC0415 - matplotlib is slow to import

        return (PictureFile(history, folder).on_event,)
    if show == "none" or sys.stdout is None:  # a program without a console has no standard output
        return ()
    if show == "lines":
        from fourstep.show.lines import print_lines  # noqa: PLC0415 - only what is shown is imported

        return (print_lines,)
    if not has_dots():
        raise ConfigError(
            f"show 'terminal' draws with braille dots, which the output's encoding {sys.stdout.encoding} lacks: "
            "set PYTHONIOENCODING=utf-8, or use show 'lines'"
        )
    from fourstep.show.terminal import Terminal  # noqa: PLC0415 - rich and plotille are slow to import

    return (Terminal(history, evaluated).on_event,)


def _in_notebook(history: History, evaluated: float) -> Hook:
    shell = notebook_shell()
    if shell is None:
        raise ConfigError("show 'notebook' needs a notebook, and this program runs in none: use show 'auto' or 'file'")
    from fourstep.show.notebook import Notebook  # noqa: PLC0415 - matplotlib is slow to import

    return Notebook(history, shell, evaluated).on_event


def save_curves(history: History, path: str | Path, *, lr: bool = False) -> None:
    """Draw a run's curves into a file, whole or not at all; the same history gives the same bytes.

    Args:
        history: one row or more with measured numbers.
        path: its ending says how: `.svg`, `.png` or `.pdf`.
        lr: draw the learning rate too, in a panel of its own.

    Raises:
        ConfigError: another ending, or nothing to draw.
        DataFileError: the file cannot be written.
    """
    from fourstep.show.figure import figure_of, save_figure  # noqa: PLC0415 - matplotlib is slow to import

    save_figure(figure_of(history, lr=lr), path)
