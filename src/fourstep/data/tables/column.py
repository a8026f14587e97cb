"""One column of a table: what was learnt of it, and how its values become numbers.

Shapes: N rows.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from fourstep.data.tables.plain import Values, place, to_numbers, to_parts, to_texts
from fourstep.errors import DataError, one_line

Encoded: TypeAlias = NDArray[np.float32]  # (N,): what the model sees

KINDS = ("number", "category", "date", "text", "identifier")


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How a number becomes one of mean 0 and deviation 1 on the training split.

    Attributes:
        part: of a date, `year` and so on; empty for the number itself.
        fill: stands for a missing value: the training median.
        log: where above 0, values become sign(x) ln(1 + |x| / log) first.
        mean: of the training split, after these two.
        std: likewise, above 0.
    """

    part: str
    fill: float
    log: float
    mean: float
    std: float

    def apply(self, values: Values) -> Encoded:
        """The values as the model sees them."""
        filled = stretch(np.where(np.isnan(values), self.fill, values), self.log)
        filled -= self.mean
        filled /= self.std
        with np.errstate(over="ignore"):  # what is too large is refused by its row
            return filled.astype(np.float32)


def stretch(values: Values, log: float) -> Values:
    """sign(x) ln(1 + |x| / log), or x where `log` is 0."""
    return np.sign(values) * np.log1p(np.abs(values) / log) if log else values


@dataclass(frozen=True, kw_only=True)
class Column:
    """What was learnt of a column, on the training split alone.

    Attributes:
        name: the column's.
        kind: `number`, `category`, `date`, `text` or `identifier`.
        missing: how many training rows have no value.
        distinct: how many different values the training rows have.
        values: the range, or the commonest values, for people.
        use: what is done with it, for people.
        scales: of the numbers that are made of it; empty where there are none.
        marks_missing: a further number, or code, says where a value is missing.
        categories: the values that are known, in the order of their codes 1, 2, ...; 0 is what is unknown.
        date_format: how its texts are read as dates; empty where they were dates already.
    """

    name: str
    kind: str
    missing: int
    distinct: int
    values: str
    use: str
    scales: tuple[Scale, ...] = ()
    marks_missing: bool = False
    categories: tuple[str, ...] = ()
    date_format: str = ""

    @property
    def is_used(self) -> bool:
        """Does the model see it?"""
        return bool(self.scales or self.categories)

    @property
    def num_numbers(self) -> int:
        """How many numbers are made of it, marks of what is missing among them."""
        return len(self.scales) + self.marks_missing if self.scales else 0

    @property
    def num_codes(self) -> int:
        """How many codes a category has; 0 where it is none."""
        return 1 + len(self.categories) + self.marks_missing if self.categories else 0

    @property
    def input_names(self) -> tuple[str, ...]:
        """What the values made of it are called: its name, and which part of a date; where one is missing."""
        if self.categories:
            return (self.name,)
        parts = [f"{self.name}: {scale.part}" if scale.part else self.name for scale in self.scales]
        return (*parts, *[f"{self.name}: missing"] * bool(self.scales and self.marks_missing))

    def __str__(self) -> str:
        missing = f", {self.missing:,} missing" if self.missing else ""
        return one_line(f"{self.name}: {self.kind}, {self.distinct:,} different{missing}, {self.values}: {self.use}")


def encode_column(column: Column, series: pl.Series, where: str) -> list[Encoded]:
    """A column's numbers, or its codes, for all rows.

    Args:
        column: what was learnt.
        series: `(N,)`.
        where: the table, for messages.

    Returns:
        For each of its scales `(N,)`, and 1 where a value is missing, else 0, where it marks that; for a category its
        codes, which float32 holds exactly up to 2**24.

    Raises:
        DataError: a value that is not of the column's kind, by its row.
    """
    if column.categories:
        return [_to_codes(column, to_texts(series))]
    is_date = column.kind == "date"
    parts = to_parts(series, column.date_format, where) if is_date else {"": to_numbers(series, where)}
    encoded = [scale.apply(parts[scale.part]) for scale in column.scales]
    for scaled in encoded:
        _refuse_infinite(scaled, series, where)
    if column.marks_missing:
        encoded.append(np.isnan(next(iter(parts.values()))).astype(np.float32))
    return encoded


def _to_codes(column: Column, texts: pl.Series) -> Encoded:
    known = texts.cast(pl.Enum(column.categories), strict=False).to_physical()
    codes: Encoded = known.cast(pl.Float32).fill_null(-1).to_numpy() + np.float32(1)
    if column.marks_missing:
        codes[texts.is_null().to_numpy()] = len(column.categories) + 1
    return codes


def _refuse_infinite(scaled: Encoded, series: pl.Series, where: str) -> None:
    if not np.isfinite(scaled).all():
        row = int(np.argmin(np.isfinite(scaled)))
        raise DataError(
            f"{place(where, row, series.name)} is {series[row]}, which is too large beside the training rows: expected "
            "numbers of their range. Correct it or empty it"
        )
