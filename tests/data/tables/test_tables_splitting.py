"""A table's splits and folds: disjoint, complete, by class, group or time, the same for the same seed."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fourstep as fs
from fourstep.data.mapped import Mapped
from fourstep.data.tables.reading import Table
from fourstep.data.tables.splitting import fold_rows, split_rows

SHARES = {"val": 0.2, "test": 0.3}


def table_of(**columns: Any) -> Table:
    """A table with these columns."""
    return Table(frame=pl.DataFrame(columns), where="the table")


@settings(max_examples=40, deadline=None)
@given(
    groups=st.lists(st.integers(0, 8), min_size=40, max_size=60),
    way=st.sampled_from([None, "stratify", "group", "time"]),
    seed=st.integers(0, 5),
)
def test_every_row_is_in_one_split(groups: list[int], way: str | None, seed: int) -> None:
    """Whatever the way; the same twice, in ascending order; no group in two, no later row before an earlier one."""
    table = table_of(g=groups, t=np.random.default_rng(seed).integers(0, 50, len(groups)))
    column = {None: {}, "stratify": {"stratify": "g"}, "group": {"group": "g"}, "time": {"time": "t"}}[way]
    try:
        parts = split_rows(table, SHARES, seed=seed, **column)
    except fs.DataError:  # a class or the groups are too few: the messages have tests of their own
        return

    again = split_rows(table, SHARES, seed=seed, **column)
    assert list(parts) == ["train", "test", "val"] if way == "time" else ["train", "val", "test"]
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(groups)))
    assert all(
        np.array_equal(np.sort(rows), rows) and np.array_equal(rows, again[name]) for name, rows in parts.items()
    )
    values = {name: table.frame[rows] for name, rows in parts.items()}
    if way == "group":
        assert sum(frame["g"].n_unique() for frame in values.values()) == table.frame["g"].n_unique()
    if way == "time":
        assert values["train"]["t"].max() <= values["val"]["t"].min()  # type: ignore[operator]
        assert values["val"]["t"].max() <= values["test"]["t"].min()  # type: ignore[operator]
    if way == "stratify":
        for label, count in table.frame["g"].value_counts().rows():
            assert int((values["test"]["g"] == label).sum()) == round(count * 0.3)


def test_groups_meet_the_shares_as_nearly_as_they_can() -> None:
    """100 groups of 1 to 19 rows: each share within a group's size."""
    groups = np.repeat(np.arange(100), np.arange(100) % 19 + 1)

    parts = split_rows(table_of(g=groups), SHARES, seed=0, group="g")

    for name, share in SHARES.items():
        assert abs(len(parts[name]) - share * len(groups)) <= 19


@pytest.mark.parametrize(
    "times", [["2020-01-03", "2020-01-01", "2020-01-04", "2020-01-02"], [3, 1, 4, 2], [0.3, 0.1, 4, 2]]
)
def test_time_may_be_texts_or_numbers(times: list[Any]) -> None:
    """The latest row is test, the one before it val."""
    parts = split_rows(table_of(t=pl.Series(times, strict=False)), {"val": 0.25, "test": 0.25}, seed=0, time="t")

    order = np.argsort(times)
    assert [parts[name].tolist() for name in ("train", "val", "test")] == [sorted(order[:2]), [order[2]], [order[3]]]


@pytest.mark.parametrize("kind", [pl.Date, pl.Datetime("ms"), pl.Datetime("ns", "Asia/Shanghai")], ids=str)
def test_time_may_be_what_a_file_or_frame_calls_a_time(kind: Any) -> None:
    """Not texts alone: it was a traceback."""
    times = pl.Series(["2020-03-01", "2019-12-31", "2020-01-05", "2021-01-01"]).str.to_datetime().cast(kind)

    parts = split_rows(table_of(t=times), {"val": 0.25, "test": 0.25}, seed=0, time="t")

    assert [parts[name].tolist() for name in ("train", "val", "test")] == [[1, 2], [0], [3]]


def test_the_group_is_no_input() -> None:
    """Or a model would know the groups by name."""
    table = pl.DataFrame({"g": [1, 1, 2, 2, 3, 3], "x": [1, 2, 3, 4, 5, 6], "y": [0.5, 1.5, 2.5, 3.5, 4.5, 5.5]})

    data = fs.data.from_table(table, target="y", group="g", test=0.3)

    assert data.to_inputs(pl.DataFrame({"x": [1]})).shape == (1, 1)


def test_a_split_that_cannot_be_made_is_refused() -> None:
    """Too few groups, no time, too few rows."""
    with pytest.raises(
        fs.DataError, match=r"the table, column 'g' has 1 groups, of which none fell to (train|test): exp"
    ):
        split_rows(table_of(g=[1, 1, 1]), {"test": 0.3}, seed=0, group="g")
    with pytest.raises(fs.DataError, match=r"the table, data row 2, column 't' is empty: expected a time in every row"):
        split_rows(table_of(t=[1, None, 3]), {"test": 0.3}, seed=0, time="t")
    with pytest.raises(fs.DataError, match=r"test=0.1 cannot be split off: there are 3 rows. Use another"):
        split_rows(table_of(t=[1, 2, 3]), {"test": 0.1}, seed=0, time="t")


