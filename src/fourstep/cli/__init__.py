"""The command `fourstep`: it reads arguments, calls, and prints. Everything that it does can be done from Python.

Exit codes: 0 done, 1 the training failed or the memory ran out, 2 wrong usage or input (one line that says what, where
and how to mend it), 130 and 143 stopped by Ctrl-C or SIGTERM, with everything saved.
"""

import os
import sys
import warnings
from collections.abc import Sequence
from importlib.metadata import version
from typing import Annotated, TextIO

import tyro
from tyro.conf import subcommand

from fourstep.cli.data import DataCommand
from fourstep.cli.eject import Eject
from fourstep.cli.keep import Resume, Verify
from fourstep.cli.predict import Predict
from fourstep.cli.report import Report
from fourstep.cli.show import Show
from fourstep.cli.train import Train
from fourstep.cli.tryout import VerifyResume
from fourstep.cli.use import Evaluate, Plot
from fourstep.cli.weights import WeightsCommand
from fourstep.errors import FourstepError, FourstepWarning, NonFiniteError, is_out_of_memory, one_line
from fourstep.files import reason

FAILED, WRONG, INTERRUPTED, UNREAD = 1, 2, 130, 141
_LONGEST = 200  # characters of another library's message

DESCRIPTION = """Train any PyTorch model in four steps that you can read.

    fourstep train lenet                        real handwritten digits, no download, some seconds
    fourstep predict runs/lenet                 a picture of true and predicted labels
    fourstep train lenet --data fashion-mnist   the book's own run"""

Command = (
    Annotated[Train, subcommand("train")]
    | Annotated[Show, subcommand("show")]
    | Annotated[Resume, subcommand("resume")]
    | Annotated[Verify, subcommand("verify")]
    | Annotated[VerifyResume, subcommand("verify-resume")]
    | Annotated[Evaluate, subcommand("evaluate")]
    | Annotated[Predict, subcommand("predict")]
    | Annotated[Plot, subcommand("plot")]
    | Annotated[Eject, subcommand("eject")]
    | Annotated[Report, subcommand("report")]
    | Annotated[DataCommand, subcommand("data")]
    | Annotated[WeightsCommand, subcommand("weights")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: what was typed after `fourstep`; None for this process's own.

    Returns:
        The exit code.
    """
    warnings.showwarning = _show_warning
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given == ["--version"]:
        print(f"fourstep {version('fourstep')}")
        return 0
    command = tyro.cli(
        Command,
        prog="fourstep",
        description=DESCRIPTION,
        args=given or ["--help"],
        config=(tyro.conf.OmitArgPrefixes, tyro.conf.OmitSubcommandPrefixes),
    )
    try:
        command.execute()
    except FourstepError as error:
        print(f"fourstep: {error}", file=sys.stderr)
        return FAILED if isinstance(error, NonFiniteError) else WRONG
    except KeyboardInterrupt:
        print("fourstep: stopped by Ctrl-C", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # who read the output has gone, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except (OSError, MemoryError, RuntimeError) as error:  # of whatever we call
        return _tell(error)
    return 0


def _tell(error: Exception) -> int:
    """Print what went wrong outside of fourstep in one line; the exit code. What is a mistake of ours is raised."""
    if is_out_of_memory(error):
        lines = str(error).strip().splitlines()  # that of a worker process begins with a traceback
        said = f": {one_line(lines[-1])[:_LONGEST]}" if lines else ""
        print(f"fourstep: the memory ran out{said}. Close other programs, or use less", file=sys.stderr)
        return FAILED
    if not isinstance(error, OSError):
        raise error
    named = error.filename is not None  # such as a name that no file can have, or a folder that may not be entered
    said = f"{one_line(str(error.filename))}: {reason(error)}" if named else reason(error)
    mend = "Expected a file or folder that is there and may be used" if named else "Is there room on the disk?"
    print(f"fourstep: {said}. {mend}", file=sys.stderr)
    return WRONG


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,  # noqa: ARG001 - Python passes it
    line: str | None = None,
) -> None:
    """Our own warnings as one line; others as Python shows them."""
    if issubclass(category, FourstepWarning):
        print(f"fourstep: warning: {message}", file=sys.stderr)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
