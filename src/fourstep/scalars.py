"""Numbers that stay on the device, many of them, until all are read in one transfer."""

from collections.abc import Iterator
from itertools import islice

import torch
from torch import Tensor

PACKED = 1024  # numbers that are joined into one tensor, so that an epoch of any length holds few objects


class Scalars:
    """A growing column of numbers, some or all of them still on the device; adding waits for nothing."""

    def __init__(self) -> None:
        self._parts: list[Tensor | list[int | Tensor]] = []
        self._loose: list[int | Tensor] = []

    def add(self, value: int | Tensor) -> None:
        """Put a number at the end."""
        self._loose.append(value)
        if len(self._loose) == PACKED:
            self._pack()

    def _pack(self) -> None:
        """Join what was added since the last time; what is on the host stays a list."""
        tensors = [value for value in self._loose if isinstance(value, Tensor)]
        whole = len(tensors) == len(self._loose) and len({tensor.dtype for tensor in tensors}) == 1
        self._parts.append(torch.stack(tensors) if whole else self._loose)
        self._loose = []

    def take(self) -> list[Tensor | list[int | Tensor]]:
        """What was added, in parts, in its order; the column is empty afterwards."""
        if self._loose:
            self._pack()
        taken, self._parts = self._parts, []
        return taken


def to_host(columns: list[list[Tensor | list[int | Tensor]]]) -> list[list[float]]:
    """Every column's numbers, all tensors in one transfer."""
    on_device = [tensor for parts in columns for part in parts for tensor in _tensors_of(part)]
    read: Iterator[float] = iter(())
    if on_device:
        # MPS has no float64; a batch's sum is a float32 already, and its count is far below 2**24
        exact = torch.float32 if on_device[0].device.type == "mps" else torch.float64
        read = iter(torch.cat([tensor.reshape(-1).to(on_device[0].device, exact) for tensor in on_device]).tolist())
    return [[number for part in parts for number in _numbers_of(part, read)] for parts in columns]


def _tensors_of(part: Tensor | list[int | Tensor]) -> list[Tensor]:
    return [part] if isinstance(part, Tensor) else [value for value in part if isinstance(value, Tensor)]


def _numbers_of(part: Tensor | list[int | Tensor], read: Iterator[float]) -> list[float]:
    """A part's numbers in its order; those that were on the device are the next ones `read`."""
    if isinstance(part, Tensor):
        return list(islice(read, len(part)))
    return [next(read) if isinstance(value, Tensor) else float(value) for value in part]
