"""Measuring and using a model without training it: the loop without its last three steps."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from fourstep.data.dataset import Data, as_pair, pairs_on, unaugmented
from fourstep.data.mapped import Mapped, is_mapped, map_array
from fourstep.data.samples import Prepare, check_samples, scale_bytes, take
from fourstep.device import to_device
from fourstep.errors import DataError, check_count
from fourstep.losses import LossFn, call_loss, count_items, mean_loss, returns_sum
from fourstep.meters import Meters
from fourstep.metrics import Metric
from fourstep.nesting import map_tensors


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model in evaluation mode, and every module of it back into its own mode at the end, also after an error.

    A model that is no `nn.Module` has no modes and is left alone.
    """
    modes = [(module, module.training) for module in model.modules()] if isinstance(model, nn.Module) else []
    if isinstance(model, nn.Module):
        model.eval()
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


def evaluate(
    model: nn.Module,
    batches: Iterable[Any],
    loss_fn: LossFn | None = None,
    *,
    metrics: Mapping[str, Metric] | None = None,
) -> dict[str, float]:
    """The loss and metrics of a model over a split, exact for batches of any sizes.

    Args:
        model: is run where it is, in evaluation mode and without gradients; its modules' modes are restored.
        batches: yields `(inputs, targets)`; of `Batches` the samples as they are, not augmented.
        loss_fn: of any reduction; None measures no loss.
        metrics: name -> function `(outputs, targets) -> one value per sample`, or an object of torchmetrics' protocol.

    Returns:
        name -> value, with `loss` first where there is a `loss_fn`.

    Raises:
        DataError: there is no batch, or a batch that the loss function or a metric refuses.
    """
    if isinstance(batches, Data):
        raise DataError("expected batches but got a Data with several splits: pass one of them, as data.test")
    device = device_of(model)
    meters = Meters(metrics, device)
    empty = True
    with evaluating(model), torch.no_grad():  # no inference mode: a model may keep tensors for training
        for inputs, targets in pairs_on(unaugmented(batches), device):
            outputs = model(inputs)
            if loss_fn is not None:
                loss = call_loss(loss_fn, outputs, targets)
                items = count_items(loss_fn, targets)
                summed = returns_sum(loss_fn, outputs, targets, loss)
                meters.add_loss(mean_loss(loss, items, is_sum=summed), items)
            meters.add_outputs(outputs, targets)
            empty = False
    if empty:
        raise DataError("nothing to evaluate: the data yields no batch. Expected at least one")
    return meters.compute()


def predict(
    model: nn.Module,
    inputs: Any,
    *,
    batch_size: int = 256,
    prepare: Prepare = scale_bytes,
) -> Tensor:
    """A model's outputs, in the order of the inputs.

    Args:
        model: is run where it is, in evaluation mode and without gradients; its modules' modes are restored.
        inputs: a tensor or array `(N, ...)`, or several of them in a tuple or dictionary, which the model is given as
            one argument; or an iterable of `(inputs, targets)` batches, whose targets are not looked at.
        batch_size: samples at a time, where `inputs` are tensors.
        prepare: turns the tensors' batches into what the model was trained on, where `inputs` are tensors: the training
            data's own, as `data.train.prepare`, which standardises where training did. By default bytes are scaled to
            0..1.

    Returns:
        `(N, ...)`, on the CPU.

    Raises:
        ConfigError: `batch_size` is below 1.
        DataError: there are no inputs, or several of different length.
    """
    check_count("batch_size", batch_size)
    device = device_of(model)
    parts: Iterable[Any]
    if _are_samples(inputs):
        kept = map_tensors(_keep, inputs, (Tensor, np.ndarray))
        starts = range(0, check_samples({"inputs": kept}), batch_size)
        parts = (prepare(take(kept, slice(start, start + batch_size))) for start in starts)
    else:
        parts = (as_pair(batch)[0] for batch in unaugmented(inputs))
    with evaluating(model), torch.no_grad():
        outputs = [model(to_device(part, device)).cpu() for part in parts]
    if not outputs or not sum(map(len, outputs)):
        raise DataError("nothing to predict: there are no inputs. Expected at least one")
    return torch.cat(outputs)


def _are_samples(inputs: Any) -> bool:
    """Is this what batches are to be cut from, and not an iterable of pairs?"""
    if isinstance(inputs, tuple):
        return any(isinstance(item, Tensor | np.ndarray | Mapping) for item in inputs)
    return isinstance(inputs, Tensor | np.ndarray | Mapped | Mapping)


def _keep(values: Tensor | NDArray[Any]) -> Tensor | Mapped:
    if isinstance(values, Tensor):
        return values
    if is_mapped(values):
        return map_array(values)
    tensor = torch.as_tensor(values)
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def device_of(model: Any) -> torch.device:
    """Where a model's first parameter or buffer is; the CPU for a model that has none."""
    if not isinstance(model, nn.Module):
        return torch.device("cpu")
    tensors = (tensor for source in (model.parameters(), model.buffers()) for tensor in source)
    return next((tensor.device for tensor in tensors), torch.device("cpu"))
