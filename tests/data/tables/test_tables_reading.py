"""Tables from files and frames: strict, and wrong input is one line with its place."""

import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import fourstep as fs
from fourstep.data.tables.reading import read_table

HEADER = "a,y,c\n"
ROWS = "".join(f"{row * 7 % 13},{row * 3 % 17}.5,c{row % 3}\n" for row in range(30))


def from_text(folder: Path, text: str | bytes, name: str = "t.csv", **settings: Any) -> fs.Data:
    """The data of a file with this content."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return fs.data.from_table(path, **{"target": "y", "test": None, "batch_size": 2, **settings})


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("crlf.csv", (HEADER + ROWS).replace("\n", "\r\n")),
        ("bom.csv", "\ufeff" + HEADER + ROWS),
        ("semicolons.csv", (HEADER + ROWS).replace(",", ";")),
        ("tabs.tsv", (HEADER + ROWS).replace(",", "\t")),
        ("bars.txt", (HEADER + ROWS).replace(",", "|")),
        ("spaced.csv", (HEADER + ROWS).replace(",", ", ")),
        ("quoted.csv", HEADER + ROWS.replace("c1", '"c1"')),
        ("blank.csv", HEADER + ROWS.replace("\n", "\n\n") + "\n\n"),
        ("no-end.csv", (HEADER + ROWS).rstrip("\n")),
    ],
)
def test_a_file_may_be_written_in_many_ways(tmp_path: Path, name: str, written: str) -> None:
    """Line ends, byte order mark, separators, spaces, quotes and blank lines change nothing."""
    expected = from_text(tmp_path, HEADER + ROWS)

    data = from_text(tmp_path, written, name)

    assert isinstance(data.train, fs.Batches)
    assert isinstance(expected.train, fs.Batches)
    assert torch.equal(data.train.inputs, expected.train.inputs)
    assert torch.equal(data.train.targets, expected.train.targets)
    assert data.encoding == expected.encoding


def test_a_quoted_value_may_hold_anything(tmp_path: Path) -> None:
    """Line breaks, separators and quotes, also in the header, also where last values lack."""
    (tmp_path / "t.csv").write_text('"a\nb","c,d","last"\n"x\ny","1, 2",\n"say ""hi""",", ,",3\n')

    frame = read_table(tmp_path / "t.csv").frame

    assert frame.rows() == [("x\ny", "1, 2", None), ('say "hi"', ", ,", 3)]
    assert frame.columns == ["a\nb", "c,d", "last"]


def test_words_for_nothing_are_missing(tmp_path: Path) -> None:
    """NA and the like, early or after all the rows that types are guessed from."""
    late = "c\n" + "1\n" * 20_000 + "NA\n"
    words = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", '""', " NA "]
    (tmp_path / "late.csv").write_text(late)
    (tmp_path / "t.csv").write_text("x,t,z\n" + "".join(f"{word},{word},0\n" for word in words) + "2.5,b,0\n")

    frame = read_table(tmp_path / "t.csv").frame

    assert frame["x"].fill_nan(None).to_list() == [None] * 11 + [2.5]
    assert frame["t"].to_list() == [None] * 11 + ["b"]
    assert read_table(tmp_path / "late.csv").frame["c"].null_count() == 1


@settings(max_examples=40, deadline=None)
@given(
    values=st.lists(
        st.tuples(*[st.text(st.sampled_from('x1 ,"\n'), min_size=1, max_size=4)] * 3), min_size=1, max_size=5
    ),
    cut=st.integers(0, 5),
)
def test_rows_of_another_length_never_pass(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, ...]], cut: int
) -> None:
    """Whatever is quoted in a file, it is read as polars wrote it; a row that is cut is told by its line."""
    path = tmp_path_factory.mktemp("rows") / "t.csv"
    frame = pl.DataFrame(values, schema=["a", "b", "c"], orient="row")
    frame.write_csv(path, quote_style="always")
    assert read_table(path, ["a", "b", "c"]).frame.height == len(values)
    whole = path.read_text()
    row = min(cut, len(values) - 1)
    line = 2 + row + sum(value.count("\n") for some in values[:row] for value in some)

    path.write_text(frame[:row].write_csv(quote_style="always") + '"x","y"\n' + whole.split("\n", 1)[1])

    with pytest.raises(fs.DataFileError, match=f"line {line} has 2 values: expected 3"):
        read_table(path)


