"""The book's training functions of chapter 8: language models, and clipped gradients.

Source: *Dive into Deep Learning*, section 8.5. Under `random.seed` and `torch.manual_seed` they give the book's own
numbers bit for bit. Sums stay on the device until an epoch ends.
"""

import math
import warnings
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.d2l.counters import Number, Timer
from fourstep.d2l.evaluation import batches_on, total_loss
from fourstep.d2l.linear import sgd
from fourstep.d2l.plotting import Animator
from fourstep.d2l.recurrent import Words, predict_ch8, unknown_tokens
from fourstep.d2l.watch import Watch
from fourstep.device import pick_device
from fourstep.errors import ConfigError, FourstepWarning, NonFiniteError, check_count
from fourstep.losses import LossFn, call_loss, returns_sum
from fourstep.meters import Meters
from fourstep.nesting import detached
from fourstep.recording import non_finite_error
from fourstep.scale.memory import keep_freed_memory
from fourstep.scale.update import clear_gradients, update_weights

PREFIXES = ("time traveller", "traveller")  # with which the book's models begin
NUM_PREDS, EVERY = 50, 10  # characters that are predicted; epochs between two points of the curve


class LanguageResult(NamedTuple):
    """What training ended with: the last epoch's perplexity, and how many tokens a second it took."""

    perplexity: float
    tokens_per_second: float


def grad_clipping(net: Any, theta: Number) -> None:
    """Scale the gradients down, in place, so that their norm is at most `theta`; smaller ones stay as they are.

    Args:
        net: an `nn.Module`, or an object with `params`. Parameters without a gradient are passed over.
        theta: the largest norm, above 0, of all gradients as one vector.

    Raises:
        ConfigError: theta is not above 0.

    The device is not waited for: smaller gradients are multiplied by 1.

    Source: Pascanu, Mikolov and Bengio 2013, "On the difficulty of training recurrent neural networks", algorithm 1.
    """
    if not theta > 0:
        raise ConfigError(f"theta {theta!r}: expected a number above 0, the largest norm that gradients may have")
    parameters = net.parameters() if isinstance(net, nn.Module) else net.params
    gradients = [one.grad for one in parameters if one.requires_grad and one.grad is not None]
    if not gradients:
        return
    with torch.no_grad():
        first = gradients[0].device
        squares: Any = sum((gradient**2).sum().to(first) for gradient in gradients)
        norm = torch.sqrt(squares)
        factor = torch.where(norm > theta, theta / norm, 1.0)
        for gradient in gradients:
            gradient.mul_(factor.to(gradient.device))


def train_epoch_ch8(
    net: Any,
    train_iter: Iterable[Any],
    loss: LossFn,
    updater: Optimizer | Callable[..., Any],
    device: str | torch.device,
    use_random_iter: bool,  # noqa: FBT001 - the book's signature
) -> tuple[float, float]:
    """One pass over the training text, gradients clipped to a norm of 1.

    Args:
        net: an `RNNModel`, which is put in training mode, or an `RNNModelScratch`.
        train_iter: yields token indices `(X, y)`, both `(B, T)`.
        loss: `(outputs, targets) -> loss`, of any reduction; the gradient is that of its mean.
        updater: a torch optimizer; or a function such as one that calls `sgd`, called with `batch_size=1`.
        device: where the net is, and the batches go.
        use_random_iter: the batches do not go on where the last ones ended: begin each with a fresh state.

    Returns:
        The perplexity, that is `exp` of the mean loss, and how many tokens a second it took.

    Raises:
        NonFiniteError: the loss became NaN or infinite, or so large that its perplexity is no number.
        ShapeError, DataError: `net(X)` and y do not belong together, or there is no batch.
        DeviceError: the device is not there.
    """
    return _train_epoch(net, train_iter, loss, updater, pick_device(device), None, fresh=use_random_iter)


def _train_epoch(
    net: Any,
    train_iter: Iterable[Any],
    loss: LossFn,
    updater: Optimizer | Callable[..., Any],
    device: torch.device,
    epoch: int | None,
    *,
    fresh: bool,
) -> tuple[float, float]:
    keep_freed_memory(device)
    if isinstance(net, nn.Module):
        net.train()
    state, meters, timer, tokens = None, Meters(), Timer(), 0
    for inputs, targets in batches_on(train_iter, device):
        begins = state is None or fresh
        state = net.begin_state(batch_size=inputs.shape[0], device=device) if begins else detached(state)
        outputs, state = net(inputs, state)
        truth = targets.T.reshape(-1).long()
        value = call_loss(loss, outputs, truth)
        is_sum = returns_sum(loss, outputs, truth, value)
        if isinstance(updater, Optimizer):
            clear_gradients(updater)
        (value / truth.numel() if is_sum else value.mean()).backward()
        grad_clipping(net, 1)
        if isinstance(updater, Optimizer):
            update_weights(updater)
        else:
            updater(batch_size=1)
        items = truth.numel()
        meters.loss.add(total_loss(value.detach(), items, is_sum=is_sum), items)
        tokens += items
    lr = updater.param_groups[0]["lr"] if isinstance(updater, Optimizer) else None
    perplexity = _read_perplexity(meters, epoch, lr)  # waits for the device, so that the clock tells the truth
    return perplexity, tokens / timer.stop()


