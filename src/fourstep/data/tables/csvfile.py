"""Files of separated values, read strictly: every row as long as the header, every byte UTF-8.

polars reads; what it lets pass, a row that is too short, has no last value: where one lacks, separators are counted,
which costs little. Only where something is wrong are the lines looked at one by one, for the line's number.
"""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import islice
from pathlib import Path

import numpy as np
import polars as pl
import torch

from fourstep.data.tables.plain import parse_numbers
from fourstep.errors import DataFileError
from fourstep.files import open_plain

MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null")  # what stands for no value
SEPARATORS = (",", ";", "\t", "|")  # the first of the commonest in the header is taken
_BLOCK = 2**20  # bytes
_CODE, _ROWS_FOR_CODES = re.compile(r"0\d+", re.ASCII), 1_000
_LOOKED_AT = 10_000  # rows from which the types are guessed; where that fails, all rows


def read_csv(path: Path, texts: Collection[str] | None) -> pl.DataFrame:
    """The columns of a file whose first line has their names.

    Args:
        path: separated by commas, semicolons, tabs or bars; `"` quotes, also line breaks.
        texts: the columns that are kept as texts; None for all. Codes are too, as 02134: whole numbers of which one in
            the first rows begins with 0.

    Raises:
        OSError: it cannot be opened.
        DataFileError: it is empty, not UTF-8, ragged, or its header is none.
    """
    header, separator, codes = _read_header(path)
    texts = None if texts is None else {*texts, *codes}
    frame = _parse(path, separator, header, texts)
    may_be_ragged = frame[:, -1].null_count() > 0
    is_ragged = may_be_ragged and _separators_of(frame, header, separator) != _separators_in(path, separator)
    if is_ragged and _check_lines(path, separator, len(header)):  # blank lines alone: polars makes empty rows of them
        frame = frame.filter(~pl.all_horizontal(pl.all().is_null()))
    frame.columns = [name.strip() for name in header]

    def tidy(name: str) -> pl.Series:
        return _tidy(frame[name], texts is None or name in texts)

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # polars lets others work meanwhile
        return frame.with_columns(threads.map(tidy, _names_of_texts(frame)))


def _read_header(path: Path) -> tuple[list[str], str, set[str]]:
    """The names as written, the separator, and which columns hold codes."""
    with open_plain(path) as file:
        start = file.read(_BLOCK).removeprefix(codecs.BOM_UTF8)
    if not start.strip():
        raise DataFileError(f"{path} is empty: expected a line of column names, and rows")
    text = start.decode("utf-8", errors="replace")
    line = text.splitlines()[0]
    separator = max(SEPARATORS, key=line.count)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    header = next(rows)
    if "\ufffd" in "".join(header):
        _check_utf8(path)
    names = [name.strip() for name in header]
    for number, name in enumerate(names):
        if name in names[:number]:
            raise DataFileError(
                f"{path}, line 1: two columns are named {name!r}, number {names.index(name) + 1} and {number + 1}: "
                "expected each name once. Rename one"
            )
    if names and all(_is_number(name) for name in names):
        raise DataFileError(f"{path}, line 1 holds numbers: expected the columns' names. Put a line of names before it")
    return header, separator, {names[index] for index in _codes_in(rows) if index < len(names)}


def _codes_in(rows: Iterator[list[str]]) -> set[int]:
    """The places of the columns in which one of the first rows holds a whole number that begins with 0."""
    codes: set[int] = set()
    with suppress(csv.Error):  # the last row is cut off; what is wrong with others is said by who reads them all
        for row in islice(rows, _ROWS_FOR_CODES):
            codes.update(index for index, value in enumerate(row) if _CODE.fullmatch(value.strip()))
    return codes


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _separators_in(path: Path, separator: str) -> int:
    """How many separators the whole file has, quoted ones too."""
    with open_plain(path) as file:
        count = 0
        while (block := np.frombuffer(file.read(_BLOCK), np.uint8)).size:
            count += int(np.count_nonzero(block == ord(separator)))
    return count


