"""The book's training functions of chapter 3: any net, any loss, any updater.

Source: *Dive into Deep Learning*, section 3.6. Under `torch.manual_seed` they give the book's own numbers bit for bit.
Sums stay on the device until an epoch ends.
"""

import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.d2l.evaluation import batches_on, evaluate_accuracy, home_of, is_right, total_loss
from fourstep.d2l.plotting import Animator
from fourstep.d2l.watch import Watch
from fourstep.errors import ConfigError, FourstepWarning, check_count
from fourstep.losses import LossFn, call_loss, count_items, returns_sum
from fourstep.meters import Meters
from fourstep.nesting import batch_length
from fourstep.scale.memory import keep_freed_memory
from fourstep.scale.update import clear_gradients, update_weights

Net: TypeAlias = Callable[..., Any]
Updater: TypeAlias = Optimizer | Callable[[int], Any]

MAX_LOSS, MIN_ACCURACY = 0.5, 0.7  # what the book asserts of `train_ch3`
CURVES = ("train loss", "train acc", "test acc")


class TrainResult(NamedTuple):
    """What training ended with: the last epoch's mean loss and share of right predictions, and the test's after it."""

    train_loss: float
    train_acc: float
    test_acc: float


def train_epoch_ch3(net: Net, train_iter: Iterable[Any], loss: LossFn, updater: Updater) -> tuple[float, float]:
    """One pass over the training data.

    Args:
        net: an `nn.Module`, which is put in training mode, or a function of the inputs.
        train_iter: yields `(X, y)`, which are moved to where a module's parameters are.
        loss: `(y_hat, y) -> loss`, of any reduction: the reported number is the same for each. The book means
            `reduction="none"`.
        updater: a torch optimizer, which is given the gradient of the loss's mean; or a function, such as one that
            calls `sgd`, which is given the gradient of the loss's sum and called with the batch size to divide by.

    Returns:
        The mean loss and the share of right predictions.

    Raises:
        ConfigError: loss or updater is something else.
        ShapeError, DataError: `net(X)` and y do not belong together, or there is no batch.
        NonFiniteError: the loss became NaN or infinite; a module has its weights from before the epoch again.
        DeviceError: the memory is too small for the batch; it is freed.

    Warns:
        FourstepWarning: the loss is a sum or a mean already, so that the step is larger or smaller than meant; the net
            ends in a softmax, which the loss applies too; or the updater does not clear a module's gradients.
    """
    check_roles(loss, updater)
    with _watch(net, updater) as watch:
        return _train_epoch(net, train_iter, loss, updater, watch)


def check_roles(loss: Any, updater: Any, *, may_be_function: bool = True) -> None:
    """Refuse arguments that stand in each other's place.

    Raises:
        ConfigError: `loss` cannot be called, or `updater` is neither an optimizer nor, where it may be, a function.
    """
    if isinstance(loss, Optimizer) or not callable(loss):
        raise ConfigError(
            f"loss is a {type(loss).__name__}: expected a loss function, such as "
            "nn.CrossEntropyLoss(reduction='none'). Are the arguments in their order?"
        )
    if not isinstance(updater, Optimizer) and not (may_be_function and callable(updater)):
        kinds = "an optimizer, or a function of the batch size" if may_be_function else "an optimizer"
        raise ConfigError(
            f"the updater is a {type(updater).__name__}: expected {kinds}, such as "
            "torch.optim.SGD(net.parameters(), lr=0.1). Are the arguments in their order?"
        )


def _watch(net: Net, updater: Updater, *, stops: bool = True) -> Watch:
    return Watch(home_of(net) or torch.device("cpu"), net, updater, stops=stops)


def _train_epoch(
    net: Net, train_iter: Iterable[Any], loss: LossFn, updater: Updater, watch: Watch, epoch: int | None = None
) -> tuple[float, float]:
    home = home_of(net)
    keep_freed_memory(watch.device)
    if isinstance(net, nn.Module):
        net.train()
    meters = Meters({"accuracy": is_right})
    for number, (inputs, targets) in enumerate(batches_on(train_iter, home)):
        watch.see(inputs)
        outputs = net(inputs)
        if watch.updates == 1:
            watch.check(loss, outputs, targets, train_iter)
        value = call_loss(loss, outputs, targets)
        is_sum = returns_sum(loss, outputs, targets, value)
        items = count_items(loss, targets)
        if number == 0:
            _warn_of_reduction(value, updater, is_sum=is_sum)
        if isinstance(updater, Optimizer):
            clear_gradients(updater)
            value.mean().backward()
            update_weights(updater)
        else:
            value.sum().backward()
            updater(batch_length(inputs))
            if watch.updates == 1:
                _warn_of_leftovers(net)
        meters.loss.add(total_loss(value.detach(), items, is_sum=is_sum), items)
        meters.add_outputs(outputs, targets)
    lr = updater.param_groups[0]["lr"] if isinstance(updater, Optimizer) else None
    return watch.read_means(meters, epoch, lr)