WRONG = [
    pytest.param(
        "",
        {},
        fs.DataFileError,
        "t.csv is empty: expected a line of column names, and rows",
        id="empty",
    ),
    pytest.param(
        HEADER,
        {},
        fs.DataError,
        "t.csv has 3 columns and no rows: expected at least one row",
        id="header only",
    ),
    pytest.param(
        HEADER + ROWS + "1,2\n" + ROWS,
        {},
        fs.DataFileError,
        "t.csv, line 32 has 2 values: expected 3, as the header has. Quote a value that holds the separator",
        id="short",
    ),
    pytest.param(
        HEADER + ROWS + "1,2,3,4\n" + ROWS,
        {},
        fs.DataFileError,
        "t.csv, line 32 has 4 values: expected 3, as the header has. Quote a value that holds the separator",
        id="long",
    ),
    pytest.param(
        (HEADER + ROWS).encode() + b"1,2,\xff\n",
        {},
        fs.DataFileError,
        "t.csv, line 32 is not UTF-8 (byte 0xff): save the file as UTF-8",
        id="not UTF-8",
    ),
    pytest.param(
        (HEADER + ROWS).encode() + b"\xff,2,3\n",
        {},
        fs.DataFileError,
        "t.csv, line 32 is not UTF-8 (byte 0xff): save the file as UTF-8",
        id="not UTF-8 among numbers",
    ),
    pytest.param(
        b"a,y,\xff\n" + ROWS.encode(),
        {},
        fs.DataFileError,
        "t.csv, line 1 is not UTF-8 (byte 0xff): save the file as UTF-8",
        id="a header not UTF-8",
    ),
    pytest.param(
        HEADER + ROWS + '1,2,"x\n' + ROWS,
        {},
        fs.DataFileError,
        't.csv, line 32: unexpected end of data: expected every quote " to be closed, and one within a '
        'value written ""',
        id="an open quote",
    ),
    pytest.param(
        HEADER + ROWS + '1,2,"x"y\n',
        {},
        fs.DataFileError,
        "t.csv, line 32: ',' expected after '\"': expected every quote \" to be closed, and one within a "
        'value written ""',
        id="text after a quote",
    ),
    pytest.param(
        "a,y,a\n" + ROWS,
        {},
        fs.DataFileError,
        "t.csv, line 1: two columns are named 'a', number 1 and 3: expected each name once. Rename one",
        id="two of one name",
    ),
    pytest.param(
        "1,2,3\n4,5,6\n",
        {},
        fs.DataFileError,
        "t.csv, line 1 holds numbers: expected the columns' names. Put a line of names before it",
        id="no header",
    ),
    pytest.param(
        (HEADER + ROWS).replace("\n", "\r"),
        {},
        fs.DataFileError,
        "t.csv has line ends that are none: expected \\n or \\r\\n. Save it anew",
        id="old line ends",
    ),
    pytest.param(
        HEADER + ROWS,
        {"target": ["y", "y"]},
        fs.ConfigError,
        "target=['y', 'y']: expected a column's name, or several different ones",
        id="a target twice",
    ),
    pytest.param(
        HEADER + ROWS,
        {"target": "yy"},
        fs.UnknownNameError,
        "unknown column of t.csv 'yy': did you mean 'y'?",
        id="no such target",
    ),
    pytest.param(
        HEADER + ROWS,
        {"kinds": {"a": "numbr"}},
        fs.UnknownNameError,
        "unknown kind 'numbr': did you mean 'number'?",
        id="no such kind",
    ),
    pytest.param(
        HEADER + ROWS,
        {"task": "class"},
        fs.UnknownNameError,
        "unknown task 'class': did you mean 'classes'?",
        id="no such task",
    ),
    pytest.param(
        HEADER + ROWS + "x,2,c1\n",
        {},
        fs.DataError,
        "t.csv, data row 31, column 'a' is 'x' in a column of numbers: correct it or empty it, or pass "
        "kinds={'a': 'category'}",
        id="a text among numbers",
    ),
    pytest.param(
        HEADER + ROWS,
        {"time": "c"},
        fs.DataError,
        "t.csv, data row 1, column 'c' is 'c0': expected a date as %Y-%m-%d. Correct it or empty it, or train with"
        " another kind of column",
        id="a text for a time",
    ),
    pytest.param(
        HEADER + ROWS + "x,2,c1\n",
        {"kinds": {"a": "number"}},
        fs.DataError,
        "t.csv, data row 31, column 'a' is 'x': expected a number. Correct it or empty it, or train with"
        " another kind of column",
        id="a text in a number",
    ),
    pytest.param(
        "a,y\n2020-01-02,1\nx,2\n",
        {"kinds": {"a": "date"}},
        fs.DataError,
        "t.csv, data row 2, column 'a' is 'x': expected a date as %Y-%m-%d. Correct it or empty it, or "
        "train with another kind of column",
        id="a text in a date",
    ),
    pytest.param(
        HEADER + ROWS,
        {"kinds": {"y": "text"}, "target": "c", "task": "regression"},
        fs.DataError,
        "t.csv, data row 1, column 'c' is 'c0': expected a number. Correct it or empty it, or train with"
        " another kind of column",
        id="a text as a value",
    ),
    pytest.param(
        HEADER + ROWS + "1,x,c1\n",
        {},
        fs.DataError,
        "t.csv, data row 31, column 'y' is 'x' in a column of numbers: correct it or empty it, or pass task='classes'",
        id="a text in the target",
    ),
    pytest.param(
        HEADER + ROWS + "inf,2,c1\n",
        {},
        fs.DataError,
        "t.csv, data row 31, column 'a' is inf: expected a finite number. Correct it or empty it, or "
        "train with another kind of column",
        id="an infinite number",
    ),
    pytest.param(
        HEADER + ROWS + "1,inf,c1\n",
        {},
        fs.DataError,
        "t.csv, data row 31, column 'y' is inf: expected a finite number. Correct it or empty it, or "
        "train with another kind of column",
        id="an infinite target",
    ),
    pytest.param(
        HEADER + ROWS + "1,,c1\n1,NA,c1\n",
        {},
        fs.DataError,
        "t.csv, data row 31, column 'y' is empty, the first of 2 rows without target: expected one in "
        "every row. Fill them in, or pass skip_missing_targets=True",
        id="a missing target",
    ),
    pytest.param(
        "a,y\n1,\n2,\n",
        {},
        fs.DataError,
        "t.csv, column 'y' is empty: expected a target in every row",
        id="no target at all",
    ),
    pytest.param(
        "a,y\n1,2.5\n2,2.5\n",
        {},
        fs.DataError,
        "t.csv, column 'y' is 2.5 in every training row: expected a target that varies",
        id="a constant target",
    ),
    pytest.param(
        "a,y\n1,u\n2,u\n",
        {},
        fs.DataError,
        "t.csv, column 'y' is 'u' in every training row: expected two classes",
        id="one class",
    ),
    pytest.param(
        "a,y\n1,2.5\n1,3.5\n",
        {},
        fs.DataError,
        "t.csv has no column to learn y from: a: number, 1 different, 1 to 1: left out, it is constant. "
        "Pass kinds={...}",
        id="nothing to learn from",
    ),
    pytest.param(
        HEADER + ROWS + "1,2,q\n",
        {"target": "c", "test": 0.2, "stratify": True},
        fs.DataError,
        "test=0.2 cannot be split off: class q has 1 samples. Use another fraction, or stratify=False",
        id="a rare class",
    ),
    pytest.param(
        HEADER + ROWS,
        {"target": ["a", "y"], "task": "classes"},
        fs.DataError,
        "task 'classes' with 2 target columns: expected one. Several are 'labels'",
        id="several targets as classes",
    ),
    pytest.param(
        HEADER + ROWS,
        {"target": ["y", "c"]},
        fs.DataError,
        "t.csv, column 'c' holds String: expected numbers, as there are several target columns. Use one target",
        id="several targets with text",
    ),
    pytest.param(
        "a,y,z\n1,0,1\n2,1,2\n",
        {"target": ["y", "z"], "task": "labels"},
        fs.DataError,
        "t.csv, data row 2, column 'z' is 2: expected 0 or 1 in every target column of labels",
        id="a label that is none",
    ),
    pytest.param(
        HEADER + ROWS,
        {"group": "c", "time": "a"},
        fs.ConfigError,
        "group and time: expected one way to split",
        id="two ways to split",
    ),
    pytest.param(
        HEADER + ROWS,
        {"target": ["a", "y"], "stratify": True},
        fs.ConfigError,
        "stratify=True with 2 target columns: expected one, of classes",
        id="several targets stratified",
    ),
    pytest.param(
        HEADER + ROWS,
        {"test": 1.5},
        fs.ConfigError,
        "test=1.5: expected a fraction between 0 and 1",
        id="a share that is none",
    ),
    pytest.param(
        HEADER + ROWS,
        {"batch_size": 0},
        fs.ConfigError,
        "batch_size 0: expected a whole number of 1 or more",
        id="a batch size that is none",
    ),
]


