"""One plain line per epoch: for output that is no terminal, such as a file, a pipe or a notebook."""

import sys
from contextlib import suppress

from fourstep.errors import one_line
from fourstep.events import Event
from fourstep.show.labels import metric_of, number, shortened, speed, title


def print_lines(event: Event) -> None:
    """Print an epoch's numbers when it ends; a hook."""
    if event.kind != "epoch":
        return
    splits: dict[str, list[str]] = {}
    for name, value in event.row.items():
        if "/" in name:
            splits.setdefault(name.partition("/")[0], []).append(f"{shortened(metric_of(name))} {number(value)}")
    measured = [f"{title(split)}: {', '.join(numbers)}" for split, numbers in splits.items()]
    parts = [f"epoch {round(event.epochs_done)}/{event.num_epochs}", *measured, speed(event.examples_per_second)]
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"  # it may lack the letters of a metric's name
    sys.stdout.write("  ".join(parts).encode(encoding, "backslashreplace").decode(encoding) + "\n")
    sys.stdout.flush()  # who reads a pipe waits for it


def say(text: str) -> None:
    """A line about the run beside its output, on standard error where there is one."""
    if sys.stderr is not None:  # a program without a console has none
        with suppress(OSError):  # the terminal was closed
            sys.stderr.write(f"fourstep: {one_line(text)}\n")
