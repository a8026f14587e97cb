"""Recipes and commands on the user's own data: a folder of images, a table, and folds of it."""

import re
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import fourstep as fs
from fourstep.cli import main
from fourstep.recipes import from_settings, load_recipe, make_parts, recipe_for, train, train_folds, with_settings
from fourstep.recipes.settings import is_own

ROWS = 90


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FOURSTEP_CACHE", str(tmp_path / "cache"))


def write_houses(path: Path = Path("houses.csv")) -> pl.DataFrame:
    """A price that follows from rooms and town, with a missing value; `sold` says which were sold."""
    draw = np.random.default_rng(0)
    rooms, town = draw.integers(1, 9, ROWS), draw.integers(0, 3, ROWS)
    price = 100_000.0 + 30_000 * rooms + 50_000 * town + draw.normal(0, 1000, ROWS)
    frame = pl.DataFrame(
        {
            "rooms": [None, *(float(number) + 0.5 for number in rooms[1:])],
            "town": np.array(["ash", "birch", "cedar"])[town],
            "sold": np.where(price > 300_000, "yes", "no"),
            "price": price.round(2),
        }
    )
    frame.write_csv(path)
    return frame


def write_pictures(*, color: bool = True) -> Path:
    """12 x 12 pixels, dark or bright by class; 30 files."""
    draw = np.random.default_rng(0)
    for number in range(30):
        label = ("dark", "bright")[number % 2]
        shape = (12, 12, 3) if color else (12, 12)
        pixels = draw.integers(0, 100, shape) + 150 * (number % 2)
        place = Path("pictures") / label / f"{number}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(place)
    return Path("pictures")