@pytest.mark.parametrize(("text", "settings", "error", "message"), WRONG)
def test_wrong_input_is_one_line_with_its_place(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str | bytes,
    settings: dict[str, Any],
    error: type[Exception],
    message: str,
) -> None:
    """File, line or row, column, value, what was expected, and the mend."""
    monkeypatch.chdir(tmp_path)

    with pytest.raises(error) as caught:
        from_text(Path(), text, **settings)

    assert str(caught.value) == message


@pytest.mark.parametrize("names", [range(10_000), [f"name {row}" for row in range(10_000)]])
def test_an_identifier_is_no_target(names: Any) -> None:
    """10,000 classes by mistake are refused in one line."""
    table = pl.DataFrame({"customer": list(names), "x": np.arange(10_000) * 0.5})

    with pytest.raises(fs.DataError) as caught:
        fs.data.from_table(table, target="customer", test=None)
    with pytest.raises(fs.DataError, match="has 10,000 classes in 10,000 training rows: expected two rows or more"):
        fs.data.from_table(table, target="customer", test=None, task="classes")

    assert str(caught.value) == (
        "the table, column 'customer' has 10,000 different values in 10,000 training rows: expected a target, and it "
        "looks like an identifier. Choose another column, or pass task='regression' or task='classes'"
    )


