"""What a table's target is: values, classes, or several yes and no.

Shapes: N rows, T of them to train on, L target columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from fourstep.data.tables.learning import find_kind, refuse_mixed
from fourstep.data.tables.plain import Values, place, refuse, to_numbers, to_plain, to_texts
from fourstep.data.tables.reading import Table
from fourstep.errors import DataError, UnknownNameError

TASKS = ("regression", "classes", "labels")
FEW_NUMBERS = 20  # different whole numbers: so many are classes
MOST_CLASSES = 1000  # that are found without being asked for


@dataclass(frozen=True, kw_only=True)
class Target:
    """What was learnt of the target, on the training split alone.

    Attributes:
        names: of its columns, L.
        task: `regression`, `classes`, or `labels`: several columns of 0 and 1.
        classes: the classes' names in the order of their indices; empty for other tasks.
        mean: of each column, in its own units; 0 for other tasks than regression.
        std: likewise, above 0; 1 for other tasks.
    """

    names: tuple[str, ...]
    task: str
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def num_outputs(self) -> int:
        """How many values a model gives for a row."""
        return len(self.classes) or len(self.names)


def learn_target(table: Table, names: Sequence[str], rows: NDArray[np.int64], task: str | None) -> Target:
    """What the target is, by its training rows.

    Args:
        table: it has no row without target.
        names: the target's columns.
        rows: the training rows, `(T,)`.
        task: one of `TASKS`, or None to find it.

    Raises:
        DataError: it is no target: one value alone, an identifier, text among numbers, or infinite.
        UnknownNameError: there is no such task.
    """
    if task is not None and task not in TASKS:
        raise UnknownNameError.of("task", task, TASKS)
    columns = [table.frame[name] for name in names]
    found = task or _find_task([series.gather(rows) for series in columns], table)
    if found == "classes":
        if len(names) > 1:
            raise DataError(f"task 'classes' with {len(names)} target columns: expected one. Several are 'labels'")
        classes = _sorted_classes(columns[0].gather(rows), table.where)
        return Target(names=(names[0],), task=found, classes=classes, mean=(0.0,), std=(1.0,))
    values = [to_numbers(series, table.where)[rows] for series in columns]
    if found == "labels":
        return Target(names=tuple(names), task=found, classes=(), mean=(0.0,) * len(names), std=(1.0,) * len(names))
    for name, some in zip(names, values, strict=True):
        if some.min() == some.max():
            raise DataError(
                f"{table.where}, column {name!r} is {some[0]:g} in every training row: expected a target that varies"
            )
        _refuse_too_fine(some, f"{table.where}, column {name!r}")
    return Target(
        names=tuple(names),
        task=found,
        classes=(),
        mean=tuple(float(some.mean()) for some in values),
        std=tuple(float(some.std()) for some in values),
    )


def encode_target(target: Target, table: Table) -> Tensor:
    """The target of all rows.

    Returns:
        Class indices `(N,)`, int64; else `(N, L)`, float32.

    Raises:
        DataError: a class that the training rows do not have, a number that is infinite or no 0 or 1, by its row.
    """
    if target.task == "classes":
        return _to_indices(target, table)
    columns = [to_numbers(table.frame[name], table.where) for name in target.names]
    if target.task == "labels":
        for name, values in zip(target.names, columns, strict=True):
            _refuse_other_than_truth(values, name, table.where)
    with np.errstate(over="ignore"):  # what is too large is refused by its row
        stacked = np.stack(columns, axis=1).astype(np.float32)
    for name, values in zip(target.names, stacked.T, strict=True):
        refuse(np.isinf(values), table.frame[name], table.where, "a number that float32 can hold")
    return torch.from_numpy(stacked)


def _refuse_too_fine(values: Values, where: str) -> None:
    """Refuse values whose differences are lost as float32, which is what a model gives.

    Raises:
        DataError: its step at the largest of them is above a hundredth of their deviation.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.spacing(np.abs(values).max().astype(np.float32))
    if not step <= values.std() / 100:  # no number where the largest is infinite
        raise DataError(
            f"{where} is {values.min():g} to {values.max():g}: expected values that float32 tells apart. Subtract a "
            "constant from all, or choose another unit"
        )


def _find_task(columns: Sequence[pl.Series], table: Table) -> str:
    if len(columns) == 1:
        return _find_task_of(columns[0], table)
    plain = [to_plain(series) for series in columns]
    for series in plain:
        if series.dtype != pl.Float64:
            raise DataError(
                f"{table.where}, column {series.name!r} holds {series.dtype}: expected numbers, as there are several "
                "target columns. Use one target"
            )
    return "labels" if all(series.is_in([0.0, 1.0]).all() for series in plain) else "regression"


def _find_task_of(train: pl.Series, table: Table) -> str:
    refuse_mixed(table.frame[train.name], table.where, "task='classes'")
    plain = to_plain(train)
    if plain.dtype not in (pl.Float64, pl.String):
        raise DataError(
            f"{table.where}, column {train.name!r} holds {plain.dtype}: expected numbers or classes as the target"
        )
    if plain.dtype == pl.Float64 and not (plain % 1 == 0).all():
        return "regression"
    distinct = plain.n_unique()
    if find_kind(train, table.frame.height) in ("identifier", "text") or (
        plain.dtype == pl.String and distinct > MOST_CLASSES
    ):
        raise DataError(
            f"{table.where}, column {train.name!r} has {distinct:,} different values in {len(train):,} training rows: "
            "expected a target, and it looks like an identifier. Choose another column, or pass task='regression' or "
            "task='classes'"
        )
    if plain.dtype == pl.String or train.dtype == pl.Boolean:
        return "classes"
    return "classes" if distinct <= min(FEW_NUMBERS, max(2, len(train) // 2)) else "regression"


def _sorted_classes(train: pl.Series, where: str) -> tuple[str, ...]:
    """The classes' names: numbers by size, texts by the alphabet."""
    is_number = train.dtype.is_numeric()
    classes = tuple(to_texts(train.unique().sort() if is_number else train).unique(maintain_order=True).to_list())
    if not is_number:
        classes = tuple(sorted(classes))
    if len(classes) < 2:  # noqa: PLR2004 - or there is nothing to tell apart
        raise DataError(f"{where}, column {train.name!r} is {classes[0]!r} in every training row: expected two classes")
    if len(classes) > max(FEW_NUMBERS, len(train) // 2):
        raise DataError(
            f"{where}, column {train.name!r} has {len(classes):,} classes in {len(train):,} training rows: expected "
            "two rows or more of most classes. Choose another column, or pass task='regression'"
        )
    return classes


def _to_indices(target: Target, table: Table) -> Tensor:
    texts = to_texts(table.frame[target.names[0]])
    codes = texts.cast(pl.Enum(target.classes), strict=False).to_physical()
    if codes.null_count():
        row = int(codes.is_null().to_numpy().argmax())
        raise DataError(
            f"{place(table.where, row, target.names[0])} is class {texts[row]!r}, which no training row has: expected "
            "every class in the training split. Leave the class out, or split by stratify=True"
        )
    return torch.from_numpy(codes.cast(pl.Int64).to_numpy(writable=True))


def _refuse_other_than_truth(values: Values, name: str, where: str) -> None:
    bad = (values != 0) & (values != 1)
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{place(where, row, name)} is {values[row]:g}: expected 0 or 1 in every target column of labels"
        )
