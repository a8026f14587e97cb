"""A time series to windows: what was, and what comes next.

Shapes: L points in time, D columns, N windows, W points in a window, H points to foretell, C columns to foretell.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fourstep.data.dataset import Data
from fourstep.data.sequences.values import SeriesEncoding, check_columns, to_values
from fourstep.data.sequences.windows import cut_windows, split_in_order, window_data
from fourstep.errors import DataError, check_count


def from_series(
    values: Any,
    *,
    window: int,
    batch_size: int,
    horizon: int = 1,
    target_columns: Sequence[int] | None = None,
    val: float | None = None,
    test: float | None = None,
    stride: int = 1,
    standardize: bool = False,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
    name: str = "series",
) -> Data:
    """A data set from a time series: windows, and for each the points that come next.

    Args:
        values: `(L,)` or `(L, D)`, in the order of time, all finite: a tensor, an array, a list, a column or table of
            pandas or polars.
        window: W, points in time that the model sees, 1 or more.
        batch_size: windows per batch, 1 or more.
        horizon: H, points to foretell, 1 or more.
        target_columns: which columns to foretell, from 0; None for all.
        val: the share of the series to choose by, in (0, 1): what comes after the training part.
        test: the share to judge by: the series' end.
        stride: points from one window's beginning to the next one's, 1 or more.
        standardize: shift and scale each column to mean 0 and deviation 1 over the training part, targets as well; the
            losses are then in deviations, and `data.encoding.to_series(outputs)` gives outputs in the series' own unit.
        seed: fixes the order of every epoch; 0 or more.
        shuffle: train in a new order every epoch.
        drop_last: leave out a short last training batch.
        name: what the data set is called.

    Returns:
        `Data` with inputs `(N, W, D)` and targets `(N, H, C)`, float32. No window reaches into another split. Its
        `encoding`, a `SeriesEncoding`, turns a series into inputs: its last window.

    Raises:
        ConfigError: a number out of range, or a column that is not there.
        DataError: values that are no finite numbers; a split that is too short; a column without spread to standardise.

    >>> data = from_series([0.0, 1.0, 2.0, 3.0, 4.0], window=3, batch_size=2, shuffle=False)
    >>> [(inputs.flatten(1).tolist(), targets.flatten().tolist()) for inputs, targets in data.train]
    [([[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]], [3.0, 4.0])]
    """
    for setting, count in (("window", window), ("horizon", horizon), ("stride", stride)):
        check_count(setting, count)
    array = to_values(values)
    columns = tuple(range(array.shape[1])) if target_columns is None else tuple(target_columns)
    check_columns(columns, array.shape[1])
    parts = split_in_order(len(array), {"val": val, "test": test}, window + horizon, "points")
    mean, std = _spread(array[parts["train"]]) if standardize else (np.zeros(array.shape[1]), np.ones(array.shape[1]))
    encoding = SeriesEncoding(window=window, mean=tuple(mean.tolist()), std=tuple(std.tolist()), target_columns=columns)
    scaled = encoding.scale(array)
    foretold = scaled if target_columns is None else scaled[:, list(columns)]
    pairs = {
        split: (
            cut_windows(scaled[part], window + horizon, stride)[:, :window],
            cut_windows(foretold[part], window + horizon, stride)[:, window:],
        )
        for split, part in parts.items()
    }
    order = {"seed": seed, "shuffle": shuffle, "drop_last": drop_last}
    return window_data(pairs, encoding, batch_size=batch_size, name=name, **order)


def _spread(train: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each column's mean and standard deviation."""
    alike = np.flatnonzero((train == train[0]).all(axis=0))
    if len(alike):
        raise DataError(
            f"column {alike[0]} is {train[0, alike[0]]} throughout the training part: expected differing values. Leave "
            "the column out, or use standardize=False"
        )
    return train.mean(axis=0), train.std(axis=0)
