"""The book's training function of chapter 6: a net on a device.

Source: *Dive into Deep Learning*, section 6.6. Under `torch.manual_seed` it gives the book's own numbers bit for bit.
Sums stay on the device until an epoch, or a drawing point in it, ends.
"""

import warnings
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.d2l.chapter3 import CURVES, TrainResult
from fourstep.d2l.counters import Number, Timer
from fourstep.d2l.evaluation import batches_on, evaluate_accuracy_gpu, is_right, total_loss
from fourstep.d2l.plotting import Animator
from fourstep.d2l.watch import Watch
from fourstep.data.batches import Batches
from fourstep.data.dataset import num_batches
from fourstep.device import pick_device
from fourstep.errors import ConfigError, FourstepWarning, check_count
from fourstep.losses import call_loss, count_items
from fourstep.meters import Meters
from fourstep.nesting import batch_length
from fourstep.scale.memory import keep_freed_memory
from fourstep.scale.update import clear_gradients, update_weights


def train_ch6(
    net: nn.Module,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    num_epochs: int,
    lr: Number,
    device: str | torch.device,
    *,
    init: bool = True,
    stop_at_nan: bool = True,
) -> TrainResult:
    """Train a classifier on a device by SGD and cross-entropy, draw its curves, and print the book's closing lines.

    Args:
        net: moved to the device. **Its `nn.Linear` and `nn.Conv2d` layers start again**, as in the book, from the
            uniform weights of Glorot and Bengio 2010.
        train_iter: yields `(X, y)` to train on, any number of batches. `Batches` are put on the device as a whole.
        test_iter: yields `(X, y)` to measure accuracy on after every epoch.
        num_epochs: 1 or more.
        lr: learning rate.
        device: such as `try_gpu()`.
        init: False keeps the net's weights, to train on.
        stop_at_nan: False goes on with a loss that is NaN or infinite, as the book does.

    Returns:
        The last epoch's numbers. The curves are matplotlib's current figure outside a notebook:
        `d2l.plt.savefig("curves.svg")` keeps them.

    Raises:
        ConfigError: `num_epochs` is below 1, or net is no `nn.Module`.
        DeviceError: the device is not there, or its memory too small for the batch; it is freed.
        NonFiniteError: the loss became NaN or infinite; seen at the next drawing point, five of which are in an epoch.
            The net has its weights from before that epoch again.
        ShapeError, DataError: `net(X)` and y do not belong together, or there is no batch.

    Warns:
        FourstepWarning: the net ends in a softmax, which the loss applies too; it is not learning at all; or it was
            trained before, and starts again.

    The examples/sec that it prints count the loading of batches too, which the book's clock leaves out. Neither counts
    drawing and testing.
    """
    check_count("num_epochs", num_epochs)
    if not isinstance(net, nn.Module):
        raise ConfigError(f"net is a {type(net).__name__}: train_ch6 moves it to a device, so it expects an nn.Module")
    device = pick_device(device)
    if init:
        _warn_of_trained(net)
    layers = _initialise(net) if init else 0
    print("training on", device)  # noqa: T201 - the book's function prints
    if layers:
        print(f"re-initialised {layers} layer{'s' * (layers > 1)} (init=False keeps the weights)")  # noqa: T201 - as above
    net.to(device)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    animator = Animator(xlabel="epoch", xlim=[1, num_epochs], legend=CURVES)
    timer, examples, watch = Timer(), 0, Watch(device, net, stops=stop_at_nan)
    train_iter, test_iter = whole_on(train_iter, device), whole_on(test_iter, device)
    for epoch in range(1, num_epochs + 1):
        with watch:
            train_loss, train_acc, seen = _train_epoch_ch6(net, train_iter, optimizer, epoch, watch, timer, animator)
        examples += seen
        result = TrainResult(train_loss, train_acc, evaluate_accuracy_gpu(net, test_iter, device))
        animator.add(epoch, (None, None, result.test_acc))
    animator.finish()
    print(f"loss {result.train_loss:.3f}, train acc {result.train_acc:.3f}, test acc {result.test_acc:.3f}")  # noqa: T201 - as above
    print(f"{examples / timer.sum():.1f} examples/sec on {device}")  # noqa: T201 - as above
    watch.warn_if_guessing(train_loss, train_acc, num_epochs)
    return result


def _train_epoch_ch6(
    net: nn.Module,
    train_iter: Iterable[Any],
    optimizer: Optimizer,
    epoch: int,
    watch: Watch,
    timer: Timer,
    animator: Animator,
) -> tuple[float, float, int]:
    """One pass: its mean loss, its share of right predictions, and how many examples it saw."""
    loss = nn.CrossEntropyLoss()
    lr, batches = optimizer.param_groups[0]["lr"], num_batches(train_iter)
    every = max(1, (batches or 1) // 5)  # draws five times an epoch; a source without a length, at its end alone
    meters, examples = Meters({"accuracy": is_right}), 0
    keep_freed_memory(watch.device)
    net.train()
    timer.start()
    for number, (inputs, targets) in enumerate(batches_on(train_iter, watch.device), start=1):
        watch.see(inputs)
        clear_gradients(optimizer)
        outputs = net(inputs)
        if watch.updates == 1:
            watch.check(loss, outputs, targets, train_iter)
        value = call_loss(loss, outputs, targets)
        value.backward()
        update_weights(optimizer)
        items = count_items(loss, targets)
        meters.loss.add(total_loss(value.detach(), items, is_sum=False), items)
        meters.add_outputs(outputs, targets)
        examples += batch_length(inputs)
        if batches is not None and number % every == 0 and number < batches:
            now = watch.read_means(meters, epoch, lr)  # waits for the device, so that the clock tells the truth
            timer.stop()
            animator.add(epoch - 1 + number / batches, (*now, None))
            timer.start()
    train_loss, train_acc = watch.read_means(meters, epoch, lr)
    timer.stop()
    animator.add(epoch, (train_loss, train_acc, None))
    return train_loss, train_acc, examples


def _warn_of_trained(net: nn.Module) -> None:
    """Say where what was learnt is about to be lost: weights that have gradients were trained."""
    if any(weight.grad is not None for weight in net.parameters()):
        warnings.warn(
            "the net was trained before, and its nn.Linear and nn.Conv2d layers start again now: init=False trains on; "
            "to start again on purpose, make a new net",
            FourstepWarning,
            stacklevel=3,
        )


def _initialise(net: nn.Module) -> int:
    """Start the layers again as the book does, in its order; returns how many."""
    layers: list[nn.Module] = []

    def start_again(module: nn.Module) -> None:
        if type(module) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)  # type: ignore[arg-type] # both kinds have one
            layers.append(module)

    net.apply(start_again)
    return len(layers)


def whole_on(data_iter: Iterable[Any], device: torch.device) -> Iterable[Any]:
    """Whole tensors on the device, so that no batch has to be copied; another iterable as it is."""
    return data_iter.to(device) if isinstance(data_iter, Batches) else data_iter