def _check_utf8(path: Path) -> None:
    """Refuse what is not UTF-8, by its line.

    Raises:
        DataFileError: there is such a byte.
    """
    decoder, lines = codecs.getincrementaldecoder("utf-8")(), 1
    with open_plain(path) as file:
        is_last = False
        while not is_last:
            block = file.read(_BLOCK)
            is_last = not block
            try:
                decoder.decode(block, final=is_last)
            except UnicodeDecodeError as error:
                line = lines + error.object[: error.start].count(b"\n")
                raise DataFileError(
                    f"{path}, line {line} is not UTF-8 (byte {error.object[error.start]:#04x}): save the file as UTF-8"
                ) from error
            lines += block.count(b"\n")


def _parse(path: Path, separator: str, header: list[str], texts: Collection[str] | None) -> pl.DataFrame:
    # The overrides go by polars' own names, which are the header's as written.
    as_texts = {name: pl.String for name in header if texts is None or name.strip() in texts}
    # To look for all names of a missing value takes polars half as long again, so first for none, if none is seen.
    tries = [((), _LOOKED_AT), (MISSING, _LOOKED_AT), (MISSING, None)]
    for missing, looked_at in tries[_shows_missing(path) :]:
        try:
            frame = pl.read_csv(
                path,
                separator=separator,
                null_values=list(missing),
                schema_overrides=as_texts,
                infer_schema_length=looked_at,
            )
        except pl.exceptions.PolarsError as error:
            if looked_at is None:
                _check_utf8(path)
                _check_lines(path, separator, len(header))
                raise DataFileError(f"{path} cannot be read: {str(error).splitlines()[0]}") from error
        else:
            break
    if frame.width != len(header):
        raise DataFileError(f"{path} has line ends that are none: expected \\n or \\r\\n. Save it anew")
    return frame


def _shows_missing(path: Path) -> bool:
    """Is there a word for a missing value in the file's first part?"""
    with open_plain(path) as file:
        return re.search(rb"\b(N/?A|n/a|NaN|nan|NULL|null)\b", file.read(_BLOCK)) is not None


def _separators_of(frame: pl.DataFrame, header: list[str], separator: str) -> int:
    """How many separators a file has whose every row is as long as the header."""
    between = (frame.height + 1) * (len(header) - 1)
    quoted = sum(
        int(frame[name].str.count_matches(separator, literal=True).sum() or 0) for name in _names_of_texts(frame)
    )
    return between + quoted + sum(name.count(separator) for name in header)


def _names_of_texts(frame: pl.DataFrame) -> list[str]:
    return [name for name, kind in frame.schema.items() if kind == pl.String]


def _check_lines(path: Path, separator: str, width: int) -> bool:
    """Are there blank lines?

    Raises:
        DataFileError: a row is longer or shorter than the header, or a quote stays open.
    """
    blank = False
    for line, row in _rows(path, separator):
        if not row:
            blank = True
        elif len(row) != width:
            raise DataFileError(
                f"{path}, line {line} has {len(row)} values: expected {width}, as the header has. "
                "Quote a value that holds the separator"
            )
    return blank


def _rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line that it begins in."""
    limit = csv.field_size_limit(2**31 - 1)
    with open_plain(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter=separator, strict=True)
        line = 1
        try:
            for row in reader:
                yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataFileError(
                f'{path}, line {line}: {error}: expected every quote " to be closed, and one within a value written ""'
            ) from error
        finally:
            csv.field_size_limit(limit)


def _tidy(texts: pl.Series, is_text: bool) -> pl.Series:  # noqa: FBT001 - private
    """Without spaces around; as numbers where every value is one and nobody said otherwise."""
    stripped = texts.str.strip_chars()
    tidied = stripped.set(stripped.is_in(MISSING), None)
    if is_text or parse_numbers(tidied.drop_nulls().head(1)).null_count():  # most often the first one tells
        return tidied
    numbers = parse_numbers(tidied)
    return numbers if numbers.null_count() == tidied.null_count() else tidied
