"""All that is looked for in a data set, split by split and across splits."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor

from fourstep.data.batches import Batches
from fourstep.data.checking.columns import check_columns
from fourstep.data.checking.finding import Finding
from fourstep.data.checking.labels import check_labels
from fourstep.data.checking.twins import check_twins
from fourstep.data.checking.values import check_values


def check_data(
    splits: Mapping[str, Any], classes: tuple[str, ...], columns: tuple[str, ...] = (), num_codes: int = 0
) -> list[Finding]:
    """What is wrong with a data set.

    Args:
        splits: name -> source; those that are no `Batches` are left out. Of inputs in several tensors, or in a mapped
            file, the targets alone are looked at.
        classes: their names; empty where targets are no classes.
        columns: what the inputs' columns are called, `(N, D)`; empty where that is not known.
        num_codes: how many of them, the last ones, are codes of categories.

    Returns:
        The findings, split by split; none where nothing is wrong.
    """
    whole = {
        name: split
        for name, split in splits.items()
        if isinstance(split, Batches) and isinstance(split.targets, Tensor)
    }
    return list(_findings(whole, classes, columns, num_codes))


def _findings(
    splits: Mapping[str, Batches], classes: tuple[str, ...], columns: tuple[str, ...], num_codes: int
) -> Iterator[Finding]:
    if classes:
        yield from check_labels({name: split.targets for name, split in splits.items()}, classes)
    plain = {name: split for name, split in splits.items() if isinstance(split.inputs, Tensor)}
    for name, split in plain.items():
        yield from check_values(name, split)
    yield from check_twins({name: split.inputs for name, split in plain.items()})
    if "train" in plain:
        train = plain["train"]
        yield from check_columns(train.inputs, train.targets, columns, num_codes, has_classes=bool(classes))
