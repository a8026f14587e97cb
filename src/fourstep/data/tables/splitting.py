"""Which rows are in which split: by chance, by class, by group or by time.

Shapes: N rows.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from fourstep.data.split import check_fractions, deal_folds, hold_out
from fourstep.data.tables.plain import place, to_dates, to_plain, to_texts
from fourstep.data.tables.reading import Table
from fourstep.errors import DataError
from fourstep.seed import make_generator

Rows: TypeAlias = NDArray[np.int64]  # ascending


def split_rows(
    table: Table,
    fractions: Mapping[str, float],
    *,
    seed: int,
    stratify: str | None = None,
    group: str | None = None,
    time: str | None = None,
) -> dict[str, Rows]:
    """The rows of `train` and of the named others; each row is in exactly one.

    Args:
        table: its columns are there.
        fractions: name -> share of the rows in (0, 1); together below 1.
        seed: 0 or more; the same on every platform.
        stratify: the column of which every split has each value's share.
        group: the column of which no value is in two splits; shares are met as nearly as whole groups allow.
        time: the column of which `test` has the latest rows, and `val` the latest before these.

    Raises:
        ConfigError: a fraction out of range.
        DataError: a split would be empty, a value of `stratify` is too rare, or a row has no `time`, or
            one that may be read in two ways.
    """
    check_fractions(fractions, "")
    if group is not None:
        return _by_group(table, group, fractions, seed)
    if time is not None:
        return _by_time(table, time, fractions)
    if not fractions:
        return {"train": np.arange(table.frame.height)}
    numbers = torch.arange(table.frame.height)
    labels, names = (numbers, ()) if stratify is None else _to_labels(table.frame[stratify])
    parts = hold_out(numbers, labels, fractions, seed=seed, stratify=stratify is not None, classes=names)
    return {name: rows.numpy() for name, (rows, _) in parts.items()}


def fold_rows(
    table: Table, folds: int, *, seed: int, stratify: str | None = None, group: str | None = None
) -> list[Rows]:
    """The rows of each fold; arguments as in `split_rows`.

    Raises:
        ConfigError: folds out of range.
        DataError: a value of `stratify` has one row alone, or there are fewer groups than folds.
    """
    if group is not None:
        dealt = _deal_groups(_to_labels(table.frame[group])[0], folds, seed, f"{table.where}, column {group!r}")
    elif stratify is not None:
        labels, names = _to_labels(table.frame[stratify])
        counts = labels.bincount()
        if (counts < 2).any():  # noqa: PLR2004 - one to train on and one to judge by
            raise DataError(
                f"{table.where}, column {stratify!r}: class {names[int(counts.argmin())]} has 1 row: expected 2 or "
                "more to stratify. Leave the class out, or use stratify=False"
            )
        dealt = deal_folds(len(labels), folds, seed=seed, labels=labels)
    else:
        dealt = deal_folds(table.frame.height, folds, seed=seed)
    return [(dealt == fold).nonzero().flatten().numpy() for fold in range(folds)]


def _to_labels(series: pl.Series) -> tuple[torch.Tensor, tuple[str, ...]]:
    """Which of its different values each row has, and these; no value is one too."""
    texts = to_texts(series).fill_null("no value")
    names = sorted(texts.unique().to_list())
    return torch.from_numpy(texts.cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy(writable=True)), tuple(
        names
    )


def _by_group(table: Table, group: str, fractions: Mapping[str, float], seed: int) -> dict[str, Rows]:
    labels, names = _to_labels(table.frame[group])
    sizes = labels.bincount(minlength=len(names))
    order = torch.randperm(len(names), generator=make_generator(seed, "split"))
    middle = torch.empty(len(names), dtype=torch.float64)
    middle[order] = sizes[order].cumsum(0) - sizes[order].double() / 2  # of each group, where they lie in this order
    parts, start = {"train": torch.ones(len(labels), dtype=torch.bool)}, 0.0
    for name, fraction in fractions.items():
        end = start + fraction * len(labels)
        parts[name] = ((start <= middle) & (middle < end))[labels]
        parts["train"] &= ~parts[name]
        start = end
    for name, chosen in parts.items():
        if not chosen.any():
            raise DataError(
                f"{table.where}, column {group!r} has {len(names)} groups, of which none fell to {name}: expected more "
                "groups. Use another fraction, seed or column"
            )
    return {name: chosen.nonzero().flatten().numpy() for name, chosen in parts.items()}


def _by_time(table: Table, time: str, fractions: Mapping[str, float]) -> dict[str, Rows]:
    series = table.frame[time]
    plain = to_plain(series)
    if plain.null_count():
        row = int(plain.is_null().to_numpy().argmax())
        raise DataError(f"{place(table.where, row, time)} is empty: expected a time in every row to split by it")
    if plain.dtype != pl.Float64:
        plain = to_dates(series, "", table.where).to_physical()
    order = np.argsort(plain.to_numpy(), kind="stable")
    parts, end = {}, len(order)
    for name in sorted(fractions):  # the latest are test, those before them val
        size = round(len(order) * fractions[name])
        if not 0 < size < end:
            raise DataError(f"{name}={fractions[name]:g} cannot be split off: there are {len(order)} rows. Use another")
        parts[name] = np.sort(order[end - size : end])
        end -= size
    return {"train": np.sort(order[:end]), **parts}


def _deal_groups(labels: torch.Tensor, folds: int, seed: int, where: str) -> torch.Tensor:
    """Whole groups, the largest first, each to the fold that has the fewest rows so far."""
    sizes = labels.bincount()
    if not 2 <= folds <= len(sizes):  # noqa: PLR2004 - or nothing is left to train on
        raise DataError(f"{where} has {len(sizes)} groups: expected as many as folds={folds!r}, which is 2 or more")
    order = torch.randperm(len(sizes), generator=make_generator(seed, "folds"))
    order = order[sizes[order].sort(descending=True, stable=True).indices]
    filled, fold_of = [0] * folds, torch.empty(len(sizes), dtype=torch.int64)
    for index in order.tolist():
        fold_of[index] = fold = filled.index(min(filled))
        filled[fold] += int(sizes[index])
    return fold_of[labels]
