"""Whatever holds numbers, as samples that models take: arrays, tensors, tables, lists, and files in their place."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fourstep.data.mapped import Mapped, is_mapped, map_array, trainable_type
from fourstep.errors import DataError


@runtime_checkable
class Array(Protocol):
    """What numpy can read, and has a shape: an array, a tensor, a table."""

    @property
    def shape(self) -> Any: ...  # noqa: D102

    def __array__(self) -> NDArray[Any]: ...


def to_samples(values: Any, what: str) -> Any:
    """The values as tensors, or mapped where they lie in a file, in the nesting in which they are."""
    if isinstance(values, Mapping):
        return {key: to_samples(item, f"{what} {key!r}") for key, item in values.items()}
    if isinstance(values, tuple) and any(isinstance(item, Mapping) or _is_array(item) for item in values):
        items = [to_samples(item, f"{what} [{place}]") for place, item in enumerate(values)]
        return type(values)(*items) if hasattr(values, "_fields") else tuple(items)
    return _to_tensor(values, what)


def _is_array(values: Any) -> bool:
    return isinstance(values, Array) and len(values.shape) > 0


def as_target(kept: Tensor | Mapped) -> Tensor | Mapped:
    """Whole numbers are class indices, which are int64; those of a file, one per sample, are few."""
    is_whole = not (kept.dtype.is_floating_point or kept.dtype.is_complex)
    if isinstance(kept, Mapped):
        mapped = replace(kept, dtype=torch.int64) if is_whole else kept
        return mapped[:] if mapped.dim() == 1 else mapped
    return kept.long() if is_whole else kept


def _to_tensor(values: Any, what: str) -> Tensor | Mapped:
    """The values as a tensor of the kinds that models take."""
    if isinstance(values, Mapped):
        return values
    try:
        if is_mapped(values) and values.ndim > 0:
            return map_array(values)
        tensor = values if isinstance(values, Tensor) else torch.from_numpy(_to_native(values))
    except (TypeError, ValueError, RuntimeError) as error:
        if _holds_texts(values):
            raise DataError(
                f"{what} are texts: expected numbers. Number them by classes, numbers = "
                "np.unique(texts, return_inverse=True) and pass the numbers"
            ) from error
        raise DataError(
            f"{what} cannot become a tensor ({str(error).splitlines()[0]}): expected numbers in a regular shape, "
            "every row as long as the first"
        ) from error
    if tensor.dim() == 0:
        raise DataError(f"{what} are a single value: expected one entry per sample")
    return tensor.detach().to(trainable_type(tensor.dtype))


def _holds_texts(values: Any) -> bool:
    try:
        first = np.asarray(values, dtype=object).flat[0]
    except (ValueError, IndexError, RuntimeError):
        return False
    return isinstance(first, str)


def _to_native(values: Any) -> NDArray[Any]:
    """The values as an array that torch can share: writable, rows in order, this machine's byte order."""
    array: NDArray[Any] = np.require(values, requirements=["C", "W"])
    return array.astype(array.dtype.newbyteorder("="), copy=False)
