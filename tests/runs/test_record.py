"""A run's folder when it is read again."""

from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from torch import nn

import fourstep as fs
from fourstep.runs.record import load_run


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished run of one epoch."""
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(30), batch_size=10, classes=("a", "b", "c"))
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    settings = {"recipe": {"model": "linear", "lr": 0.1}}
    fs.fit(
        model, data, nn.CrossEntropyLoss(), optimizer, epochs=1, folder=tmp_path / "run", settings=settings, show="none"
    )
    return tmp_path / "run"


def test_a_record_holds_what_was_written(folder: Path) -> None:
    """Settings, classes, versions, device and every row."""
    record = load_run(str(folder))

    assert record.path == folder
    assert record.settings["recipe"] == {"model": "linear", "lr": 0.1}
    assert record.settings["fit"]["loss_fn"] == "CrossEntropyLoss"
    assert record.classes == ("a", "b", "c")
    assert record.data["train"]["samples"] == 30
    assert record.versions["torch"] == version("torch")
    assert record.machine["device"] == str(fs.pick_device())
    assert [row["epoch"] for row in record.history] == [1.0]


def test_a_run_that_has_just_begun_has_no_rows(folder: Path) -> None:
    """An empty file of rows is an empty history."""
    (folder / "metrics.jsonl").write_text("")
    assert len(load_run(folder).history) == 0


def test_what_is_no_run_is_refused(folder: Path, tmp_path: Path) -> None:
    """Nothing there, a folder of something else, a file: each is said, with what is expected."""
    with pytest.raises(fs.RunFolderError, match=r"none is not there: expected the folder of a run, as `fourstep train"):
        load_run(tmp_path / "none")
    with pytest.raises(fs.RunFolderError, match=r"holds no run\.toml: expected the folder of a run"):
        load_run(tmp_path)
    with pytest.raises(fs.RunFolderError, match=r"run\.toml is not a folder: expected the folder of a run"):
        load_run(folder / "run.toml")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"settings = ", r"run\.toml is damaged: Invalid value \(at end of document\)\. Expected what `fourstep train"),
        (b"\xff\xfe", r"run\.toml is damaged: 'utf-8' codec can't decode"),
        (b"", r"run\.toml is damaged: no \[settings\]\. Expected"),
        (b"[settings]\n[data]\n[versions]\n[machine]\n", r"run\.toml is damaged: no classes in \[data\]"),
    ],
)
def test_damaged_settings_are_named_in_one_line(content: bytes, message: str, folder: Path) -> None:
    """The error says which file, what is wrong in it, and what to do."""
    (folder / "run.toml").write_bytes(content)
    with pytest.raises(fs.RunFolderError, match=message) as caught:
        load_run(folder)

    assert "\n" not in str(caught.value)


def test_a_row_that_is_half_written_is_not_there_yet(folder: Path) -> None:
    """As a run that goes on writes them, or one that died: the whole rows are read."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2.')
    assert [row["epoch"] for row in load_run(folder).history] == [1.0]

    with pytest.raises(fs.DataFileError, match="line 2 is not a row of numbers"):  # in a file that nobody writes
        fs.History.load_jsonl(folder / "metrics.jsonl")


def test_damaged_rows_are_named_in_one_line(folder: Path) -> None:
    """A half line that has its end is named with its number; a missing file with what it was."""
    with (folder / "metrics.jsonl").open("a") as file:
        file.write('{"epoch": 2.\n')
    with pytest.raises(fs.RunFolderError, match=r"metrics\.jsonl, line 2 is not a row of numbers"):
        load_run(folder)
    (folder / "metrics.jsonl").unlink()
    with pytest.raises(fs.RunFolderError, match=r"metrics\.jsonl cannot be read") as caught:
        load_run(folder)

    assert "\n" not in str(caught.value)
