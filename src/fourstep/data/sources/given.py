"""What was given as a data set: its splits, its samples as pairs, its classes' names."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, Subset

from fourstep.data.batches import Batches
from fourstep.data.sources.names import SPLITS
from fourstep.data.sources.pairs import Columnar, Columns, Indexed, Pairing, Pairs, Stream, find_columns, in_tensors
from fourstep.data.sources.reading import whole_tensors
from fourstep.data.split import hold_out
from fourstep.errors import ConfigError, DataError, UnknownNameError


def splits_of(dataset: Any, val: Any, test: Any) -> dict[str, Any]:
    """What was given for each split: a data set, or a share of the training samples.

    Raises:
        ConfigError: a split that is unknown, missing or there twice.
    """
    held = {split: given for split, given in (("val", val), ("test", test)) if given is not None}
    if not isinstance(dataset, Mapping):
        return {"train": dataset, **held}
    unknown = next((name for name in dataset if name not in SPLITS), None)
    if unknown is not None:
        raise UnknownNameError.of("split", str(unknown), SPLITS)
    splits = {SPLITS[name]: source for name, source in dataset.items()}
    if "train" not in splits:
        raise ConfigError(f"the mapping has {', '.join(dataset) or 'nothing'}: expected a data set for 'train'")
    twice = next((split for split in held if split in splits), None)
    if twice is not None:
        raise ConfigError(f"{twice} is given, but the mapping has a {twice} split of its own. Leave {twice} out")
    return {**splits, **held}


def as_pairs(source: Any, split: str, columns: Columns, num_workers: int) -> Any:
    """The samples as pairs: by index where they have one, else as a stream; a share of the training samples stays.

    Raises:
        ConfigError: something that another function is for.
        DataError: there are no samples.
    """
    if isinstance(source, int | float) and split != "train":
        return source
    mend = {
        np.ndarray: "from_arrays(inputs, targets, ...) for arrays",
        Tensor: "from_arrays(inputs, targets, ...) for tensors",
        str: "from_file, from_text, from_table or from_images for files",
        Path: "from_file, from_text, from_table or from_images for files",
        DataLoader: "fit(model, loader, ...) takes it as it is; or from_dataset(loader.dataset, ...)",
        Batches: "fit takes them as they are; or Data(train=...) for several splits",
        Iterator: "a list of what it yields: an iterator can be read once, training reads many times",
    }
    other = next((kind for kind in mend if isinstance(source, kind)), None)
    if other is not None or not isinstance(source, Iterable | Indexed):
        expected = mend[other] if other else "a torch Dataset, one of Hugging Face's, or a list of samples"
        raise ConfigError(f"{split} is a {type(source).__name__}: expected a data set of samples. Mend: {expected}")
    source, pairing = in_tensors(source), Pairing(columns=columns)
    if isinstance(source, Indexed) and not isinstance(source, IterableDataset):
        if len(source) == 0:
            raise DataError(f"{split} has no samples: expected at least one")
        return source if whole_tensors(source) else Pairs(source, pairing)
    if num_workers and not isinstance(source, IterableDataset):
        raise ConfigError(
            f"num_workers {num_workers}, but {split} is a plain iterable, of which each would read all. Use 0, or a "
            "torch IterableDataset that shares itself out by get_worker_info()"
        )
    return Stream(source, pairing)


def share_out(splits: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Give each split that is a share its part of the training samples: the same that `from_arrays` gives it.

    Raises:
        ConfigError: a share out of range, or of what has no index.
        DataError: a split would be empty.
    """
    shares = {split: given for split, given in splits.items() if isinstance(given, int | float)}
    train = splits["train"]
    if not shares:
        return dict(splits)
    if isinstance(train, Stream):
        raise ConfigError(
            f"{' and '.join(shares)} cannot be split off an iterable, whose samples have no index: give a data set"
        )
    numbers = torch.arange(len(train))
    parts = hold_out(numbers, numbers, shares, seed=seed)
    return {**splits, **{split: Subset(train, indices.tolist()) for split, (indices, _) in parts.items()}}


def class_names(dataset: Any, columns: Columns) -> tuple[str, ...]:
    """The names that torchvision's data sets, and Hugging Face's by their `features`, have for the targets."""
    if isinstance(dataset, Columnar) and isinstance(dataset.features, Mapping):
        target = columns[1] if columns else find_columns(list(dataset.features))[1]
        names = getattr(dataset.features.get(target), "names", ())  # of a `ClassLabel`
    else:
        names = getattr(dataset, "classes", ())
    return tuple(names) if isinstance(names, list | tuple) and all(isinstance(name, str) for name in names) else ()
