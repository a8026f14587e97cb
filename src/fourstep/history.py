"""The rows of numbers that a run leaves behind."""

import csv
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fourstep.errors import DataFileError, MissingExtraError
from fourstep.files import open_plain

if TYPE_CHECKING:
    import pandas as pd


CLEAN = "train-clean"  # the split `train` measured again after an epoch, by weights that stand still
LONGEST_ROW = 2**20  # bytes of a line; what is longer is none of ours, and must not fill the memory


class History:
    """An append-only table of a run's numbers.

    Attributes:
        rows: one dictionary per log point. `epoch` is how many epochs were done (2.5 is half-way through the third),
            `step` how many updates; measured numbers are named `split/metric`, such as `train/loss` and
            `test/accuracy`, where those of `train` are running means over the epoch so far, each batch measured before
            its update; `lr` is the optimizer's, of its first group, as the last batch left it; `seconds` since the run
            began and `examples_per_second` (training, data loading included) are the clock's.

    >>> history = History()
    >>> history.append({"epoch": 1.0, "step": 10, "train/loss": 0.5})
    >>> history.rows[-1]["train/loss"]
    0.5
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row at the end."""
        self.rows.append(dict(row))

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, float]]:
        return iter(self.rows)

    def __repr__(self) -> str:
        last = ", ".join(f"{name} {value:.4g}" for name, value in self.rows[-1].items()) if self.rows else ""
        return f"History({len(self.rows)} rows{': ' if last else ''}{last})"

    @property
    def columns(self) -> list[str]:
        """Every name that occurs in a row, in the order of first appearance."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def series(self, name: str) -> tuple[list[float], list[float]]:
        """The points of one curve: epochs done, and `name`'s values, for the rows that have it."""
        points = [(row["epoch"], row[name]) for row in self.rows if name in row]
        return [x for x, _ in points], [y for _, y in points]

    def curves(self) -> list[str]:
        """The names that are measured numbers, `split/metric`."""
        return [name for name in self.columns if "/" in name]

    def to_columns(self) -> dict[str, list[float]]:
        """One list per name, as long as there are rows; NaN where a row has no such number."""
        return {name: [row.get(name, math.nan) for row in self.rows] for name in self.columns}

    def to_pandas(self) -> "pd.DataFrame":
        """A DataFrame with one line per row; NaN where a row has no such number.

        Raises:
            MissingExtraError: pandas is not installed.
        """
        try:
            import pandas as pd  # noqa: PLC0415 - optional, and slow to import
        except ImportError as error:
            raise MissingExtraError("a DataFrame needs pandas, which is not installed: pip install pandas") from error
        return pd.DataFrame(self.to_columns())

    def state_dict(self) -> dict[str, Any]:
        """All rows in few objects: which names each row has, and every row's numbers one after the other."""
        shapes: dict[tuple[tuple[str, bool], ...], int] = {}  # names, and which of them are whole numbers
        kinds = [
            shapes.setdefault(tuple((name, isinstance(value, int)) for name, value in row.items()), len(shapes))
            for row in self.rows
        ]
        numbers = [value for row in self.rows for value in row.values()]
        return {
            "shapes": [[[name, whole] for name, whole in shape] for shape in shapes],
            "kinds": np.array(kinds, dtype=np.int32),
            "numbers": np.array(numbers, dtype=np.float64),  # exact for whole numbers up to 2**53
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The rows that `state_dict` was given, in place of what is here.

        Raises:
            TypeError: a name is no text.
        """
        if not all(isinstance(name, str) for shape in state["shapes"] for name, _ in shape):
            raise TypeError(f"rows named by texts were expected, found {state['shapes']!r:.60}")
        numbers = iter(state["numbers"].tolist())
        self.rows[:] = [
            {name: int(next(numbers)) if whole else next(numbers) for name, whole in state["shapes"][kind]}
            for kind in state["kinds"].tolist()
        ]

    def save_csv(self, path: str | Path) -> None:
        """Write the rows as CSV, a missing number as an empty field."""
        with Path(path).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(self.rows)

    def save_jsonl(self, path: str | Path) -> None:
        """Write the rows as JSON lines; see `to_json_line`."""
        Path(path).write_text("".join(to_json_line(row) for row in self.rows), encoding="utf-8")

    @classmethod
    def load_jsonl(cls, path: str | Path, *, may_grow: bool = False) -> "History":
        """Read rows that `save_jsonl`, or a run's folder, has written.

        Args:
            path: the file.
            may_grow: a run may be writing it, or have died doing so: a last line without its end is no row yet.

        Raises:
            DataFileError: the file is not there, or a line is not a row.
        """
        history = cls()
        try:
            with open_plain(path) as file:
                for number, line in enumerate(iter(lambda: file.readline(LONGEST_ROW), b""), start=1):
                    if may_grow and len(line) < LONGEST_ROW and not line.endswith(b"\n"):
                        break
                    history.append(_to_row(line.decode(), f"{path}, line {number}"))
        except (OSError, UnicodeDecodeError) as error:
            if isinstance(error, DataFileError):
                raise
            raise DataFileError(
                f"{path} cannot be read: {error}. Expected the metrics.jsonl of a run's folder"
            ) from error
        return history


def _to_row(line: str, where: str) -> dict[str, float]:
    try:
        row = json.loads(line)
        "".join(row).encode()  # JSON may name half a character, which no file takes
        return {str(name): math.nan if value is None else float(value) for name, value in row.items()}
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataFileError(
            f"{where} is not a row of numbers: {line.rstrip()[:40]!r}. Delete the line to read the others"
        ) from error


def to_json_line(row: Mapping[str, float]) -> str:
    """The row as one line of strict JSON, which has no NaN: what is not finite becomes null."""
    finite = {name: value if math.isfinite(value) else None for name, value in row.items()}
    return json.dumps(finite, allow_nan=False) + "\n"
