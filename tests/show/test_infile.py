"""Pictures in files that grow with the run."""

import math
import re
from pathlib import Path

import pytest
import torch
from matplotlib.image import imread
from torch import nn

import fourstep as fs
from fourstep.events import Hook, Kind
from fourstep.show.infile import PictureFile


def fit(folder: Path | None, hooks: tuple[Hook, ...] = ()) -> fs.Run:
    """Three epochs on 60 samples."""
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(60), batch_size=20, test=0.5)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    return fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=3, show="file", folder=folder, hooks=hooks)


def test_the_picture_is_there_while_the_run_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the first row on, and at the end with the last; said once, and nothing is printed."""
    monkeypatch.chdir(tmp_path)
    pictures: list[str] = []

    def look(event: fs.Event) -> None:
        if event.kind == "epoch":
            pictures.append((tmp_path / "fourstep-curves.svg").read_text(encoding="utf-8"))

    fit(None, (look,))

    assert sorted(path.name for path in tmp_path.iterdir()) == ["fourstep-curves.png", "fourstep-curves.svg"]
    assert "test loss" in pictures[0]
    assert pictures[-1] != (tmp_path / "fourstep-curves.svg").read_text(encoding="utf-8")
    assert imread(tmp_path / "fourstep-curves.png").shape[:2] == (540, 750)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err == f"fourstep: curves: {tmp_path}/fourstep-curves.svg and {tmp_path}/fourstep-curves.png\n"


def test_a_run_with_a_folder_has_them_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The SVG is the one that every run's folder gets at its end, to the byte."""
    monkeypatch.chdir(tmp_path)
    run = fit(tmp_path / "run")
    run.plot(tmp_path / "again.svg")

    assert {"curves.svg", "curves.png"} <= {path.name for path in (tmp_path / "run").iterdir()}
    assert (tmp_path / "run" / "curves.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()
    assert not (tmp_path / "fourstep-curves.svg").exists()


def test_a_disk_that_takes_no_picture_stops_no_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is said once, with the reason."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    monkeypatch.setattr(Path, "cwd", lambda: gone)
    gone.rmdir()
    run = fit(None)

    assert len(run.history) == 3
    assert capsys.readouterr().err == (
        f"fourstep: no picture of the curves: {gone}/fourstep-curves.svg cannot be written: No such file or directory. "
        "Expected a folder that is there, may be written and has space left\n"
    )


def test_there_are_few_pictures_and_each_is_whole(tmp_path: Path) -> None:
    """Of a thousand rows in a moment the first and the last are drawn; numbers that are not finite are left out."""
    display = PictureFile(fs.History(), tmp_path)
    written = set()
    for step in range(1, 1001):
        row = {"epoch": step / 1000, "train/loss": math.nan if step == 500 else 1 / step}
        display.on_event(event("row", step / 1000, row))
        written.add((tmp_path / "curves.svg").stat().st_mtime_ns)
    display.on_event(event("end", 1.0, {}))

    assert len(written) <= 3
    assert re.search(r"</svg>\s*$", (tmp_path / "curves.svg").read_text(encoding="utf-8"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["curves.png", "curves.svg"]


def event(kind: Kind, epochs_done: float, row: dict[str, float]) -> fs.Event:
    """An event of a run of one epoch."""
    return fs.Event(
        kind=kind, epochs_done=epochs_done, num_epochs=1, step=1, examples_per_second=1.0, seconds=1.0, row=row
    )
