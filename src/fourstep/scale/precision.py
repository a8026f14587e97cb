"""Mixed precision as a value: the three verbs in which it touches a step, doing nothing where it is off."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from fourstep.errors import ConfigError
from fourstep.scale.update import update_weights

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}
_NOTHING: AbstractContextManager[None] = nullcontext()


class MixedPrecision:
    """How the forward pass is cast and how small gradients are kept from vanishing.

    Args:
        dtype: the forward's number format, `torch.bfloat16` or `torch.float16`; None leaves it the model's own.
        device_type: `"cuda"`, `"cpu"`, ...: where the model is.

    float16 has a narrow range, so its loss is multiplied by a factor that adapts, and the gradients are divided by it
    before the update (Micikevicius et al. 2018, arXiv:1710.03740, section 3.2); an update whose gradients overflowed is
    skipped.
    """

    def __init__(self, dtype: torch.dtype | None, device_type: str = "cpu") -> None:
        self.dtype = dtype
        self.device_type = device_type
        self.scaler = torch.amp.GradScaler(device_type) if dtype is torch.float16 else None

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which to run the forward and the loss."""
        return _NOTHING if self.dtype is None else torch.autocast(self.device_type, self.dtype)

    def backward(self, loss: Tensor) -> None:
        """Step 3: add the gradients of a scalar `loss` to the parameters' own."""
        scaled = loss if self.scaler is None else self.scaler.scale(loss)
        scaled.backward()

    def update(self, optimizer: Optimizer, max_grad_norm: float | None = None) -> Tensor | None:
        """Step 4: clip the gradients to a joint 2-norm of `max_grad_norm`, then change the weights.

        Returns:
            The norm before clipping, a scalar on the device; None where nothing is clipped.

        Raises:
            ConfigError: `max_grad_norm` is not above 0.
        """
        if max_grad_norm is not None and max_grad_norm <= 0:
            raise ConfigError(f"max_grad_norm {max_grad_norm}: expected a norm above 0, or None for no clipping")
        if self.scaler is not None and max_grad_norm is not None:
            self.scaler.unscale_(optimizer)
        norm = None if max_grad_norm is None else torch.nn.utils.clip_grad_norm_(_parameters(optimizer), max_grad_norm)
        if self.scaler is None:
            update_weights(optimizer)
        else:
            self.scaler.step(optimizer)
            self.scaler.update()
        return norm


def _parameters(optimizer: Optimizer) -> Iterator[Tensor]:
    return (parameter for group in optimizer.param_groups for parameter in group["params"])


OFF = MixedPrecision(None)


def mixed_precision(name: str, device_type: str = "cpu") -> MixedPrecision:
    """The `MixedPrecision` of a name.

    Args:
        name: `"off"`, `"bf16"` or `"fp16"`.
        device_type: where the model is.

    Raises:
        ConfigError: another name.
    """
    if name == "off":
        return OFF
    if name not in _DTYPES:
        raise ConfigError(f"precision {name!r} is unknown: expected 'off', 'bf16' or 'fp16'")
    return MixedPrecision(_DTYPES[name], device_type)
