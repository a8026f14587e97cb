"""Rows of numbers, in memory and in files."""

import csv
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fourstep as fs

ROWS = st.lists(
    st.dictionaries(
        st.sampled_from(["epoch", "train/loss", "test/accuracy"]), st.floats(allow_nan=False, allow_infinity=False)
    )
)


def filled() -> fs.History:
    """Two rows, the first without the test's number."""
    history = fs.History()
    history.append({"epoch": 0.5, "step": 5, "train/loss": 2.0})
    history.append({"epoch": 1.0, "step": 10, "train/loss": 1.0, "test/loss": 1.5})
    return history


@given(ROWS)
def test_json_lines_bring_back_the_same_rows(rows: list[dict[str, float]]) -> None:
    """What is written is read again to the bit."""
    history = fs.History()
    for row in rows:
        history.append(row)
    lines = "".join(json.dumps(row) + "\n" for row in rows)

    assert "".join(map(fs.history.to_json_line, history)) == lines


def test_a_file_brings_back_the_rows(tmp_path: Path) -> None:
    """JSON lines are strict: what is not finite is null there, and NaN again when read."""
    history = filled()
    history.append({"epoch": 2.0, "train/loss": math.nan})
    history.save_jsonl(tmp_path / "metrics.jsonl")
    again = fs.History.load_jsonl(tmp_path / "metrics.jsonl")

    assert again.rows[:2] == history.rows[:2]
    assert math.isnan(again.rows[2]["train/loss"])
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_columns_curves_and_series() -> None:
    """Names come in order of appearance; a series leaves out rows without the number."""
    history = filled()
    assert history.columns == ["epoch", "step", "train/loss", "test/loss"]
    assert history.curves() == ["train/loss", "test/loss"]
    assert history.series("test/loss") == ([1.0], [1.5])
    assert math.isnan(history.to_columns()["test/loss"][0])
    assert repr(history) == "History(2 rows: epoch 1, step 10, train/loss 1, test/loss 1.5)"


def test_a_dataframe_has_a_line_per_row() -> None:
    """A DataFrame holds the same numbers."""
    frame = filled().to_pandas()
    assert list(frame.columns) == ["epoch", "step", "train/loss", "test/loss"]
    assert frame["train/loss"].tolist() == [2.0, 1.0]
    assert frame["test/loss"].isna().tolist() == [True, False]


def test_csv_has_a_line_per_row(tmp_path: Path) -> None:
    """A missing number is an empty field."""
    filled().save_csv(tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8") as file:
        assert next(iter(csv.DictReader(file))) == {"epoch": "0.5", "step": "5", "train/loss": "2.0", "test/loss": ""}


def test_a_state_whose_names_are_no_texts_is_refused() -> None:
    """It could not be written down again."""
    state = filled().state_dict()
    state["shapes"][0][0][0] = float("nan")
    with pytest.raises(TypeError, match="rows named by texts were expected"):
        fs.History().load_state_dict(state)


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    """The error says which line, and how to read the others."""
    path = tmp_path / "metrics.jsonl"
    with pytest.raises(fs.DataFileError, match=r"metrics\.jsonl cannot be read"):
        fs.History.load_jsonl(path)
    path.write_text('{"epoch": 1.0}\n{"epoch": 2.\n')
    with pytest.raises(fs.DataFileError, match=r"metrics\.jsonl, line 2 is not a row of numbers.*Delete the line"):
        fs.History.load_jsonl(path)


@pytest.mark.parametrize(
    "line", ["[" * 100_000, '{"a":' * 100_000, '{"a":' + "9" * 400 + "}", "x" * (2**20 + 1), '{"\\ud800": 1}']
)
def test_a_row_that_takes_too_much_is_refused(line: str, tmp_path: Path) -> None:
    """Too deep, too large a number, too long, named by half a character."""
    (tmp_path / "metrics.jsonl").write_text(line)
    with pytest.raises(fs.DataFileError, match="line 1 is not a row of numbers"):
        fs.History.load_jsonl(tmp_path / "metrics.jsonl")
