"""When a run in a folder is saved, and what stays."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from fourstep.errors import ConfigError, check_count

_SIGNS = {"lowest": 1, "highest": -1}


class Best(NamedTuple):
    """The best epoch so far: its number, and the updates done after it."""

    value: float
    step: int
    of: str  # as `Saving.best` has it


@dataclass(frozen=True, kw_only=True, slots=True)
class Saving:
    """When a run in a folder is saved, beside at its end and at a signal; and what stays.

    Attributes:
        every_steps: save after every so many updates; None for by the clock alone.
        every_seconds: save inside an epoch when so many seconds have passed since the last time; None for never. As at
            the end of an epoch, not before a hundred times what the last save took: at most 1 % of the time goes into
            saving.
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
