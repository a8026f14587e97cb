"""A `DataLoader` of your own, made to go on from any batch: same order, same batches, whatever the workers do.

The order stays torch's: the loader's own sampler is asked again, from where the generators stood when the pass began,
and only indices are left out, no sample is loaded for it. What a sample draws at random is made a function of
(seed, epoch, index), so that neither the number of workers nor an interruption changes it.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from types import FrameType
from typing import Any, TypeGuard

import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
)

from fourstep.data.dataset import num_batches
from fourstep.data.seeding import mix, seeded
from fourstep.runs.signals import NAMES

LINGER = 10.0  # seconds that a worker process lives on after a signal
_KEPT = (
    "num_workers",
    "collate_fn",
    "pin_memory",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "prefetch_factor",
    "persistent_workers",
    "pin_memory_device",
    "in_order",
)
_REPEATABLE = (RandomSampler, SequentialSampler, SubsetRandomSampler, WeightedRandomSampler)  # of the generators alone


class LoaderBatches:
    """The batches of a `DataLoader`, from any one on; `Seekable`.

    Args:
        loader: over a data set of samples by index, in batches, with a sampler of torch's.
        seed: of what the samples draw.

    Attributes:
        generators: of the loader's own, beside the global ones.
    """

    def __init__(self, loader: DataLoader[Any], seed: int) -> None:
        self.loader = loader
        self.generators = generators_of(loader)
        self._sampler = _FromBatch(loader.batch_sampler)
        kept = {name: getattr(loader, name) for name in _KEPT if hasattr(loader, name)}
        self._dataset = SeededDataset(loader.dataset, seed)
        kept["worker_init_fn"] = _Patient(loader.worker_init_fn)
        kept["generator"] = torch.Generator().manual_seed(seed)  # seeds worker processes, whose samples are seeded anew
        self._loader: DataLoader[Any] = DataLoader(self._dataset, batch_sampler=self._sampler, **kept)

    def __len__(self) -> int:
        return len(self.loader)

    def seek(self, epoch: int, batch: int = 0) -> None:
        """Let the next pass be that of `epoch` (from 0), beginning with its batch number `batch` (from 0)."""
        self._sampler.epoch, self._sampler.batch = epoch, batch

    def indices(self, epoch: int, batch: int) -> list[int]:  # noqa: ARG002 - as `Batches` has it
        """Which samples are in a batch of the running pass, from 0."""
        return list(self._sampler.begin()[batch])

    def state_dict(self) -> dict[str, Any]:
        """What the samples draw from; where the pass is, is said by `seek`."""
        return {"seed": self._dataset.seed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Let the samples draw what they drew when `state_dict` was called."""
        self._dataset.seed = state["seed"]

    def __iter__(self) -> Iterator[Any]:
        # as `DataLoader` draws for its workers, but in every pass: persistent ones ask in a process's first alone
        torch.empty((), dtype=torch.int64).random_(generator=self.loader.generator)
        batches = iter(self._loader)
        if self._sampler.batch:
            self._sampler.begin()  # draws the order now, as long as the generators stand where the pass began
        return batches


class _FromBatch:
    """A batch sampler that leaves out another's first batches, and says with every index which epoch it is."""

    def __init__(self, batches: Any) -> None:
        self.epoch = self.batch = 0
        self._batches = batches
        self._order: list[Any] | None = None

    def __len__(self) -> int:
        return len(self._batches)

    def begin(self) -> list[Any]:
        """Draw the order, all of it at once, where that has not happened yet; a sampler may draw again on its way."""
        if self._order is None:
            self._order = list(islice(self._batches, len(self._batches)))
        return self._order

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        self._order = None
        return self._indices(self.epoch, self.batch)

    def _indices(self, epoch: int, batch: int) -> Iterator[list[tuple[int, int]]]:
        for indices in self.begin()[batch:]:
            yield [(epoch, index) for index in indices]


class _Patient:
    """Starts a worker process that outlives a signal to the whole group: its run still needs it, and then ends it.

    A worker that dies is an error in its run, at whatever it does just then: torch raises it as a signal comes.

    Args:
        own: the user's own function of a worker's number, called after it.
    """

    def __init__(self, own: Callable[[int], None] | None) -> None:
        self.own = own

    def __call__(self, number: int) -> None:
        for name in NAMES:
            if hasattr(signal, name) and hasattr(signal, "setitimer"):  # Windows has no groups, and no SIGHUP
                signal.signal(getattr(signal, name), _linger)
        if self.own is not None:
            self.own(number)


def _linger(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - Python passes it
    """End in a while, should nobody do it before; at the second signal at once."""
    if signal.getitimer(signal.ITIMER_REAL)[0]:
        os._exit(128 + number)
    signal.setitimer(signal.ITIMER_REAL, LINGER)  # whose signal ends a process


class SeededDataset(Dataset[Any]):
    """A data set whose samples draw from generators that are seeded for each of them; indices are `(epoch, index)`."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self.dataset = dataset
        self.seed = seed
        if hasattr(dataset, "__getitems__"):
            self.__getitems__ = self._many

    def __getitem__(self, key: tuple[int, Any]) -> Any:
        epoch, index = key
        if type(self.dataset) is TensorDataset:  # draws nothing
            return self.dataset[index]
        with seeded(mix(self.seed, epoch, index)):
            return self.dataset[index]

    def _many(self, keys: Sequence[tuple[int, Any]]) -> Any:
        with seeded(mix(self.seed, *keys[0])):
            return self.dataset.__getitems__([index for _, index in keys])


def generators_of(source: Any) -> list[torch.Generator]:
    """The generators of a loader's own, from which its order is drawn; other sources have none."""
    loader = source.loader if isinstance(source, LoaderBatches) else source
    own = (getattr(loader, "generator", None), getattr(getattr(loader, "sampler", None), "generator", None))
    return [generator for generator in dict.fromkeys(own) if isinstance(generator, torch.Generator)]


def can_seek(loader: Any) -> TypeGuard[DataLoader[Any]]:
    """Can this source be made to begin at any of its batches?"""
    return (
        type(loader) is DataLoader
        and not isinstance(loader.dataset, IterableDataset)
        and loader.batch_sampler is not None
        and num_batches(loader) is not None
    )


def is_exact(loader: DataLoader[Any]) -> bool:
    """Is its order known to be drawn from the generators alone? A sampler of one's own may have more of a state."""
    return type(loader.batch_sampler) is BatchSampler and type(loader.batch_sampler.sampler) in _REPEATABLE