def _warn_of_reduction(value: Tensor, updater: Updater, *, is_sum: bool) -> None:
    """Say where the loss's own reduction makes the step another than meant."""
    if value.dim() or is_sum != isinstance(updater, Optimizer):
        return
    said = (
        "the loss is a sum over the batch, so that the optimizer's step grows with the batch size"
        if is_sum
        else "the loss is a mean over the batch already, and the updater divides by the batch size once more"
    )
    warnings.warn(f"{said}: use reduction='none' for the book's step", FourstepWarning, stacklevel=4)


def _warn_of_leftovers(net: Net) -> None:
    """Say where an updater has left a module's gradients as they were; waits for the device."""
    if isinstance(net, nn.Module) and any(one.grad is not None and bool(one.grad.any()) for one in net.parameters()):
        warnings.warn(
            "the updater leaves the gradients as they are, and the next batch's are added to them: let it end in "
            "param.grad.zero_() for each parameter, as d2l.sgd does",
            FourstepWarning,
            stacklevel=4,
        )


def train_ch3(
    net: Net,
    train_iter: Iterable[Any],
    test_iter: Iterable[Any],
    loss: LossFn,
    num_epochs: int,
    updater: Updater,
    *,
    stop_at_nan: bool = True,
) -> TrainResult:
    """Train a classifier and draw its curves.

    Args:
        net: an `nn.Module` or a function of the inputs.
        train_iter: yields `(X, y)` to train on.
        test_iter: yields `(X, y)` to measure accuracy on after every epoch.
        loss: of any reduction; see `train_epoch_ch3`.
        num_epochs: 1 or more.
        updater: see `train_epoch_ch3`.
        stop_at_nan: False goes on with a loss that is NaN or infinite, as the book does.

    Returns:
        The last epoch's numbers. The book asserts that they are good; here a warning says where they are not.
        The curves are matplotlib's current figure outside a notebook: `d2l.plt.savefig("curves.svg")` keeps them.

    Raises:
        ConfigError: `num_epochs` is below 1, or loss or updater is something else.
        FourstepError: what `train_epoch_ch3` and `evaluate_accuracy` raise.

    Warns:
        FourstepWarning: the train loss is not below 0.5, or an accuracy not above 0.7, or the net is not learning at
            all.
    """
    check_roles(loss, updater)
    check_count("num_epochs", num_epochs)
    animator = Animator(xlabel="epoch", xlim=[1, num_epochs], ylim=[0.3, 0.9], legend=CURVES)
    watch = _watch(net, updater, stops=stop_at_nan)
    for epoch in range(1, num_epochs + 1):
        with watch:
            train_loss, train_acc = _train_epoch(net, train_iter, loss, updater, watch, epoch)
        result = TrainResult(train_loss, train_acc, evaluate_accuracy(net, test_iter))
        animator.add(epoch, result)
    animator.finish()
    if not watch.warn_if_guessing(train_loss, train_acc, num_epochs):
        _warn_of_result(result, num_epochs)
    return result


def _warn_of_result(result: TrainResult, num_epochs: int) -> None:
    """The book's final asserts, as a warning."""
    short = [] if result.train_loss < MAX_LOSS else [f"train loss {result.train_loss:.3f} (expected below {MAX_LOSS})"]
    for name, value in (("train", result.train_acc), ("test", result.test_acc)):
        short += [] if value > MIN_ACCURACY else [f"{name} accuracy {value:.3f} (expected above {MIN_ACCURACY})"]
    if not short:
        return
    trained = result.train_loss < MAX_LOSS and result.train_acc > MIN_ACCURACY
    cause = (
        "test data unlike the training data" if trained else "too few epochs, or a learning rate too small or too large"
    )
    warnings.warn(
        f"after epoch {num_epochs}: {', '.join(short)}. Likely cause: {cause}. The expectations are the book's, for "
        "Fashion-MNIST",
        FourstepWarning,
        stacklevel=3,
    )
