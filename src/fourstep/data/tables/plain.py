"""A column's values as numbers, texts or times, whatever type the file gave them; what is none is refused by its row.

Shapes: N rows.
"""

from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fourstep.errors import DataError

Values: TypeAlias = NDArray[np.float64]  # (N,), NaN where there is no value

PARTS = ("days", "year", "month", "weekday", "hour")  # of a date
_SLASHED = ("%m/%d/%Y", "%d/%m/%Y")  # told apart by a day above 12
_WITH_TIME = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
DATE_FORMATS = ("%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", *_SLASHED, *_WITH_TIME)  # at most two fit the same text
_FIRST_YEAR = 1000  # a year of fewer digits is none
_DAY = 86_400_000_000  # microseconds
_EXACT = 2**53  # up to which float64 holds whole numbers


def place(where: str, row: int, name: str) -> str:
    """What messages call a cell; rows count from 1, and the header is none."""
    return f"{where}, data row {row + 1}, column {name!r}"


def refuse(bad: NDArray[np.bool_], series: pl.Series, where: str, expected: str) -> None:
    """Refuse the first value that is marked as bad.

    Raises:
        DataError: there is one.
    """
    if bad.any():
        row = int(bad.argmax())
        raise DataError(
            f"{place(where, row, series.name)} is {series[row]!r}: expected {expected}. Correct it or empty it, or "
            "train with another kind of column"
        )


def to_plain(series: pl.Series) -> pl.Series:
    """The column in one of few types: numbers Float64, texts String, times Datetime in UTC; others as they are."""
    kind = series.dtype
    if kind == pl.Categorical or kind == pl.Enum:  # noqa: PLR1714 - polars' types are no constants
        return series.cast(pl.String)
    if kind == pl.Datetime and getattr(kind, "time_zone", None):
        series = series.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if kind.is_temporal():
        return _plain_time(series)
    if is_number(series):
        numbers = series.cast(pl.Float64)
        return numbers.fill_nan(None) if kind.is_float() else numbers
    return series


def is_number(series: pl.Series) -> bool:
    """Are its values numbers, truth values or lengths of time as they are? An empty column counts."""
    kind = series.dtype
    return kind.is_numeric() or any(kind == other for other in (pl.Boolean, pl.Null, pl.Duration, pl.Time))


def _plain_time(series: pl.Series) -> pl.Series:
    if series.dtype == pl.Duration:
        return series.dt.total_microseconds().cast(pl.Float64) / 1e6
    if series.dtype == pl.Time:
        return series.to_physical().cast(pl.Float64) / 1e9  # seconds since midnight
    return series.cast(pl.Datetime("us"))


def to_numbers(series: pl.Series, where: str) -> Values:
    """The values as numbers, also of texts.

    Raises:
        DataError: a text that is none, or an infinite number, by its row.
    """
    plain = to_plain(series)
    if plain.dtype == pl.String:
        plain = parse_numbers(plain)
        refuse((plain.is_null() & series.is_not_null()).to_numpy(), series, where, "a number")
    if plain.dtype != pl.Float64:
        raise DataError(
            f"{where}, column {series.name!r} holds {series.dtype}: expected numbers. Train with another kind, or "
            f"leave it out by kinds={{{series.name!r}: 'text'}}"
        )
    values: Values = plain.to_numpy()
    refuse(np.isinf(values), series, where, "a finite number")
    return values


def parse_numbers(texts: pl.Series) -> pl.Series:
    """Texts as numbers, null where one is none."""
    return texts.str.strip_chars().cast(pl.Float64, strict=False).fill_nan(None)


def to_texts(series: pl.Series) -> pl.Series:
    """The values as names of categories; 3 and 3.0 are one."""
    if not series.dtype.is_float():
        plain = series if series.dtype.is_integer() or series.dtype == pl.Boolean else to_plain(series)
        return plain.cast(pl.String)
    value = pl.col(series.name)
    whole = value.cast(pl.Int64, strict=False).cast(pl.String)
    is_whole = (value % 1 == 0) & (value.abs() < _EXACT)
    named = pl.when(is_whole).then(whole).otherwise(value.cast(pl.String))
    return series.fill_nan(None).to_frame().select(named.alias(series.name)).to_series()


def to_dates(series: pl.Series, date_format: str, where: str) -> pl.Series:
    """The values as times in UTC.

    Raises:
        DataError: a text that is none in this format, by its row; or no times; or texts that may be read in two ways.
    """
    plain = to_plain(series)
    if plain.dtype == pl.String:
        date_format = date_format or find_date_format(plain, plain, where) or DATE_FORMATS[0]
        dates = _parse_dates(plain, date_format)
        refuse((dates.is_null() & plain.is_not_null()).to_numpy(), series, where, f"a date as {date_format}")
        return dates
    if plain.null_count() == len(plain):
        return plain.cast(pl.Datetime("us"))
    if plain.dtype != pl.Datetime:
        raise DataError(
            f"{where}, column {series.name!r} holds {series.dtype}: expected dates. Train with another kind"
        )
    return plain


def are_dates(texts: pl.Series) -> bool:
    """Are there texts, and are all of them dates in one of `DATE_FORMATS`?"""
    return bool(_fitting(texts))


def find_date_format(texts: pl.Series, whole: pl.Series, where: str, otherwise: str = "") -> str | None:
    """The one of `DATE_FORMATS` in which all texts are dates; None where there is none, or no text.

    Args:
        texts: training rows.
        whole: all rows, which tell month from day where the training rows do not.
        where: the table, for messages.
        otherwise: what the caller may do instead, as `, or pass ...`.

    Raises:
        DataError: month and day may be either way round, by the first row in which that makes a difference.
    """
    fitting = _fitting(texts)
    if len(fitting) < 2:  # noqa: PLR2004 - or there is nothing to choose
        return fitting[0] if fitting else None
    one, other = (_parse_dates(whole, date_format) for date_format in fitting)
    if one.null_count() != other.null_count():
        return fitting[int(other.null_count() < one.null_count())]
    differ = one.ne_missing(other).to_numpy()
    if differ.any():
        row = int(differ.argmax())
        raise DataError(
            f"{place(where, row, whole.name)} is {whole[row]!r}, and no row tells whether the first number is month or "
            f"day: expected dates as 2020-12-31. Write them so{otherwise}"
        )
    return fitting[0]


def _fitting(texts: pl.Series) -> list[str]:
    known = texts.drop_nulls()
    if not len(known):
        return []
    fitting = [some for some in DATE_FORMATS if _are_dates(known.head(1), some)]  # the first one rules most of them out
    return [some for some in fitting if _are_dates(known.unique(), some)]


def _are_dates(texts: pl.Series, date_format: str) -> bool:
    return _parse_dates(texts, date_format).null_count() == 0


def _parse_dates(texts: pl.Series, date_format: str) -> pl.Series:
    dates = texts.str.strip_chars().str.to_datetime(date_format, strict=False, time_unit="us")
    return dates.set((dates.dt.year() < _FIRST_YEAR).fill_null(value=False), None)


def to_parts(series: pl.Series, date_format: str, where: str) -> dict[str, Values]:
    """The numbers of a date: days since 1970 with the day's fraction, year, month, day of the week from 1, hour.

    Raises:
        DataError: as `to_dates`.
    """
    dates = to_dates(series, date_format, where)
    parts = (dates.to_physical() / _DAY, dates.dt.year(), dates.dt.month(), dates.dt.weekday(), dates.dt.hour())
    return {part: values.cast(pl.Float64).to_numpy() for part, values in zip(PARTS, parts, strict=True)}
