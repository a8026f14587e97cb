"""From a table to a data set: checked, split, learnt column by column, and put side by side as rows."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import polars as pl
import torch

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data
from fourstep.data.table import Wanted
from fourstep.data.tables.column import KINDS, Column, Encoded, encode_column
from fourstep.data.tables.encoding import TableEncoding, order_codes, stack_rows
from fourstep.data.tables.learning import learn_column, refuse_mixed
from fourstep.data.tables.plain import place, to_plain
from fourstep.data.tables.reading import Table, read_table
from fourstep.data.tables.splitting import Rows, fold_rows, split_rows
from fourstep.data.tables.target import TASKS, encode_target, learn_target
from fourstep.errors import ConfigError, DataError, UnknownNameError, check_count


def build(source: Any, wanted: Wanted, fractions: Mapping[str, float]) -> Data:
    """What `from_table` gives."""
    table = load(source, wanted)
    stratify = targets_of(wanted)[0] if wanted.stratify else None
    rows = split_rows(table, fractions, seed=wanted.seed, stratify=stratify, group=wanted.group, time=wanted.time)
    return make_data(table, rows, wanted)


def make_fold(table: Table, folds: list[Rows], index: int, wanted: Wanted) -> Data:
    """One fold's data: that fold is `val`, all others are `train`; everything is learnt anew."""
    is_train = torch.ones(table.frame.height, dtype=torch.bool)
    is_train[torch.from_numpy(folds[index])] = False
    rows = {"train": is_train.nonzero().flatten().numpy(), "val": folds[index]}
    return make_data(replace(table, frame=table.frame.clone()), rows, wanted)


def load_folds(source: Any, wanted: Wanted, folds: int) -> tuple[Table, list[Rows]]:
    """The table, and the rows of each fold."""
    table = load(source, wanted)
    stratify = targets_of(wanted)[0] if wanted.stratify else None
    return table, fold_rows(table, folds, seed=wanted.seed, stratify=stratify, group=wanted.group)


def load(source: Any, wanted: Wanted) -> Table:
    """The table, whose every row has a target.

    Raises:
        ConfigError: settings that do not belong together.
        DataError: what `read_table` refuses, a name that is not there, or rows without target.
    """
    _check(wanted)
    table = read_table(source, [name for name, kind in kinds_of(wanted).items() if kind != "number"])
    named = [
        *targets_of(wanted),
        *kinds_of(wanted),
        *(name for name in (wanted.group, wanted.time) if name is not None),
    ]
    for name in named:
        if name not in table.frame.columns:
            raise UnknownNameError.of(f"column of {table.where}", name, table.frame.columns)
    return _with_targets(table, wanted)


def _check(wanted: Wanted) -> None:
    check_count("batch_size", wanted.batch_size)
    given: Any = wanted.target
    if not isinstance(given, str | list | tuple) or not all(isinstance(name, str) for name in given):
        raise ConfigError(f"target={given!r:.60}: expected a column's name, or a list of names")
    if not isinstance(wanted.kinds, Mapping | None):
        raise ConfigError(f"kinds is a {type(wanted.kinds).__name__}: expected a dictionary, as {{'zip': 'category'}}")
    targets = targets_of(wanted)
    if not targets or len(set(targets)) < len(targets):
        raise ConfigError(f"target={wanted.target!r}: expected a column's name, or several different ones")
    ways = {"stratify": wanted.stratify, "group": wanted.group is not None, "time": wanted.time is not None}
    if sum(ways.values()) > 1:
        raise ConfigError(f"{' and '.join(way for way, is_set in ways.items() if is_set)}: expected one way to split")
    if wanted.stratify and len(targets) > 1:
        raise ConfigError(f"stratify=True with {len(targets)} target columns: expected one, of classes")
    asked = [("kind", kind, KINDS) for kind in kinds_of(wanted).values()]
    for what, name, known in [*asked, *([("task", wanted.task, TASKS)] if wanted.task is not None else [])]:
        if name not in known:
            raise UnknownNameError.of(what, name, known)


def _with_targets(table: Table, wanted: Wanted) -> Table:
    for name in targets_of(wanted):
        has_none = to_plain(table.frame[name]).is_null()
        count = int(has_none.sum())
        if count == table.frame.height:
            raise DataError(f"{table.where}, column {name!r} is empty: expected a target in every row")
        if count and not wanted.skip_missing_targets:
            raise DataError(
                f"{place(table.where, int(has_none.to_numpy().argmax()), name)} is empty, the first of {count:,} rows "
                "without target: expected one in every row. Fill them in, or pass skip_missing_targets=True"
            )
        if count:
            table = replace(table, frame=table.frame.filter(~has_none))
    return table


def targets_of(wanted: Wanted) -> tuple[str, ...]:
    """The target's columns."""
    return (wanted.target,) if isinstance(wanted.target, str) else tuple(wanted.target)


def kinds_of(wanted: Wanted) -> Mapping[str, str]:
    """The kinds that were given by the caller."""
    return wanted.kinds or {}


def make_data(table: Table, rows: Mapping[str, Rows], wanted: Wanted) -> Data:
    """The data set of these splits; takes the table's columns out of it.

    Raises:
        DataError: a value that is not of its column's kind, or nothing to learn from.
    """
    target = learn_target(table, targets_of(wanted), rows["train"], wanted.task)
    targets = encode_target(target, table)
    aside = {*target.names, wanted.group}
    names = [name for name in table.frame.columns if name not in aside]

    def learn(series: pl.Series) -> tuple[Column, list[Encoded]]:
        return _learn(series, rows["train"], kinds_of(wanted).get(series.name), table.where)

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # numpy and polars let others work meanwhile
        learnt = list(threads.map(learn, map(table.frame.drop_in_place, names)))
    columns = [column for column, _ in learnt]
    used = [column for column in columns if column.is_used]
    if not used:
        said = "; ".join(map(str, columns)) or "there are no others"
        raise DataError(
            f"{table.where} has no column to learn {', '.join(target.names)} from: {said}. Pass kinds={{...}}"
        )
    arrays = order_codes(used, [encoded for column, encoded in learnt if column.is_used])
    del learnt
    splits = {
        split: Batches(
            stack_rows(arrays, chosen),
            targets[torch.from_numpy(chosen)],
            batch_size=wanted.batch_size,
            shuffle=split == "train",
            seed=wanted.seed,
        )
        for split, chosen in rows.items()
    }
    return Data(
        train=splits["train"],
        val=splits.get("val"),
        test=splits.get("test"),
        classes=target.classes,
        name=wanted.name or table.name,
        encoding=TableEncoding(columns=tuple(columns), target=target),
    )


def _learn(series: pl.Series, rows: Rows, kind: str | None, where: str) -> tuple[Column, list[Encoded]]:
    """What is learnt of a column from these rows, and all of its rows as the model sees them."""
    if kind is None:
        refuse_mixed(series, where, f"kinds={{{series.name!r}: 'category'}}")
    column = learn_column(series, rows, kind, where)
    return column, encode_column(column, series, where) if column.is_used else []
