"""What kind a column is, and what is learnt of it: all from the training rows.

Shapes: N rows, T of them to train on.
"""

import re

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fourstep.data.tables.column import Column, Scale, stretch
from fourstep.data.tables.plain import (
    DATE_FORMATS,
    PARTS,
    Values,
    are_dates,
    find_date_format,
    is_number,
    parse_numbers,
    place,
    to_numbers,
    to_parts,
    to_plain,
    to_texts,
)
from fourstep.errors import DataError, one_line

FEW = 50  # different values: so many are always categories
LEAST_ROWS = 20  # from which on values that are all different name their rows
WIDE = 20  # times the median of what is above 0
ODD = 10  # one in so many different texts, or fewer
_COMMAS = r"^\s*[+-]?(\d+(,\d+)?|\d{1,3}(\.\d{3})+(,\d+)?|\d{1,3}(,\d{3})+(\.\d+)?|\d+\.\d+)\s*$"  # or without one
_NAMED_ID = re.compile(r"(?i:(^|[_\s-])(id|uuid|guid)$)|[a-z]I[dD]$|^(Unnamed: 0)?$")  # the last: a frame's index


def learn_column(series: pl.Series, rows: NDArray[np.int64], kind: str | None, where: str) -> Column:
    """What is learnt of a column.

    Args:
        series: all of it, `(N,)`, so that a wrong value is told by its row.
        rows: the training rows, `(T,)`; nothing is learnt from others.
        kind: one of `KINDS`, or None to find it.
        where: the table, for messages.

    Raises:
        DataError: a value that is not of the kind; a text among numbers; dates that may be read in two ways.
    """
    if kind in (None, "number") and (kind or is_number(series)):
        values = to_numbers(series, where)[rows]
        ordered = np.sort(values[~np.isnan(values)])
        if kind or not _names_rows(series.name, ordered, len(series)):
            return _learn_number(series.name, values, ordered)
    train = series.gather(rows)
    missing = to_plain(train).null_count()
    found = kind or find_kind(train, len(series))
    if missing == len(train):
        return _left_out(series.name, found, missing, 0, "no values", "left out, it is empty")
    if found == "date":
        return _learn_date(series, train, rows, missing, where)
    if found == "category":
        return _learn_category(train, missing)
    reason = "as asked" if kind else "it names the rows" if found == "identifier" else "no numbers are made of it"
    if not _is_plain(train):
        return _left_out(series.name, found, missing, 0, f"of {series.dtype}", f"left out, {reason}")
    counts = _count(to_texts(train))
    return _left_out(series.name, found, missing, len(counts), _commonest(counts), f"left out, {reason}")


def find_kind(series: pl.Series, num_rows: int) -> str:
    """The kind of a column by its training rows; see `fourstep.data.from_table` for the rules."""
    plain = to_plain(series)
    if plain.dtype == pl.Datetime:
        return "date"
    if plain.dtype == pl.Float64:
        values = plain.drop_nulls().to_numpy()
        is_name = _are_whole(values) and _names_rows(series.name, np.sort(values), num_rows)
        return "identifier" if is_name else "number"
    if plain.dtype != pl.String:
        return "text"
    known = plain.drop_nulls()
    if are_dates(known):
        return "date"
    distinct = known.n_unique()
    all_different = distinct == len(known) >= LEAST_ROWS
    if all_different or distinct > max(FEW, len(known) / 2):
        with_spaces = int(known.str.strip_chars().str.contains(" ", literal=True).sum() or 0)
        return "text" if with_spaces > len(known) / 2 else "identifier"
    return "identifier" if _NAMED_ID.search(series.name) and distinct > FEW else "category"


def refuse_mixed(series: pl.Series, where: str, otherwise: str) -> None:
    """Refuse texts that are numbers but for a few, or numbers with commas: no categories are made of a number.

    Raises:
        DataError: they are, by the row of the first that is none.
    """
    if series.dtype != pl.String:
        return
    different = series.drop_nulls().unique()
    if different.str.contains(",", literal=True).any() and different.str.contains(_COMMAS).all():
        row = int(series.str.contains(",", literal=True).fill_null(value=False).to_numpy().argmax())
        raise DataError(
            f"{place(where, row, series.name)} is {series[row]!r}: expected numbers with a point before the decimals "
            f"and nothing between thousands. Write them so, or pass {otherwise}"
        )
    is_none = parse_numbers(different).is_null()
    if 0 < ODD * int(is_none.sum()) <= len(different):
        row = int(series.is_in(different.filter(is_none).to_list()).fill_null(value=False).to_numpy().argmax())
        raise DataError(
            f"{place(where, row, series.name)} is {series[row]!r} in a column of numbers: correct it or empty it, or "
            f"pass {otherwise}"
        )


def _names_rows(name: str, ordered: Values, num_rows: int) -> bool:
    """Are these, in ascending order, whole numbers that name the rows?"""
    if not _are_whole(ordered):
        return False
    distinct = _count_different(ordered)
    all_different = distinct == len(ordered) > 1
    if _NAMED_ID.search(name):
        return distinct > FEW or all_different
    return all_different and distinct >= LEAST_ROWS and ordered[0] >= 0 and bool(ordered[-1] <= num_rows)


