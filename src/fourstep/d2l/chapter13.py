"""The book's training functions of chapter 13: any net, any loss, any optimizer, on one device or several GPUs.

Source: *Dive into Deep Learning*, section 13.1. Under `torch.manual_seed` they give the book's own numbers bit for bit.
Sums stay on the device until an epoch, or a drawing point in it, ends.
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.d2l.chapter3 import CURVES, TrainResult, check_roles
from fourstep.d2l.chapter6 import whole_on
from fourstep.d2l.counters import Timer
from fourstep.d2l.devices import try_all_gpus
from fourstep.d2l.evaluation import batches_on, evaluate_accuracy_gpu, is_right, total_loss
from fourstep.d2l.plotting import Animator
from fourstep.d2l.watch import Watch
from fourstep.data.dataset import num_batches
from fourstep.device import pick_device, to_device
from fourstep.errors import ConfigError, FourstepWarning, check_count
from fourstep.losses import LossFn, call_loss, count_items, returns_sum
from fourstep.meters import Meters
from fourstep.nesting import batch_length
from fourstep.scale.memory import keep_freed_memory
from fourstep.scale.update import clear_gradients, update_weights

Check: TypeAlias = Callable[[Any, Any, Any], None]


def train_batch_ch13(
    net: nn.Module,
    X: Any,  # noqa: N803 - the book's name
    y: Tensor,
    loss: LossFn,
    trainer: Optimizer,
    devices: Sequence[str | torch.device],
) -> tuple[Tensor, Tensor]:
    """One update from one batch.

    Args:
        net: on `devices[0]`; it is put in training mode.
        X: inputs, a tensor or a list of tensors; moved there.
        y: labels, moved there.
        loss: of any reduction; the gradient is that of its sum, and the book means `reduction="none"`.
        trainer: the optimizer.
        devices: such as `try_all_gpus()`; none stands for the CPU.

    Returns:
        The sum of the loss, and how many predictions are right: scalars on the device, which is not waited for.

    Raises:
        ShapeError, DataError: `net(X)` and y do not belong together.
        DeviceError: the device is not there, or its memory too small for the batch; it is freed.

    Warns:
        FourstepWarning: the loss is a mean already, so that the step is a batch size smaller than meant.
    """
    device = _places(devices)[0]
    net.train()
    with Watch(device) as watch:
        watch.see(X)
        total, right, is_mean = _step(net, to_device((X, y), device), loss, trainer)
    if is_mean:
        _warn_of_mean(stacklevel=3)
    return total, right


def _step(
    net: nn.Module, batch: tuple[Any, Any], loss: LossFn, trainer: Optimizer, first: Check | None = None
) -> tuple[Tensor, Tensor, bool]:
    """An update: the loss's sum, how many are right, and was the loss a mean? `first` looks at a first batch."""
    inputs, targets = batch
    clear_gradients(trainer)
    outputs = net(inputs)
    if first is not None:
        first(loss, outputs, targets)
    value = call_loss(loss, outputs, targets)
    is_sum = returns_sum(loss, outputs, targets, value)
    value.sum().backward()
    update_weights(trainer)
    total = total_loss(value.detach(), count_items(loss, targets), is_sum=is_sum)
    return total, is_right(outputs.detach(), targets).sum(), value.dim() == 0 and not is_sum


def _warn_of_mean(stacklevel: int) -> None:
    warnings.warn(
        "the loss is a mean over the batch, but the book's learning rates here are for its sum: the step is "
        "1/batch_size of the intended one. Use reduction='none' for the book's step",
        FourstepWarning,
        stacklevel=stacklevel + 1,
    )


def _places(devices: Sequence[str | torch.device] | None) -> list[torch.device]:
    """The devices to train on, the CPU where there are none."""
    if isinstance(devices, str | torch.device):
        raise ConfigError(f"devices is {devices!r}: expected a list of devices, [{devices!r}]")
    chosen = try_all_gpus() if devices is None else devices
    return [pick_device(device) for device in chosen] or [torch.device("cpu")]


