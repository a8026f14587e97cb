"""Keeps a run's report up to date: a page that is written anew while the run lives, and at its end with its answers.

At most 0.5 % of the time goes into it while the run trains. It looks at the run and changes nothing in it; a disk that
does not take the page ends no training.
"""

import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from fourstep.errors import FourstepError, FourstepWarning, one_line
from fourstep.events import Event
from fourstep.files import atomic_write
from fourstep.report.heldout import ask
from fourstep.report.notes import PARTS, Notes, State, Times, load_notes, save_notes
from fourstep.report.stopwatch import Stopwatch
from fourstep.runs.folder import REPORT, RunFolder
from fourstep.runs.record import load_run
from fourstep.show.thinning import Curves, add_row

if TYPE_CHECKING:
    from fourstep.run import Run  # a reporter reads its run; at run time it is given it and imports nothing

REST = 200  # times as long as a writing took until the next may begin: 0.5 % of the time
LOOK_EVERY = 0.1  # seconds, until another step is looked at
FIRST_COST = 0.025  # seconds that a writing is taken to cost before there was one: the first page comes after five


class Reporter:
    """Writes one run's report.

    Args:
        run: what is reported.

    Attributes:
        stopwatch: looks at some of the run's steps.
    """

    def __init__(self, run: "Run") -> None:
        self.run = run
        self.stopwatch = Stopwatch(run.model, run.optimizer, run.device)
        self._folder: RunFolder | None = None
        self._notes = Notes(state="running", begun=time.time(), written=time.time(), epochs=1)
        self._curves: Curves = {}
        self._rows = 0  # that the curves hold
        self._cost, self._next = FIRST_COST, 0.0
        self._look_next = 0.0
        self._begun = self._evaluations = 0.0
        self._ended: float | None = None
        self._is_broken = False  # the disk did not take something, and that was said

    def begin(self, folder: RunFolder, epochs: int) -> None:
        """The run begins, or goes on, in its folder."""
        self._folder, self._is_broken = folder, False
        self._begun, self._ended = perf_counter(), None
        self.stopwatch = Stopwatch(self.run.model, self.run.optimizer, self.run.device)
        self._curves, self._rows, self._evaluations = {}, 0, 0.0
        self._trying(self._begin_notes, epochs)
        self._next = perf_counter() + REST * self._cost

    def _begin_notes(self, epochs: int) -> None:
        assert self._folder is not None  # noqa: S101 - our own bug
        before = load_notes(self._folder.path)
        now = time.time()
        self._notes = Notes(
            state="running",
            begun=now if before is None else before.begun,
            written=now,
            epochs=epochs,
            step=self.run.step,
            command=command_line(sys.orig_argv),
        )
        save_notes(self._notes, self._folder.path)

    def on_event(self, event: Event) -> None:
        """Write the page anew where that is due; a hook."""
        now = perf_counter()
        if event.kind in ("tick", "row") and now >= self._look_next:  # a run that has a row per step has no ticks
            self.stopwatch.is_due, self._look_next = True, now + LOOK_EVERY
        if event.kind == "epoch" and self.stopwatch.passed is not None:
            self._evaluations += now - self.stopwatch.passed
        elif event.kind == "end":
            self._ended = now
        if now < self._next or event.kind in ("start", "end"):
            return
        self._trying(self._write_page)
        self._cost = perf_counter() - now
        self._next = now + self._cost * (1 + REST)

    def finish(self) -> None:
        """The run has ended: ask the model on the held-out split, where it ended well, and write the last page."""

        def is_over() -> bool:
            return self.run.keeper is not None and self.run.keeper.signals.received is not None

        ended_by = sys.exception()
        state, why = _state_of(ended_by, None if self.run.stopped is None else self.run.stopped.reason)
        answers, unanswered = None, "the run did not come to its end"
        if state in ("finished", "stopped") and not is_over():
            answers, unanswered = ask(self.run.model, self.run.data, self.run.generators, is_over)
        self._notes = replace(self._notes, state=state, why=why, answers=answers, unanswered=unanswered)
        self._trying(self._write_page)
        self._trying(self._write_notes)

    def _write_page(self) -> None:
        """Settings as they stand in the folder, all rows so far."""
        from fourstep.report.page import page_of  # noqa: PLC0415 - jinja2 is slow to import

        assert self._folder is not None  # noqa: S101 - our own bug
        rows = self.run.history.rows
        if self._rows > len(rows):
            self._curves, self._rows = {}, 0
        for row in rows[self._rows :]:
            add_row(self._curves, row)
        self._rows = len(rows)
        self._notes = replace(self._notes, written=time.time(), step=self.run.step, times=self._times())
        record = replace(load_run(self._folder.path, with_rows=False), history=self.run.history)
        wait = max(2.0, REST * self._cost)  # the browser looks as often as there is something new
        save_page(page_of(record, self._notes, self._curves, wait=wait), self._folder.path / REPORT)

    def _write_notes(self) -> None:
        assert self._folder is not None  # noqa: S101 - our own bug
        save_notes(self._notes, self._folder.path)

    def _times(self) -> Times | None:
        watch, now = self.stopwatch, self._ended or perf_counter()
        if not self.run.step:
            return None
        parts = tuple(watch.parts[part] for part in PARTS)
        return Times(
            all=now - self._begun, passes=watch.seconds, evaluations=self._evaluations, steps=watch.steps, parts=parts
        )

    def _trying(self, work: Callable[..., None], *arguments: object) -> None:
        """Do something that may fail, as a disk may; then say so once and go on."""
        try:
            work(*arguments)
        except Exception as error:  # noqa: BLE001 - a picture of the run is worth no run
            if not self._is_broken:
                said = error if isinstance(error, FourstepError | OSError) else f"{type(error).__name__}: {error}"
                text = f"the report could not be written: {said}. Training goes on"
                warnings.warn(one_line(text), FourstepWarning, stacklevel=2)
            self._is_broken = True


def save_page(page: str, path: str | Path) -> None:
    """Write a page, whole or not at all.

    Raises:
        DataFileError: it cannot be written.
    """
    with atomic_write(path) as part:
        part.write_text(page, encoding="utf-8")


def command_line(words: Sequence[str]) -> tuple[str, ...]:
    """What started this process, without where its Python lies; empty where that repeats nothing, as in a notebook.

    >>> command_line(["/usr/bin/python3", "-u", "train.py", "--lr", "0.1"])
    ('python', '-u', 'train.py', '--lr', '0.1')
    """
    if len(words) < 2 or any(word in ("-c", "-i") or "ipykernel" in word for word in words[1:4]):  # noqa: PLR2004 - python and a program
        return ()
    return ("python", *(one_line(word)[:200] for word in words[1:40]))


def _state_of(ended_by: BaseException | None, stopped: str | None) -> tuple[State, str]:
    """How a run ended, and why."""
    if isinstance(ended_by, GeneratorExit):
        return "stopped", "its loop was left"
    if isinstance(ended_by, KeyboardInterrupt | SystemExit):
        return "interrupted", "by a signal, or by Ctrl-C"
    if ended_by is not None:
        return "failed", one_line(f"{type(ended_by).__name__}: {ended_by}")[:500]
    return ("finished", "") if stopped is None else ("stopped", one_line(stopped)[:500])