def test_a_class_of_no_training_row_is_refused() -> None:
    """By its row and name, with the mend."""
    table = pl.DataFrame({"x": [1, 2, 3, 4, 5], "at": [1, 2, 3, 4, 5], "y": ["a", "b", "a", "b", "c"]})

    with pytest.raises(fs.DataError) as caught:
        fs.data.from_table(table, target="y", time="at", test=0.2)

    assert str(caught.value) == (
        "the table, data row 5, column 'y' is class 'c', which no training row has: expected every class in the "
        "training split. Leave the class out, or split by stratify=True"
    )


def test_rows_without_target_are_left_out_on_request(tmp_path: Path) -> None:
    """As if they were not there."""
    expected = from_text(tmp_path, HEADER + ROWS)
    data = from_text(tmp_path, HEADER + ROWS + "1,,c1\n1,NA,c1\n", skip_missing_targets=True)

    assert data.encoding == expected.encoding
    assert isinstance(data.train, fs.Batches)
    assert data.train.num_items == 30


def test_new_rows_lack_no_column(tmp_path: Path) -> None:
    """All that are missing are named in one error; those that were left out need not be there."""
    data = from_text(tmp_path, "a,b,k,y\n1,2,7,1.5\n2,3,7,2.5\n")

    with pytest.raises(fs.DataError) as caught:
        data.to_inputs(pl.DataFrame({"c": [1]}))

    assert data.to_inputs(pl.DataFrame({"b": [2], "a": [1]})).shape == (1, 2)
    assert str(caught.value) == (
        "the table lacks 2 of the 2 columns that were trained on: 'a', 'b'. Add them; a value that is not known is "
        "left empty"
    )


def test_a_new_value_beyond_all_scales_is_refused(tmp_path: Path) -> None:
    """Where float32 has no such number."""
    data = from_text(tmp_path, "a,y\n1,1.5\n2,2.5\n")

    with pytest.raises(fs.DataError) as caught:
        data.to_inputs(pl.DataFrame({"a": [1.0, 1e300]}))

    assert str(caught.value) == (
        "the table, data row 2, column 'a' is 1e+300, which is too large beside the training rows: expected numbers of "
        "their range. Correct it or empty it"
    )


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            [1, 2],
            "source is a list: expected the path of a CSV, TSV or Parquet file, or a DataFrame",
        ),
        (pl.DataFrame(), "the table has 0 columns and no rows: expected at least one row"),
        (pd.DataFrame([[1, 2, 3]], columns=["a", "a", "y"]), "the table has two columns named 'a'"),
        (pd.DataFrame({"a": [1, "x", 2.5], "y": [1.5, 2, 3]}), "the table has a column of mixed values"),
        ("nowhere.csv", "nowhere.csv cannot be read: No such file or directory"),
        ("t.json", "t.json: a table's file ends in .csv, .tsv or .parquet"),
        (".", ". is a folder: expected a CSV, TSV or Parquet file. from_images takes a folder of images"),
        ("t.parquet", "t.parquet is no Parquet file: "),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: Any, message: str
) -> None:
    """With what is expected in its place."""
    monkeypatch.chdir(tmp_path)
    Path("t.parquet").write_bytes(b"abc")

    with pytest.raises(fs.FourstepError) as caught:
        fs.data.from_table(source, target="y")

    assert str(caught.value).startswith(message)


def test_without_polars_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is where polars is not installed."""
    for name in [name for name in sys.modules if name.startswith("fourstep.data.tables")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "polars", None)

    with pytest.raises(fs.MissingExtraError, match=r"a table needs polars, .*: pip install 'fourstep\[tables\]'"):
        fs.data.from_table("t.csv", target="y")


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"target": None}, "target=None: expected a column's name, or a list of names"),
        ({"target": [1]}, "target=[1]: expected a column's name, or a list of names"),
        ({"target": "y", "kinds": ["a"]}, "kinds is a list: expected a dictionary, as {'zip': 'category'}"),
    ],
)
def test_settings_of_another_type_are_one_line(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    """As a user without a type checker may pass them."""
    (tmp_path / "t.csv").write_text(HEADER + ROWS)
    with pytest.raises(fs.ConfigError, match=re.escape(message)):
        fs.data.from_table(tmp_path / "t.csv", **asked)