def train_ch13(
    net: nn.Module,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    loss: LossFn,
    trainer: Optimizer,
    num_epochs: int,
    devices: Sequence[str | torch.device] | None = None,
    *,
    stop_at_nan: bool = True,
) -> TrainResult:
    """Train a classifier on one device or several GPUs, draw its curves, and print the book's closing lines.

    Args:
        net: moved to the first device; over several GPUs of CUDA each batch is parted between them.
        train_iter: yields `(X, y)` to train on, any number of batches. `Batches` are put on the device as a whole.
        test_iter: yields `(X, y)` to measure accuracy on after every epoch.
        loss: see `train_batch_ch13`.
        trainer: the optimizer, of the net's parameters.
        num_epochs: 1 or more.
        devices: None for all GPUs that are there now; none at all, `[]`, for the CPU.
        stop_at_nan: False goes on with a loss that is NaN or infinite, as the book does.

    Returns:
        The last epoch's numbers; the loss is its sum over the samples, not the labels, of which one may have many.

    Raises:
        ConfigError: `num_epochs` is below 1, net is no `nn.Module`, devices is no list, or loss or trainer is
            something else.
        DeviceError: a device is not there, or its memory too small for the batch; it is freed.
        NonFiniteError: the loss became NaN or infinite; seen at the next drawing point, five of which are in an epoch.
            The net has its weights from before that epoch again.
        ShapeError, DataError: `net(X)` and y do not belong together, or there is no batch.

    Warns:
        FourstepWarning: the loss is a mean already, so that the step is a batch size smaller than meant; the net ends
            in a softmax, which the loss applies too; or it is not learning at all.

    With several GPUs batch normalisation sees each one's part alone. The examples/sec that it prints are as
    `train_ch6`'s.
    """
    check_roles(loss, trainer, may_be_function=False)
    check_count("num_epochs", num_epochs)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"net is a {type(net).__name__}: train_ch13 moves it to a device, so it expects an nn.Module")
    places = _places(devices)
    device = places[0]
    net.to(device)
    if len(places) > 1 and all(place.type == "cuda" for place in places):
        net = nn.DataParallel(net, device_ids=places)
    animator = Animator(xlabel="epoch", xlim=[1, num_epochs], ylim=[0, 1], legend=CURVES)
    timer, examples, watch = Timer(), 0, Watch(device, net, trainer, stops=stop_at_nan)
    train_iter, test_iter = whole_on(train_iter, device), whole_on(test_iter, device)
    for epoch in range(1, num_epochs + 1):
        with watch:
            train_loss, train_acc, seen = _train_epoch(net, train_iter, loss, trainer, epoch, watch, timer, animator)
        examples += seen
        result = TrainResult(train_loss, train_acc, evaluate_accuracy_gpu(net, test_iter, device))
        animator.add(epoch, (None, None, result.test_acc))
    animator.finish()
    print(f"loss {result.train_loss:.3f}, train acc {result.train_acc:.3f}, test acc {result.test_acc:.3f}")  # noqa: T201 - the book's function prints
    print(f"{examples / timer.sum():.1f} examples/sec on {places}")  # noqa: T201 - as above
    watch.warn_if_guessing(train_loss, train_acc, num_epochs)
    return result


def _train_epoch(
    net: nn.Module,
    train_iter: Iterable[Any],
    loss: LossFn,
    trainer: Optimizer,
    epoch: int,
    watch: Watch,
    timer: Timer,
    animator: Animator,
) -> tuple[float, float, int]:
    """One pass: its mean loss, its share of right predictions, and how many examples it saw."""
    lr, batches = trainer.param_groups[0]["lr"], num_batches(train_iter)
    every = max(1, (batches or 1) // 5)  # draws five times an epoch; a source without a length, at its end alone
    meters, examples = Meters({"accuracy": is_right}), 0
    keep_freed_memory(watch.device)
    net.train()
    timer.start()
    for number, (inputs, targets) in enumerate(batches_on(train_iter, watch.device), start=1):
        watch.see(inputs)
        first = partial(watch.check, source=train_iter, stacklevel=5) if watch.updates == 1 else None
        total, right, is_mean = _step(net, (inputs, targets), loss, trainer, first)
        if watch.updates == 1 and is_mean:
            _warn_of_mean(stacklevel=4)
        samples = batch_length(targets)
        meters.loss.add(total, samples)
        meters.means["accuracy"].add(right, targets.numel())
        examples += samples
        if batches is not None and number % every == 0 and number < batches:
            now = watch.read_means(meters, epoch, lr)  # waits for the device, so that the clock tells the truth
            timer.stop()
            animator.add(epoch - 1 + number / batches, (*now, None))
            timer.start()
    train_loss, train_acc = watch.read_means(meters, epoch, lr)
    timer.stop()
    animator.add(epoch, (train_loss, train_acc, None))
    return train_loss, train_acc, examples
