"""When a run in a folder is saved, and what stays."""

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from fourstep.errors import ConfigError, RunFolderError, check_count

SAVE_EVERY = "FOURSTEP_SAVE_EVERY"  # an environment variable: steps, in place of `Saving.every_steps`
SHARE = 100  # times as long as a save took until the next may begin: 1 % of the time goes into saving
FIRST_COST = 0.02  # seconds that a save is taken to cost before there was one
_SIGNS = {"lowest": 1, "highest": -1}


class Best(NamedTuple):
    """The best epoch so far: its number, and the updates done after it."""

    value: float
    step: int
    of: str  # as `Saving.best` has it

    @classmethod
    def of_state(cls, state: Any, path: Path) -> "Best | None":
        """What the checkpoint at `path` holds, a tuple of the three or None.

        Raises:
            RunFolderError: it holds something else.
        """
        match state:
            case None:
                return None
            case (float() | int(), int(), str()):
                return cls(*state)
        raise RunFolderError(f"{path} is no checkpoint of a run: its best is {type(state).__name__}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """When a run in a folder is saved, beside at its end and at a signal; and what stays.

    Attributes:
        every_steps: save after every so many updates; None for by the clock alone.
        every_seconds: save inside an epoch when so many seconds have passed since the last time; None for never. As at
            the end of an epoch, not before a hundred times what the last save took: at most 1 % of the time goes into
            saving. A run that may go back (`non_finite="rollback"`) is saved at the end of every epoch all the same.
        keep: how many checkpoints stay, 1 or more; of more than one, damage to the latest costs the least.
        best: `"lowest val/loss"` or `"highest val/accuracy"`: keep the checkpoint of the epoch with the best such
            number too, for `Run.load_best`; None for none.

    Raises:
        ConfigError: a value out of range.
    """

    every_steps: int | None = None
    every_seconds: float | None = 60.0
    keep: int = 2
    best: str | None = None

    def __post_init__(self) -> None:
        check_count("every_steps", 1 if self.every_steps is None else self.every_steps)
        check_count("keep", self.keep)
        if self.every_seconds is not None and not self.every_seconds > 0:
            raise ConfigError(f"every_seconds {self.every_seconds}: expected a number above 0, or None")
        if self.best is not None and (len(self.best.split()) != 2 or self.best.split()[0] not in _SIGNS):  # noqa: PLR2004
            raise ConfigError(f"best {self.best!r}: expected as 'lowest val/loss' or 'highest val/accuracy'")

    def better(self, best: Best | None, step: int, row: Mapping[str, float]) -> Best | None:
        """What the row of an epoch makes the best one; None where it does not, or where no best is asked for.

        Raises:
            ConfigError: the row has no such number.
        """
        if self.best is None:
            return None
        which, name = self.best.split()
        if name not in row:
            measured = ", ".join(key for key in row if "/" in key)
            raise ConfigError(f"best {self.best!r}: the rows have no {name!r}, they have {measured}")
        value = row[name]
        if math.isnan(value) or (
            best is not None and best.of == self.best and value * _SIGNS[which] >= best.value * _SIGNS[which]
        ):
            return None
        return Best(value, step, self.best)


BY_THE_CLOCK = Saving()


def as_asked(saving: Saving) -> Saving:
    """What the environment variable `FOURSTEP_SAVE_EVERY` makes of it, by which `fourstep verify-resume` saves.

    Raises:
        ConfigError: it is no number of steps.
    """
    every = os.environ.get(SAVE_EVERY)
    if every is None:
        return saving
    if not (every.isascii() and every.isdecimal()):
        raise ConfigError(f"{SAVE_EVERY}={every!r}: expected a number of steps, or unset it")
    return replace(saving, every_steps=int(every))


class SavingClock:
    """How long ago a run was saved, and what that cost."""

    def __init__(self) -> None:
        self._saved_at, self._cost = perf_counter(), FIRST_COST

    def is_due(self, seconds: float = 0.0) -> bool:
        """Have so many seconds passed, and a hundred times what the last save took?"""
        return perf_counter() - self._saved_at >= max(seconds, SHARE * self._cost)

    def restart(self, begun: float | None = None) -> None:
        """Count from now on; after a save, with the `perf_counter()` at which it began."""
        self._saved_at = perf_counter()
        if begun is not None:
            self._cost = self._saved_at - begun
