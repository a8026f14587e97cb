"""Batches of whole tensors, and the splits of a data set.

Data that fits in memory is kept as whole tensors and cut into batches by one gather each: no Python per sample, no
worker processes. Shapes: N samples, B samples in a batch.
"""

import copy
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.data.order import Order, in_order, seeded_order
from fourstep.errors import ConfigError, DataError, check_count

Prepare: TypeAlias = Callable[[Tensor], Tensor]

EVALUATED, EVALUATED_BYTES = 256, 2**18  # samples, and their float32 inputs: no more than a cache holds with all else
BLOCK_BYTES = 2**21  # of samples that are gathered at once


@runtime_checkable
class Seekable(Protocol):
    """A source of batches whose position can be set: what exact repetition needs."""

    def seek(self, epoch: int, batch: int = 0) -> None: ...  # noqa: D102


def scale_bytes(inputs: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
    """Bytes 0..255 to float32 0..1; anything else as it is."""
    return inputs / 255 if inputs.dtype == torch.uint8 else inputs


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
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.prepare = prepare
        self.order = order or (seeded_order(len(inputs), seed) if shuffle else in_order)
        self._position = [0, 0]  # epoch and batch of the next pass; a copy on another device shares it
        if len(self) == 0:
            raise DataError(
                f"no batch: {len(inputs)} samples are fewer than batch_size {batch_size} and drop_last leaves out the "
                "short batch. Use a smaller batch_size or drop_last=False"
            )

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
        """Take many small batches at once and cut them apart: a gather costs far more than a cut."""
        batch_bytes = self.inputs[: self.batch_size].nbytes + self.targets[: self.batch_size].nbytes
        block = self.batch_size * max(1, BLOCK_BYTES // max(1, batch_bytes))
        for start in range(first, self.num_items, block):
            end = min(start + block, self.num_items)
            chosen = slice(start, end) if indices is None else indices[start:end]
            inputs, targets = (
                self._parts(self._take(self.inputs, chosen)),
                self._parts(self._take(self.targets, chosen)),
            )
            yield from zip(map(self.prepare, inputs), targets, strict=True)

    def _take(self, tensor: Tensor, chosen: Tensor | slice) -> Tensor:
        """Some samples; a copy, also where they lie in order: a model that works in place must not change the data."""
        if isinstance(chosen, Tensor):
            return tensor.index_select(0, chosen)
        is_copied_anyway = tensor is self.inputs and tensor.dtype is torch.uint8 and self.prepare is scale_bytes
        return tensor[chosen] if is_copied_anyway else tensor[chosen].clone()

    def _parts(self, block: Tensor) -> Sequence[Tensor]:
        """A block's batches, which autograd does not tie to each other: a model may work in place."""
        return (block,) if len(block) <= self.batch_size else block.unsafe_split(self.batch_size)

    def for_evaluation(self) -> "Batches":
        """The same samples for a pass whose result does not depend on the batches: in larger ones where that is faster.

        Larger up to `EVALUATED` samples, as long as they are no more than `EVALUATED_BYTES`; never smaller.
        """
        sample_bytes = 4 * max(1, self.inputs[:1].numel())  # float32, as the model sees them
        batch_size = min(EVALUATED, EVALUATED_BYTES // sample_bytes)
        if self.drop_last or self.order is not in_order or batch_size <= self.batch_size:
            return self
        larger = copy.copy(self)
        larger.batch_size = batch_size
        larger._position = [0, 0]  # noqa: SLF001 - its own pass
        return larger

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
