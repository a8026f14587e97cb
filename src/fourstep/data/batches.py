"""Batches of whole tensors, and the splits of a data set.

Data that fits in memory is kept as whole tensors and cut into batches by one gather each: no Python per sample, no
worker processes. Shapes: N samples, B samples in a batch.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeAlias, runtime_checkable

import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.data.order import Order, in_order, seeded_order
from fourstep.errors import ConfigError, DataError, check_count

Prepare: TypeAlias = Callable[[Tensor], Tensor]


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
        if indices is None:
            return self._slices(batch)
        # one copy per epoch; the generator is the CPU's, so that every device sees the same order
        return self._gathers(indices.to(self.inputs.device, non_blocking=True), batch)

    def _slices(self, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(first * self.batch_size, self.num_items, self.batch_size):
            end = min(start + self.batch_size, self.num_items)
            # copies, as a gather makes them: a model that works in place must not change the data
            yield self.prepare(self.inputs[start:end].clone()), self.targets[start:end].clone()

    def _gathers(self, indices: Tensor, first: int) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(first * self.batch_size, self.num_items, self.batch_size):
            chosen = indices[start : min(start + self.batch_size, self.num_items)]
            yield self.prepare(self.inputs.index_select(0, chosen)), self.targets.index_select(0, chosen)

    def to(self, device: torch.device) -> "Batches":
        """The same batches with the whole tensors on `device`, so that no batch is copied; itself if they are there."""
        if self.inputs.device == device:
            return self
        moved = object.__new__(Batches)
        moved.__dict__.update(self.__dict__, inputs=self.inputs.to(device), targets=self.targets.to(device))
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


@dataclass(frozen=True, kw_only=True)
class Data:
    """The splits of a data set.

    Attributes:
        train: any iterable of `(inputs, targets)` batches: `Batches`, or a `DataLoader` of your own.
        val: the split to choose by while training; None where there is none.
        test: the split to judge by; None where there is none.
        classes: the classes' names in the order of their indices; empty where targets are no classes.
        name: what it is called on screen and in files.
    """

    train: Iterable[Any]
    val: Iterable[Any] | None = None
    test: Iterable[Any] | None = None
    classes: tuple[str, ...] = ()
    name: str = "data"

    def splits(self) -> dict[str, Iterable[Any]]:
        """The splits that are there, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def to(self, device: torch.device) -> "Data":
        """The same data with every `Batches` on `device`; other iterables are left to be moved batch by batch."""

        def moved(split: Any) -> Any:
            return split.to(device) if isinstance(split, Batches) else split

        return replace(self, train=moved(self.train), val=moved(self.val), test=moved(self.test))


def as_data(data: Any) -> Data:
    """`data` itself where it is `Data`; the training split of a `Data` where it is an iterable of batches.

    Raises:
        DataError: it is neither.
    """
    if isinstance(data, Data):
        return data
    if isinstance(data, tuple):
        raise DataError(
            "data is a tuple: expected fourstep.Data(train=..., test=...) for several splits of batches, or "
            "fourstep.data.from_arrays(inputs, targets, test=(inputs, targets), batch_size=...) for arrays"
        )
    if isinstance(data, Tensor | str | bytes) or not isinstance(data, Iterable):
        raise DataError(
            f"data is a {type(data).__name__}: expected fourstep.Data, or an iterable of (inputs, targets) batches, as "
            "DataLoader is one. fourstep.data.from_arrays makes one from arrays"
        )
    return Data(train=data)


def as_pair(batch: Any) -> tuple[Any, Any]:
    """A batch's inputs and targets.

    Raises:
        DataError: it is not a pair.
    """
    if isinstance(batch, tuple | list) and len(batch) == 2:  # noqa: PLR2004 - a pair
        return batch[0], batch[1]
    size = f" of {len(batch)}" if isinstance(batch, tuple | list) else ""
    raise DataError(
        f"a batch is a {type(batch).__name__}{size}: expected a pair (inputs, targets), as fourstep.data and "
        "DataLoader give"
    )


def num_batches(source: Iterable[Any]) -> int | None:
    """How many batches a pass yields; None where the source cannot say."""
    try:
        return len(source)  # type: ignore[arg-type]
    except TypeError:
        return None
