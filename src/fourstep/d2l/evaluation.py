"""How often is a model right? Counted without waiting for the device, every module's mode restored afterwards.

Source: *Dive into Deep Learning*, sections 3.6, 4.4 and 6.6. A net is an `nn.Module` or a plain function of the inputs.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from jaxtyping import Bool, Shaped
from torch import Tensor, nn

from fourstep.d2l.linear import as_shaped
from fourstep.data.batches import Batches
from fourstep.data.dataset import Data, as_data, as_pair, pairs_on
from fourstep.device import pick_device
from fourstep.errors import DataError, ShapeError
from fourstep.evaluation import device_of, evaluating
from fourstep.losses import LossFn, call_loss, count_items, returns_sum
from fourstep.meters import Meters


def accuracy(y_hat: Shaped[Tensor, "..."], y: Shaped[Tensor, "..."]) -> float:
    """How many predictions are right: a count, not a rate.

    Args:
        y_hat: scores `(N, K, ...)`, K classes along dimension 1, the largest being the prediction; or class indices.
        y: class indices, in the shape of the predictions.

    Returns:
        The count; divide by `y.numel()` for the rate.

    Raises:
        ShapeError: `(N, 1)` against `(N,)`, or other shapes that do not belong together.
        DataError: predictions that are no class indices, such as 0.9.

    >>> accuracy(torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]]), torch.tensor([0, 2]))
    1.0
    """
    right = is_right(y_hat, y)
    _check_indices(y_hat, y, y)
    return float(right.sum())


def is_right(y_hat: Shaped[Tensor, "..."], y: Shaped[Tensor, "..."]) -> Bool[Tensor, "..."]:
    """Which predictions are right, in the shape of `y`; `accuracy` says what the arguments are."""
    predicted = y_hat.argmax(dim=1) if y_hat.dim() > 1 and y_hat.shape[1] > 1 else y_hat
    if predicted.shape != y.shape:
        raise ShapeError(
            f"y_hat has shape {tuple(y_hat.shape)}, its predictions {tuple(predicted.shape)}, but y {tuple(y.shape)}: "
            f"expected the predictions' shape. {_mend(y_hat, predicted, y)}"
        )
    return predicted == y


def _mend(y_hat: Tensor, predicted: Tensor, y: Tensor) -> str:
    if predicted.numel() == y.numel():
        shape = "-1" if predicted.dim() == 1 else ", ".join(map(str, (-1, *predicted.shape[1:])))
        return f"Mend: y = y.reshape({shape})"
    if y.shape == y_hat.shape:
        return "If y is one-hot: y = y.argmax(dim=1)"
    return "There must be one label for each prediction"


def _check_indices(predicted: Tensor, y: Tensor, all_y: Tensor) -> None:
    """Refuse values such as a sigmoid's against labels that are classes, as `all_y` shows.

    A regression's values may be anything. Scores, a column for each class, are passed over.
    """
    if predicted.shape != y.shape or not predicted.is_floating_point():
        return
    if y.is_floating_point() and not _are_yes_or_no(all_y):
        return
    bad = predicted[predicted != predicted.round()]
    if len(bad):
        raise DataError(
            f"y_hat holds {float(bad[0]):.3g}, which is no class index: expected whole numbers, or a column of scores "
            "for each class. Mend: (y_hat > 0.5) for a sigmoid's outputs, (y_hat > 0) without one, or a net with one "
            "output for each class"
        )


def _are_yes_or_no(y: Tensor) -> bool:
    """Are these all 0 and 1, and some of each? Then they are two classes, and not the values of a regression."""
    no, yes = y == 0, y == 1
    return bool((no | yes).all() & no.any() & yes.any())


def home_of(net: Any) -> torch.device | None:
    """Where a module's inputs must be; None for a function, which must be given them where it wants them."""
    return device_of(net) if isinstance(net, nn.Module) else None