def test_a_path_is_told_from_a_name() -> None:
    """A folder or file, there or not; a name that is misspelled is no path."""
    assert [is_own(text) for text in ("houses.csv", "pictures/", "a/b", "digit", "digits", "synthetic")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    Path("things").mkdir()
    assert is_own("things")


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("model", ["softmax", "lenet", "resnet"])
def test_a_recipe_takes_the_channels_and_classes_of_a_folder(model: str, *, color: bool) -> None:
    """Its network is as wide as the images are, and trains."""
    recipe = with_settings(recipe_for(model, str(write_pictures(color=color))), {"batch_size": 8, "val": 0.2})
    parts = make_parts(recipe)
    assert isinstance(parts.data.train, fs.Batches)
    inputs, _ = next(iter(parts.data.train))

    assert inputs.shape[1:] == (3 if color else 1, recipe.resize, recipe.resize)
    assert parts.model(inputs).shape == (len(inputs), 2)
    assert parts.data.classes == ("bright", "dark")
    assert list(parts.data.splits()) == ["train", "val", "test"]


def test_a_table_s_recipe_learns_and_its_run_makes_it_again() -> None:
    """Prices within a few thousand, errors in their own units, the log-rmse on request; `run.toml` is its recipe."""
    write_houses()
    recipe = with_settings(
        recipe_for("table", "houses.csv"), {"target": "price", "metrics": "log_rmse", "epochs": "60"}
    )
    run = train(recipe, folder="run", show="none")
    last = run.history.rows[-1]

    assert last["test/error"] < 25_000
    assert 0 < last["test/log_rmse"] < 0.1
    assert from_settings(load_recipe("run/run.toml")) == recipe
    assert from_settings(asdict(recipe)) == recipe


def test_a_table_with_two_targets_of_yes_and_no_is_learnt() -> None:
    """The loss for labels, and the share of right answers."""
    frame = write_houses().with_columns(large=(pl.col("price") > 250_000).cast(int), cheap=pl.col("price") < 200_000)
    frame.with_columns(pl.col("cheap").cast(int)).drop("price", "sold").write_csv("labels.csv")
    recipe = with_settings(recipe_for("table", "labels.csv"), {"target": "large,cheap"})
    parts = make_parts(recipe)

    assert isinstance(parts.loss_fn, torch.nn.BCEWithLogitsLoss)
    assert train(recipe, show="none").history.rows[-1]["test/accuracy"] > 0.7


def test_folds_are_each_judged_by_rows_they_have_not_seen() -> None:
    """As many as asked for, each by its own part; the same again."""
    write_houses()
    recipe = with_settings(recipe_for("table", "houses.csv"), {"target": "sold", "epochs": "5"})
    rows = list(train_folds(recipe, 3))

    assert len(rows) == 3
    assert {"train/loss", "train/accuracy", "val/loss", "val/accuracy"} == set(rows[0])
    assert len({row["val/loss"] for row in rows}) == 3
    assert list(train_folds(recipe, 3)) == rows


def test_the_command_goes_from_a_table_to_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    """Train, evaluate, predict new rows with their columns in another order, without the training file."""
    frame = write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--epochs", "20", "--run", "run"]) == 0
    assert main(["evaluate", "run"]) == 0
    assert main(["predict", "run", "--count", "2"]) == 0
    told = capsys.readouterr().out
    assert re.search(r"test  loss \S+  error \S+\n", told)
    assert re.search(r"\ntest 1: \S+, true: \S+\n", told)

    frame.select("town", "price", "sold", "rooms", pl.lit(1).alias("other")).head(7).write_csv("new.csv")
    Path("houses.csv").unlink()
    assert main(["predict", "run", "new.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == [*(f"row {i}" for i in range(1, 6)), "... 2 more", "table"]
    written = pl.read_csv("run/predictions.csv")
    assert written.columns == ["town", "price", "sold", "rooms", "other", "predicted price"]
    assert lines[0] == f"row 1: {written['predicted price'][0]:.6g}"
    assert main(["show", "run"]) == 0
    assert "TableNet" in capsys.readouterr().out


def test_a_table_s_command_says_what_it_does_not_use_and_how_rows_are_split(capsys: pytest.CaptureFixture[str]) -> None:
    """Identifiers and constant columns; splits by class, by group and by time."""
    frame = write_houses().with_columns(
        pl.int_range(ROWS).alias("id"), pl.lit("x").alias("same"), day=pl.lit("2020-01-01")
    )
    frame = frame.with_columns(
        (pl.date(2020, 1, 1) + pl.duration(days=pl.int_range(ROWS))).cast(pl.String).alias("day")
    )
    frame.write_csv("houses.csv")
    assert (
        main(
            [
                "train",
                "table",
                "--data",
                "houses.csv",
                "--target",
                "sold",
                "--epochs",
                "1",
                "--set",
                "stratify=true",
                "--run",
                "run",
            ]
        )
        == 0
    )
    assert re.search(r"^not used: .*id \(identifier, .*same", capsys.readouterr().out, re.MULTILINE)

    def targets(setting: str, value: str) -> fs.Data:
        return make_parts(with_settings(recipe_for("table", "houses.csv"), {"target": "price", setting: value})).data

    by_time = targets("time", "day")
    assert isinstance(by_time.test, fs.Batches)
    assert by_time.test.targets.flatten().tolist() == pytest.approx(
        frame["price"][-by_time.test.num_samples :].to_list()
    )
    by_group = targets("group", "town")
    assert isinstance(by_group.test, fs.Batches)
    towns = dict(zip(frame["price"].cast(pl.Float32), frame["town"], strict=True))
    assert isinstance(by_group.train, fs.Batches)
    seen = [{towns[one] for one in split.targets.flatten().tolist()} for split in (by_group.train, by_group.test)]
    assert not seen[0] & seen[1]


def test_the_command_tells_classes_and_folds(capsys: pytest.CaptureFixture[str]) -> None:
    """A class with its probability, in the terminal and in the file; a line per fold, and the mean."""
    write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "sold", "--epochs", "3", "--run", "run"]) == 0
    assert main(["predict", "run", "houses.csv", "--output", "said.csv"]) == 0
    assert re.search(r"row 1: (yes|no) \(\d+\.\d%\)\n", capsys.readouterr().out)
    written = pl.read_csv("said.csv")
    assert set(written["predicted sold"]) <= {"yes", "no"}
    assert written["probability"].is_between(0.5, 1).all()

    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--folds", "2", "--epochs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[1:4]] == ["fold 1", "fold 2", "mean of 2 folds"]
    assert not Path("runs").exists()


