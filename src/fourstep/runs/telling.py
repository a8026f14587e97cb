"""What is said of a run that does not begin at its beginning, or does not end at its end."""

from pathlib import Path

from fourstep.events import Stop
from fourstep.show.lines import say


def say_where(path: Path, step: int, epochs_done: int, epochs: int, stop: Stop | None) -> None:
    """A line for a run that goes on, or has nothing left to do.

    Args:
        path: its folder.
        step: updates done.
        epochs_done: of `epochs`.
        epochs: that there are to be.
        stop: why a hook had ended it; None where none had.
    """
    where = f"step {step:,} of {path}, {epochs_done} of {epochs} epochs done"
    if stop is not None:
        say(f"stopped at {where}: {stop.reason}")
    elif epochs_done >= epochs:
        say(f"finished at {where}. Ask for more epochs to go on")
    else:
        say(f"continued at {where}")


def say_farewell(path: Path, step: int, saved: int) -> None:
    """A line for a run that a signal ended, and what of it is saved."""
    if saved == step:
        say(f"stopped at step {step:,}, and saved in {path}: started again, it goes on there")
    else:
        say(f"stopped at step {step:,}; what is saved in {path} is step {saved:,}, and started again it goes on there")
