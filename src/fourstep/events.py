"""What a run says while it goes, and what may be answered: a hook is a plain function of an `Event`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Literal, TypeAlias, TypedDict

Kind: TypeAlias = Literal["start", "tick", "row", "epoch", "end"]


class Position(TypedDict):
    """Where a run is; `Event` says what the fields mean."""

    epochs_done: float
    step: int
    examples_per_second: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """Something happened.

    Attributes:
        kind: `"start"` before the first step; `"tick"` between two steps, at most a few times a second (its moments
            depend on the clock: show with it, decide nothing); `"row"` when a row of numbers was added inside an epoch;
            `"epoch"` when an epoch's last row was; `"end"` after the last step, also when the loop was left early or
            failed.
        epochs_done: how far the run is, in epochs: 2.5 is half-way through the third.
        num_epochs: how many there will be in all.
        step: updates done in the whole run.
        examples_per_second: training speed in this epoch so far, data loading included; 0 before its first step.
        seconds: since the run began.
        row: the new row's numbers for `"row"` and `"epoch"`; else empty.
    """

    kind: Kind
    epochs_done: float
    num_epochs: int
    step: int
    examples_per_second: float
    seconds: float
    row: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Stop:
    """A hook's answer that ends the run after the current step, and says why."""

    reason: str


Hook: TypeAlias = Callable[[Event], Stop | None]

TICK_SECONDS = 0.1  # a display need not know more often where the run is


class Announcer:
    """Tells hooks what happens, and remembers the first `Stop` that one of them answers.

    Args:
        hooks: who is told.
        num_epochs: how many there will be in all.
        seconds: that the run took before.
    """

    def __init__(self, hooks: Sequence[Hook], num_epochs: int, seconds: float = 0.0) -> None:
        self.hooks = tuple(hooks)
        self.num_epochs = num_epochs
        self.stop: Stop | None = None
        self._last_tick = perf_counter()
        self._started = self._last_tick - seconds

    @property
    def seconds(self) -> float:
        """Since the run began."""
        return perf_counter() - self._started

    def tell(self, kind: Kind, where: Position, row: Mapping[str, float] | None = None) -> None:
        """Send one event to every hook."""
        event = Event(kind=kind, num_epochs=self.num_epochs, seconds=self.seconds, row=row or {}, **where)
        for hook in self.hooks:
            answer = hook(event)
            if isinstance(answer, Stop) and self.stop is None:
                self.stop = answer

    def is_tick_due(self) -> bool:
        """Is it time for a `"tick"`? Then the next is due `TICK_SECONDS` later."""
        now = perf_counter()
        if now - self._last_tick < TICK_SECONDS:
            return False
        self._last_tick = now
        return True
