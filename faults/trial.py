"""What a fault is, and what its trials share."""

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from faults.subjects import Subject, list_modules, train_and_tell
from faults.zygote import CRASHED, REFUSED, Child, Failure, start

Body = Callable[["Site", random.Random, int], int]


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One row of the report.

    Attributes:
        name: for `--only`.
        what: what is done, in words.
        short: trials of `make faults`.
        long: trials of `make faults-long`.
        plan: counts all there are, of a fault that can be enumerated: `long` does all, `short` so many evenly apart.
        body: does one; returns how many injuries it was, raises `Failure` where the promise was broken.
    """

    name: str
    what: str
    short: int
    long: int
    body: Body
    plan: Callable[["Site"], int] | None = None

    def trials(self, site: "Site", *, is_long: bool) -> list[int]:
        """The numbers of the trials that are to be done."""
        if self.plan is None:
            return list(range(self.long if is_long else self.short))
        every = self.plan(site)
        count = every if is_long else min(self.short, every)
        return [every * part // count for part in range(count)]


@dataclass(eq=False)
class Site:
    """Where a trial happens.

    Attributes:
        root: a folder that lasts as long as this process.
        folder: the trial's own, fresh.
    """

    root: Path
    folder: Path = field(init=False)
    _references: dict[Any, dict[str, Any]] = field(default_factory=dict)
    _count: int = 0

    def __post_init__(self) -> None:
        self.folder = self.root / "trial"

    def warm_up(self) -> None:
        """Import here what training imports only when it needs it, so that no trial has to."""
        self.clear()
        child = start(lambda: list_modules(self.fresh("warm-up")))
        child.wait()
        for name in child.answers:
            with suppress(ImportError):
                import_module(name)

    def clear(self) -> None:
        """A fresh folder for the next trial."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)

    def fresh(self, name: str) -> Path:
        """A path in the trial's folder that nothing has yet."""
        self._count += 1
        return self.folder / f"{name}-{self._count}"

    def train(self, subject: Subject, folder: Path, **more: Any) -> Child:
        """Start a process that trains."""
        return start(lambda: train_and_tell(subject, folder, **more))

    def reference(self, subject: Subject) -> dict[str, Any]:
        """What comes of a run that nothing disturbs; found once for each program, however many workers it has."""
        key = replace(
            subject, workers=int(subject.persistent), prefetch=None
        )  # torch draws otherwise where they live on
        if key not in self._references:
            child = self.train(key, self.fresh("undisturbed"))
            self._references[key] = self.finished(child)
        return self._references[key]

    def finished(self, child: Child) -> dict[str, Any]:
        """What a process that must have ended well has found out.

        Raises:
            Failure: it did not end well.
        """
        code = child.wait()
        if code != 0:
            raise Failure(f"ended with {code}: {child.said()[-1500:]}")
        return {name: value for answer in child.answers if isinstance(answer, dict) for name, value in answer.items()}

    def resume(self, subject: Subject, folder: Path, **more: Any) -> dict[str, Any]:
        """Continue a run to its end, and compare it with the one that was never disturbed.

        Raises:
            Failure: it does not end well, or differs.
        """
        child = self.train(subject, folder, **more)
        try:
            found = self.finished(child)
        except Failure as failure:
            raise Failure(f"cannot be continued: {failure}") from failure
        if found["digest"] != self.reference(subject)["digest"]:
            raise Failure(f"differs from the undisturbed run, taken up at step {found['start']}: {child.said()[-500:]}")
        return found


def check_one_line(child: Child, code: int) -> None:
    """A process may end well, or by one line of ours; a traceback is a failure.

    Raises:
        Failure: it ended otherwise.
    """
    said = child.said()
    ours = [line for line in said.splitlines() if line.startswith("fourstep: ")]
    others = [line for line in said.splitlines() if line and not line.startswith("fourstep: ")]
    if code not in (0, REFUSED) or (code == REFUSED and not ours):
        raise Failure(f"ended with {code}{' by a traceback' if code == CRASHED else ''}: {said[-1500:]}")
    if others:
        raise Failure(f"said something else than lines of ours: {said[-1500:]}")


def soundness(folder: Path) -> list[tuple[int, bool]]:
    """Step and soundness of each checkpoint whose manifest can be read; reads bytes only, in this process."""
    from fourstep.errors import RunFolderError  # noqa: PLC0415 - not a part of the public names
    from fourstep.runs.checkpoint import verify_checkpoint  # noqa: PLC0415 - as above
    from fourstep.runs.manifest import list_checkpoints  # noqa: PLC0415 - as above

    found = []
    for checkpoint in list_checkpoints(folder / "checkpoints")[0]:
        try:
            verify_checkpoint(checkpoint)
            found.append((checkpoint.step, True))
        except RunFolderError:
            found.append((checkpoint.step, False))
    return found
