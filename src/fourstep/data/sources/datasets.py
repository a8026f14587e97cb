"""Data sets of other packages, and one's own, to a data set that trains fast."""

from collections.abc import Sequence
from typing import Any

from fourstep.data.dataset import Data
from fourstep.data.draws import Augment
from fourstep.data.samples import Prepare, scale_bytes
from fourstep.data.sources.given import as_pairs, class_names, share_out, splits_of
from fourstep.data.sources.pairs import Columns
from fourstep.data.sources.reader import Reader
from fourstep.errors import ConfigError, check_count


def from_dataset(
    dataset: Any,
    *,
    batch_size: int,
    val: Any = None,
    test: Any = None,
    columns: Columns = None,
    in_memory: bool | None = None,
    num_workers: int = 0,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    classes: Sequence[str] = (),
    prepare: Prepare = scale_bytes,
    augment: Sequence[Augment] = (),
    name: str = "dataset",
) -> Data:
    """A data set from torch's `Dataset` of either style, one of Hugging Face's `datasets`, or a list of samples.

    Whole tensors train many times faster than samples that are read one by one, but what is drawn at random for a
    sample would be drawn once and for all. So a split is read into memory once where 16 of its samples are the same
    when read twice, no sample draws from Python's, numpy's or torch's global generator, and all of them take 1 GiB or
    less; `in_memory` decides otherwise. A line on standard error says what was done, and what a slow data set costs.

    Args:
        dataset: pairs (inputs, target), or dictionaries, of tensors, arrays and numbers: by index, or from an iterable;
            or a mapping of splits to such data sets, as Hugging Face's `DatasetDict` is one.
        batch_size: samples per batch, 1 or more.
        val: the share of the samples to choose by while training, in (0, 1); or a data set of its own.
        test: the share to judge by, likewise.
        columns: the names of inputs and target, where a sample is a dictionary; None finds `image` and `label` and the
            like.
        in_memory: True reads all samples once; False anew in every epoch, by a `DataLoader`; None decides.
        num_workers: processes that read samples for a `DataLoader`; 0 reads them in this one.
        seed: fixes the split and the order of every epoch; 0 or more.
        shuffle: train in a new order every epoch; an iterable keeps its own.
        drop_last: leave out a short last training batch.
        classes: the classes' names; the data set's own where it has some.
        prepare: turns a batch of inputs into what the model sees.
        augment: what changes training batches at random, in this order, as `[fourstep.data.augment.Flip()]`, where they
            are in memory.
        name: what the data set is called.

    Returns:
        `Data`. What is in memory is `Batches`. A `DataLoader` over samples by index continues as exactly as these; an
        iterable is read again from its beginning when a run goes on.

    Raises:
        ConfigError: a number out of range, something that another function is for, or `augment` where the training
            samples are read anew in every epoch.
        DataError: samples that are no pairs, are no numbers, or differ in shape.

    >>> data = from_dataset([([0.0, 1.0], 0), ([1.0, 0.0], 1)], batch_size=2)
    >>> data.train
    Batches(2 samples of float32 2, 1 batches of 2)
    """
    check_count("batch_size", batch_size)
    if num_workers < 0:
        raise ConfigError(f"num_workers {num_workers!r}: expected a whole number of 0 or more")
    given = splits_of(dataset, val, test)
    names = tuple(map(str, classes)) or class_names(given["train"], columns)
    splits = share_out({split: as_pairs(source, split, columns, num_workers) for split, source in given.items()}, seed)
    reader = Reader(in_memory=in_memory, num_workers=num_workers, batch_size=batch_size, seed=seed, prepare=prepare)
    made = {
        split: reader.read(split, pairs, names, shuffle=shuffle, drop_last=drop_last, augment=augment)
        if split == "train"
        else reader.read(split, pairs, names)
        for split, pairs in splits.items()
    }
    return Data(train=made["train"], val=made.get("val"), test=made.get("test"), classes=names, name=name)
