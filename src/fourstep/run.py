"""A training run: it yields epochs, and an epoch yields batches.

Nothing here touches the four steps. What a run is given (data, metrics, hooks, a folder) hangs on its iterators, so
that the loop you write yourself has all of it.
"""

import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.checks import check_parts
from fourstep.data.dataset import as_data, evaluated_share
from fourstep.device import pick_device
from fourstep.epoch import Epoch
from fourstep.errors import ConfigError, FourstepWarning, RunFolderError, check_count
from fourstep.evaluation import device_of
from fourstep.events import Announcer, Hook, Stop
from fourstep.guard import Guard, NonFinite
from fourstep.keeping import Keeper
from fourstep.metrics import Metric
from fourstep.recording import Recorder
from fourstep.runs.folder import RunFolder
from fourstep.runs.saving import BY_THE_CLOCK, Saving
from fourstep.scale.memory import is_channels_last, keep_freed_memory
from fourstep.show import Show, open_display, save_curves

if TYPE_CHECKING:
    from fourstep.report.reporter import Reporter


class Run:
    """One training run: where it is, what it measured, who is told.

    Args:
        model: moved to the device.
        optimizer: holds the model's parameters; its state is moved along.
        data: `Data`, or an iterable of `(inputs, targets)` batches to train on.
        metrics: name -> function `(outputs, targets) -> one value per sample`, or an object of torchmetrics' protocol.
        folder: where to keep settings, numbers, checkpoints, curves and final weights. A run that is there already, of
            equal settings and data, is continued where it was saved last, bit for bit. None keeps nothing.
        saving: when to save it, and what stays.
        device: `"auto"`, or any name torch knows.
        hooks: functions of an `Event` that may answer `Stop`.
        log_every: add a row of running numbers every so many updates; None adds one at the end of each epoch alone.
        show: `"terminal"` and `"notebook"` draw curves, the last epochs and a bar; `"file"` keeps a picture of the
            curves up to date, `"lines"` prints a line per epoch, `"none"` nothing; `"auto"` picks notebook, terminal or
            lines.
        non_finite: what to do before a loss or gradient that is not finite changes the weights: `"stop"` raises and
            keeps the batch in the folder; `"skip"` leaves the update out and goes on, up to three in a row;
            `"rollback"` goes back to the weights and the optimizer of the last epoch's end (or the last of
            `Saving.every_steps`), and on with the next batch, up to three times from one place.
        settings: what else to write into the folder's `run.toml`.

    Attributes:
        history: the rows so far.
        step: updates done.
        epochs_done: whole epochs done.

    Raises:
        ConfigError, DataError, DeviceError, RunFolderError: an argument that cannot be used.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        data: Any,
        *,
        metrics: Mapping[str, Metric] | None = None,
        folder: str | Path | None = None,
        saving: Saving = BY_THE_CLOCK,
        device: str | torch.device = "auto",
        hooks: Sequence[Hook] = (),
        log_every: int | None = None,
        show: Show = "auto",
        non_finite: NonFinite = "stop",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_parts(model, optimizer, metrics, hooks)
        check_count("log_every", 1 if log_every is None else log_every)
        self.device = pick_device(device)
        self.model, self.optimizer = moved(model, optimizer, self.device)
        self.data = as_data(data).to(self.device)
        self.metrics = dict(metrics or {})
        self.recorder = Recorder(self.metrics, self.device)
        self.history = self.recorder.history
        self.hooks = tuple(hooks)
        self.log_every = log_every
        self.show: Show = show
        self.step = self.epochs_done = 0
        self.announcer = Announcer((), 0)
        self.settings = dict(settings or {})
        self.seconds = 0.0  # that the epochs took which are done
        self.registered: dict[str, Any] = {}
        self.guard = Guard(self, non_finite, has_folder=folder is not None)
        self.epoch: Epoch | None = None  # the running one
        self.repeats_evaluation = False  # nothing else is done between an epoch's last step and its evaluation
        self.evaluates_train = False  # after each epoch; `fit` says so
        self.generators: list[torch.Generator] = []  # that the data's order is drawn from, beside the global ones
        self.keeper = None if folder is None else Keeper(self, folder, saving)
        self.reporter = None if folder is None else open_report(self)

    def register(self, name: str, thing: Any) -> None:
        """Let a checkpoint hold the state of something else that changes in training, such as a schedule.

        Args:
            name: what it is called in the checkpoint; the same in every process that continues the run.
            thing: a torch generator, or what has `state_dict` and `load_state_dict`. Without these its attributes are
                kept: numbers, texts, tensors, and lists and dictionaries of them.

        Raises:
            ConfigError: something else bears the name.
        """
        if name in self.registered:
            raise ConfigError(f"{name!r} is registered already: choose another name")
        self.registered[name] = thing

    def epochs(self, epochs: int) -> Iterator[Epoch]:
        """Yield the epochs that are still to do, until `epochs` are done in all; restores, saves, draws and logs.

        Leaving the loop early, by `break` or by an error, keeps what was done: the epoch's row so far, the weights.

        Raises:
            ConfigError: `epochs` is below 1.
            NonFiniteError: the loss became NaN or infinite.
            RunFolderError: the folder holds another run, is in use, or cannot be written.
            KeyboardInterrupt, SystemExit: a signal asked for the end; a run in a folder has been saved.
        """
        check_count("epochs", epochs)
        speed = {
            "threads": torch.get_num_threads(),
            "keeps_freed_memory": keep_freed_memory(self.device),
            "channels_last": is_channels_last(self.model),
        }
        with nullcontext() if self.keeper is None else self.keeper.open(speed, epochs) as folder:
            if epochs <= self.epochs_done and folder is None:
                warnings.warn(
                    f"all {epochs} epochs are done: ask for more than {self.epochs_done}", FourstepWarning, stacklevel=2
                )
            if not self.model.training:  # left in evaluation mode; modules frozen in a training model stay as they are
                self.model.train()
            yield from self._epochs(epochs, folder)

    def _epochs(self, epochs: int, folder: RunFolder | None) -> Iterator[Epoch]:
        keep = () if folder is None else (folder.append_row,)
        reports = () if self.reporter is None else (self.reporter.on_event,)
        place, evaluated = (None if folder is None else folder.path), evaluated_share(self.data)
        shown = open_display(self.show, self.history, place, evaluated + self.evaluates_train)
        self.announcer = Announcer((*keep, *shown, *reports, *self.hooks), epochs, self.seconds)
        resumed = None if self.keeper is None else self.keeper.resumed
        epoch = resumed or Epoch(self, self.epochs_done)
        if self.keeper is not None:
            self.announcer.stop = self.keeper.was_stopped
        if folder is not None and self.reporter is not None:
            self.reporter.begin(folder, epochs)
        try:
            self.announcer.tell("start", epoch.position)
            while self.epochs_done < epochs and not self.stopped:
                self.epoch = epoch = self._next_epoch()
                yield epoch
                epoch.close()
                if self.keeper is not None:
                    self.keeper.after_epoch(is_last=self.epochs_done == epochs or self.stopped is not None)
        finally:  # also when the loop was left by `break` or by an error
            with ExitStack() as last:  # in reverse, each also when the one before it failed
                last.callback(self._keep, folder)
                last.callback(lambda: self.announcer.tell("end", epoch.position))
                last.callback(epoch.leave)
            self.seconds = self.announcer.seconds

    def _next_epoch(self) -> Epoch:
        if self.keeper is not None and self.keeper.resumed is not None:
            resumed, self.keeper.resumed = self.keeper.resumed, None
            return resumed
        return Epoch(self, self.epochs_done + 1)

    def _keep(self, folder: RunFolder | None) -> None:
        """Write the final weights and curves; a run that came to no step and no row leaves no folder behind."""
        if folder is None:
            return
        if self.step == 0 and not self.history.rows:
            folder.discard()
            if self.keeper is not None:
                self.keeper.forget()
            return
        ended_by = sys.exception()
        try:
            folder.finish(self.history, None if self.recorder.failed else self.model)
            if self.reporter is not None:
                self.reporter.finish()
        except RunFolderError as error:
            if ended_by is None or isinstance(ended_by, GeneratorExit):
                raise
            warnings.warn(str(error), FourstepWarning, stacklevel=2)  # what ended the run is the thing to see

    def load_best(self) -> float:
        """Put the best epoch's weights into the model; which one that is, `Saving(best=...)` says.

        Returns:
            Its number.

        Raises:
            ConfigError: the run has no folder, or was not asked for a best.
            RunFolderError: its checkpoint is damaged or gone.
        """
        if self.keeper is None:
            raise ConfigError("load_best needs a run with a folder, and saving=fourstep.Saving(best='lowest val/loss')")
        return self.keeper.load_best()

    @property
    def lr(self) -> Any:
        """The learning rate now, of the optimizer's first group; None where it has none."""
        return self.optimizer.param_groups[0].get("lr")

    @property
    def stopped(self) -> Stop | None:
        """Why a hook ended the run early; None where none did."""
        return self.announcer.stop

    def plot(self, path: str | Path, *, lr: bool = False) -> None:
        """Draw the curves, with `lr` the learning rate too, into a file that ends in `.svg`, `.png` or `.pdf`."""
        save_curves(self.history, path, lr=lr)


def open_report(run: Run) -> "Reporter":
    """Who reports a run."""
    from fourstep.report.reporter import Reporter  # noqa: PLC0415 - a run without a folder needs none

    return Reporter(run)


def moved(model: nn.Module, optimizer: Optimizer, device: torch.device) -> tuple[nn.Module, Optimizer]:
    """The two on a device, each part of the optimizer's state where it belongs."""
    moves = device_of(model) != device
    model = model.to(device)
    if moves and optimizer.state:
        optimizer.load_state_dict(optimizer.state_dict())  # torch's own way
    return model, optimizer
