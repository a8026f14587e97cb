"""One plain line per epoch: for output that is no terminal, such as a file, a pipe or a notebook."""

import sys

from fourstep.events import Event
from fourstep.show.labels import number, speed, title


def print_lines(event: Event) -> None:
    """Print an epoch's numbers when it ends; a hook."""
    if event.kind != "epoch":
        return
    measured = [f"{title(name)} {number(value)}" for name, value in event.row.items() if "/" in name]
    parts = [f"epoch {round(event.epochs_done)}/{event.num_epochs}", *measured, speed(event.examples_per_second)]
    sys.stdout.write("  ".join(parts) + "\n")
    sys.stdout.flush()  # who reads a pipe waits for it
