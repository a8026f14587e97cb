"""Batches of whole tensors, and the splits of a data set.

Data that fits in memory is kept as whole tensors and cut into batches by one gather each: no Python per sample, no
worker processes. Shapes: N samples, B samples in a batch.
"""

import copy
import hashlib
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.data.order import Order, in_order, seeded_order
from fourstep.errors import ConfigError, DataError, check_count

Prepare: TypeAlias = Callable[[Tensor], Tensor]

BYTES_COPIED, BYTES_CONVERTED = 2**16, 2**21  # of samples that are gathered at once, where each batch is copied or not
MOST_AT_ONCE = 1024  # batches


@runtime_checkable
class Seekable(Protocol):
    """A source of batches whose position can be set: what exact repetition needs."""

    def seek(self, epoch: int, batch: int = 0) -> None: ...  # noqa: D102


def scale_bytes(inputs: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
    """Bytes 0..255 to float32 0..1; anything else as it is."""
    return inputs.float().div_(255) if inputs.dtype == torch.uint8 else inputs


class Batches:
    """An iterable of `(inputs, targets)`; every pass is an epoch of its own.

    Args:
        inputs: `(N, ...)` of any type. uint8 stays uint8 in memory and becomes float32 in 0..1 batch by batch.
        targets: `(N, ...)`.
        batch_size: samples per batch, 1 or more; the last batch is shorter where it does not divide N.
        shuffle: take the samples in an order that is a function of `(seed, epoch)`; else as they lie.
        seed: 0 or more.
        drop_last: leave out a short last batch.
        prepare: turns a gathered batch of inputs into what the model sees; the same for training and prediction.
        order: epoch -> indices, in place of `shuffle` and `seed`; see `fourstep.data.order`.

    Attributes:
        seed: of the order; None where there is none.

    Raises:
        ConfigError: `batch_size` is not a whole number of 1 or more.
        DataError: no samples, or inputs and targets of different length or on different devices.

    >>> batches = Batches(torch.arange(5.0), torch.arange(5), batch_size=2, shuffle=False)
    >>> [targets.tolist() for _, targets in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        inputs: Shaped[Tensor, "N ..."],
        targets: Shaped[Tensor, "M ..."],
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        prepare: Prepare = scale_bytes,
        order: Order | None = None,
    ) -> None:
        check_count("batch_size", batch_size)
        _check_pair(inputs, targets)
        self.inputs = inputs
        self.targets = targets
        self.batch_size = int(batch_size)  # which may be numpy's
        self.drop_last = drop_last
        self.prepare = prepare
        self.seed = seed if shuffle and order is None else None  # of the order, where it has one
        self.order = order or (seeded_order(len(inputs), seed) if shuffle else in_order)
        self._position = [0, 0]  # epoch and batch of the next pass; a copy on another device shares it
        if len(self) == 0:
            raise DataError(
                f"no batch: {len(inputs)} samples are fewer than batch_size {batch_size} and drop_last leaves out the "
                "short batch. Use a smaller batch_size or drop_last=False"
            )

    @property
    def dataset(self) -> "Samples":
        """The samples one by one, as `DataLoader.dataset` has them: `len(batches.dataset)`."""
        return Samples(self.inputs, self.targets, self.prepare)

    @property
    def num_items(self) -> int:
        """How many samples a pass yields."""
        return len(self) * self.batch_size if self.drop_last else len(self.inputs)

    def __len__(self) -> int:
        full, rest = divmod(len(self.inputs), self.batch_size)
        return full if self.drop_last or rest == 0 else full + 1

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Let the next pass be that of `epoch` (from 0), beginning with its batch number `batch` (from 0).

        Raises:
            ConfigError: a number below 0, or a `batch` that the epoch does not have.
        """
        if epoch < 0 or not 0 <= batch <= len(self):
            raise ConfigError(
                f"epoch {epoch}, batch {batch}: expected an epoch of 0 or more, and a batch in 0..{len(self)}"
            )
        self._position[:] = epoch, batch

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        epoch, batch = self._position
        self._position[:] = epoch + 1, 0
        indices = self.order(epoch)
        if indices is not None:  # one copy per epoch; the generator is the CPU's, so that every device sees the same
            indices = indices.to(self.inputs.device, non_blocking=True)
        return self._cut(indices, batch * self.batch_size)

    def _cut(self, indices: Tensor | None, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Take many small batches at once and cut them apart: a gather costs far more than a copy.

        Every batch is a tensor of its own, which a model may change in place. A part of a larger one would also lie
        elsewhere in memory, and matrix kernels round by where a tensor begins.
        """
        converts = self.inputs.dtype is torch.uint8 and self.prepare is scale_bytes  # into a tensor of its own
        block = self.batch_size * self._batches_at_once(BYTES_CONVERTED if converts else BYTES_COPIED)
        for start in range(first, self.num_items, block):
            end = min(start + block, self.num_items)
            inputs, targets = (self._take(tensor, indices, start, end) for tensor in (self.inputs, self.targets))
            if indices is not None and block == self.batch_size:  # a gather is a tensor of its own already
                yield self.prepare(inputs), targets
                continue
            parts: Iterable[Tensor] = inputs.split(self.batch_size)
            own = parts if converts else map(Tensor.clone, parts)
            yield from zip(map(self.prepare, own), map(Tensor.clone, targets.split(self.batch_size)), strict=True)

    def _take(self, tensor: Tensor, indices: Tensor | None, start: int, end: int) -> Tensor:
        return tensor[start:end] if indices is None else tensor.index_select(0, indices[start:end])

    def _batches_at_once(self, most_bytes: int) -> int:
        if self.inputs.layout is not torch.strided or self.targets.layout is not torch.strided:  # torch cannot cut it
            return 1
        batch_bytes = self.inputs[: self.batch_size].nbytes + self.targets[: self.batch_size].nbytes
        return min(MOST_AT_ONCE, max(1, most_bytes // max(1, batch_bytes)))

    def indices(self, epoch: int, batch: int) -> list[int] | None:
        """Which samples are in a batch, both from 0; None where the order is not a function of the epoch alone."""
        if self.seed is None and self.order is not in_order:
            return None
        indices = self.order(epoch)
        first, last = batch * self.batch_size, min((batch + 1) * self.batch_size, len(self.inputs))
        return list(range(first, last)) if indices is None else indices[first:last].tolist()

    def find(self, epoch: int, batch: int) -> tuple[Tensor, Tensor] | None:
        """A batch on its own, both numbers from 0; None where the order is not a function of the epoch alone."""
        indices = self.indices(epoch, batch)
        return None if indices is None else (self.prepare(self.inputs[indices]), self.targets[indices])

    def to(self, device: torch.device) -> "Batches":
        """The same batches with the whole tensors on `device`, so that no batch is copied; itself if they are there."""
        if self.inputs.device == device:
            return self
        moved = copy.copy(self)
        moved.inputs, moved.targets = self.inputs.to(device), self.targets.to(device)
        return moved

    def fingerprint(self) -> str:
        """SHA-256 over the types, shapes and bytes of all samples, in hexadecimal."""
        digest = hashlib.sha256()
        for tensor in (self.inputs, self.targets):
            digest.update(f"{tensor.dtype} {tuple(tensor.shape)};".encode())
            raw = tensor.detach().cpu().flatten().view(torch.uint8)  # numpy lacks some of torch's types
            digest.update(raw.numpy().data)
        return digest.hexdigest()

    def __repr__(self) -> str:
        kind = str(self.inputs.dtype).removeprefix("torch.")
        shape = "x".join(map(str, self.inputs.shape[1:])) or "scalar"
        return f"Batches({self.num_items} samples of {kind} {shape}, {len(self)} batches of {self.batch_size})"


class Samples:
    """The samples of batches, one by one.

    Args:
        inputs: `(N, ...)`.
        targets: `(N, ...)`.
        prepare: turns a batch of inputs into what the model sees.

    >>> inputs, target = Samples(torch.arange(6.0).reshape(3, 2), torch.arange(3), scale_bytes)[1]
    >>> inputs.tolist(), int(target)
    ([2.0, 3.0], 1)
    """

    def __init__(self, inputs: Shaped[Tensor, "N ..."], targets: Shaped[Tensor, "N ..."], prepare: Prepare) -> None:
        self._inputs, self._targets, self._prepare = inputs, targets, prepare

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        place = index if index >= 0 else len(self) + index
        if not 0 <= place < len(self):
            raise IndexError(f"sample {index} of {len(self)}: expected 0..{len(self) - 1}")  # which ends a loop
        return self._prepare(self._inputs[place : place + 1])[0], self._targets[place]


def _check_pair(inputs: Any, targets: Any) -> None:
    for what, values in (("inputs", inputs), ("targets", targets)):
        if not isinstance(values, Tensor) or values.dim() == 0:
            found = "a single number" if isinstance(values, Tensor) else type(values).__name__
            raise DataError(
                f"{what} are {found}: expected a tensor with one entry per sample. "
                "fourstep.data.from_arrays takes arrays and lists too"
            )
    if len(inputs) != len(targets):
        raise DataError(f"{len(inputs)} inputs but {len(targets)} targets: expected one target for each input")
    if len(inputs) == 0:
        raise DataError("no samples: inputs and targets are empty. Expected at least one")
    if inputs.device != targets.device:
        raise DataError(f"inputs are on {inputs.device} but targets on {targets.device}: expected both on one device")
