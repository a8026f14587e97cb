"""What is learnt of a table: by stated rules, from the training rows alone, as scikit-learn computes it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

import fourstep as fs
from fourstep.data.encoding import load_encoding, save_encoding
from fourstep.data.tables.column import Column
from fourstep.data.tables.encoding import TableEncoding
from fourstep.data.tables.reading import Table
from fourstep.data.tables.splitting import split_rows
from fourstep.errors import DataError


def encoding_of(data: fs.Data) -> TableEncoding:
    """What was learnt."""
    assert isinstance(data.encoding, TableEncoding)
    return data.encoding


def column_of(data: fs.Data, name: str) -> Column:
    """What was learnt of a column."""
    return next(column for column in encoding_of(data).columns if column.name == name)


def batches_of(data: fs.Data, split: str) -> fs.Batches:
    """A split's batches."""
    batches = data.splits()[split]
    assert isinstance(batches, fs.Batches)
    return batches


def train_rows(table: pd.DataFrame, *, val: float, test: float, seed: int) -> NDArray[np.int64]:
    """The rows of the training split."""
    frame = pl.DataFrame({"row": np.arange(len(table))})
    return split_rows(Table(frame=frame, where=""), {"val": val, "test": test}, seed=seed)["train"]


# apart by a thousandth or more: a training split of 0 and 1e-38 alone refuses a 2 elsewhere as too large for float32
NUMBERS = st.floats(-1e6, 1e6).map(lambda number: round(number, 3))


@settings(max_examples=15, deadline=None)
@given(
    columns=st.lists(st.lists(st.one_of(st.none(), NUMBERS), min_size=12, max_size=12), min_size=1, max_size=3),
    seed=st.integers(0, 5),
)
def test_numbers_are_filled_and_scaled_as_scikit_learn_does(columns: list[list[float | None]], seed: int) -> None:
    """Medians, means and deviations of the training rows; to float32's rounding, or of the spread in the column."""
    table = pd.DataFrame({f"x{i}": pd.Series(values, dtype=float) for i, values in enumerate(columns)})
    rows = train_rows(table, val=0.25, test=0.25, seed=seed)
    oracle = make_pipeline(SimpleImputer(strategy="median"), StandardScaler())
    table["anchor"], table["y"] = np.arange(12) * 0.5, np.arange(12) + 0.5

    data = fs.data.from_table(table, target="y", val=0.25, test=0.25, batch_size=4, seed=seed)

    encoding = encoding_of(data)
    inputs = data.to_inputs(table)
    place = 0
    for column in encoding.columns:
        if column.scales and not column.scales[0].log:
            oracle.fit(table[[column.name]].iloc[rows])
            expected = oracle.transform(table[[column.name]])[:, 0]
            np.testing.assert_allclose(inputs[:, place], expected, rtol=1e-5, atol=1e-5)
        place += column.num_numbers


def test_what_is_missing_is_filled_marked_and_coded(people: pd.DataFrame) -> None:
    """A number and a date have a further number that is 1 where they lack a value, a category a code of its own."""
    data = fs.data.from_table(people, target="price", val=0.1)

    inputs = data.to_inputs(people)
    assert torch.equal(inputs[:, 1] == 1, torch.tensor(people["age"].isna().to_numpy()))
    assert torch.equal(inputs[:, -1] == 4, torch.tensor(people["town"].isna().to_numpy()))
    assert column_of(data, "town").categories == ("Xi'an", "a, b", "Ürümqi")
    assert encoding_of(data).category_sizes == (5,)


def test_a_wide_number_is_stretched_by_its_logarithm(people: pd.DataFrame) -> None:
    """Where the largest is above 20 times the median of those above 0: sign(x) ln(1 + |x| / median), then scaled."""
    data = fs.data.from_table(people, target="price", val=0.1, test=0.2)
    rows = train_rows(people, val=0.1, test=0.2, seed=0)
    income = people["income"].to_numpy()
    logarithm = np.log1p(income / np.median(income[rows]))
    expected = (logarithm - logarithm[rows].mean()) / logarithm[rows].std()

    np.testing.assert_allclose(data.to_inputs(people)[:, 2], expected, rtol=1e-5, atol=1e-6)
    assert column_of(data, "age").scales[0].log == 0


