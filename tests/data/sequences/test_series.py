"""Time series to windows, and back to their own unit."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from torch import nn

import fourstep as fs
from fourstep.data.encoding import load_encoding, save_encoding
from fourstep.data.sequences.values import SeriesEncoding

VALUES = np.random.default_rng(0).normal(50, 5, (100, 3)).cumsum(axis=0)


def encoding_of(data: fs.Data) -> SeriesEncoding:
    """The data's own."""
    assert isinstance(data.encoding, SeriesEncoding)
    return data.encoding


def batches_of(split: Any) -> fs.Batches:
    """The split as what it is."""
    assert isinstance(split, fs.Batches)
    return split


@given(
    length=st.integers(40, 80),
    window=st.integers(1, 6),
    horizon=st.integers(1, 4),
    stride=st.integers(1, 5),
    columns=st.sampled_from([None, [1], [2, 0]]),
)
def test_windows_are_those_of_numpy(
    length: int, window: int, horizon: int, stride: int, columns: list[int] | None
) -> None:
    """In every split the windows and what follows, as numpy cuts them from that part of the series alone."""
    values = VALUES[:length]
    data = fs.data.from_series(
        values, window=window, horizon=horizon, stride=stride, target_columns=columns, batch_size=8, val=0.25, test=0.3
    )

    num_val, num_test = round(length * 0.25), round(length * 0.3)
    bounds = [0, length - num_val - num_test, length - num_test, length]
    for split, start, end in zip(data.splits().values(), bounds, bounds[1:], strict=False):
        expected = sliding_window_view(values[start:end], window + horizon, axis=0)[::stride].swapaxes(1, 2)
        batches = batches_of(split)
        assert np.array_equal(batches.inputs.numpy(), expected[:, :window].astype(np.float32))
        chosen = expected[:, window:, [0, 1, 2] if columns is None else columns]
        assert np.array_equal(batches.targets.numpy(), chosen.astype(np.float32))


def test_windows_share_the_memory_of_the_series() -> None:
    """Until a batch of them is gathered."""
    train = batches_of(fs.data.from_series(VALUES, window=30, batch_size=4).train)

    assert train.inputs.untyped_storage().nbytes() == 4 * VALUES.size
    assert next(iter(train))[0].is_contiguous()


@pytest.mark.parametrize(
    "values",
    [
        VALUES[:, 0].tolist(),
        torch.from_numpy(VALUES[:, 0]),
        pd.Series(VALUES[:, 0], index=pd.date_range("2020-01-01", periods=100)),
        pd.DataFrame({"price": VALUES[:, 0]}),
        np.asfortranarray(VALUES)[:, 0],
    ],
)
def test_takes_what_holds_numbers(values: Any) -> None:
    """One column, whatever it comes in."""
    train = batches_of(fs.data.from_series(values, window=4, batch_size=4).train)

    assert train.inputs.shape == (96, 4, 1)
    assert train.targets.shape == (96, 1, 1)
    assert np.array_equal(train.inputs[:, 0, 0].numpy(), VALUES[:96, 0].astype(np.float32))


def test_standardising_knows_the_training_part_alone() -> None:
    """Mean 0 and deviation 1 there; whatever the test part holds changes nothing of it."""
    planted = VALUES.copy()
    planted[80:] *= 1e6
    first, second = (
        fs.data.from_series(values, window=4, batch_size=4, test=0.2, standardize=True) for values in (VALUES, planted)
    )

    assert first.encoding == second.encoding
    assert torch.equal(batches_of(first.train).inputs, batches_of(second.train).inputs)
    assert np.allclose(encoding_of(first).mean, VALUES[:80].mean(axis=0))
    assert np.allclose(encoding_of(first).std, VALUES[:80].std(axis=0))


