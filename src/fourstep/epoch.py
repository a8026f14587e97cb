"""One pass over the training data: what is yielded, recorded, evaluated and written down in it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from itertools import islice
from time import perf_counter
from typing import TYPE_CHECKING, Any

from torch import Tensor

from fourstep.data.batches import Seekable
from fourstep.data.dataset import num_batches, split_to_judge, start_pass, unaugmented
from fourstep.data.loader import generators_of
from fourstep.errors import DataError, check_count
from fourstep.evaluation import evaluate
from fourstep.events import Kind, Position
from fourstep.history import CLEAN
from fourstep.losses import LossFn
from fourstep.nesting import batch_length
from fourstep.recording import non_finite_error
from fourstep.seed import generator_states, set_generator_states, standing
from fourstep.step import Batch

if TYPE_CHECKING:
    import fourstep.run  # an epoch moves its run's counters on; at run time it is given the run and imports nothing


class Epoch:
    """One pass over the training data, as `Run.epochs` yields it; iterate it for batches that are on the device.

    Attributes:
        number: counted from 1.
    """

    def __init__(self, run: "fourstep.run.Run", number: int) -> None:
        self.run = run
        self.number = number
        self._num_batches = num_batches(run.data.train)
        self._batches = self._examples = 0
        self._started = perf_counter()
        self._seconds = 0.0  # of training, without evaluation
        self._is_passed = False  # all its batches were taken
        self._is_cut = False  # it ends before its last batch: a hook stopped it, or the run's loop was left
        self._is_closed = False
        self._lr: Any = None  # as the last batch left it
        self._group: Sequence[Batch] = ()
        self._observed = 0  # of the group
        self._saved: Mapping[str, Any] | None = None  # where to go on, of an epoch that was interrupted
        self._pass_start: Mapping[str, Any] | None = None  # where the generators stood, of which the order may be drawn
        run.recorder.start_epoch()

    def __iter__(self) -> Iterator[Batch]:
        with self.run.guard.watching():
            for group in self.micro_batches(1):
                yield group[0]

    def micro_batches(self, size: int) -> Iterator[Sequence[Batch]]:
        """Yield the batches in groups of `size`, one group per update; the last group may be shorter.

        Raises:
            ConfigError: `size` is below 1.
            DataError: the data yields no batch, or something else than pairs.
            NonFiniteError: the loss became NaN or infinite; seen where a row is written.
        """
        check_count("accumulate", size)
        run, announcer = self.run, self.run.announcer
        self._num_batches = num_batches(run.data.train)
        groups = self._groups(size)
        for group in groups if run.keeper is None else run.keeper.taking(groups):
            self._group, self._observed = group, 0
            run.guard.begin_group()
            yield group
            self._group = ()
            run.step += 1
            self._batches += len(group)
            for _, targets in group:
                self._examples += batch_length(targets)
            if run.log_every is not None and run.step % run.log_every == 0 and self._batches != self._num_batches:
                self._read()
                self._add_row("row")
            elif announcer.is_tick_due():
                run.guard.read()
                announcer.tell("tick", self.position)
            if announcer.stop is not None:
                self._is_cut = self._batches != self._num_batches
                break
            if run.keeper is not None and run.guard.is_between_updates():
                run.keeper.after_step(self)
        if not self._batches:
            raise DataError(
                "the training data is empty: it yields no batch. Expected at least one. Is drop_last "
                "on, or is it a generator that was used up?"
            )
        self._read()  # waits for the device, so that the clock tells the truth
        self._lr = run.lr  # before a schedule changes it for the next epoch
        self._seconds, self._is_passed = perf_counter() - self._started, True

    def _groups(self, size: int) -> Iterator[Sequence[Batch]]:
        run, saved = self.run, self._saved
        self._saved, self._is_passed = None, False
        if saved is None:
            self._batches, self._examples, self._started = 0, 0, perf_counter()
        else:
            self._started = perf_counter() - saved["epoch"]["seconds"]
            set_generator_states(saved["epoch"]["pass_start"], run.generators)  # the same order again
        if run.keeper is not None:
            self._pass_start = generator_states(run.device, run.generators)
        pairs = start_pass(run.data.train, self.number - 1, self._batches, run.device)
        if saved is not None:
            set_generator_states(saved["generators"], run.generators)
        return zip(pairs) if size == 1 else iter(lambda: tuple(islice(pairs, size)), ())

    def state_dict(self) -> dict[str, Any]:
        """Where the epoch is, between two steps. Waits for the device."""
        return {
            "batches": self._batches,
            "examples": self._examples,
            "seconds": perf_counter() - self._started,
            "pass_start": self._pass_start,
            "recorder": self.run.recorder.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Let the next pass go on where the epoch was.

        Args:
            state: `epoch`, which `state_dict` gave, and `generators`, where they stood then.
        """
        self._saved = state
        self._pass_start = state["epoch"]["pass_start"]  # what is saved before the pass goes on holds it too
        self._started = perf_counter() - state["epoch"]["seconds"]
        self._batches, self._examples = state["epoch"]["batches"], state["epoch"]["examples"]
        self._seconds, self._is_passed = state["epoch"]["seconds"], True  # the clock stands until the pass goes on
        self.run.recorder.load_state_dict(state["epoch"]["recorder"])

    def record(self, loss: Tensor, outputs: Any, targets: Any, items: int | Tensor | None = None) -> None:
        """Add a batch to the epoch's loss and metrics; waits for nothing.

        Args:
            loss: as the loss function gave it: a mean, one value per item, or a sum by `reduction="sum"` or `.sum()`.
                Of a sum that was scaled or added to others pass the mean.
            outputs: the model's answer.
            targets: the truth.
            items: how many items `loss` is the mean of, where it is not the mean of all targets (class weights,
                `ignore_index`).

        Raises:
            ShapeError: outputs and targets do not belong together.
        """
        guard = self.run.guard
        if not guard.has_skipped(loss):
            sound = None if getattr(loss, "is_cpu", True) else guard.sound(loss)
            self.run.recorder.record(loss, outputs, targets, items, sound)

    def observe(self, loss: Tensor, outputs: Any, targets: Any, items: int | Tensor | None = None) -> None:
        """`record` before the update, which does not happen where loss or gradients are not finite: for `train_step`.

        Raises:
            NonFiniteError: they are not, and the run is to stop then.
            ShapeError: as for `record`.
        """
        if self.run.guard.passes(loss, items):
            sound = None if loss.is_cpu else self.run.guard.sound(loss)
            self.run.recorder.record(loss, outputs, targets, items, sound)
        self._observed += 1

    @property
    def batch(self) -> Batch | None:
        """What is being trained on; None between two batches."""
        return self._group[self._observed] if self._observed < len(self._group) else None

    @property
    def batch_number(self) -> int:
        """Of the batch that is being trained on, from 1."""
        return self._batches + self._observed + 1

    def indices(self, batch_number: int) -> list[int] | None:
        """Which samples are in a batch of this epoch, counted from 1; None where the data cannot say."""
        source: Any = self.run.data.train
        return source.indices(self.number - 1, batch_number - 1) if hasattr(source, "indices") else None

    def find(self, batch_number: int) -> Batch | None:
        """A batch of this epoch, counted from 1, once more; None where the data cannot say."""
        source: Any = self.run.data.train
        return source.find(self.number - 1, batch_number - 1) if hasattr(source, "find") else None

    def evaluate(self, loss_fn: LossFn | None = None, split: str | None = None) -> dict[str, float]:
        """Measure the model over a split; its modules' modes are restored.

        Args:
            loss_fn: of any reduction; None measures the metrics alone.
            split: `"train"`, `"val"` or `"test"`; None for val, or test where there is no val.

        Returns:
            name -> value, also in this epoch's row as `split/name`, of train as `train-clean/name`; empty where there
            is neither val nor test.

        Raises:
            ConfigError: the split is not there.
        """
        run, keeper = self.run, self.run.keeper
        name = split_to_judge(run.data, split)
        if name is None:
            return {}
        source = unaugmented(run.data.splits()[name])
        # the next epoch's order is drawn from them too; persistent workers draw in a process's first pass alone
        stands = name == "train" or (keeper is not None and getattr(source, "persistent_workers", False))
        if isinstance(source, Seekable):  # in the same order when the run is started again
            source.seek(self.number - 1)
        with standing(run.device, generators_of(source)) if stands else nullcontext():
            if keeper is not None and self._is_passed and run.repeats_evaluation and run.stopped is None:
                source = keeper.interruptible(self, source)
            measured = evaluate(run.model, source, loss_fn, metrics=run.metrics)
        run.recorder.results |= {f"{CLEAN if name == 'train' else name}/{key}": one for key, one in measured.items()}
        return measured

    def close(self) -> None:
        """Add the epoch's row; `Run.epochs` does it for you."""
        self._is_closed = True
        self._read()
        if not self._is_cut:
            self.run.epochs_done = self.number
        self._add_row("epoch")

    def leave(self) -> None:
        """Add the row of an epoch in which the run's loop was left; `Run.epochs` does it for you."""
        if self._batches and self._saved is None and not self._is_closed and not self.run.recorder.failed:
            self._is_cut = not self._is_passed
            self.close()

    @property
    def position(self) -> Position:
        """Where the run is."""
        done = float(self.run.epochs_done)
        if done < self.number and self._num_batches:
            done += self._batches / self._num_batches
        seconds = self._seconds if self._is_passed else perf_counter() - self._started
        return {"epochs_done": done, "step": self.run.step, "examples_per_second": self._examples / seconds}

    def _read(self) -> None:
        """Read the sums, which waits for the device."""
        self.run.guard.read()
        bad_batch = self.run.recorder.read()
        if bad_batch is not None:
            raise non_finite_error(bad_batch, self.number, self.run.lr)

    def _add_row(self, kind: Kind) -> None:
        where = self.position
        row = self.run.recorder.add_row(where, self.run.announcer.seconds, self._lr if self._is_passed else self.run.lr)
        self.run.announcer.tell(kind, where, row)
