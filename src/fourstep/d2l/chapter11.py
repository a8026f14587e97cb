"""The book's training functions of chapter 11: linear regression by any optimizer, with its loss over time.

Source: *Dive into Deep Learning*, section 11.5. Under `torch.manual_seed` they give the book's own numbers bit for bit.
"""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.d2l.counters import Timer
from fourstep.d2l.evaluation import batches_on, evaluate_loss
from fourstep.d2l.linear import as_shaped, linreg, squared_loss
from fourstep.d2l.plotting import Animator
from fourstep.data.dataset import num_batches
from fourstep.errors import ConfigError, DataError, NonFiniteError, ShapeError, check_count
from fourstep.losses import LossFn

DRAW_EVERY = 200  # examples
FEATURES = 5  # of the airfoil data

Net: TypeAlias = Callable[[Tensor], Tensor]


class Ch11Result(NamedTuple):
    """The curve that `train_ch11` drew: seconds of training up to each point, and the loss there."""

    seconds: list[float]
    losses: list[float]


def train_ch11(
    trainer_fn: Callable[..., Any],
    states: Any,
    hyperparams: Any,
    data_iter: Iterable[Any],
    feature_dim: int,
    num_epochs: int = 2,
) -> Ch11Result:
    """Linear regression by an optimizer from scratch; draws the loss and prints the last.

    Args:
        trainer_fn: `(parameters, states, hyperparams)`; updates the parameters in place and clears their gradients.
        states: the optimizer's, one for each parameter, as `trainer_fn` has them.
        hyperparams: as `trainer_fn` has them, such as `{"lr": 0.05}`.
        data_iter: yields `(X, y)`, and has a length.
        feature_dim: columns of X.
        num_epochs: 1 or more.

    Returns:
        The curve: a point whenever another 200 examples were trained on, the loss being that of all data; or one at
        the end, where there were fewer. The book leaves points out where the batch size does not divide 200.

    Raises:
        ConfigError: `num_epochs` is below 1; or `trainer_fn` does not clear the gradients, which then add up.
        DataError: `data_iter` has no length, or no batch.
        NonFiniteError: the loss became NaN or infinite.

    The seconds per epoch that it prints are of training alone; the book's are the mean time between two points.
    """
    w = torch.normal(mean=0.0, std=0.01, size=(feature_dim, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    is_first = True

    def net(X: Tensor) -> Tensor:  # noqa: N803 - the book's name
        return linreg(X, w, b)

    def step(X: Tensor, y: Tensor) -> None:  # noqa: N803 - as above
        nonlocal is_first
        squared_loss(net(X), y).mean().backward()
        trainer_fn([w, b], states, hyperparams)
        if is_first:
            _check_cleared((w, b))
        is_first = False

    return _train(net, squared_loss, step, data_iter, num_epochs)


def _check_cleared(parameters: tuple[Tensor, ...]) -> None:
    """Refuse gradients that are there still after a step."""
    if any(one.grad is not None and one.grad.any() for one in parameters):
        raise ConfigError(
            "trainer_fn left the gradients as they are, so that the next batch's would be added to them: expected it "
            "to end with p.grad.zero_() for each parameter p"
        )


def train_concise_ch11(
    trainer_fn: Callable[..., Optimizer], hyperparams: dict[str, Any], data_iter: Iterable[Any], num_epochs: int = 4
) -> None:
    """Linear regression by one of torch's optimizers, of five features; draws the loss and prints the last.

    Args:
        trainer_fn: makes the optimizer, such as `torch.optim.SGD`.
        hyperparams: its keyword arguments, such as `{"lr": 0.05}`.
        data_iter: yields `(X, y)`, and has a length; X has five columns.
        num_epochs: 1 or more.

    The curve and what is printed are as in `train_ch11`.

    Raises:
        ShapeError: X has another number of columns.
        ConfigError, DataError, NonFiniteError: see `train_ch11`.
    """
    net = nn.Sequential(nn.Linear(FEATURES, 1))
    nn.init.normal_(net[0].weight, std=0.01)  # type: ignore[arg-type] # a linear layer has one
    optimizer = trainer_fn(net.parameters(), **hyperparams)
    loss = nn.MSELoss(reduction="none")

    def halved(outputs: Tensor, y: Tensor) -> Tensor:
        value: Tensor = loss(outputs, y) / 2  # as `squared_loss` has it
        return value

    def step(X: Tensor, y: Tensor) -> None:  # noqa: N803 - the book's name
        if X.shape[1:] != (FEATURES,):
            raise ShapeError(f"X has shape {tuple(X.shape)}: train_concise_ch11 trains a net of {FEATURES} features")
        optimizer.zero_grad()
        outputs = net(X)
        loss(outputs, as_shaped(y, outputs)).mean().backward()
        optimizer.step()

    _train(net, halved, step, data_iter, num_epochs)


def _train(
    net: Net, loss: LossFn, step: Callable[[Tensor, Tensor], None], data_iter: Iterable[Any], num_epochs: int
) -> Ch11Result:
    """Take the steps, and draw the loss of all data after every 200 examples."""
    check_count("num_epochs", num_epochs)
    batches = num_batches(data_iter)
    if batches is None:
        raise DataError("data_iter has no length: expected one such as load_array or DataLoader gives")
    animator = Animator(xlabel="epoch", ylabel="loss", xlim=[0, num_epochs], ylim=[0.22, 0.35])
    timer, losses, examples, done, drawn_at = Timer(), [], 0, 0, 0.0

    def draw() -> float:
        timer.stop()
        epoch = done / batches
        losses.append(_measure(net, data_iter, loss, examples, epoch))
        animator.add(epoch, (losses[-1],))
        timer.start()
        return epoch

    for _ in range(num_epochs):
        for X, y in batches_on(data_iter, None):  # noqa: N806 - the book's name
            step(X, y)
            before, examples, done = examples, examples + len(X), done + 1
            if examples // DRAW_EVERY > before // DRAW_EVERY:
                drawn_at = draw()
    drawn_at = drawn_at or draw()
    animator.finish()
    print(f"loss: {losses[-1]:.3f}, {timer.sum() / drawn_at:.3f} sec/epoch")  # noqa: T201 - the book's function prints
    return Ch11Result(timer.cumsum(), losses)


def _measure(net: Net, data_iter: Iterable[Any], loss: LossFn, examples: int, epoch: float) -> float:
    """The loss of all data; where the book measures none, without a trace in torch's global generator."""
    with torch.random.fork_rng(devices=[], enabled=examples % DRAW_EVERY != 0):
        value = evaluate_loss(net, data_iter, loss)
    if not math.isfinite(value):
        raise NonFiniteError(
            f"the loss became NaN or infinite by example {examples:,} (epoch {epoch:.2f}): use a smaller lr"
        )
    return value
