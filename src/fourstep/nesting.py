"""Tensors inside tuples, lists and mappings: what a batch, and a model's answer, may be."""

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor
from torch.nn.utils.rnn import PackedSequence

from fourstep.errors import DataError


def map_tensors(function: Callable[[Any], Any], value: Any, kinds: type | tuple[type, ...] = Tensor) -> Any:
    """`value` with `function` applied to every tensor in it; what holds no tensor is passed through as it is.

    Args:
        function: of one tensor.
        value: a tensor, or a nesting.
        kinds: what counts as a tensor.
    """
    if isinstance(value, kinds):
        return function(value)
    if isinstance(value, Mapping):
        return {key: map_tensors(function, item, kinds) for key, item in value.items()}
    if isinstance(value, list):
        return [map_tensors(function, item, kinds) for item in value]
    if isinstance(value, tuple) and not isinstance(value, PackedSequence):
        items = [map_tensors(function, item, kinds) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    return value


def detached(value: Any) -> Any:
    """`value` with every tensor cut off from its gradients' history."""
    return map_tensors(Tensor.detach, value)


def first_tensor(value: Any, what: str) -> Tensor:
    """The first tensor in `value`.

    Args:
        value: a tensor, or a nesting.
        what: what it is called in the error.

    Raises:
        DataError: there is none.
    """
    inner = value
    while not isinstance(inner, Tensor):
        items = list(inner.values()) if isinstance(inner, Mapping) else inner
        if not isinstance(items, tuple | list) or not items:
            raise DataError(
                f"{what} are a {type(inner).__name__}: expected a tensor, or tensors in a tuple, list or dictionary. "
                "Classes are numbered from 0, and arrays become tensors by torch.as_tensor"
            )
        inner = items[0]
    return inner


def batch_length(batch: Any) -> int:
    """How many samples a batch has: the length of the first tensor in it.

    Raises:
        DataError: there is no tensor in it.
    """
    tensor = first_tensor(batch, "targets")
    return tensor.shape[0] if tensor.dim() else 1
