"""What is measured, and what a measurement gives; plain values, so that the measuring process stays small."""

import resource
from dataclasses import dataclass
from time import perf_counter
from typing import Self


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One contender at one work, or one command of the start-up.

    Attributes:
        contender: a key of `contenders.CONTENDERS` or `peers.PEERS`, or a command's name.
        work: a key of `works.WORKS`; `"startup"` for a command.
        samples: per epoch; None for the work's own, as for `batch_size` and `epochs`.
    """

    contender: str
    work: str
    samples: int | None = None
    batch_size: int | None = None
    epochs: int | None = None

    def __str__(self) -> str:
        size = "" if self.samples is None else f", {self.samples:,} samples"
        batch = "" if self.batch_size is None else f", batch {self.batch_size}"
        epochs = "" if self.epochs is None else f", {self.epochs} epochs"
        return f"{self.work}: {self.contender}{size}{batch}{epochs}"


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one contender did.

    Attributes:
        seconds: training and the evaluations after each epoch; imports, data reading and set-up are left out.
        steps: updates.
        samples: samples that were trained on, over all epochs.
        train_loss: mean loss over the last epoch; nan where it was not kept.
        score: test accuracy after the last epoch; for the linear regression the test MSE.
        page_faults: minor ones within `seconds`; None where they were not counted.
    """

    seconds: float
    steps: int
    samples: int
    train_loss: float
    score: float
    page_faults: int | None = None


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One run of a measurement, in a process of its own.

    Attributes:
        measurement: what ran.
        seconds: of the whole process, by the wall's clock.
        cpu_seconds: that it used, user and system.
        peak_mb: most memory that was resident, in 10^6 bytes.
        page_faults: minor ones of the whole process.
        other_seconds: CPU seconds that other work on the machine used meanwhile; None where that cannot be seen.
        disturbed: other work used too many.
        result: what the contender did; None for a command.
    """

    measurement: Measurement
    seconds: float
    cpu_seconds: float
    peak_mb: float
    page_faults: int
    other_seconds: float | None
    disturbed: bool
    result: Result | None = None


class Clock:
    """Counts seconds and minor page faults in its `with` block."""

    def __enter__(self) -> Self:
        self._faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        self._started = perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = perf_counter() - self._started
        self.page_faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - self._faults