def batches_on(data_iter: Iterable[Any], device: torch.device | None) -> Iterator[tuple[Any, Any]]:
    """Yield the batches, on the device where there is one.

    Raises:
        DataError: there is no batch, or something else than pairs.
    """
    if isinstance(data_iter, Data):
        raise DataError(
            "expected batches but got a Data with several splits: pass one of them, as data.train or data.test"
        )
    if isinstance(data_iter, tuple | list) and [type(one) for one in data_iter] == [Tensor, Tensor]:
        raise DataError(
            "expected batches but got two tensors: d2l.load_array((features, labels), batch_size) makes them"
        )
    empty = True
    source = as_data(data_iter).train
    for pair in map(as_pair, source) if device is None else pairs_on(source, device):
        yield pair
        empty = False
    if empty:
        raise DataError(
            "the iterator is empty: it yields no batch. Expected at least one; is drop_last on, or was it used up?"
        )


def evaluate_accuracy(net: Callable[..., Any], data_iter: Iterable[Any]) -> float:
    """The share of right predictions over a data set (准确率).

    Args:
        net: is run in evaluation mode and without gradients; its modules' modes are restored.
        data_iter: yields `(X, y)`, which are moved to where a module's parameters are.

    Returns:
        In 0..1.

    Raises:
        ShapeError, DataError: what `accuracy` refuses, or there is no batch.
    """
    return _share_of_right(net, data_iter, home_of(net))


def evaluate_accuracy_gpu(
    net: Callable[..., Any], data_iter: Iterable[Any], device: str | torch.device | None = None
) -> float:
    """`evaluate_accuracy` with the batches moved to a device.

    Args:
        net: is run in evaluation mode and without gradients; its modules' modes are restored.
        data_iter: yields `(X, y)`; X may be a list, a tuple or a dictionary of tensors.
        device: where to move the batches; None for where the net's parameters are.

    Returns:
        In 0..1.

    Raises:
        DeviceError: the device is not there.
        ShapeError, DataError: what `accuracy` refuses, or there is no batch.
    """
    return _share_of_right(net, data_iter, home_of(net) if device is None else pick_device(device))


def _share_of_right(net: Callable[..., Any], data_iter: Iterable[Any], device: torch.device | None) -> float:
    meters, checked = Meters({"accuracy": is_right}), False
    with evaluating(net), torch.no_grad():
        for inputs, targets in batches_on(data_iter, device):
            outputs = net(inputs)
            if not checked:
                is_right(outputs, targets)
                kept = data_iter.targets if isinstance(data_iter, Batches) else None
                _check_indices(outputs, targets, kept if isinstance(kept, Tensor) else targets)
                checked = True  # it waits for the device
            meters.add_outputs(outputs, targets)
    return meters.compute()["accuracy"]


def evaluate_loss(net: Callable[..., Any], data_iter: Iterable[Any], loss: LossFn) -> float:
    """The mean loss per item over a data set, the same whatever the loss's reduction.

    Args:
        net: is run in evaluation mode and without gradients; its modules' modes are restored.
        data_iter: yields `(X, y)`, which are moved to where a module's parameters are.
        loss: `(y_hat, y) -> loss`, of any reduction; gets y in the shape of y_hat where they have as many items.

    Returns:
        The mean.

    Raises:
        ShapeError, DataError: shapes that do not belong together, or there is no batch.
    """
    meters = Meters()
    with evaluating(net), torch.no_grad():
        for inputs, targets in batches_on(data_iter, home_of(net)):
            outputs = net(inputs)
            truth = as_shaped(targets, outputs) if targets.numel() == outputs.numel() else targets
            value = call_loss(loss, outputs, truth)
            is_sum = returns_sum(loss, outputs, truth, value)
            items = count_items(loss, truth)
            meters.loss.add(total_loss(value, items, is_sum=is_sum), items)
    return meters.compute()["loss"]


def total_loss(value: Tensor, items: int | Tensor, *, is_sum: bool) -> Tensor:
    """A loss of any reduction as the sum over its items, a scalar."""
    return value.sum() if value.dim() or is_sum else value * items
