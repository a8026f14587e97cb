"""A table written again, with what a model says of each of its rows.

Shapes: N rows, K outputs.
"""

from pathlib import Path
from typing import Any

import polars as pl
from torch import Tensor

from fourstep.data.tables.encoding import TableEncoding
from fourstep.data.tables.reading import read_table
from fourstep.errors import ConfigError, DataError
from fourstep.files import atomic_write


def write_predictions(source: Any, encoding: TableEncoding, outputs: Tensor, path: str | Path) -> None:
    """Write a CSV file: the table's own columns, their values as they were written, then what is predicted.

    Args:
        source: the table, as `from_table` takes it, N rows.
        encoding: what it was trained with.
        outputs: `(N, K)`, as the model gives them. Of classes the likeliest is written, and its probability beside it;
            of yes and no in several columns the probability of yes; of a regression the values.
        path: ends in `.csv`.

    Raises:
        ConfigError: `path` has another ending.
        DataError: a column of lists or the like, which no CSV file can hold.
        DataFileError: the file cannot be written.
    """
    if Path(path).suffix != ".csv":
        raise ConfigError(f"{path}: expected a file that ends in .csv, as a table is written there")
    table = read_table(source, None)
    frame = table.frame
    for name, kind in frame.schema.items():
        if kind.is_nested() or kind in (pl.Binary, pl.Object):
            raise DataError(
                f"{table.where}, column {name!r} holds {kind}: a CSV file cannot. Leave the column out of the table"
            )
    added = {_free(name, frame.columns): values for name, values in _columns(encoding, outputs).items()}
    with atomic_write(path) as part:
        frame.with_columns(pl.Series(name, values) for name, values in added.items()).write_csv(part)


def _columns(encoding: TableEncoding, outputs: Tensor) -> dict[str, Any]:
    """Name -> N values."""
    target = encoding.target
    if target.task == "classes":
        shares, indices = outputs.softmax(1).max(1)
        guesses = pl.Series(target.classes).gather(indices.tolist())
        return {f"predicted {target.names[0]}": guesses, "probability": shares.numpy()}
    if target.task == "labels":
        return {f"probability of {name}": outputs[:, i].sigmoid().numpy() for i, name in enumerate(target.names)}
    return {f"predicted {name}": outputs[:, i].numpy() for i, name in enumerate(target.names)}


def _free(name: str, taken: list[str]) -> str:
    """The name, or another one where a column of the table bears it."""
    while name in taken:
        name += " (again)"
    return name
