"""Batches of whole tensors, and the splits of a data set.

Data that fits in memory is kept as whole tensors and cut into batches by one gather each: no Python per sample, no
worker processes. Shapes: N samples, B samples in a batch.
"""

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from fourstep.data.augmenting import apply_augment, check_augment
from fourstep.data.draws import Augment, Draws
from fourstep.data.mapped import Mapped
from fourstep.data.order import Order, in_order, seeded_order
from fourstep.data.samples import (
    Places,
    Prepare,
    Samples,
    check_samples,
    fingerprint,
    in_words,
    named_leaves,
    scale_bytes,
    take,
)
from fourstep.device import to_device
from fourstep.errors import ConfigError, DataError, check_count
from fourstep.nesting import map_tensors

BYTES_COPIED, BYTES_CONVERTED = 2**16, 2**21  # of samples that are gathered at once, where each batch is copied or not
MOST_AT_ONCE = 1024  # batches


@runtime_checkable
class Seekable(Protocol):
    """A source of batches whose position can be set: what exact repetition needs."""

    def seek(self, epoch: int, batch: int = 0) -> None: ...  # noqa: D102


class Batches:
    """An iterable of `(inputs, targets)`; every pass is an epoch of its own.

    Args:
        inputs: `(N, ...)` of any type, or such tensors in a tuple, list or dictionary, which a batch has too. uint8
            stays uint8 in memory and becomes float32 in 0..1 batch by batch. `Mapped` stays in its file.
        targets: `(N, ...)`, or a nesting likewise.
        batch_size: samples per batch, 1 or more; the last batch is shorter where it does not divide N.
        shuffle: take the samples in an order that is a function of `(seed, epoch)`; else as they lie.
        seed: 0 or more.
        drop_last: leave out a short last batch.
        prepare: turns a gathered batch of inputs into what the model sees; the same for training and prediction.
        order: epoch -> indices, in place of `shuffle` and `seed`; see `fourstep.data.order`.
        augment: what changes the gathered batches at random before `prepare`, in this order, by `(seed, epoch, index)`;
            see `fourstep.data.augment`. Bytes are floats in 0..1 then.

    Attributes:
        seed: of the order and of what augmentations draw; None where there is neither.
        device: where the batches are.
        home: where the samples lie.

    Raises:
        ConfigError: `batch_size` is not a whole number of 1 or more, or an augmentation is none.
        DataError: no samples, or inputs and targets of different length or on different devices.

    >>> batches = Batches(torch.arange(5.0), torch.arange(5), batch_size=2, shuffle=False)
    >>> [targets.tolist() for _, targets in batches]
    [[0, 1], [2, 3], [4]]
    """

    def __init__(
        self,
        inputs: Any,
        targets: Any,
        *,
        batch_size: int,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
        prepare: Prepare = scale_bytes,
        order: Order | None = None,
        augment: Sequence[Augment] = (),
    ) -> None:
        check_count("batch_size", batch_size)
        size = check_samples({"inputs": inputs, "targets": targets})
        if size == 0:
            raise DataError("no samples: inputs and targets are empty. Expected at least one")
        self.inputs, self.targets = inputs, targets
        self.num_samples: int = size  # of which a short last batch may be left out
        self.batch_size = int(batch_size)  # which may be numpy's
        self.drop_last = drop_last
        self.prepare = prepare
        self.augment = check_augment(augment, targets, seed)
        self.seed = seed if (shuffle and order is None) or augment else None
        self._is_repeatable = order is None or order is in_order
        self.order = order or (seeded_order(size, seed) if shuffle else in_order)
        leaves = [leaf for kept in (inputs, targets) for _, leaf in named_leaves(kept)]
        self.device = self.home = leaves[0].device
        self._is_mapped = any(isinstance(leaf, Mapped) for leaf in leaves)
        self._is_alone = isinstance(inputs, Tensor) and isinstance(targets, Tensor)
        self._position = [0, 0]  # epoch and batch of the next pass; a copy on another device shares it
        if len(self) == 0:
            raise DataError(
                f"no batch: {size} samples are fewer than batch_size {batch_size} and drop_last leaves out the "
                "short batch. Use a smaller batch_size or drop_last=False"
            )

    @property
    def dataset(self) -> "Samples":
        """The samples one by one, as `DataLoader.dataset` has them: `len(batches.dataset)`."""
        return Samples(self.inputs, self.targets, self.prepare)

    @property
    def num_items(self) -> int:
        """How many samples a pass yields."""
        return len(self) * self.batch_size if self.drop_last else self.num_samples

    def __len__(self) -> int:
        full, rest = divmod(self.num_samples, self.batch_size)
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

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        epoch, batch = self._position
        self._position[:] = epoch + 1, 0
        indices = self.order(epoch)
        if indices is not None:  # one copy per epoch; the generator is the CPU's, so that every device sees the same
            indices = indices.to(self.home, non_blocking=True)
        first = batch * self.batch_size
        if self._is_alone and not self.augment:
            return self._cut(indices, first)
        return self._one_by_one(epoch, indices, first)

    def _one_by_one(self, epoch: int, indices: Tensor | None, first: int) -> Iterator[tuple[Any, Any]]:
        for start in range(first, self.num_items, self.batch_size):
            place = slice(start, min(start + self.batch_size, self.num_items))
            yield self._batch(epoch, place if indices is None else indices[place])

    def _batch(self, epoch: int, places: Places) -> tuple[Any, Any]:
        inputs, targets = self.augmented(epoch, places)
        return self.prepare(inputs), targets

    def augmented(self, epoch: int, places: Places) -> tuple[Any, Any]:
        """Some samples as an epoch has them, not prepared: what augmentation makes of them, as people look at it."""
        inputs, targets = self.take(places)
        if self.augment:
            numbers = torch.arange(places.start, places.stop) if isinstance(places, slice) else places
            draws = Draws(seed=self.seed or 0, epoch=epoch, indices=numbers.to(self.device, non_blocking=True))
            inputs, targets = apply_augment(self.augment, inputs, targets, draws)
        return inputs, targets

    def take(self, places: Places) -> tuple[Any, Any]:
        """Some samples as they are kept, not prepared, as tensors of their own.

        Args:
            places: from where to where, as a slice; or which, `(B,)`, on the CPU or the device.
        """
        where = places if isinstance(places, slice) else places.to(self.home)
        pair = take(self.inputs, where), take(self.targets, where)
        return pair if self.device == self.home else to_device(pair, self.device)

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
        batch_bytes: int = self.inputs[: self.batch_size].nbytes + self.targets[: self.batch_size].nbytes
        return min(MOST_AT_ONCE, max(1, most_bytes // max(1, batch_bytes)))

    def indices(self, epoch: int, batch: int) -> list[int] | None:
        """Which samples are in a batch, both from 0; None where the order is not a function of the epoch alone."""
        if not self._is_repeatable:
            return None
        indices = self.order(epoch)
        first, last = batch * self.batch_size, min((batch + 1) * self.batch_size, self.num_samples)
        return list(range(first, last)) if indices is None else indices[first:last].tolist()

    def find(self, epoch: int, batch: int) -> tuple[Any, Any] | None:
        """A batch on its own, both numbers from 0; None where the order is not a function of the epoch alone."""
        indices = self.indices(epoch, batch)
        return None if indices is None else self._batch(epoch, torch.tensor(indices, dtype=torch.int64))

    def to(self, device: torch.device) -> "Batches":
        """The same batches on `device`; itself if they are there.

        Whole tensors are moved there, so that no batch is copied; what is `Mapped` is read batch by batch, as before.
        """
        if self.device == device:
            return self
        moved = copy.copy(self)
        moved.device = device
        if not self._is_mapped:
            moved.home = device
            moved.inputs, moved.targets = (
                map_tensors(lambda tensor: tensor.to(device), kept) for kept in (self.inputs, self.targets)
            )
        return moved

    def unaugmented(self) -> "Batches":
        """The same batches without augmentation, at the same position; itself where there is none."""
        if not self.augment:
            return self
        plain = copy.copy(self)
        plain.augment = ()
        return plain

    def fingerprint(self) -> str:
        """SHA-256 over the types, shapes and bytes of all samples, in hexadecimal."""
        return fingerprint({"inputs": self.inputs, "targets": self.targets})

    def __repr__(self) -> str:
        changed = f", augmented by {len(self.augment)}" if self.augment else ""
        sizes = f"{len(self)} batches of {self.batch_size}"
        return f"Batches({self.num_items} samples of {in_words(self.inputs)}, {sizes}{changed})"