def test_folds_are_dealt_evenly() -> None:
    """Disjoint, complete, of equal size within one; classes too where stratified; groups whole."""
    labels = np.repeat([0, 1, 2], [30, 11, 12])
    table = table_of(c=labels, g=np.arange(53) // 5)
    for column in ({}, {"stratify": "c"}, {"group": "g"}):
        folds = fold_rows(table, 4, seed=1, **column)

        sizes = [len(rows) for rows in folds]
        assert sorted(np.concatenate(folds).tolist()) == list(range(53))
        assert max(sizes) - min(sizes) <= (5 if column == {"group": "g"} else 1)
        if column == {"stratify": "c"}:
            counts = np.array([np.bincount(labels[rows], minlength=3) for rows in folds])
            assert (counts.max(0) - counts.min(0)).max() <= 1
        if column == {"group": "g"}:
            assert sum(len(set((rows // 5).tolist())) for rows in folds) == 11
        assert all(map(np.array_equal, folds, fold_rows(table, 4, seed=1, **column)))
        assert not all(map(np.array_equal, folds, fold_rows(table, 4, seed=2, **column)))


def test_each_fold_is_learnt_anew() -> None:
    """From its own training rows: all of the folds' val rows are the table's, each once, scaled by others' numbers."""
    table = pl.DataFrame({"x": np.arange(20.0) ** 2, "c": ["a", "b"] * 10, "y": np.arange(20) + 0.5})

    folds = fs.data.k_fold(table, target="y", folds=5, batch_size=4)

    assert len(folds) == 5
    targets: list[float] = []
    for data in folds:
        assert isinstance(data.train, fs.Batches)
        assert isinstance(data.val, fs.Batches)
        assert data.test is None
        torch.testing.assert_close(data.train.inputs[:, 0].mean(), torch.tensor(0.0))
        torch.testing.assert_close(data.train.inputs[:, 0].std(correction=0), torch.tensor(1.0))
        targets += data.val.targets.flatten().tolist()
    assert sorted(targets) == (np.arange(20) + 0.5).tolist()
    assert folds[2].encoding == list(folds)[2].encoding != folds[0].encoding


@pytest.mark.parametrize("stratify", [False, True])
def test_arrays_have_folds_too(*, stratify: bool) -> None:
    """Every sample is in val once, with its target."""
    inputs, targets = torch.arange(20.0)[:, None], torch.arange(20) % 3

    folds = fs.data.k_fold((inputs, targets), folds=4, stratify=stratify, batch_size=4)

    val = [data.val for data in folds]
    assert torch.equal(torch.cat([one.inputs for one in val if isinstance(one, fs.Batches)]).sort(0).values, inputs)
    for data in folds:
        assert isinstance(data.train, fs.Batches)
        assert isinstance(data.val, fs.Batches)
        assert torch.equal(data.train.targets, data.train.inputs.flatten().long() % 3)
        assert set(data.train.targets.tolist()) == {0, 1, 2}
        assert set(data.val.targets.tolist()) == {0, 1, 2} or not stratify
    with pytest.raises(IndexError, match=r"fold 4 of 4: expected 0..3"):
        folds[4]


def test_folds_that_cannot_be_made_are_refused() -> None:
    """With what was asked for and what is there."""
    table = pl.DataFrame({"x": [1, 2, 3], "y": ["a", "a", "b"]})
    pair = (torch.zeros(3, 1), torch.zeros(3))
    with pytest.raises(fs.ConfigError, match=r"folds=4 of 3 samples: expected a whole number from 2 to 3"):
        fs.data.k_fold(table, target="y", folds=4)
    with pytest.raises(fs.ConfigError, match=r"folds=1 of 3 samples: expected a whole number from 2 to 3"):
        fs.data.k_fold(pair, folds=1)
    with pytest.raises(fs.DataError, match=r"column 'y': class b has 1 row: expected 2 or more to stratify. Leave"):
        fs.data.k_fold(table, target="y", folds=2, stratify=True)
    with pytest.raises(fs.DataError, match=r"the table, column 'x' has 3 groups: expected as many as folds=4, which"):
        fs.data.k_fold(table, target="y", folds=4, group="x")
    with pytest.raises(fs.ConfigError, match=r"k_fold of a table without target: expected target='the column to"):
        fs.data.k_fold(table)
    with pytest.raises(fs.ConfigError, match=r"k_fold of arrays with target, group, kinds, task or skip_missing"):
        fs.data.k_fold(pair, target="y")
    with pytest.raises(fs.ConfigError, match=r"source has 1 parts: expected a table, or a pair \(inputs, targets\)"):
        fs.data.k_fold((pair[0],))
    with pytest.raises(fs.ConfigError, match=r"stratify=True with targets of shape \(3,\), torch.float32: expected cl"):
        fs.data.k_fold(pair, folds=2, stratify=True)


def test_folds_of_several_tensors_and_of_mapped_files(tmp_path: Path) -> None:
    """Each sample keeps its parts together, and is judged once; a mapped array stays in its file."""
    numbers = np.arange(20, dtype=np.float32)
    np.save(tmp_path / "x.npy", numbers[:, None])
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for inputs in ({"a": numbers[:, None], "b": numbers[:, None] + 100}, (numbers[:, None], numbers[:, None] + 100)):
        judged: list[float] = []
        for data in fs.data.k_fold((inputs, numbers), folds=4, batch_size=3):
            for batch, targets in data.val or ():
                one, other = batch.values() if isinstance(batch, dict) else batch
                assert torch.equal(one[:, 0], targets)
                assert torch.equal(other[:, 0], targets + 100)
                judged += targets.tolist()
        assert sorted(judged) == numbers.tolist()
    for data in fs.data.k_fold((mapped, numbers), folds=4, batch_size=3):
        assert isinstance(data.train, fs.Batches)
        assert isinstance(data.train.inputs, Mapped)
        assert all(torch.equal(batch[:, 0], targets) for batch, targets in data.train)