def test_the_command_goes_from_a_folder_to_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    """Train, evaluate and predict pictures; the training pictures are not needed for it."""
    write_pictures()
    assert main(["train", "softmax", "--data", "pictures", "--epochs", "8", "--run", "run"]) == 0
    assert main(["evaluate", "run"]) == 0
    assert main(["predict", "run", "--count", "4"]) == 0
    assert "4 of 4 right" in capsys.readouterr().out
    Path("pictures/dark/0.png").rename("night.png")
    for place in Path("pictures").rglob("*.png"):
        place.unlink()
    assert main(["predict", "run", "night.png", "--output", "seen.png"]) == 0
    assert re.fullmatch(r"night\.png: dark \(\d+\.\d%\)\npicture: seen\.png\n", capsys.readouterr().out)
    Path("night.png").rename("pictures/dark/night.png")
    assert main(["predict", "run", "pictures", "--output", "seen.png"]) == 0
    assert capsys.readouterr().out.startswith("night.png: dark (")
    assert main(["show", "run"]) == 0


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("train table", "recipe 'table' has no data of its own: name a file and the column to predict"),
        ("train table --data digits --target x", "recipe 'table' cannot train on 'digits'"),
        ("train table --data houses.csv", "no target: name the column of houses.csv"),
        ("train table --data houses.csv --target prize", "'prize'.*did you mean 'price'"),
        ("train table --data nowhere.csv --target x", "nowhere.csv"),
        ("train table --data houses.csv --target price --resize 8", "resize=8: the data is houses.csv, which has no"),
        ("train table --data houses.csv --target price --set kinds=town", "kinds=town: expected NAME=KIND"),
        ("train table --data houses.csv --target price --set kinds=town=city", "city"),
        ("train table --data houses.csv --target price --set metrics=rmse", "unknown metric 'rmse': did you mean"),
        ("train table --data houses.csv --target sold --set metrics=log_rmse", "metrics=log_rmse: it is of a regr"),
        ("train table --data houses.csv --target price --set dropout=0.1,0.2", "expected one probability"),
        ("train table --data houses.csv --target price --folds 1", "folds"),
        ("train table --data houses.csv --target price --folds 2 --run run", "--folds 2 with --run: leave one out"),
        ("train table --data houses.csv --target price --folds 2 --trace", "--folds 2 with --trace: leave one out"),
        ("train table --data houses.csv --target price --folds 2 --set val=0.1", "val=0.1 with folds=2: each fold is"),
        (
            "train table --data houses.csv --target price --folds 2 --set test=0.1",
            "test=0.1 with folds=2: each fold is",
        ),
        ("data show houses.csv", "houses.csv has no column 'file'.* what is to be predicted: --target COLUMN"),
        ("data check houses.parquet", "houses.parquet .* what is to be predicted: --target COLUMN"),
        ("data check houses.csv", "houses.csv has no column 'file'.* what is to be predicted: --target COLUMN"),
        ("train table --data houses.csv --target price --set group=street", "'street'"),
        ("train lenet --set stratify=true", "stratify=True: lenet does not use it, but table"),
        ("train lenet --folds 3", "folds=3: expected the recipe 'table'"),
        ("train lenet --target price", "target=.'price',.: lenet does not use it, but table"),
        ("train lenet --set test=0.3", "test=0.3: digits does not use it, but data of your own"),
        ("train lenet --data nowhere/", "nowhere"),
        (f"train lenet --data {'x' * 5_000}", "unknown data set 'xxx"),
        (f"train table --data {'x' * 5_000}.csv --target y", r"x\.csv is not there: expected a table"),
        ("train lenet --data houses.csv", "houses.csv has no column 'file'"),
        ("train linear --data houses.csv", "recipe 'linear' cannot train on 'houses.csv'"),
        ("eject table --data houses.csv --target price", "eject knows the data sets that have a name"),
    ],
)
def test_wrong_use_is_one_line(command: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What was wrong, and what was expected."""
    write_houses().write_parquet("houses.parquet")
    code = main(command.split())
    said = capsys.readouterr().err

    assert code == 2
    assert re.fullmatch(rf"fourstep: .*{message}.*\n", said)


def test_predictions_need_what_the_run_has_kept(capsys: pytest.CaptureFixture[str]) -> None:
    """A damaged `inputs.json`, another ending, two tables, a column that is missing: one line each."""
    write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--epochs", "1", "--run", "run"]) == 0
    Path("few.csv").write_text("town\nash\n")
    for command, message in (
        ("predict run few.csv", "few.csv lacks 2 of the 3 columns that were trained on: 'rooms', 'sold'"),
        ("predict run houses.csv --output said.txt", "said.txt: expected a file that ends in .csv"),
        ("predict run houses.csv few.csv", "2 tables: expected one at a time"),
    ):
        assert main(command.split()) == 2
        assert message in capsys.readouterr().err
    assert main(["show", "run", "--batch-size", "-3"]) == 2
    assert "batch_size -3: expected a whole number of 1 or more" in capsys.readouterr().err
    Path("run/inputs.json").write_text('{"kind": "table", "columns": 3}')
    assert main(["predict", "run", "houses.csv"]) == 2
    assert "inputs.json is damaged" in capsys.readouterr().err


def test_a_run_is_not_judged_by_data_that_has_changed(capsys: pytest.CaptureFixture[str]) -> None:
    """Another split of more rows would hold rows that were trained on: refused by the file's name, as is `resume`."""
    frame = write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--epochs", "1", "--run", "run"]) == 0
    pl.concat([frame, frame[:20].with_columns(town=pl.lit("new"))]).write_csv("houses.csv")
    capsys.readouterr()
    for command in ("evaluate run", "predict run", "resume run"):
        assert main(command.split()) == 2
        told = capsys.readouterr().err
        assert "houses.csv is not what it was trained on: train had 72 samples, now 88; test had 18" in told
        assert told.count("\n") == 1

    frame.with_columns(pl.col("rooms").fill_null(2)).write_csv("houses.csv")
    assert main(["evaluate", "run"]) == 2
    assert "houses.csv is not what it was trained on: train has other values" in capsys.readouterr().err


def test_data_that_is_not_there_says_where_it_was_looked_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run's relative path begins in the folder that one is in."""
    write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--epochs", "1", "--run", "run"]) == 0
    (tmp_path / "other").mkdir()
    monkeypatch.chdir("other")
    capsys.readouterr()
    for command in ("evaluate ../run", "resume ../run", "train lenet --data pictures/"):
        assert main(command.split()) == 2
        told = capsys.readouterr().err
        assert re.search(rf"(houses\.csv|pictures/) is not there: .* the current folder, {tmp_path / 'other'}", told)


def test_a_predicted_table_keeps_its_values_as_they_are_written(capsys: pytest.CaptureFixture[str]) -> None:
    """Codes keep their zeros, numbers their digits, truth values their case."""
    write_houses()
    assert main(["train", "table", "--data", "houses.csv", "--target", "price", "--epochs", "1", "--run", "run"]) == 0
    Path("new.csv").write_text('zip,rooms,town,sold,date\n00123,3,ash,yes,"2020, May"\n01234,2.50,birch,no,\n')
    assert main(["predict", "run", "new.csv", "--output", "said.csv"]) == 0
    rows = [line.rpartition(",")[0] for line in Path("said.csv").read_text().splitlines()]
    assert rows == ["zip,rooms,town,sold,date", '00123,3,ash,yes,"2020, May"', "01234,2.50,birch,no,"]
    pl.DataFrame({"rooms": [3.0], "town": ["ash"], "sold": ["no"], "tags": [[1, 2]]}).write_parquet("new.parquet")
    capsys.readouterr()
    assert main(["predict", "run", "new.parquet"]) == 2
    assert "column 'tags' holds List(Int64): a CSV file cannot" in capsys.readouterr().err


def test_yes_and_no_in_several_columns_are_told_as_probabilities(capsys: pytest.CaptureFixture[str]) -> None:
    """On the screen as in the file, of new rows and of the test split."""
    frame = write_houses().with_columns(large=(pl.col("price") > 250_000).cast(int), cheap=pl.col("price") < 200_000)
    frame.with_columns(pl.col("cheap").cast(int)).drop("price", "sold").write_csv("labels.csv")
    command = "train table --data labels.csv --target large,cheap --epochs 2 --run run"
    assert main(command.split()) == 0
    capsys.readouterr()
    assert main(["predict", "run", "labels.csv", "--output", "said.csv"]) == 0
    first = pl.read_csv("said.csv").row(0, named=True)
    told = f"large {first['probability of large']:.1%}, cheap {first['probability of cheap']:.1%}"
    assert capsys.readouterr().out.splitlines()[0] == f"row 1: {told}"
    assert main(["predict", "run", "--count", "1"]) == 0
    assert re.fullmatch(r"test 0: large \d+\.\d%, cheap \d+\.\d%, true: (0, 0|1, 0|0, 1)\n", capsys.readouterr().out)