def _read_perplexity(meters: Meters, epoch: int | None, lr: Number | None) -> float:
    mean = meters.compute()["loss"]
    if meters.loss.first_bad_batch is not None:
        raise non_finite_error(meters.loss.first_bad_batch, epoch, lr)
    try:
        return math.exp(mean)
    except OverflowError:
        where = "" if epoch is None else f" in epoch {epoch}"
        raise NonFiniteError(
            f"the mean loss is {mean:.4g}{where}, whose perplexity is too large for a number: use a smaller lr"
        ) from None


def train_ch8(
    net: Any,
    train_iter: Iterable[Any],
    vocab: Words,
    lr: Number,
    num_epochs: int,
    device: str | torch.device,
    use_random_iter: bool = False,  # noqa: FBT001, FBT002 - the book's signature
) -> LanguageResult:
    """Train a language model by gradient descent, draw its perplexity, and print how it goes on with a text.

    Args:
        net: an `RNNModel`, which is moved to the device, or an `RNNModelScratch`.
        train_iter: yields token indices `(X, y)`, both `(B, T)`, such as `load_data_time_machine` gives.
        vocab: the tokens' indices.
        lr: learning rate.
        num_epochs: 1 or more; the curve has a point for every tenth, and for the last.
        device: such as `try_gpu()`.
        use_random_iter: as it was for `train_iter`.

    Returns:
        The last epoch's numbers, which the book only prints.

    Raises:
        ConfigError: `num_epochs` is below 1.
        NonFiniteError: see `train_epoch_ch8`; the net has its weights from before that epoch again.
        DeviceError, ShapeError, DataError: see `train_epoch_ch8`.

    Warns:
        FourstepWarning: the vocabulary lacks characters of "time traveller", which then is not gone on with.
    """
    check_count("num_epochs", num_epochs)
    device = pick_device(device)
    updater: Optimizer | Callable[..., Any]
    if isinstance(net, nn.Module):
        updater = torch.optim.SGD(net.to(device).parameters(), lr=lr)
    else:
        updater = lambda batch_size: sgd(net.params, lr, batch_size)  # noqa: E731 - the other kind of updater
    prefixes = _known_prefixes(vocab)
    loss, first = nn.CrossEntropyLoss(), min(EVERY, num_epochs)
    animator = Animator(xlabel="epoch", ylabel="perplexity", legend=["train"], xlim=[first, num_epochs])
    watch = Watch(device, net)
    for epoch in range(1, num_epochs + 1):
        with watch:
            numbers = _train_epoch(net, train_iter, loss, updater, device, epoch, fresh=use_random_iter)
        result = LanguageResult(*numbers)
        if epoch % EVERY == 0:
            _print_texts(prefixes[:1], net, vocab, device)
        if epoch % EVERY == 0 or epoch == num_epochs:
            animator.add(epoch, [result.perplexity])
    animator.finish()
    print(f"perplexity {result.perplexity:.1f}, {result.tokens_per_second:.1f} tokens/sec on {device}")  # noqa: T201 - the book's function prints
    _print_texts(prefixes, net, vocab, device)
    return result


def _known_prefixes(vocab: Words) -> list[str]:
    unknown = {prefix: unknown_tokens(prefix, vocab) for prefix in PREFIXES}
    lacking = next((tokens for tokens in unknown.values() if tokens), None)
    if lacking:
        warnings.warn(
            f"the vocabulary has no {lacking[0]!r}, so that {PREFIXES[0]!r} is not gone on with: "
            "predict_ch8 does it with a beginning of your own",
            FourstepWarning,
            stacklevel=3,
        )
    return [prefix for prefix, tokens in unknown.items() if not tokens]


def _print_texts(prefixes: list[str], net: Any, vocab: Words, device: torch.device) -> None:
    for prefix in prefixes:
        print(predict_ch8(prefix, NUM_PREDS, net, vocab, device))  # noqa: T201 - as above
