"""A CSV or TSV file that says which picture is of which class: `file,label`, or `file,label,split`."""

import csv
import difflib
import io
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from fourstep.data.folders.decoding import stamp_of
from fourstep.data.folders.listing import SPLITS, Listing, Picture, check_inside, is_picture, make_listing
from fourstep.errors import DataError, DataFileError, UnknownNameError
from fourstep.files import open_plain, reason

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def is_register(path: str | Path) -> bool:
    """Is it to be read as such a file, by its name?"""
    return Path(path).suffix.lower() in _DELIMITERS


def list_register(path: str | Path) -> Listing:
    """The pictures that a CSV or TSV file names, by paths from the folder that it lies in.

    Raises:
        DataFileError: the file cannot be read, or a picture is missing or lies elsewhere.
        DataError: a column is missing, a row is not as its header, a file stands twice, or as `make_listing`.
        UnknownNameError: a split that is none.
    """
    file = Path(path).expanduser()
    root = Path(os.path.realpath(file)).parent
    pictures: list[Picture] = []
    lines: dict[str, int] = {}
    for line, row in _rows(file):
        where = f"{file}, line {line}"
        label, split = row["label"], row.get("split", "")
        for column in ("file", "label"):
            if not row[column]:
                raise DataError(f"{where}: no {column}: expected a picture's path and its class")
        name = posixpath.normpath(row["file"].replace("\\", "/"))
        if "split" in row and split not in SPLITS:
            raise UnknownNameError(f"{where}: {UnknownNameError.of('split', split, SPLITS)}")
        if name in lines:
            raise DataError(f"{where}: {name!r} stands in line {lines[name]} already: expected each picture once")
        lines[name] = line
        if not is_picture(os.path.basename(name)):  # noqa: PTH119 - as it is written there
            raise DataError(f"{where}: {name!r} does not end as a picture does: expected .png, .jpg or the like")
        check_inside(root, root / name)
        try:
            stamp = stamp_of((root / name).stat())
        except OSError as error:
            raise DataFileError(
                f"{where}: {root / name} cannot be read: {reason(error)}. Expected a path from the CSV file's folder"
            ) from error
        pictures.append(Picture(name, label, split, stamp))
    return make_listing(root, pictures, source=file)


def _rows(file: Path) -> Iterator[tuple[int, Mapping[str, str]]]:
    """Every row by its columns' names, with the number of its line."""
    try:
        with open_plain(file) as opened:
            text = opened.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8: byte {error.start + 1:,} is no part of a character. Save it as UTF-8"
        ) from error
    except OSError as error:
        raise DataFileError(
            f"{file} cannot be read: {reason(error)}. Expected a file with columns file,label"
        ) from error
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_DELIMITERS[file.suffix.lower()], strict=True)
    try:
        header = next(rows, [])
        _check_header(file, header)
        for row in rows:
            if len(row) != len(header) and row:
                raise DataError(
                    f"{file}, line {rows.line_num}: {len(row)} values for {len(header)} columns. Expected one "
                    "for each; a value that holds the separator stands in quotes"
                )
            if row:
                yield rows.line_num, dict(zip(header, row, strict=True))
    except csv.Error as error:
        raise DataError(f"{file}, line {rows.line_num}: {error}. Expected quotes that end") from error


def _check_header(file: Path, header: Sequence[str]) -> None:
    if not header:
        raise DataError(f"{file} is empty: expected a first line file,label and a line for each picture")
    for column in ("file", "label"):
        if column not in header:
            near = difflib.get_close_matches(column, header, n=1) or [""]
            hint = f"rename {near[0]!r}" if near[0] else "a table without pictures is for fourstep.data.from_table"
            raise DataError(
                f"{file} has no column {column!r} but {', '.join(map(repr, header[:10]))}: expected file,label; {hint}"
            )