def test_a_date_becomes_numbers() -> None:
    """Days, year, month, day of the week and hour as pandas has them, scaled; what is constant is left out."""
    dates = pd.date_range("2019-12-30", periods=60, freq="31h")
    table = pd.DataFrame({"at": dates, "y": np.arange(60.0) + 0.5})

    data = fs.data.from_table(table, target="y", test=None)

    scales = column_of(data, "at").scales
    assert [scale.part for scale in scales] == ["days", "year", "month", "weekday", "hour"]
    parts: list[Any] = [
        (dates - pd.Timestamp(0)) / pd.Timedelta("1D"),
        dates.year,
        dates.month,
        dates.day_of_week + 1,
        dates.hour,
    ]
    expected = StandardScaler().fit_transform(np.stack(parts, axis=1))
    np.testing.assert_allclose(batches_of(data, "train").inputs, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "written",
    ["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"],
)
def test_a_date_s_text_is_as_good_as_the_date(written: str) -> None:
    """The same numbers from texts as from dates."""
    dates = pd.Series(pd.date_range("2019-12-30", periods=40, freq="D"))
    targets = np.arange(40.0) + 0.5

    of_dates = fs.data.from_table(pd.DataFrame({"at": dates, "y": targets}), target="y")
    of_texts = fs.data.from_table(pd.DataFrame({"at": dates.dt.strftime(written), "y": targets}), target="y")

    assert torch.equal(batches_of(of_dates, "train").inputs, batches_of(of_texts, "train").inputs)
    assert torch.equal(
        of_dates.to_inputs(pd.DataFrame({"at": dates.dt.strftime(written)})),
        of_texts.to_inputs(pd.DataFrame({"at": dates})),
    )


@pytest.mark.parametrize("kinds", [None, {"at": "date"}], ids=["found", "as asked"])
def test_a_month_that_may_be_a_day_is_not_guessed(kinds: dict[str, str] | None) -> None:
    """The firsts of months are dates either way round; named by the first row in which it matters."""
    firsts = pd.date_range("2015-01-01", periods=72, freq="MS").strftime("%m/%d/%Y")
    table = pd.DataFrame({"at": firsts, "x": np.arange(72.0) * 0.1, "y": np.arange(72.0) + 0.5})
    said = (
        r"the table, data row 2, column 'at' is '02/01/2015', and no row tells .* month or day: .* 2020-12-31\. Write"
    )

    with pytest.raises(DataError, match=said + r" them so, or pass kinds=\{'at': 'category'\}$") as caught:
        fs.data.from_table(table, target="y", kinds=kinds)
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match=said + " them so$"):
        fs.data.from_table(table, target="y", time="at")
    as_asked = fs.data.from_table(table, target="y", kinds={"at": "category"})
    assert encoding_of(as_asked).category_sizes != ()
    assert fs.data.from_table(table.assign(at=firsts.str[:6] + "2020"), target="at", kinds=None).classes is not None


@pytest.mark.parametrize("seed", range(6))
def test_one_row_anywhere_tells_month_from_day(seed: int) -> None:
    """Whichever split it falls into."""
    dates = [f"0{month}/0{day}/2020" for month in range(1, 10) for day in (1, 2)] + ["31/07/2020"]
    table = pd.DataFrame({"at": dates, "y": np.arange(19.0) + 0.5})

    learnt = encoding_of(fs.data.from_table(table, target="y", seed=seed)).columns[0]

    assert (learnt.kind, learnt.date_format) == ("date", "%d/%m/%Y")


def test_a_date_that_is_the_same_either_way_is_one() -> None:
    """Every New Year."""
    table = pd.DataFrame({"at": [f"01/01/{year}" for year in range(1980, 2020)], "y": np.arange(40.0) + 0.5})

    assert encoding_of(fs.data.from_table(table, target="y")).columns[0].use == "as days, year, weekday, scaled"


