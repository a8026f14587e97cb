"""A data set: its splits, and what counts as a split, from any source of batches."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fourstep.data.batches import Batches, Seekable
from fourstep.data.checking import Finding, check_data
from fourstep.data.encoding import Encoding
from fourstep.device import to_device
from fourstep.errors import ConfigError, DataError


@dataclass(frozen=True, kw_only=True)
class Data:
    """The splits of a data set.

    Attributes:
        train: any iterable of `(inputs, targets)` batches: `Batches`, or a `DataLoader` of your own.
        val: the split to choose by while training; None where there is none.
        test: the split to judge by; None where there is none.
        classes: the classes' names in the order of their indices; empty where targets are no classes.
        name: what it is called on screen and in files.
        encoding: how new inputs are read as these were; None where nothing but tensors was given.
    """

    train: Iterable[Any]
    val: Iterable[Any] | None = None
    test: Iterable[Any] | None = None
    classes: tuple[str, ...] = ()
    name: str = "data"
    encoding: Encoding | None = None

    def splits(self) -> dict[str, Iterable[Any]]:
        """The splits that are there, by name."""
        named = {"train": self.train, "val": self.val, "test": self.test}
        return {name: split for name, split in named.items() if split is not None}

    def to(self, device: torch.device) -> "Data":
        """The same data with every `Batches` on `device`; other iterables are left to be moved batch by batch."""

        def moved(split: Any) -> Any:
            return split.to(device) if isinstance(split, Batches) else split

        return replace(self, train=moved(self.train), val=moved(self.val), test=moved(self.test))

    def show(self, path: str | Path | None = None, count: int = 40) -> None:
        """Look at the data: print its splits, classes and columns, and draw training samples after augmentation.

        Masks of classes are drawn over their images.

        Args:
            path: where to draw the samples, if they are images: a file that ends in `.svg`, `.png` or `.pdf`. None
                draws some on the screen, where that can be: in a notebook, or a terminal with colours.
            count: how many samples to draw, 1 to 400.

        Raises:
            ConfigError: another ending, or a count out of range.
            DataError: there is a path, and the samples are no images.
            DataFileError: the file cannot be written.
        """
        from fourstep.show.looking import look  # noqa: PLC0415 - it draws what is defined here, and takes long to import

        look(self, path, count)

    def check(self) -> list[Finding]:
        """What is wrong with the data before anything is trained on it: labels, values, columns, equal samples.

        Returns:
            A line each when printed, with its mend; none where nothing was found. Splits that are no `Batches` are not
            looked into, and of inputs in several tensors, or in a mapped file, the targets alone.
        """
        table: Any = self.encoding if self.encoding is not None and self.encoding.kind == "table" else None
        if table is None:
            return check_data(self.splits(), self.classes)
        return check_data(self.splits(), self.classes, table.input_names, len(table.category_sizes))

    def to_inputs(self, source: Any) -> Tensor:
        """New inputs, read as the training inputs were and ready for the model: `predict(model, data.to_inputs(...))`.

        Args:
            source: what the data was built from, of new samples: a table or its file, a picture, a folder of them.

        Returns:
            `(N, ...)`, on the CPU.

        Raises:
            DataError: the data was built from tensors, which have no encoding; or what is in `source` does not fit.
            DataFileError: a file is missing or damaged.
        """
        if self.encoding is None:
            raise DataError(
                f"{self.name} was built from tensors: it cannot read other inputs. Give new ones to predict as tensors "
                "of the same kind"
            )
        return self.encoding.to_inputs(source)


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


def pairs_on(source: Iterable[Any], device: torch.device) -> Iterator[tuple[Any, Any]]:
    """A pass over a source: its pairs `(inputs, targets)`, every tensor in them on `device`.

    Raises:
        DataError: a batch that is not a pair.
    """
    if isinstance(source, Batches) and source.device == device:
        return iter(source)  # there already, and pairs for certain
    return (to_device(as_pair(batch), device) for batch in source)


def unaugmented(source: Any) -> Any:
    """The source as a model is measured on it: what changes samples at random is for training alone."""
    return source.unaugmented() if isinstance(source, Batches) else source


def start_pass(source: Iterable[Any], epoch: int, batch: int, device: torch.device) -> Iterator[tuple[Any, Any]]:
    """A pass over a source, as `pairs_on`, from one of its batches on.

    Args:
        source: where it is not `Seekable`, its first batches are taken and dropped.
        epoch: which pass it is, from 0.
        batch: how many batches to leave out.
        device: where the tensors are to be.

    Raises:
        DataError: a batch that is not a pair.
    """
    if isinstance(source, Seekable):
        source.seek(epoch, batch)
        return pairs_on(source, device)
    pairs = pairs_on(source, device)
    for _ in islice(pairs, batch):
        pass
    return pairs


def evaluated_share(data: Data) -> float:
    """How many batches are evaluated after an epoch for each one that is trained on; 0 where nobody can say."""
    name = split_to_judge(data)
    evaluated, trained = None if name is None else num_batches(data.splits()[name]), num_batches(data.train)
    return evaluated / trained if evaluated and trained else 0.0


def split_to_judge(data: Data, asked: str | None = None) -> str | None:
    """The split that is asked for; else val, or test where there is no val; None where there is neither.

    Raises:
        ConfigError: the split is not there.
    """
    splits = data.splits()
    if asked is not None and asked not in splits:
        raise ConfigError(f"there is no {asked!r} split: the data has {', '.join(splits)}")
    return asked or next((name for name in ("val", "test") if name in splits), None)


def num_batches(source: Iterable[Any]) -> int | None:
    """How many batches a pass yields; None where the source cannot say."""
    try:
        return len(source)  # type: ignore[arg-type]
    except TypeError:
        return None
