"""Keeping a run: its whole state goes into its folder when that is due, and comes back when the run starts again."""

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fourstep.doubts import make_seekable, register_hooks, say_doubts
from fourstep.epoch import Epoch
from fourstep.errors import ConfigError, FourstepError, FourstepWarning, RunFolderError
from fourstep.events import Stop
from fourstep.files import reason
from fourstep.runs.checkpoint import load_latest, load_step, prune_checkpoints, save_checkpoint
from fourstep.runs.folder import RunFolder
from fourstep.runs.lock import RunLock
from fourstep.runs.manifest import Checkpoint, list_checkpoints, to_keep
from fourstep.runs.packing import pack
from fourstep.runs.saving import Best, Saving, SavingClock, as_asked
from fourstep.runs.settings import SURROUNDINGS, describe, differences, refuse_another
from fourstep.runs.signals import Signals
from fourstep.runs.telling import say_farewell, say_where
from fourstep.seed import generator_states, set_generator_states
from fourstep.show.lines import say
from fourstep.snapshot import load_model, reading, restore_snapshot, restore_weights, take_snapshot

if TYPE_CHECKING:
    from fourstep.run import Run  # a keeper reads and restores its run; at run time it is given it and imports nothing


class Keeper:
    """Keeps one run in its folder.

    Args:
        run: what is kept.
        path: the folder.
        saving: when.

    Attributes:
        folder: where the run is kept.
        resumed: the epoch in whose middle the run goes on; else None.
        was_stopped: why a hook had ended the run; None where none had.
        signals: that ask for the end.
    """

    def __init__(self, run: "Run", path: str | Path, saving: Saving) -> None:
        self.run, self.path = run, Path(path)
        self.saving = as_asked(saving)
        self.folder: RunFolder | None = None
        self.resumed: Epoch | None = None
        self.was_stopped: Stop | None = None
        self.signals = Signals()
        self._leaves = False  # a signal was answered
        self._best: Best | None = None
        self._goes_back = run.guard.policy == "rollback"
        self._mark: int | None = None  # the step whose checkpoint it goes back to
        self._marks_every = saving.every_steps  # steps; however often it is saved, a run goes back to the same ones
        self._saved_step, self._clock, self._is_opened = 0, SavingClock(), False
        register_hooks(run)
        make_seekable(run)

    @contextmanager
    def open(self, speed: Mapping[str, bool | int], epochs: int) -> Iterator[RunFolder]:
        """Hold the folder, restore what is in it, and listen to signals.

        Args:
            speed: what was done to be fast, for the table `[speed]`.
            epochs: that are to be done in all.

        Raises:
            RunFolderError: another process holds it, it holds another run, or nothing sound.
        """
        folder = self.folder = self.folder or RunFolder(self.path)
        lock = RunLock(folder.path)
        try:
            if self._is_opened:
                self._check_latest(folder)
            else:
                self._open_first(folder, speed)
            if self.run.show != "none" and self.run.step:
                say_where(self.path, self.run.step, self.run.epochs_done, epochs, self.was_stopped)
            self._leaves = False
            self._clock.restart()
            with self.signals:
                yield folder
            self.answer_signal()  # that came after the last step
        except OSError:  # a terminal that was closed takes no more lines
            self.answer_signal()
            raise
        finally:
            folder.close()
            lock.release()
            if self._leaves:  # said when the display has ended
                say_farewell(self.path, self.run.step, self._saved_step)

    def _open_first(self, folder: RunFolder, speed: Mapping[str, bool | int]) -> None:
        try:
            self._begin_or_resume(folder, speed)
        except (FourstepError, OSError) as error:
            folder.leave()
            if isinstance(error, FourstepError):
                raise
            raise RunFolderError(f"{folder.path} cannot be read: {reason(error)}. Mend: check the disk") from error
        self._is_opened = True
        if self._goes_back and self._mark is None:
            self._save(self.resumed, is_mark=True)

    def taking(self, groups: Iterator[Any]) -> Iterator[Any]:
        """The data's batches; where a signal to the whole group has ended its worker processes, the run leaves too."""
        try:
            yield from groups if self.run.reporter is None else self.run.reporter.stopwatch.steps_of(groups)
        except Exception:
            self.answer_signal()
            raise

    def _begin_or_resume(self, folder: RunFolder, speed: Mapping[str, bool | int]) -> None:
        run = self.run
        for name, tree in take_snapshot(run, None).items():
            pack(tree, name)  # what cannot be saved is refused now
        say_doubts(self.run)
        tables = {**describe(run.model, run.optimizer, run.data, run.device, run.settings), "speed": dict(speed)}
        before = folder.read_settings()
        if before is not None:
            refuse_another(folder.path, before, tables)
            checkpoint = load_latest(folder.checkpoints)
            if checkpoint is not None:
                self._restore(folder, *checkpoint)
                around = differences(before, tables, SURROUNDINGS)
                if around and run.show != "none":
                    say(f"results may differ in rounding from a run that was never stopped: {'; '.join(around)}")
                if before["settings"] != tables["settings"]:  # more epochs, or fewer
                    folder.write_settings({**before, "settings": tables["settings"]})
                return
        folder.begin(tables, run.data.encoding)

    def _restore(self, folder: RunFolder, checkpoint: Checkpoint, parts: Mapping[str, Any]) -> None:
        with reading(checkpoint.path):
            self.resumed = restore_snapshot(self.run, parts, checkpoint.step, checkpoint.path)
            stopped, best, self._mark = (parts["state"].get(name) for name in ("stopped", "best", "mark"))
        self.was_stopped = None if stopped is None else Stop(stopped)
        self._best = Best.of_state(best, checkpoint.path)
        self._saved_step = checkpoint.step
        folder.write_rows(self.run.history)

    def forget(self) -> None:
        """The run came to nothing, and its folder is gone: the next time begins anew."""
        self._is_opened, self.folder, self._mark, self._saved_step = False, None, None, 0

    def _check_latest(self, folder: RunFolder) -> None:
        """Refuse to go on where another run has overtaken this one."""
        found = list_checkpoints(folder.checkpoints)[0]
        if found and found[0].step > self._saved_step:
            raise RunFolderError(
                f"{folder.path} has been trained on to step {found[0].step:,} by another run, this one knows step "
                f"{self._saved_step:,}: make it anew to continue there"
            )

    def after_step(self, epoch: Epoch) -> None:
        """Save inside an epoch, where that is due.

        Raises:
            KeyboardInterrupt, SystemExit: a signal asked for the end; the run has been saved.
        """
        steps, seconds = self.saving.every_steps, self.saving.every_seconds
        is_due = self.signals.received is not None or (steps is not None and self.run.step % steps == 0)
        if not is_due and seconds is not None:
            is_due = self._clock.is_due(seconds)
        is_mark = self._goes_back and self._marks_every is not None and self.run.step % self._marks_every == 0
        if is_due or is_mark:
            self._try_to_save(epoch, is_mark=is_mark)
            self.answer_signal()

    def interruptible(self, epoch: Epoch, source: Iterable[Any]) -> Iterator[Any]:
        """A source's batches for the evaluation after an epoch's last step, which a signal need not wait for.

        Raises:
            KeyboardInterrupt, SystemExit: as for `after_step`.
        """
        before = generator_states(self.run.device, self.run.generators)
        for batch in source:
            if self.signals.received is not None:
                set_generator_states(before, self.run.generators)  # the evaluation is done again as a whole
                self._try_to_save(epoch)
                self.answer_signal()
            yield batch

    def after_epoch(self, *, is_last: bool) -> None:
        """Save between two epochs, where that is due; at the last one in any case.

        Raises:
            RunFolderError: the last checkpoint could not be saved.
            KeyboardInterrupt, SystemExit: as for `after_step`.
        """
        best = self.saving.better(self._best, self.run.step, self.run.history.rows[-1])
        is_due = self.signals.received is not None or self._clock.is_due()
        before, self._best = self._best, best or self._best
        if is_last:
            self._save(None, is_mark=True)
        elif (is_due or best is not None or self._goes_back) and not self._try_to_save(None, is_mark=True):
            self._best = before  # whose checkpoint is there
        self.answer_signal()

    def answer_signal(self) -> None:
        """End the process's work where a signal asked for it."""
        if self.signals.received is not None:
            self._leaves = True
            self.signals.leave(self.signals.received)

    def go_back(self) -> int:
        """Put weights and optimizer back to the last mark, whose step is returned; where the data is stays."""
        assert self.folder is not None  # noqa: S101 - our own bug
        restore_weights(self.run, load_step(self.folder.checkpoints, self._mark or 0))
        return self._mark or 0

    def _try_to_save(self, epoch: Epoch | None, *, is_mark: bool = False) -> bool:
        """Save; where that fails say so, go on, and try again when the next save is due."""
        try:
            self._save(epoch, is_mark=is_mark)
        except RunFolderError as error:
            warnings.warn(f"{error}. Training goes on", FourstepWarning, stacklevel=2)
            self._clock.restart()
            return False
        return True

    def _save(self, epoch: Epoch | None, *, is_mark: bool = False) -> None:
        assert self.folder is not None  # noqa: S101 - our own bug
        begun, run, place = perf_counter(), self.run, self.folder.checkpoints
        run.guard.read()  # so that what is saved is sound
        mark = run.step if self._goes_back and is_mark else self._mark
        if mark != self._mark:
            run.guard.forgive()
        parts = take_snapshot(run, epoch)
        parts["state"]["best"] = None if self._best is None else tuple(self._best)
        parts["state"]["mark"] = mark
        saved = save_checkpoint(place, run.step, parts)
        self._mark = mark
        self.folder.write_rows(run.history, always=False)
        with suppress(OSError):  # then they go with the next
            steps = [mark, None if self._best is None else self._best.step]
            prune_checkpoints(place, to_keep(saved, self.saving.keep, steps))
        self._saved_step = run.step
        self._clock.restart(begun)

    def load_best(self) -> float:
        """Put the best epoch's weights into the model; see `Run.load_best`."""
        if self._best is None or self.folder is None:
            raise ConfigError("there is no best epoch yet: give the run saving=fourstep.Saving(best='lowest val/loss')")
        load_model(self.run.model, load_step(self.folder.checkpoints, self._best.step)["model"])
        return self._best.value