@pytest.mark.parametrize("written", ["%d.%m.%y", "%m/%d/%y"])
def test_a_year_of_two_digits_is_none(written: str) -> None:
    """It would be a date of the first century."""
    dates = pd.date_range("2019-12-30", periods=40, freq="D").strftime(written)

    data = fs.data.from_table(
        pd.DataFrame({"at": dates, "x": np.arange(40.0) * 0.1, "y": np.arange(40.0) + 0.5}), target="y"
    )

    assert {column.name: column.kind for column in encoding_of(data).columns}["at"] == "identifier"


@pytest.mark.parametrize(
    ("name", "values", "kind"),
    [
        ("x", [0.5, 1.5] * 30, "number"),
        ("x", [3, 7, 7] * 20, "number"),
        ("x", [True, False] * 30, "number"),
        ("row", list(range(60)), "identifier"),
        ("", [3 * row for row in range(60)], "identifier"),
        ("year", list(range(1960, 2020)), "number"),
        ("PassengerId", [5 * row for row in range(60)], "identifier"),
        ("paid", [5 * row for row in range(60)], "number"),
        ("user_id", [row % 55 for row in range(60)], "identifier"),
        ("town", ["a", "b"] * 30, "category"),
        ("code", [f"k{row % 40}" for row in range(60)], "category"),
        ("ticket", [f"k{row}" for row in range(60)], "identifier"),
        ("remark", [f"it was {row} of them" for row in range(60)], "text"),
        ("at", ["2020-01-02", "2020-01-03"] * 30, "date"),
        ("tags", [[1], [2]] * 30, "text"),
        ("nothing", [None] * 60, "number"),
    ],
)
def test_a_column_s_kind_is_found(name: str, values: list[Any], kind: str) -> None:
    """By type, by how many values differ, and by names such as `user_id`."""
    table = pl.DataFrame({name: values, "x0": np.arange(60) * 0.5, "y": np.arange(60) + 0.5})

    data = fs.data.from_table(table, target="y", test=None)

    assert column_of(data, name).kind == kind


def test_a_kind_can_be_given() -> None:
    """Numbers as categories, where 3 and 3.0 are one; a column left out; each is said."""
    table = pl.DataFrame({"zip": [3, 4, 3, 4], "more": [1.5, 2.5, 2.5, 1.5], "y": [0.5, 1.5, 2.5, 3.5]})

    data = fs.data.from_table(table, target="y", test=None, kinds={"zip": "category", "more": "text"})

    assert batches_of(data, "train").inputs.tolist() == [[1], [2], [1], [2]]
    assert data.to_inputs(pl.DataFrame({"zip": [4.0, 5.0, None]})).tolist() == [[2], [0], [0]]
    assert str(column_of(data, "more")).endswith("left out, as asked")


def test_categories_of_a_file_are_as_they_are_written(tmp_path: Path) -> None:
    """007 stays 007, in training and in new rows."""
    (tmp_path / "train.csv").write_text("zip,y\n007,0.5\n08,1.5\n007,2.5\n08,3.5\n")
    (tmp_path / "new.csv").write_text("zip\n08\n7\n")

    data = fs.data.from_table(tmp_path / "train.csv", target="y", test=None, kinds={"zip": "category"})

    assert column_of(data, "zip").categories == ("007", "08")
    assert data.to_inputs(tmp_path / "new.csv").tolist() == [[2], [0]]


def test_codes_are_found_by_their_zeros(tmp_path: Path) -> None:
    """Not of fractions, nor of numbers without one; `kinds` has the last word, and new rows may be numbers."""
    rows = [f"{place % 9:03},{place % 9},0.{place % 7},{place + 0.5}" for place in range(40)]
    (tmp_path / "train.csv").write_text("\n".join(["zip,rooms,share,y", *rows]))
    (tmp_path / "new.csv").write_text("zip,rooms,share\n100,1,0.5\n008,1,0.5\n")

    data = fs.data.from_table(tmp_path / "train.csv", target="y")
    as_numbers = fs.data.from_table(tmp_path / "train.csv", target="y", kinds={"zip": "number"})

    assert {name: column_of(data, name).kind for name in ("zip", "rooms", "share")} == {
        "zip": "category", "rooms": "number", "share": "number",
    }  # fmt: skip
    assert column_of(data, "zip").categories == tuple(f"{code:03}" for code in range(9))
    assert data.to_inputs(tmp_path / "new.csv")[:, -1].tolist() == [0, 9]
    assert column_of(as_numbers, "zip").kind == "number"
    assert as_numbers.to_inputs(tmp_path / "new.csv").shape == (2, 3)
    assert column_of(fs.data.from_table(tmp_path / "train.csv", target="zip"), "y").kind == "number"


