"""The four steps of gradient descent: forward, clear, backward, update.

`four_steps` is the specification and nothing else. `train_step` is the same with mixed precision, micro-batches and
clipping; for one micro-batch with none of these the two give the same weights bit for bit, which is this project's
first test.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.losses import LossFn, count_items, measure_loss
from fourstep.nesting import detached
from fourstep.scale.precision import OFF, MixedPrecision
from fourstep.scale.update import clear_gradients

Batch: TypeAlias = tuple[Any, Any]
Observe: TypeAlias = Callable[[Tensor, Any, Any, int | Tensor], None]


class StepResult(NamedTuple):
    """What one update leaves: the mean loss before it, and the gradients' norm where they were clipped.

    Both are scalars on the device: reading them waits for it.
    """

    loss: Tensor
    grad_norm: Tensor | None


def four_steps(model: nn.Module, loss_fn: LossFn, optimizer: Optimizer, inputs: Any, targets: Any) -> Tensor:
    """One update, with nothing added. Returns the loss before it, detached."""
    # fmt: off
    outputs = model(inputs)                 # 1. forward:  predict, and measure the loss
    loss = loss_fn(outputs, targets)
    optimizer.zero_grad()                   # 2. clear:    forget the last gradients
    loss.backward()                         # 3. backward: compute the new ones
    optimizer.step()                        # 4. update:   change the weights
    # fmt: on
    return loss.detach()


def train_step(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: Optimizer,
    micro_batches: Sequence[Batch],
    *,
    amp: MixedPrecision = OFF,
    max_grad_norm: float | None = None,
    observe: Observe | None = None,
) -> StepResult:
    """`four_steps` over one or more micro-batches: one call is always exactly one update.

    Args:
        model: gives outputs for a micro-batch's inputs.
        loss_fn: of any reduction. A mean is weighted by each micro-batch's items, so that the gradient is that of all
            of them as one batch; one value per item is averaged; a sum stays a sum.
        optimizer: any of torch's that needs no closure.
        micro_batches: one or more pairs `(inputs, targets)` on the model's device, of any sizes.
        amp: the forward's number format; see `fourstep.scale.mixed_precision`.
        max_grad_norm: clip the gradients to this joint 2-norm before the update.
        observe: called with `(mean loss, outputs, targets, items)` of every micro-batch, detached.

    Returns:
        The mean loss over all items, and the gradients' norm where they were clipped.

    Raises:
        ShapeError, DataError: outputs and targets do not belong together.

    Batch normalisation sees one micro-batch at a time, so with it accumulation is not the same as one big batch.
    """
    total_items = (
        None if len(micro_batches) == 1 else sum(count_items(loss_fn, targets) for _, targets in micro_batches)
    )
    parts = []
    clear_gradients(optimizer)  # 2. clear, first of all, so that the micro-batches' gradients can add up
    for inputs, targets in micro_batches:
        with amp.autocast():
            outputs = model(inputs)  # 1. forward, then the loss: what to differentiate, and the mean to report
            loss, mean, items = measure_loss(loss_fn, outputs, targets, total_items)
        amp.backward(loss)  # 3. backward
        mean = mean.detach()
        parts.append((mean, items))
        if observe is not None:
            observe(mean, detached(outputs), targets, items)
    grad_norm = amp.update(optimizer, max_grad_norm)  # 4. update
    return StepResult(_weighted_mean(parts), grad_norm)


def _weighted_mean(parts: list[tuple[Tensor, int | Tensor]]) -> Tensor:
    if len(parts) == 1:
        return parts[0][0]
    return torch.stack([mean * items for mean, items in parts]).sum() / sum(items for _, items in parts)
