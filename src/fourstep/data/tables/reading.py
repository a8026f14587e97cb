"""Where a table comes from: a file or a frame, as columns of polars, checked once."""

import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from fourstep.data.tables.csvfile import read_csv
from fourstep.errors import DataError, DataFileError, MissingExtraError
from fourstep.files import is_folder, open_plain, reason

SEPARATED = (".csv", ".tsv", ".tab", ".txt", ".data")
PARQUET = (".parquet", ".pq")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Columns of one length.

    Attributes:
        frame: the columns; they are taken out of it one by one, so that their memory is free once they are tensors.
        where: what messages call it: the file's path, or "the table".
        name: the file's without its ending, or "table".
    """

    frame: pl.DataFrame
    where: str
    name: str = "table"


def read_table(source: Any, texts: Collection[str] | None = ()) -> Table:
    """A table from a file of separated values or Parquet, or from a frame of pandas or polars.

    Args:
        source: a path, or a frame; the index of a pandas frame is not looked at.
        texts: the columns that are read as they are written, `007` as `007`, where the file has no types of its own;
            None for all.

    Raises:
        DataFileError: the file is missing, of an unknown kind or damaged.
        DataError: there are no rows, two columns of one name, or `source` is no table.
        MissingExtraError: a pandas frame without pyarrow.
    """
    if isinstance(source, pl.DataFrame):
        table = Table(frame=source.clone(), where="the table")  # the columns are not copied
    elif isinstance(source, str | Path):
        table = Table(frame=_read_file(Path(source), texts), where=str(source), name=Path(source).stem)
    elif (pandas := sys.modules.get("pandas")) and isinstance(source, pandas.DataFrame):
        table = Table(frame=_from_pandas(source), where="the table")
    else:
        raise DataError(
            f"source is a {type(source).__name__}: expected the path of a CSV, TSV or Parquet file, or a DataFrame of "
            "pandas or polars. from_arrays takes arrays"
        )
    if table.frame.height == 0 or table.frame.width == 0:
        raise DataError(f"{table.where} has {table.frame.width} columns and no rows: expected at least one row")
    return table


def _read_file(path: Path, texts: Collection[str] | None) -> pl.DataFrame:
    if is_folder(path):
        raise DataFileError(
            f"{path} is a folder: expected a CSV, TSV or Parquet file. from_images takes a folder of images"
        )
    suffix = path.suffix.lower()
    if suffix not in SEPARATED + PARQUET:
        raise DataFileError(
            f"{path}: a table's file ends in .csv, .tsv or .parquet. Save it as one of these; "
            "fourstep.data.from_images takes images"
        )
    try:
        if suffix in SEPARATED:
            return read_csv(path, texts)
        with open_plain(path) as file:
            return pl.read_parquet(file)
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(f"{path} cannot be read: {reason(error)}") from error
    except pl.exceptions.PolarsError as error:
        raise DataFileError(f"{path} is no Parquet file: {str(error).splitlines()[0]}. Write it again") from error


def _from_pandas(source: Any) -> pl.DataFrame:
    names = [str(name) for name in source.columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"the table has two columns named {twice[0]!r}: expected each name once. Rename one")
    try:
        frame: pl.DataFrame = pl.from_pandas(source)
    except ImportError as error:
        raise MissingExtraError.of("pyarrow", "tables", "data from a pandas frame") from error
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:  # pyarrow's errors are also these
        raise DataError(
            f"the table has a column of mixed values ({str(error).splitlines()[0]}): expected one type in each column"
        ) from error
    return frame