def _are_whole(values: Values) -> bool:
    return all((some == np.floor(some)).all() for some in (values[:100], values))  # most often the first ones tell


def _count_different(ordered: Values) -> int:
    return 1 + int(np.count_nonzero(ordered[1:] != ordered[:-1]))


def _learn_number(name: str, values: Values, ordered: Values) -> Column:
    missing = len(values) - len(ordered)
    if len(ordered) == 0:
        return _left_out(name, "number", missing, 0, "no values", "left out, it is empty")
    distinct = _count_different(ordered)
    said = f"{ordered[0]:g} to {ordered[-1]:g}"
    if distinct == 1 and not missing:
        return _left_out(name, "number", missing, distinct, said, "left out, it is constant")
    above = ordered[np.searchsorted(ordered, 0, side="right") :]
    typical = _median(above) if len(above) else 0.0
    log = typical if ordered[0] >= 0 and ordered[-1] > WIDE * typical else 0.0
    scale = _learn_scale("", values, ordered, log)
    filled = f"missing become {scale.fill:g} and are marked, " if missing else ""
    return Column(
        name=name,
        kind="number",
        missing=missing,
        distinct=distinct,
        values=said,
        use=f"{filled}{'logarithm, ' if log else ''}scaled",
        scales=(scale,),
        marks_missing=missing > 0,
    )


def _learn_scale(part: str, values: Values, ordered: Values, log: float) -> Scale:
    fill = _median(ordered)
    filled = stretch(np.where(np.isnan(values), fill, values), log)
    std = float(filled.std()) if ordered[0] < ordered[-1] else 0.0  # rounding gives a constant a tiny deviation
    return Scale(part=part, fill=fill, log=log, mean=float(filled.mean()), std=std or 1.0)


def _median(ordered: Values) -> float:
    middle = len(ordered) // 2
    return float(ordered[middle]) if len(ordered) % 2 else float(ordered[middle - 1] + ordered[middle]) / 2


def _learn_date(series: pl.Series, train: pl.Series, rows: NDArray[np.int64], missing: int, where: str) -> Column:
    plain = to_plain(train)
    date_format = _date_format_of(plain, to_plain(series), where) if plain.dtype == pl.String else ""
    scales = []
    for part, of_all in to_parts(series, date_format, where).items():
        values = of_all[rows]
        ordered = np.sort(values[~np.isnan(values)])
        if ordered[0] < ordered[-1]:
            scales.append(_learn_scale(part, values, ordered, 0.0))
    known = plain.drop_nulls()
    distinct, said = known.n_unique(), f"{known.min()!s} to {known.max()!s}"
    if not scales:
        return _left_out(series.name, "date", missing, distinct, said, "left out, it is constant")
    return Column(
        name=series.name,
        kind="date",
        missing=missing,
        distinct=distinct,
        values=said,
        use=f"{'missing become the medians and are marked, ' if missing else ''}as "
        f"{', '.join(part for part in PARTS if part in {scale.part for scale in scales})}, scaled",
        scales=tuple(scales),
        marks_missing=missing > 0,
        date_format=date_format,
    )


def _date_format_of(train: pl.Series, whole: pl.Series, where: str) -> str:
    otherwise = f", or pass kinds={{{whole.name!r}: 'category'}}"
    return find_date_format(train, whole, where, otherwise) or DATE_FORMATS[0]


def _learn_category(series: pl.Series, missing: int) -> Column:
    counts = _count(to_texts(series))
    categories = tuple(sorted(counts["value"].to_list()))
    if len(categories) == 1 and not missing:
        return _left_out(series.name, "category", missing, 1, _commonest(counts), "left out, it is constant")
    return Column(
        name=series.name,
        kind="category",
        missing=missing,
        distinct=len(categories),
        values=_commonest(counts),
        use=f"codes, 0 for what is unknown{', one for what is missing' if missing else ''}",
        marks_missing=missing > 0,
        categories=categories,
    )


def _left_out(name: str, kind: str, missing: int, distinct: int, values: str, use: str) -> Column:
    return Column(name=name, kind=kind, missing=missing, distinct=distinct, values=values, use=use)


def _is_plain(series: pl.Series) -> bool:
    return to_plain(series).dtype in (pl.Float64, pl.String, pl.Datetime)


def _count(texts: pl.Series) -> pl.DataFrame:
    """How often each `value` is there, as `count`; the commonest first, ties in the order of the alphabet."""
    counts = texts.drop_nulls().alias("value").value_counts(name="count")
    return counts.sort(["count", "value"], descending=[True, False])


def _commonest(counts: pl.DataFrame) -> str:
    """The three commonest values."""
    said = [one_line(value if len(value) <= 20 else f"{value[:19]}…") for value in counts["value"].head(3)]  # noqa: PLR2004 - fits a line
    return ", ".join(said) + (", ..." if len(counts) > len(said) else "")
