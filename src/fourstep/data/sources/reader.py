"""Where a split's samples are read to: into memory once, or by a `DataLoader` in every epoch."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch.utils.data import DataLoader

from fourstep.data.arrays import from_arrays
from fourstep.data.draws import Augment
from fourstep.data.images import MOST_BYTES
from fourstep.data.samples import Prepare
from fourstep.data.sources.pairs import Collate, Stream
from fourstep.data.sources.reading import Probe, gather, probe, whole_tensors
from fourstep.errors import ConfigError, DataError
from fourstep.seed import make_generator
from fourstep.show.lines import say

SLOW = 1e-4  # seconds a sample; below it, what a batch costs on its way from another process is more than is saved


@dataclass(frozen=True, kw_only=True)
class Reader:
    """How splits are read.

    Attributes:
        in_memory: once, as whole tensors; anew in every epoch; or None to decide.
        num_workers: processes that read for a `DataLoader`.
        batch_size: samples per batch.
        seed: of the order.
        prepare: turns a batch of inputs into what the model sees.
    """

    in_memory: bool | None
    num_workers: int
    batch_size: int
    seed: int
    prepare: Prepare

    def read(
        self,
        split: str,
        pairs: Any,
        classes: Sequence[str],
        *,
        shuffle: bool = False,
        drop_last: bool = False,
        augment: Sequence[Augment] = (),
    ) -> Iterable[Any]:
        """The batches of a split.

        Raises:
            ConfigError: an iterable is to be in memory, or samples that are not are to be augmented.
            DataError: samples that are no pairs, are no numbers, or differ in shape.
        """
        whole = self._whole(split, pairs)
        if whole is not None:
            return from_arrays(
                *whole,
                batch_size=self.batch_size,
                seed=self.seed,
                shuffle=shuffle,
                drop_last=drop_last,
                classes=classes,
                prepare=self.prepare,
                augment=augment,
            ).train
        if augment:
            mend = (
                "pass list(dataset), if it has an end"
                if isinstance(pairs, Stream)
                else "in_memory=True reads each once"
            )
            raise ConfigError(
                f"augment changes whole tensors, but {split}'s samples are read anew in every epoch: {mend}; else let "
                "the data set itself change them"
            )
        return self._loader(pairs, is_shuffled=shuffle and not isinstance(pairs, Stream), drop_last=drop_last)

    def _loader(self, pairs: Any, *, is_shuffled: bool, drop_last: bool) -> DataLoader[Any]:
        return DataLoader(
            pairs,
            self.batch_size,
            shuffle=is_shuffled or None,
            drop_last=drop_last,
            num_workers=self.num_workers,
            collate_fn=Collate(prepare=self.prepare),
            generator=make_generator(self.seed, "order") if is_shuffled else None,
        )

    def _whole(self, split: str, pairs: Any) -> tuple[Any, Any] | None:
        """All samples of the split, where they are to be in memory."""
        if isinstance(pairs, Stream):
            if self.in_memory:
                raise ConfigError(
                    f"in_memory=True, but {split} is an iterable, which may have no end: pass list(dataset) if it has"
                )
            return None
        tensors = whole_tensors(pairs)
        if tensors is not None and self.in_memory is not False:
            if len(tensors) != 2:  # noqa: PLR2004 - a pair
                raise DataError(f"{split}'s samples have {len(tensors)} tensors: expected a pair (inputs, target)")
            return tensors[0], tensors[1]
        found = probe(pairs, self.seed)
        if self.in_memory or (self.in_memory is None and found.is_same and found.bytes <= MOST_BYTES):
            inputs, targets, drew = gather(pairs, split, self.seed)
            if self.in_memory:
                return inputs, targets
            if not drew:
                say(
                    f"{split}: {len(pairs):,} samples were read once, into {_size(found.bytes)} of memory: those that "
                    "were read twice were the same. in_memory=False reads them in every epoch"
                )
                return inputs, targets
            found = replace(found, is_same=False)
        self._say_slow(split, len(pairs), found)
        return None

    def _say_slow(self, split: str, count: int, found: Probe) -> None:
        """Say what reading a sample costs, where it is much, and what would make it fast."""
        if found.seconds < SLOW or self.num_workers:
            return
        workers = f"num_workers={min(8, os.cpu_count() or 1)} reads in other processes"
        if self.in_memory is False and found.is_same:
            mend = f"in_memory=True reads each once, into {_size(found.bytes)} of memory"
        elif not found.is_same:
            mend = f"{workers}; without what it draws at random, in_memory=True could read each once"
        else:
            mend = f"{workers}; all would take {_size(found.bytes)} of memory, which in_memory=True allows"
        say(
            f"{split}: a sample takes {found.seconds * 1e6:,.0f} microseconds to read, {count:,} of them "
            f"{found.seconds * count:,.1f} s in every epoch. {mend}"
        )


def _size(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.1f} GB" if num_bytes >= 1e9 else f"{num_bytes / 1e6:.1f} MB"  # noqa: PLR2004 - a unit
