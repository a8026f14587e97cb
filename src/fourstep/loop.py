"""The training loop in one call: a dozen lines over a `Run`, whose iterators have all that is not the four steps."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.checks import check_step_parts, describe_step
from fourstep.events import Hook
from fourstep.guard import NonFinite
from fourstep.losses import LossFn
from fourstep.metrics import Metric
from fourstep.run import Run
from fourstep.runs.saving import BY_THE_CLOCK, Saving
from fourstep.scale.precision import OFF, MixedPrecision
from fourstep.show import Show
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
    saving: Saving = BY_THE_CLOCK,
    device: str | torch.device = "auto",
    hooks: Sequence[Hook] = (),
    log_every: int | None = None,
    show: Show = "auto",
    non_finite: NonFinite = "stop",
    clean_train_metrics: bool = False,
    settings: Mapping[str, Any] | None = None,
) -> Run:
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
        folder: where to keep the run, and to continue it; as for the rest, see `Run`.
        saving: when to save it, and what stays.
        device: where to train.
        hooks: who is told.
        log_every: updates between rows of running numbers.
        show: what is seen meanwhile.
        non_finite: what to do before a loss or gradient that is NaN or infinite changes the weights.
        clean_train_metrics: after each epoch measure the training data again, in evaluation mode and by weights that
            stand still: `train-clean/loss` beside `train/loss`, which is a running mean. The training itself stays the
            same bit for bit; an epoch takes about a third longer.
        settings: what else is written down.

    Returns:
        The finished run: `run.history`, `run.plot(path)`, `run.model`.

    Raises:
        FourstepError: what `Run`, its epochs and `train_step` raise.
    """
    check_step_parts(loss_fn, amp)
    settings = {**(settings or {}), "fit": describe_step(loss_fn, step, accumulate, max_grad_norm, amp)}
    run = Run(
        model, optimizer, data, metrics=metrics, folder=folder, saving=saving, device=device, hooks=hooks,
        log_every=log_every, show=show, non_finite=non_finite, settings=settings,
    )  # fmt: skip
    run.repeats_evaluation, run.evaluates_train = True, clean_train_metrics
    if amp.scaler is not None:
        run.register("amp", amp.scaler)
    if isinstance(loss_fn, nn.Module):
        loss_fn.to(run.device)  # class weights
    for epoch in run.epochs(epochs):
        observe = epoch.observe if amp.scaler is None else epoch.record  # a scaler leaves out what is not finite itself
        for micro_batches in epoch.micro_batches(accumulate):
            step(model, loss_fn, optimizer, micro_batches, amp=amp, max_grad_norm=max_grad_norm, observe=observe)
        for split in ("train", None) if clean_train_metrics else (None,):
            epoch.evaluate(loss_fn, split)
    return run
