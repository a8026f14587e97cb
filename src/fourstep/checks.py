"""What is handed to a run is what it should be, each thing in its place."""

from collections.abc import Mapping
from typing import Any

from torch import nn

from fourstep.errors import ConfigError
from fourstep.scale.precision import MixedPrecision

_OPTIMIZER = ("step", "zero_grad", "param_groups")  # what makes one


def check_parts(model: Any, optimizer: Any, metrics: Any, hooks: Any) -> None:
    """Refuse what cannot be trained or told, and arguments in another's place.

    Raises:
        ConfigError: one of them is something else.
    """
    if not isinstance(model, nn.Module):
        raise ConfigError(f"model is {_kind(model)}: expected a torch.nn.Module")
    if isinstance(optimizer, type) or not all(hasattr(optimizer, name) for name in _OPTIMIZER):
        example = "torch.optim.SGD(model.parameters(), lr=0.1)"
        raise ConfigError(f"optimizer is {_kind(optimizer)}: expected one such as {example}")
    if not {id(parameter) for group in optimizer.param_groups for parameter in group["params"]} & {
        id(parameter) for parameter in model.parameters()
    }:
        raise ConfigError(
            "the optimizer holds none of the model's parameters, so that nothing would be learnt: make it anew from "
            "this model, as torch.optim.SGD(model.parameters(), lr=0.1)"
        )
    if metrics is not None and not isinstance(metrics, Mapping):
        example = '{"accuracy": fourstep.accuracy}'
        raise ConfigError(f"metrics is {_kind(metrics)}: expected a dictionary, such as {example}")
    if callable(hooks) or not all(map(callable, hooks)):
        raise ConfigError(f"hooks is {_kind(hooks)}: expected a list of functions of an event")


def check_step_parts(loss_fn: Any, amp: Any) -> None:
    """Refuse what cannot be a step's loss function or number format.

    Raises:
        ConfigError: one of them is something else.
    """
    if isinstance(loss_fn, type) or not callable(loss_fn):
        raise ConfigError(f"loss_fn is {_kind(loss_fn)}: expected one such as torch.nn.CrossEntropyLoss()")
    if not isinstance(amp, MixedPrecision):
        raise ConfigError(f"amp is {_kind(amp)}: expected fourstep.scale.mixed_precision('bf16', 'cuda') or the like")


def describe_step(
    loss_fn: Any, step: Any, accumulate: int, max_grad_norm: float | None, amp: MixedPrecision
) -> dict[str, Any]:
    """What `fit` does to make a step, as a run's settings hold it."""
    loss = type(loss_fn).__name__ if isinstance(loss_fn, nn.Module) else getattr(loss_fn, "__name__", str(loss_fn))
    return {
        "loss_fn": loss,
        "step": getattr(step, "__name__", str(step)),
        "accumulate": accumulate,
        "max_grad_norm": max_grad_norm,
        "amp": None if amp.dtype is None else str(amp.dtype).removeprefix("torch."),
    }


def _kind(value: Any) -> str:
    return f"the class {value.__name__}" if isinstance(value, type) else f"a {type(value).__name__}"
