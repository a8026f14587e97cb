"""A time series as a model's inputs, and a model's outputs as values of the series.

Shapes: L points in time, D columns, N windows, W points in a window, H points to foretell, C columns to foretell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64
from numpy.typing import NDArray
from torch import Tensor

from fourstep.errors import ConfigError, DataError, ShapeError, check_count


@dataclass(frozen=True, kw_only=True)
class SeriesEncoding:
    """How a series becomes a model's inputs, and a model's outputs values of the series.

    Attributes:
        window: W, points in time that the model sees.
        mean: of each column, over the training part; 0 where the series is taken as it is.
        std: the standard deviation likewise, above 0; 1 where it is taken as it is.
        target_columns: which columns are foretold, from 0.

    Raises:
        ConfigError: numbers that are none of a series.
    """

    kind: ClassVar[str] = "series"

    window: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    target_columns: tuple[int, ...]

    def __post_init__(self) -> None:
        check_count("window", self.window)
        if len(self.mean) != len(self.std) or not np.isfinite((*self.mean, *self.std)).all() or min(self.std) <= 0:
            raise ConfigError("mean and std: expected as many finite numbers, each std above 0")
        check_columns(self.target_columns, len(self.mean))

    @property
    def classes(self) -> tuple[str, ...]:
        """None: what is foretold are values."""
        return ()

    def to_inputs(self, source: Any) -> Float[Tensor, "1 W D"]:
        """The last window of a series, as a batch of one: what comes next is the model's output.

        Args:
            source: `(L,)` or `(L, D)`, L at least W, in the training series' own unit.

        Raises:
            DataError: too short, of other columns, or with a value that is no finite number.
        """
        values = to_values(source)
        if values.shape[1] != len(self.mean) or len(values) < self.window:
            raise DataError(
                f"the series has {len(values)} points of {values.shape[1]} columns: expected {self.window} or more of "
                f"{len(self.mean)}"
            )
        return self.scale(values[-self.window :])[None]

    def scale(self, values: NDArray[np.float64]) -> Float[Tensor, "L D"]:
        """Values in the series' own unit as the model sees them."""
        return torch.from_numpy((values - np.array(self.mean)) / np.array(self.std)).float()

    def to_series(self, outputs: Float[Tensor, "N H C"]) -> Float64[Tensor, "N H C"]:
        """A model's outputs in the series' own unit.

        Raises:
            ShapeError: they have not one column for each that is foretold.
        """
        if outputs.shape[-1] != len(self.target_columns):
            raise ShapeError(
                f"outputs have shape {tuple(outputs.shape)}: expected (N, H, {len(self.target_columns)}), a column for "
                "each that is foretold"
            )
        mean, std = (torch.tensor(numbers, dtype=torch.float64) for numbers in (self.mean, self.std))
        chosen = list(self.target_columns)
        return outputs.detach().cpu().double() * std[chosen] + mean[chosen]

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON can hold."""
        return {
            "window": self.window,
            "mean": list(self.mean),
            "std": list(self.std),
            "target_columns": list(self.target_columns),
        }

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "SeriesEncoding":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        for name in ("mean", "std", "target_columns"):
            if not isinstance(table[name], list):
                raise TypeError(f"{name} is no list")
        return cls(
            window=table["window"],
            mean=tuple(map(float, table["mean"])),
            std=tuple(map(float, table["std"])),
            target_columns=tuple(table["target_columns"]),
        )


def to_values(source: Any) -> NDArray[np.float64]:
    """A series as an array `(L, D)`.

    Raises:
        DataError: it is no series of finite numbers.
    """
    if isinstance(source, str | Path):
        raise DataError(
            f"a series is {str(source)[:60]!r}: expected numbers. Read a file's column first: "
            "pandas.read_csv(path)[name]"
        )
    try:
        array = source.detach().cpu().double().numpy() if isinstance(source, Tensor) else np.asarray(source, np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(
            f"a series cannot become numbers ({str(error).splitlines()[0]}): expected numbers in a regular shape"
        ) from error
    if array.ndim not in (1, 2) or array.size == 0:
        raise DataError(f"a series has shape {array.shape}: expected (L,) or (L, D), at least one value")
    array = array.reshape(len(array), -1)
    wrong = np.argwhere(~np.isfinite(array))
    if len(wrong):
        row, column = wrong[0].tolist()
        raise DataError(
            f"a series has {array[row, column]} at point {row}, column {column}, the first of {len(wrong)}: expected "
            "finite numbers. Fill or leave out what is missing first, as pandas' interpolate() does"
        )
    return array


def check_columns(columns: Sequence[int], number: int) -> None:
    """Refuse what are no columns of a series of that number.

    Raises:
        ConfigError: one is not there, or there twice, or there is none.
    """
    if not columns or len(set(columns)) < len(columns) or not all(column in range(number) for column in columns):
        raise ConfigError(f"target_columns {list(columns)}: expected one or more of 0..{number - 1}, each once")
