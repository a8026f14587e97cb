"""What a table's rows become, learnt from the training split alone and kept with the run.

Shapes: N rows, D values of a row: its numbers, then a code for each category.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from fourstep.data.tables.column import Column, Encoded, encode_column
from fourstep.data.tables.reading import read_table
from fourstep.data.tables.stored import column_from_json, target_from_json
from fourstep.data.tables.target import Target
from fourstep.errors import DataError, one_line

_BLOCK = 2**18  # values that each thread turns from columns to rows at once: they stay in the processor's cache


@dataclass(frozen=True, kw_only=True)
class TableEncoding:
    """How the rows of a table become tensors. Printed, it is a report with a line per column.

    Attributes:
        columns: what was learnt of every column but the target, in the table's order, with those that are left out.
        target: what was learnt of the target.
    """

    kind: ClassVar[str] = "table"
    columns: tuple[Column, ...]
    target: Target

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in the order of their indices; empty where targets are no classes."""
        return self.target.classes

    @property
    def num_numbers(self) -> int:
        """How many of a row's values are numbers; the codes follow."""
        return sum(column.num_numbers for column in self.columns)

    @property
    def category_sizes(self) -> tuple[int, ...]:
        """How many codes each category has."""
        return tuple(column.num_codes for column in self.columns if column.num_codes)

    @property
    def input_shape(self) -> tuple[int]:
        """Of one row: (D,)."""
        return (self.num_numbers + len(self.category_sizes),)

    @property
    def input_names(self) -> tuple[str, ...]:
        """What a row's D values are called, as `town` or `sold: year`."""
        names = [(column, name) for column in self.columns for name in column.input_names]
        return tuple(name for is_code in (False, True) for column, name in names if bool(column.num_codes) is is_code)

    def network_sizes(self) -> dict[str, Any]:
        """What `fourstep.models.TableNet` needs to know: `TableNet(**data.encoding.network_sizes())`."""
        is_regression = self.target.task == "regression"
        return {
            "num_numbers": self.num_numbers,
            "category_sizes": self.category_sizes,
            "num_outputs": self.target.num_outputs,
            "target_mean": self.target.mean if is_regression else 0.0,
            "target_std": self.target.std if is_regression else 1.0,
        }

    def to_inputs(self, source: Any) -> Float[Tensor, "N D"]:
        """New rows as the model takes them.

        Args:
            source: a path or frame, as in `fourstep.data.from_table`. Its columns are found by name, in any order;
                others than those that were trained on are not looked at.

        Raises:
            DataError: a column is missing, or a value is not of its kind.
            DataFileError: a file is missing or damaged.
        """
        used = [column for column in self.columns if column.is_used]
        texts = [column.name for column in used if column.categories or column.date_format]
        table = read_table(source, texts)
        missing = [column.name for column in used if column.name not in table.frame.columns]
        if missing:
            raise DataError(
                f"{table.where} lacks {len(missing)} of the {len(used)} columns that were trained on: "
                f"{', '.join(map(repr, missing))}. Add them; a value that is not known is left empty"
            )
        return stack_rows(order_codes(used, [encode_column(c, table.frame[c.name], table.where) for c in used]))

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON can hold; its numbers come back to the bit."""
        return {"columns": [asdict(column) for column in self.columns], "target": asdict(self.target)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "TableEncoding":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        columns = tuple(map(column_from_json, table["columns"]))
        names = [column.name for column in columns]
        if len(set(names)) != len(names) or not any(column.is_used for column in columns):
            raise ValueError(f"it has {len(names)} columns: expected each once, and one that is used")
        return cls(columns=columns, target=target_from_json(table["target"]))

    def __str__(self) -> str:
        target = f"target: {', '.join(self.target.names)}, {self.target.task}"
        classes = f" {', '.join(self.classes[:5])}{', ...' if len(self.classes) > 5 else ''}" if self.classes else ""  # noqa: PLR2004 - fits a line
        return "\n".join([*map(str, self.columns), one_line(target + classes)])


def order_codes(columns: Sequence[Column], encoded: Sequence[Sequence[Encoded]]) -> list[Encoded]:
    """The arrays of all columns in the order of a row: numbers first, then codes."""
    pairs = list(zip(columns, encoded, strict=True))
    return [
        values
        for is_code in (False, True)
        for column, some in pairs
        if bool(column.num_codes) is is_code
        for values in some
    ]


def stack_rows(columns: Sequence[Encoded], rows: NDArray[np.int64] | None = None) -> Float[Tensor, "N D"]:
    """Columns side by side as rows.

    Args:
        columns: D arrays `(N,)`.
        rows: which rows; all where it is None.
    """
    num_rows = len(columns[0]) if rows is None else len(rows)
    stacked = np.empty((num_rows, len(columns)), np.float32)
    size = max(1, _BLOCK // len(columns))

    def stack(start: int) -> None:
        chosen = slice(start, start + size) if rows is None else rows[start : start + size]
        block = np.empty((len(columns), min(size, num_rows - start)), np.float32)
        for values, into in zip(columns, block, strict=True):
            into[:] = values[chosen]
        stacked[start : start + size] = block.T

    with ThreadPoolExecutor(torch.get_num_threads()) as threads:  # numpy lets others work meanwhile
        for _ in threads.map(stack, range(0, num_rows, size)):
            pass
    return torch.from_numpy(stacked)
