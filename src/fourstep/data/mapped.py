"""An array that stays in its file: its samples are read batch by batch, it is never whole in memory, never written to.

Shapes: N samples in the array, M of them chosen.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from numpy.typing import NDArray
from torch import Tensor

PART = 2**22  # bytes that are read at once where all of it is looked at

# torch cannot gather these
_SIGNED = {torch.uint16: torch.int32, torch.uint32: torch.int64, torch.uint64: torch.int64}


@dataclass(frozen=True, kw_only=True, eq=False)
class Mapped:
    """Samples of a memory-mapped array, which take the place of a tensor in `Batches`.

    Whatever is taken of it is a tensor of its own in memory.

    Attributes:
        array: `(N, ...)`.
        dtype: what the samples become, batch by batch.
        chosen: which of the samples there are, as indices `(M,)` of the array's own; None for all of them.

    >>> half = Mapped(array=np.arange(6.0).reshape(3, 2), dtype=torch.float32).choose(torch.tensor([2, 0]))
    >>> half.shape, half[:1].tolist()
    (torch.Size([2, 2]), [[4.0, 5.0]])
    """

    array: NDArray[Any]
    dtype: torch.dtype
    chosen: NDArray[np.int64] | None = None

    @property
    def shape(self) -> torch.Size:
        """Of all samples: `(M, ...)`."""
        return torch.Size((len(self), *self.array.shape[1:]))

    @property
    def device(self) -> torch.device:
        """Where what is taken of it is."""
        return torch.device("cpu")

    def dim(self) -> int:
        """The number of dimensions, samples among them."""
        return self.array.ndim

    def __len__(self) -> int:
        return len(self.array if self.chosen is None else self.chosen)

    def __getitem__(self, places: slice | Int64[Tensor, " B"]) -> Shaped[Tensor, "B ..."]:
        where: Any = places.numpy() if isinstance(places, Tensor) else places
        where = where if self.chosen is None else self.chosen[where]
        taken = np.array(self.array[where]) if isinstance(where, slice) else self.array[where]  # a view, or a copy
        native = np.ascontiguousarray(taken.astype(taken.dtype.newbyteorder("="), copy=False))
        return torch.from_numpy(native).to(self.dtype)

    def choose(self, indices: Int64[Tensor, " M"]) -> "Mapped":
        """Some of these samples, without a copy of any."""
        places = indices.numpy()
        return replace(self, chosen=places if self.chosen is None else self.chosen[places])

    def parts(self) -> Iterator[Shaped[Tensor, "P ..."]]:
        """All samples in their order, some 4 MiB at a time."""
        size = max(1, PART * len(self.array) // max(1, self.array.nbytes))
        for start in range(0, len(self), size):
            yield self[start : start + size]


def is_mapped(values: Any) -> bool:
    """Is this numpy's view of a file?"""
    while isinstance(values, np.ndarray):
        if isinstance(values, np.memmap) or isinstance(values.base, mmap.mmap):
            return True
        values = values.base
    return False


def map_array(array: NDArray[Any]) -> Mapped:
    """The samples of a memory-mapped array, in the type that `to_trainable` gives a tensor.

    Raises:
        TypeError: what it holds are no numbers.
    """
    kind = torch.from_numpy(np.empty(0, array.dtype.newbyteorder("="))).dtype
    return Mapped(array=np.asarray(array), dtype=trainable_type(kind))


def trainable_type(dtype: torch.dtype) -> torch.dtype:
    """The type that models take: float32 for every fraction, whole numbers as they are where torch can gather them."""
    return torch.float32 if dtype.is_floating_point else _SIGNED.get(dtype, dtype)
