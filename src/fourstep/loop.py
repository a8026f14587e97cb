"""The training loop: a `Run` yields epochs, an epoch yields batches, and `fit` is a dozen lines over both.

Nothing here touches the four steps. What a run is given (data, metrics, hooks, a folder) hangs on its iterators, so
that the loop you write yourself has all of it.
"""

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.checks import check_parts, check_step_parts
from fourstep.data.dataset import as_data
from fourstep.device import pick_device
from fourstep.epoch import Epoch
from fourstep.errors import FourstepWarning, check_count
from fourstep.evaluation import device_of
from fourstep.events import Announcer, Hook, Stop
from fourstep.losses import LossFn
from fourstep.metrics import Metric
from fourstep.recording import Recorder
from fourstep.runs.folder import RunFolder, check_free
from fourstep.scale.memory import is_channels_last, keep_freed_memory
from fourstep.scale.precision import OFF, MixedPrecision
from fourstep.show import Show, open_display, save_curves
from fourstep.step import StepResult, train_step


def fit(
    model: nn.Module,
    data: Any,
    loss_fn: LossFn,
    optimizer: Optimizer,
    *,
    epochs: int,
    metrics: Mapping[str, Metric] | None = None,
    step: Callable[..., StepResult] = train_step,
    accumulate: int = 1,
    max_grad_norm: float | None = None,
    amp: MixedPrecision = OFF,
    folder: str | Path | None = None,
    device: str | torch.device = "auto",
    hooks: Sequence[Hook] = (),
    log_every: int | None = None,
    show: Show = "auto",
    settings: Mapping[str, Any] | None = None,
) -> "Run":
    """Train a model. These few lines are the whole of it: copy them out and change them.

    Args:
        model: trained in place, on the device.
        data: `Data`, or an iterable of `(inputs, targets)` batches to train on.
        loss_fn: `(outputs, targets) -> loss`, of any reduction.
        optimizer: holds the model's parameters.
        epochs: passes over the training data, 1 or more.
        metrics: name -> function `(outputs, targets) -> one value per sample`, or an object of torchmetrics' protocol.
        step: does one update; any function with `train_step`'s signature.
        accumulate: batches per update, 1 or more.
        max_grad_norm: clip the gradients to this joint 2-norm.
        amp: the forward's number format; see `fourstep.scale.mixed_precision`.
        folder: where to keep the run; as for the rest, see `Run`.
        device: where to train.
        hooks: who is told.
        log_every: updates between rows of running numbers.
        show: what is seen meanwhile.
        settings: what else is written down.

    Returns:
        The finished run: `run.history`, `run.plot(path)`, `run.model`.

    Raises:
        FourstepError: what `Run`, its epochs and `train_step` raise.
    """
    run = Run(
        model,
        optimizer,
        data,
        metrics=metrics,
        folder=folder,
        device=device,
        hooks=hooks,
        log_every=log_every,
        show=show,
        settings=settings,
    )
    check_step_parts(loss_fn, amp)
    if isinstance(loss_fn, nn.Module):
        loss_fn.to(run.device)  # class weights
    for epoch in run.epochs(epochs):
        for micro_batches in epoch.micro_batches(accumulate):
            step(model, loss_fn, optimizer, micro_batches, amp=amp, max_grad_norm=max_grad_norm, observe=epoch.record)
        epoch.evaluate(loss_fn)
    return run


class Run:
    """One training run: where it is, what it measured, who is told.

    Args:
        model: moved to the device.
        optimizer: holds the model's parameters; its state is moved along.
        data: `Data`, or an iterable of `(inputs, targets)` batches to train on.
        metrics: name -> function `(outputs, targets) -> one value per sample`, or an object of torchmetrics' protocol.
        folder: where to keep settings, numbers, curves and final weights; must not hold a run yet. None keeps nothing.
        device: `"auto"`, or any name torch knows.
        hooks: functions of an `Event` that may answer `Stop`.
        log_every: add a row of running numbers every so many updates; None adds one at the end of each epoch alone.
        show: `"terminal"` draws bar and curves, `"lines"` prints a line per epoch, `"none"` nothing; `"auto"` picks.
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
        device: str | torch.device = "auto",
        hooks: Sequence[Hook] = (),
        log_every: int | None = None,
        show: Show = "auto",
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        check_parts(model, optimizer, metrics, hooks)
        check_count("log_every", 1 if log_every is None else log_every)
        self.device = pick_device(device)
        moves = device_of(model) != self.device
        self.model = model.to(self.device)
        self.optimizer = optimizer
        if moves and optimizer.state:
            optimizer.load_state_dict(optimizer.state_dict())  # torch's own way to put each part of it where it belongs
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
        self.folder: RunFolder | None = None  # made when the first epoch begins
        self._place = None if folder is None else check_free(folder)

    def epochs(self, epochs: int) -> Iterator[Epoch]:
        """Yield the epochs that are still to do, until `epochs` are done in all; draws, logs and writes on the way.

        Leaving the loop early, by `break` or by an error, keeps what was done: the epoch's row so far, the weights.

        Raises:
            ConfigError: `epochs` is below 1.
            NonFiniteError: the loss became NaN or infinite.
        """
        check_count("epochs", epochs)
        if epochs <= self.epochs_done:
            warnings.warn(
                f"all {epochs} epochs are done: ask for more than {self.epochs_done}", FourstepWarning, stacklevel=2
            )
        if not self.model.training:  # left in evaluation mode; modules frozen inside a training model stay as they are
            self.model.train()
        speed = {
            "threads": torch.get_num_threads(),
            "keeps_freed_memory": keep_freed_memory(self.device),
            "channels_last": is_channels_last(self.model),
        }
        if self._place is not None and self.folder is None:
            self.folder = RunFolder.create(self._place, self.data, self.device, self.settings, speed)
        keep = () if self.folder is None else (self.folder.append_row,)
        self.announcer = Announcer((*keep, *open_display(self.show, self.history), *self.hooks), epochs)
        epoch = Epoch(self, self.epochs_done)
        try:
            self.announcer.tell("start", epoch.position)
            for number in range(self.epochs_done + 1, epochs + 1):
                epoch = Epoch(self, number)
                yield epoch
                epoch.close()
                if self.stopped:
                    break
        finally:  # also when the loop was left by `break` or by an error
            with ExitStack() as last:  # in reverse, each also when the one before it failed
                last.callback(self._keep)
                last.callback(lambda: self.announcer.tell("end", epoch.position))
                last.callback(epoch.leave)

    def _keep(self) -> None:
        """Write the final weights and curves; a run that came to no step and no row leaves no folder behind."""
        if self.folder is None:
            return
        if self.step == 0 and not self.history.rows:
            self.folder.discard()
            self.folder = None
        else:
            self.folder.finish(self.history, None if self.recorder.failed else self.model)

    @property
    def stopped(self) -> Stop | None:
        """Why a hook ended the run early; None where none did."""
        return self.announcer.stop

    def plot(self, path: str | Path) -> None:
        """Draw the curves into a file; its ending (`.svg`, `.png`, `.pdf`) says how."""
        save_curves(self.history, path)
