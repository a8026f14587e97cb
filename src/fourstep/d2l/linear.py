"""Linear regression from scratch: made-up data, the model, its loss, and gradient descent by hand.

Source: *Dive into Deep Learning*, section 3.2. Shapes: N samples, D features.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.d2l.counters import Number
from fourstep.errors import ConfigError, ShapeError, check_count


def synthetic_data(
    w: Shaped[Tensor, "D ..."], b: Number | Tensor, num_examples: int
) -> tuple[Shaped[Tensor, "N D"], Shaped[Tensor, "N 1"]]:
    """Points `y = Xw + b` with a little noise, drawn from torch's global generator.

    Args:
        w: the true weights, `(D,)`; a list will do.
        b: the true bias.
        num_examples: N, 1 or more.

    Returns:
        Standard normal features `(N, D)`, and labels `(N, 1)` with noise of deviation 0.01.

    Raises:
        ConfigError: `num_examples` is below 1.
    """
    check_count("num_examples", num_examples)
    features = torch.normal(0, 1, (num_examples, len(w)))
    labels = torch.matmul(features, torch.as_tensor(w, dtype=features.dtype)) + b
    labels += torch.normal(0, 0.01, labels.shape)
    return features, labels.reshape((-1, 1))


def linreg(
    X: Shaped[Tensor, "..."],  # noqa: N803 - the book's name for the features
    w: Shaped[Tensor, "..."],
    b: Number | Tensor,
) -> Tensor:
    """The linear model `Xw + b`: features `(N, D)` and weights `(D, 1)` give `(N, 1)`."""
    return torch.matmul(X, w) + b


def squared_loss(y_hat: Shaped[Tensor, "..."], y: Shaped[Tensor, "..."]) -> Tensor:
    """Half the squared error of every item.

    Args:
        y_hat: the predictions.
        y: the truth, in their shape; `(N,)` and `(N, 1)` are taken for one another.

    Returns:
        `(y_hat - y)**2 / 2`, in the shape of `y_hat`.

    Raises:
        ShapeError: the shapes do not belong together.
    """
    return (y_hat - as_shaped(y, y_hat)) ** 2 / 2


def as_shaped(y: Shaped[Tensor, "..."], y_hat: Shaped[Tensor, "..."]) -> Tensor:
    """`y` in the shape of `y_hat`, where the two differ in dimensions of size 1 alone.

    Raises:
        ShapeError: they differ in more, or are a row `(1, N)` and a column `(N, 1)`.
    """
    if y.shape != y_hat.shape and (y.dim() == y_hat.dim() or y.squeeze().shape != y_hat.squeeze().shape):
        mend = f"y = y.reshape({tuple(y_hat.shape)})" if y.numel() == y_hat.numel() else "one label for each prediction"
        raise ShapeError(
            f"y_hat has shape {tuple(y_hat.shape)} but y {tuple(y.shape)}: expected the same shape. "
            f"Mend, where their items are in the same order: {mend}"
        )
    return y.reshape(y_hat.shape)


def sgd(params: Iterable[Tensor], lr: Number, batch_size: int) -> None:
    """One step of minibatch stochastic gradient descent, in place; then clear the gradients.

    Args:
        params: whose gradients are those of the *sum* over the batch, `loss(...).sum().backward()`.
        lr: learning rate.
        batch_size: items in the batch, 1 or more: the gradients are divided by it.

    Raises:
        ConfigError: `batch_size` is below 1, a parameter has no gradient, or params is a single one.
    """
    if isinstance(params, Tensor):
        raise ConfigError(f"params is one tensor, of shape {tuple(params.shape)}: expected a list of them. Mend: [w]")
    params = list(params)
    if batch_size < 1:
        raise ConfigError(f"batch_size {batch_size!r}: expected 1 or more")
    for number, param in enumerate(params, start=1):
        if param.grad is None:
            raise ConfigError(
                f"parameter {number} of {len(params)}, of shape {tuple(param.shape)}, has no gradient: expected "
                "requires_grad=True, a part in the loss, and loss.sum().backward() before sgd"
            )
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size  # type: ignore[operator] # noqa: PLW2901 - in place; each has a gradient
            param.grad.zero_()  # type: ignore[union-attr] # checked above