def test_nothing_is_learnt_from_rows_that_are_held_out(people: pd.DataFrame) -> None:
    """A planted leak: other values in val and test, wild ones too, change not a bit of what was learnt."""
    rows = train_rows(people, val=0.2, test=0.2, seed=3)
    changed = people.copy()
    others = np.setdiff1d(np.arange(len(people)), rows)
    changed.loc[others, "age"] = 1e6
    changed.loc[others, "income"] = None
    changed.loc[others, "town"] = "elsewhere"
    changed.loc[others, "since"] = "1970-01-01 00:00:00"
    changed.loc[others, "name"] = "same"
    changed.loc[others, "constant"] = 2
    changed.loc[others, "price"] = -1e6

    before, after = (
        fs.data.from_table(table, target="price", val=0.2, test=0.2, seed=3) for table in (people, changed)
    )

    assert encoding_of(before) == encoding_of(after)
    assert torch.equal(batches_of(before, "train").inputs, batches_of(after, "train").inputs)
    assert not torch.equal(batches_of(before, "val").inputs, batches_of(after, "val").inputs)


def test_the_same_row_is_the_same_tensor_ever_after(people: pd.DataFrame, tmp_path: Path) -> None:
    """In training, from `to_inputs`, from columns in another order with more beside them, from a file, bit for bit."""
    people.to_csv(tmp_path / "people.csv", index=False)
    pl.from_pandas(people).write_parquet(tmp_path / "people.parquet")
    data = fs.data.from_table(tmp_path / "people.csv", target="price", val=0.2, test=0.2, seed=3)
    shuffled = people[people.columns[::-1]].drop(columns="price").assign(more=1)
    rows = train_rows(people, val=0.2, test=0.2, seed=3)

    expected = data.to_inputs(tmp_path / "people.csv")

    assert torch.equal(batches_of(data, "train").inputs, expected[torch.from_numpy(rows)])
    for source in (people, shuffled, str(tmp_path / "people.parquet"), pl.from_pandas(shuffled)):
        assert torch.equal(data.to_inputs(source), expected)
    for row in (0, 77):  # alone, a column may look like another kind
        assert torch.equal(data.to_inputs(people.iloc[[row]]), expected[[row]])


def test_an_encoding_outlives_the_program(people: pd.DataFrame, tmp_path: Path) -> None:
    """From its file it is equal, and gives the same bits."""
    data = fs.data.from_table(people, target="price")
    assert data.encoding is not None

    save_encoding(data.encoding, tmp_path / "inputs.json")
    loaded = load_encoding(tmp_path)

    assert loaded == data.encoding
    assert torch.equal(loaded.to_inputs(people), data.to_inputs(people))


def test_a_stranger_s_encoding_is_refused_in_one_way(people: pd.DataFrame) -> None:
    """Whatever is changed in its file, from_json gives an encoding or raises what it says, nothing else."""
    some = people[["age", "town", "since", "price"]]
    encoding = encoding_of(fs.data.from_table(some, target="price"))
    whole = json.loads(json.dumps(encoding.to_json()))
    assert TableEncoding.from_json(whole) == encoding
    wrong: list[Any] = [None, 3, -1.5, "x", [], [1], {}, True, float("nan"), 10**400, "\ud800"]
    refused = 0
    for path in paths_of(whole):
        for value in wrong:
            changed = json.loads(json.dumps(whole))
            part = changed
            for step in path[:-1]:
                part = part[step]
            part[path[-1]] = value
            try:
                TableEncoding.from_json(changed)
            except (KeyError, TypeError, ValueError):
                refused += 1
    assert refused > 200


