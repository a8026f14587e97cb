"""The state of anything: what a checkpoint keeps of the objects that a run was given."""

from functools import partial
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any, Protocol, runtime_checkable

import torch

from fourstep.errors import ConfigError


@runtime_checkable
class Stateful(Protocol):
    """torch's protocol of what can be saved: optimizers, schedules, models and scalers have it."""

    def state_dict(self) -> Any: ...  # noqa: D102
    def load_state_dict(self, state_dict: Any, /) -> Any: ...  # noqa: D102


def is_stateful(thing: Any) -> bool:
    """Has it torch's protocol of what can be saved?"""
    return isinstance(thing, Stateful)


def has_numbers(thing: Any) -> bool:
    """Is it an object of one's own class with attributes, which may count something?"""
    return not isinstance(thing, FunctionType | MethodType | BuiltinFunctionType | partial) and bool(
        getattr(thing, "__dict__", None)
    )


def read_state(thing: Any) -> Any:
    """A tree of what `thing` is at this moment.

    Args:
        thing: a torch generator; one of torchmetrics' metrics, whose own `state_dict` is empty; what has `state_dict`
            and `load_state_dict`; else any object, whose attributes are its state.
    """
    if isinstance(thing, torch.Generator):
        return thing.get_state()
    if hasattr(thing, "metric_state") and hasattr(thing, "_update_count"):
        return {"metric_state": thing.metric_state, "count": thing._update_count}  # noqa: SLF001 - nothing public sets it
    if not isinstance(thing, Stateful) and not hasattr(thing, "__dict__"):
        raise ConfigError(
            f"the state of a {type(thing).__name__} cannot be read: expected what has state_dict and load_state_dict, "
            "or attributes. Wrap it in an object that has"
        )
    return thing.state_dict() if isinstance(thing, Stateful) else dict(vars(thing))


def write_state(thing: Any, state: Any) -> None:
    """Put `thing` into a state that `read_state` has read of one like it; tensors come from the CPU."""
    if isinstance(thing, torch.Generator):
        thing.set_state(state)
    elif hasattr(thing, "metric_state") and hasattr(thing, "_update_count"):
        for name, value in state["metric_state"].items():
            setattr(thing, name, _moved(value, thing.device))
        thing._update_count = state["count"]  # noqa: SLF001 - as above
        thing._computed = None  # noqa: SLF001 - as above
    elif isinstance(thing, Stateful):
        thing.load_state_dict(state)
    else:
        vars(thing).update(state)


def _moved(value: Any, device: torch.device) -> Any:
    return value.to(device) if isinstance(value, torch.Tensor) else [item.to(device) for item in value]