@pytest.mark.parametrize("standardize", [False, True])
def test_outputs_come_back_in_the_series_unit(*, standardize: bool) -> None:
    """What targets are, `to_series` turns back into values, to float32's precision."""
    data = fs.data.from_series(
        VALUES, window=4, horizon=2, target_columns=[2, 0], batch_size=4, standardize=standardize
    )

    back = encoding_of(data).to_series(batches_of(data.train).targets)

    expected = sliding_window_view(VALUES, 6, axis=0).swapaxes(1, 2)[:, 4:][..., [2, 0]]
    assert np.allclose(back.numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("standardize", [False, True])
def test_the_last_window_is_as_in_training(tmp_path: Path, *, standardize: bool) -> None:
    """New inputs, also by an encoding that was kept in a file, are bit for bit a window of the training."""
    data = fs.data.from_series(VALUES, window=4, batch_size=4, standardize=standardize)
    save_encoding(encoding_of(data), tmp_path / "inputs.json")

    loaded = load_encoding(tmp_path / "inputs.json")

    assert loaded == data.encoding
    assert torch.equal(loaded.to_inputs(VALUES[:99]), batches_of(data.train).inputs[-1:])


def test_a_forecast_learns() -> None:
    """A wave is foretold by a linear model from its last points, on what it never saw."""
    wave = np.sin(np.arange(400) / 5) * 30 + 100
    data = fs.data.from_series(wave, window=8, batch_size=16, test=0.25, standardize=True)
    model = nn.Sequential(nn.Flatten(), nn.Linear(8, 1), nn.Unflatten(1, (1, 1)))

    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    fs.fit(model, data, nn.MSELoss(), optimizer, epochs=30, show="none")

    foretold = encoding_of(data).to_series(fs.predict(model, data.to_inputs(wave)))
    assert abs(foretold.item() - (np.sin(400 / 5) * 30 + 100)) < 1


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (
            [1.0, math.nan, 2.0, math.inf],
            "a series has nan at point 1, column 0, the first of 2: expected finite numbers",
        ),
        ([[1, 2], [3, math.inf]], "a series has inf at point 1, column 1"),
        (["1", "two"], "a series cannot become numbers \\(could not convert string to float: 'two'\\)"),
        ([[1, 2], [3]], "a series cannot become numbers .*: expected numbers in a regular shape"),
        ([], r"a series has shape \(0,\): expected \(L,\) or \(L, D\), at least one value"),
        (np.zeros((2, 2, 2)), r"a series has shape \(2, 2, 2\)"),
        (3.0, r"a series has shape \(\)"),
        ("prices.csv", "a series is 'prices.csv': expected numbers. Read a file's column first"),
        ([1, 2, 3], "train has 3 of 3 points: expected 5 or more, as one window with its targets has"),
    ],
)
def test_wrong_values_are_refused(values: Any, said: str) -> None:
    """In one line that names the first place."""
    with pytest.raises(fs.DataError, match=said):
        fs.data.from_series(values, window=4, batch_size=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"window": 0}, "window 0: expected a whole number of 1 or more"),
        ({"window": 101}, "train has 100 of 100 points: expected 102 or more"),
        ({"horizon": 0}, "horizon 0: expected"),
        ({"horizon": 97}, "train has 100 of 100 points: expected 101 or more"),
        ({"stride": -1}, "stride -1: expected"),
        ({"test": 2.0}, "test=2.0: expected a fraction between 0 and 1$"),
        ({"test": 0.04}, "test has 4 of 100 points: expected 5 or more"),
        ({"target_columns": [3]}, r"target_columns \[3\]: expected one or more of 0..2, each once"),
        ({"target_columns": [0, 0]}, r"target_columns \[0, 0\]"),
        ({"target_columns": []}, r"target_columns \[\]"),
    ],
)
def test_wrong_settings_are_refused(settings: dict[str, Any], said: str) -> None:
    """Each in one line with its value."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_series(VALUES, **{"window": 4, "batch_size": 2, **settings})


def test_a_column_without_spread_is_refused() -> None:
    """As it cannot be standardised; it may vary later."""
    values = np.stack([np.arange(20.0), np.where(np.arange(20) < 16, 7.0, 8.0)], axis=1)

    with pytest.raises(fs.DataError, match=r"column 1 is 7.0 throughout the training part: .* standardize=False"):
        fs.data.from_series(values, window=2, batch_size=2, test=0.2, standardize=True)


def test_what_does_not_fit_the_training_is_refused() -> None:
    """A series too short or of other columns, outputs of other columns."""
    encoding = encoding_of(fs.data.from_series(VALUES, window=4, batch_size=2, target_columns=[1]))

    with pytest.raises(fs.DataError, match="the series has 3 points of 3 columns: expected 4 or more of 3"):
        encoding.to_inputs(VALUES[:3])
    with pytest.raises(fs.DataError, match="the series has 100 points of 1 columns: expected 4 or more of 3"):
        encoding.to_inputs(VALUES[:, 0])
    with pytest.raises(fs.ShapeError, match=r"outputs have shape \(2, 1, 3\): expected \(N, H, 1\)"):
        encoding.to_series(torch.zeros(2, 1, 3))


@pytest.mark.parametrize(
    "change",
    [
        {"window": 0},
        {"window": "4"},
        {"mean": [0.0, 1.0]},
        {"mean": 0.0},
        {"std": [0.0]},
        {"std": [math.nan]},
        {"mean": [], "std": []},
        {"target_columns": [1]},
        {"target_columns": ["0"]},
        {"target_columns": None},
    ],
)
def test_a_damaged_encoding_is_refused(change: dict[str, Any]) -> None:
    """As `load_encoding` expects it."""
    table = {"window": 4, "mean": [0.0], "std": [1.0], "target_columns": [0], **change}

    with pytest.raises((TypeError, ValueError)):
        SeriesEncoding.from_json(table)
