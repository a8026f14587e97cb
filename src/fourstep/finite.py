"""Is it finite? Looked at before the update: at once on a CPU, else on the device, which nothing waits for."""

import math

import torch
from torch import Tensor
from torch.optim import Optimizer


def gradients_are_finite(optimizer: Optimizer) -> bool | None:
    """Are all gradients finite? None where they are on another device than the CPU: to look would wait for it."""
    total = 0.0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            if not gradient.is_cpu:
                return None
            total += float(gradient.abs().sum() if gradient.is_complex() else gradient.sum())
    # NaN and infinity survive every sum; a sum of finite numbers may overflow too
    return math.isfinite(total) or not bad_gradients(optimizer)


def screen_gradients(optimizer: Optimizer, loss: Tensor | None, items: int | Tensor | None, stuck: Tensor) -> Tensor:
    """Put zeros into all gradients where loss or one of them is not finite; no device is waited for.

    Args:
        optimizer: whose gradients they are.
        loss: of the batch, a mean; None where it is not known.
        items: how many `loss` is the mean of; the mean of none is NaN, and no fault.
        stuck: a truth value on the device: put zeros there in any case.

    Returns:
        0 where all is finite, 1 where a gradient is not, 2 where the loss is not: a scalar on `stuck`'s device.
    """
    own = (parameter.grad for group in optimizer.param_groups for parameter in group["params"])
    values = (one._values() if one.is_sparse else one for one in own if one is not None)  # noqa: SLF001 - torch's own way
    gradients = [one for one in values if one.numel()]
    bad_loss = torch.zeros_like(stuck)
    if loss is not None:
        bad_loss = ~torch.isfinite(loss)
        if items is not None:
            bad_loss = bad_loss & (items != 0)
        bad_loss = bad_loss.to(stuck.device)
    bad = bad_loss
    if gradients:  # the largest of all: a square, as in their usual norm, may overflow
        largest = torch.nn.utils.get_total_norm(gradients, math.inf)
        bad = bad | ~torch.isfinite(largest).to(stuck.device)
    empty = bad | stuck
    for gradient in gradients:
        gradient.masked_fill_(empty.to(gradient.device), 0)
    return bad.to(torch.int8) + bad_loss.to(torch.int8)


def bad_gradients(optimizer: Optimizer) -> list[Tensor]:
    """Those that are not finite; waits for the device."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return [one for one in parameters if one.grad is not None and not is_finite(one.grad)]


def is_finite(tensor: Tensor) -> bool:
    """All of its numbers; waits for the device."""
    tensor = tensor.coalesce().values() if tensor.is_sparse else tensor
    return bool(torch.isfinite(tensor).all())