def paths_of(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all values in it."""
    pairs = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [one for key, value in pairs for one in [(*path, key), *paths_of(value, (*path, key))]]


def targets_of(values: dict[str, list[Any]], **settings: Any) -> tuple[Tensor, fs.Data]:
    """The training targets of a table with these columns as its targets."""
    rows = len(next(iter(values.values())))
    table = pl.DataFrame({"x": np.arange(rows) * 0.5, **values})
    data = fs.data.from_table(table, target=list(values), test=None, **settings)
    return batches_of(data, "train").targets, data


@pytest.mark.parametrize(
    ("values", "classes", "indices"),
    [
        (["b", "a", "b", "a"], ("a", "b"), [1, 0, 1, 0]),
        ([True, False, True, False], ("false", "true"), [1, 0, 1, 0]),
        ([10, 9, 10, 9], ("9", "10"), [1, 0, 1, 0]),
        ([1.0, 0.0, 0.0, 1.0], ("0", "1"), [1, 0, 0, 1]),
    ],
)
def test_few_values_are_classes(values: list[Any], classes: tuple[str, ...], indices: list[int]) -> None:
    """Texts in the order of the alphabet, numbers by size."""
    targets, data = targets_of({"y": values})

    assert data.classes == classes == encoding_of(data).classes
    assert targets.tolist() == indices
    assert targets.dtype == torch.int64


def test_many_numbers_are_values() -> None:
    """Float32 in a column, in their own units; mean and deviation are learnt."""
    values = [float(value) for value in range(0, 400, 10)]

    targets, data = targets_of({"y": values})

    assert targets.tolist() == [[value] for value in values]
    assert data.classes == ()
    target = encoding_of(data).target
    assert target.mean == pytest.approx([np.mean(values)])
    assert target.std == pytest.approx([np.std(values)])


def test_several_targets_are_labels_or_values() -> None:
    """Several columns of 0 and 1 are yes and no each; other numbers are values."""
    labels, of_labels = targets_of({"a": [0, 1, 1], "b": [True, False, True]})
    values, of_values = targets_of({"a": [0, 1, 1], "b": [0.5, 1.5, 2.5]})

    assert encoding_of(of_labels).target.task == "labels"
    assert labels.tolist() == [[0, 1], [1, 0], [1, 1]]
    assert encoding_of(of_values).target.task == "regression"
    assert values.tolist() == [[0, 0.5], [1, 1.5], [1, 2.5]]


def test_a_task_can_be_given() -> None:
    """Few whole numbers as values, many as classes."""
    values, _ = targets_of({"y": [1, 2, 1, 2]}, task="regression")
    indices, data = targets_of({"y": [row % 25 for row in range(100)]}, task="classes")

    assert values.tolist() == [[1], [2], [1], [2]]
    assert len(data.classes) == 25
    assert indices.max() == 24


def test_the_report_has_a_line_per_column(people: pd.DataFrame) -> None:
    """What was found, how many are missing and differ, and what is done."""
    data = fs.data.from_table(people, target="price", test=None)

    lines = str(data.encoding).splitlines()
    assert len(lines) == len(people.columns)
    assert lines[0] == "Id: identifier, 300 different, 1, 10, 100, ...: left out, it names the rows"
    assert lines[3].startswith("town: category, 3 different, 30 missing, ")
    assert lines[-1] == "target: price, regression"


@pytest.mark.parametrize(
    ("values", "kind", "numbers"),
    [
        (pl.Series([1, 2, 4], dtype=pl.Decimal(10, 2)), "number", [1, 2, 4]),
        (pl.Series([1, 2, 4], dtype=pl.UInt8), "number", [1, 2, 4]),
        (pl.Series([1, 2, 4], dtype=pl.Float32), "number", [1, 2, 4]),
        (pl.Series([1, 2, 4], dtype=pl.Duration("ms")), "number", [1, 2, 4]),
        (pl.Series([1, 2, 4], dtype=pl.Time), "number", [1, 2, 4]),
        (pl.Series([1, 2, 4], dtype=pl.Datetime("ns", "Asia/Shanghai")), "date", [1, 2, 4]),
        (pl.Series(["u", "v", "u"], dtype=pl.Categorical), "category", None),
        (pl.Series([b"u", b"v", b"u"]), "text", None),
    ],
    ids=lambda values: str(getattr(values, "dtype", "")),
)
def test_any_type_of_column_has_a_kind(values: pl.Series, kind: str, numbers: list[int] | None) -> None:
    """Whatever polars reads from Parquet is a number, a date, a category, or left out."""
    if values.dtype == pl.Datetime:
        values = (values.to_physical() * 86_400 * 10**9).cast(values.dtype)
    table = pl.DataFrame({"x": values, "other": [0.5, 1.5, 1.0], "y": [0.5, 1.5, 2.5]})

    data = fs.data.from_table(table, target="y", test=None)

    assert column_of(data, "x").kind == kind
    if numbers:
        expected = StandardScaler().fit_transform(np.array(numbers, dtype=float)[:, None])
        np.testing.assert_allclose(batches_of(data, "train").inputs[:, :1], expected, rtol=1e-5)


def test_a_run_s_folder_reads_new_rows(people: pd.DataFrame, tmp_path: Path) -> None:
    """Trained, kept, and asked again from the folder alone: the same predictions for the same rows."""
    data = fs.data.from_table(people, target="price")
    model = fs.models.TableNet(**encoding_of(data).network_sizes(), hidden=(4,))
    optimizer = torch.optim.Adam(model.parameters())
    fs.fit(model, data, torch.nn.MSELoss(), optimizer, epochs=1, folder=tmp_path / "run", show="none")

    inputs = fs.data.load_encoding(tmp_path / "run").to_inputs(people.drop(columns="price"))

    assert torch.equal(fs.predict(model, inputs), fs.predict(model, data.to_inputs(people)))
    assert data.name == "table"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([10.0**18 + 1000 * i for i in range(40)], r"column 'y' is 1e\+18 to 1e\+18: expected values that float32"),
        ([1e-50 * i for i in range(40)], r"column 'y' is 0 to 3\.1e-49: expected values that float32 tells apart"),
        ([(1.0 + i) * 1e39 for i in range(40)], "expected values that float32 tells apart"),
        ([1.5 * i for i in range(39)] + [1e39], r"data row 40, column 'y' is 1e\+39: expected a number that float32"),
    ],
)
def test_a_target_that_float32_cannot_hold_is_refused(values: list[float], message: str) -> None:
    """Nothing is rounded to one value, or to infinity, without a word; years and times in seconds pass."""
    frame = pl.DataFrame({"x": np.random.default_rng(0).normal(size=40), "y": values, "row": range(40)})
    with pytest.raises(fs.DataError, match=message):
        fs.data.from_table(frame, target="y", time="row")
    for start in (1990, 1_700_000_000):
        fs.data.from_table(frame.with_columns(y=start + pl.col("row") * start**0.5), target="y")


@pytest.mark.parametrize("written", ["{},5", "-{},25", '"{},000"', "1.{:03d},5"])
def test_numbers_with_commas_are_not_taken_for_texts(tmp_path: Path, written: str) -> None:
    """They would be left out as identifiers, or be categories; asked for, they are."""
    lines = ["price;size", *(f"{i * 0.5};{written.format(i)}" for i in range(40))]
    (tmp_path / "a.csv").write_text("\n".join(lines))
    first = written.format(0).strip('"')
    with pytest.raises(fs.DataError, match=rf"data row 1, column 'size' is '{first}': expected numbers with a point"):
        fs.data.from_table(tmp_path / "a.csv", target="price")
    with pytest.raises(fs.DataError, match=r"column 'size' is .*: expected numbers with a point .* task='classes'"):
        fs.data.from_table(tmp_path / "a.csv", target="size", kinds={"size": "text"})
    data = fs.data.from_table(tmp_path / "a.csv", target="price", kinds={"size": "category"})
    assert encoding_of(data).category_sizes
