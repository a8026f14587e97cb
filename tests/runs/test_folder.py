"""A run's folder while it is written."""

import json
import math
import platform
import re
import subprocess
import sys
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.runs.folder import RunFolder, next_free
from fourstep.runs.settings import describe, to_toml
from fourstep.runs.weights import load_weights

CPU = torch.device("cpu")


def blobs(**options: Any) -> fs.Data:
    """Three clouds of points with a test split."""
    names = ("cat", "dog", "horse")
    return fs.data.from_arrays(
        *fs.data.synthetic_blobs(100), batch_size=20, test=0.2, classes=names, name="blobs", **options
    )


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def by_hand(run: fs.Run, epochs: int) -> None:
    """Go through a run's epochs without a step."""
    for epoch in run.epochs(epochs):
        for inputs, targets in epoch:
            outputs = run.model(inputs)
            epoch.record(nn.functional.cross_entropy(outputs, targets), outputs, targets)


def trained(folder: Path, *, epochs: int = 3, log_every: int | None = None, **settings: Any) -> fs.Run:
    """A finished run of a linear classifier."""
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    metrics = {"accuracy": fs.accuracy}
    options: dict[str, Any] = {
        "folder": folder,
        "settings": settings,
        "log_every": log_every,
        "show": "none",
        "device": "cpu",
    }
    return fs.fit(model, blobs(), nn.CrossEntropyLoss(), optimizer, epochs=epochs, metrics=metrics, **options)


def test_a_run_leaves_its_files(tmp_path: Path) -> None:
    """Settings, rows, curves, the report with its notes, and weights; no temporary file."""
    trained(tmp_path / "deep" / "run")
    assert names(tmp_path / "deep" / "run") == [
        "checkpoints",
        "curves.svg",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "report.json",
        "run.lock",
        "run.toml",
    ]


def test_the_settings_file_tells_how_the_run_began(tmp_path: Path) -> None:
    """Settings as given without the empty ones, versions, device, and each split with its fingerprint."""
    data = blobs()
    trained(tmp_path / "run", recipe={"lr": 0.1, "hidden": (3, 4), "data": None}, notes="a\nb", seed=0)
    with (tmp_path / "run" / "run.toml").open("rb") as file:
        written = tomllib.load(file)

    step = {"loss_fn": "CrossEntropyLoss", "step": "train_step", "accumulate": 1}
    assert written["settings"] == {"recipe": {"lr": 0.1, "hidden": [3, 4]}, "notes": "a\nb", "seed": 0, "fit": step}
    assert (written["model"]["kind"], written["model"]["parameters"]) == ("Linear", 9)
    assert (written["optimizer"]["kind"], written["optimizer"]["group0"]["lr"]) == ("SGD", 0.1)
    assert written["versions"] == {
        "python": platform.python_version(),
        "fourstep": fs.__version__,
        "torch": version("torch"),
        "numpy": np.__version__,
    }
    assert written["machine"] == {"platform": platform.platform(), "device": "cpu"}
    assert isinstance(data.test, fs.Batches)
    assert isinstance(data.train, fs.Batches)
    assert written["data"] == {
        "name": "blobs",
        "classes": ["cat", "dog", "horse"],
        "train": {"samples": 80, "batches": 4, "batch_size": 20, "seed": 0, "fingerprint": data.train.fingerprint()},
        "test": {"samples": 20, "batches": 1, "batch_size": 20, "fingerprint": data.test.fingerprint()},
    }


def test_other_sources_are_described_as_far_as_they_can_be() -> None:
    """A DataLoader has a number of batches, a generator not even that."""
    loader = DataLoader(TensorDataset(torch.zeros(5, 2)), batch_size=2)
    model = nn.Linear(2, 3)
    data = fs.Data(train=loader, test=iter(()))
    written = describe(model, torch.optim.SGD(model.parameters(), lr=0.1), data, CPU, {})

    fingerprint = written["data"]["train"].pop("fingerprint")
    assert written["data"]["train"] == {
        "kind": "DataLoader",
        "batches": 3,
        "batch_size": 2,
        "samples": 5,
        "dataset": "TensorDataset",
        "sampler": "SequentialSampler",
    }
    other = DataLoader(TensorDataset(torch.ones(5, 2)), batch_size=2)
    described = describe(model, torch.optim.SGD(model.parameters(), lr=0.1), fs.Data(train=other), CPU, {})
    assert described["data"]["train"]["fingerprint"] != fingerprint
    assert written["data"]["test"] == {"kind": "tuple_iterator"}


def test_every_row_is_a_line_as_soon_as_it_is_there(tmp_path: Path) -> None:
    """A hook that reads the file sees every row so far; at the end the file is the history, bit for bit."""
    seen: list[int] = []
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    path = tmp_path / "run" / "metrics.jsonl"

    def count(event: fs.Event) -> None:
        if event.row:
            seen.append(len(path.read_text().splitlines()))

    options: dict[str, Any] = {"folder": tmp_path / "run", "log_every": 1, "hooks": [count], "show": "none"}
    run = fs.fit(model, blobs(), nn.CrossEntropyLoss(), optimizer, epochs=2, **options)

    assert seen == list(range(1, 9))
    assert [json.loads(line) for line in path.read_text().splitlines()] == run.history.rows


def test_more_epochs_go_on_in_the_same_folder(tmp_path: Path) -> None:
    """A second pass over `Run.epochs` appends its rows and replaces weights and curves."""
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = fs.Run(model, optimizer, blobs(), folder=tmp_path / "run", show="none")
    loss_fn = nn.CrossEntropyLoss()
    weights = []
    for total in (2, 5):
        for epoch in run.epochs(total):
            for inputs, targets in epoch:
                outputs = model(inputs)
                loss = loss_fn(outputs, targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                epoch.record(loss, outputs, targets)
        weights.append((tmp_path / "run" / "model.safetensors").read_bytes())
    again = nn.Linear(2, 3)
    load_weights(again, tmp_path / "run")

    assert [row["epoch"] for row in fs.History.load_jsonl(tmp_path / "run" / "metrics.jsonl")] == [1, 2, 3, 4, 5]
    assert weights[0] != weights[1]
    assert torch.equal(again.weight, model.weight)


def test_a_run_that_is_left_early_keeps_what_was_done(tmp_path: Path) -> None:
    """`break` at the end of an epoch leaves its row, the curves and the weights."""
    model = nn.Linear(2, 3)
    run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.1), blobs(), folder=tmp_path / "run", show="none")
    for epoch in run.epochs(5):
        for inputs, targets in epoch:
            epoch.record(nn.functional.cross_entropy(model(inputs), targets), model(inputs), targets)
        if epoch.number == 2:
            break
    load_weights(nn.Linear(2, 3), tmp_path / "run")

    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert run.epochs_done == 2
    assert (tmp_path / "run" / "curves.svg").exists()


def test_a_folder_with_other_things_is_used(tmp_path: Path) -> None:
    """Only a run is in the way of a run; other files stay."""
    (tmp_path / "notes.txt").write_text("mine")
    trained(tmp_path)
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_holds_another_run_is_refused(tmp_path: Path) -> None:
    """The error names the differences and how to go on, and nothing of the other run is touched."""

    def content() -> dict[str, bytes]:
        files = [path for path in (tmp_path / "run").rglob("*") if path.is_file() and path.name != "run.lock"]
        return {str(path): path.read_bytes() for path in files}

    trained(tmp_path / "run", lr=0.1, notes="first")
    before = content()
    message = (
        r"run holds another run: settings\.lr 0\.1, now 0\.2; settings\.notes first, now not there; "
        r"settings\.more not there, now 1\. Choose another folder, or the settings of the run to continue it"
    )
    with pytest.raises(fs.RunFolderError, match=message):
        trained(tmp_path / "run", lr=0.2, more=1)

    assert content() == before


def test_a_folder_with_one_s_own_files_by_the_same_names_is_refused(tmp_path: Path) -> None:
    """Nothing of them is overwritten."""
    (tmp_path / "model.safetensors").write_text("mine")
    with pytest.raises(fs.RunFolderError, match=r"already holds a model\.safetensors: choose another folder"):
        trained(tmp_path)

    assert names(tmp_path) == ["model.safetensors"]


def test_a_path_that_cannot_be_a_folder_is_refused(tmp_path: Path) -> None:
    """A file in its place, or on the way to it, is named in one line."""
    (tmp_path / "file").write_text("mine")
    with pytest.raises(fs.RunFolderError, match=r"file is a file: choose a folder that is not there yet"):
        RunFolder(tmp_path / "file")
    with pytest.raises(
        fs.RunFolderError, match=r"run cannot be written: Not a directory\. Expected a folder that"
    ) as caught:
        RunFolder(tmp_path / "file" / "run")

    assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_row_that_the_disk_does_not_take_follows_later(tmp_path: Path) -> None:
    """One line says so, training goes on, and at the end every row is in its file."""
    model = nn.Linear(2, 3)
    kinds: list[str] = []
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def fill_the_disk(event: fs.Event) -> None:
        kinds.append(event.kind)
        if event.kind == "start":
            (tmp_path / "run" / "metrics.jsonl").unlink()
            (tmp_path / "run" / "metrics.jsonl").symlink_to("/dev/full")

    run = fs.Run(model, optimizer, blobs(), folder=tmp_path / "run", hooks=[fill_the_disk], show="none")
    with pytest.warns(
        fs.FourstepWarning, match=r"metrics\.jsonl cannot be written: No space left on device\. Training"
    ):
        by_hand(run, 2)

    assert kinds[-1] == "end"
    assert not (tmp_path / "run" / "metrics.jsonl").is_symlink()
    assert [row["epoch"] for row in fs.History.load_jsonl(tmp_path / "run" / "metrics.jsonl")] == [1.0, 2.0]


def test_a_folder_that_vanished_is_named_at_the_end(tmp_path: Path) -> None:
    """Weights and curves have nowhere to go: one line, and which file."""
    folder = RunFolder(tmp_path / "run")
    folder.begin({})
    for path in (tmp_path / "run").iterdir():
        path.unlink()
    (tmp_path / "run").rmdir()
    with pytest.raises(
        fs.RunFolderError, match=r"run/model\.safetensors cannot be written: .*No such file or directory"
    ):
        folder.finish(fs.History(), nn.Linear(2, 3))


PROGRAM = """
import resource, sys
import torch, fourstep as fs
from fourstep.runs.folder import RunFolder
folder = RunFolder(sys.argv[1])
folder.begin({})
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, -1))
try:
    folder.finish(fs.History(), torch.nn.Linear(300, 300))
except fs.RunFolderError as error:
    print(error)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit of file sizes")
def test_weights_that_do_not_fit_leave_no_half_file(tmp_path: Path) -> None:
    """A disk that is full in the middle of the weights is one line, and the folder is as before."""
    program = [sys.executable, "-c", PROGRAM, str(tmp_path / "run")]
    printed = subprocess.run(program, capture_output=True, text=True, check=True).stdout

    assert re.fullmatch(r"\S+model\.safetensors cannot be written: .*File too large.*and has space left\n", printed)
    assert names(tmp_path / "run") == ["metrics.jsonl", "run.toml"]


SETTINGS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.just(Path("a/b"))
    | st.just(1j),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), SETTINGS))
def test_any_settings_can_be_written(settings: dict[str, Any]) -> None:
    """Whatever is in the settings, TOML brings back what was written."""
    import tomli_w  # noqa: PLC0415 - only here

    table = to_toml(settings)
    assert tomllib.loads(tomli_w.dumps(table)) == table


def test_settings_keep_their_kinds() -> None:
    """Numbers stay numbers, also those that are none; what TOML has no word for becomes text."""
    table = to_toml({"a": True, "b": 1, "c": math.inf, "d": CPU, "e": None, "f": [None, 2], 3: {"g": (1,)}})
    assert table == {"a": True, "b": 1, "c": math.inf, "d": "cpu", "f": ["None", 2], "3": {"g": [1]}}


def test_the_next_free_folder_is_counted_up(tmp_path: Path) -> None:
    """lenet, lenet-2, lenet-3; a file counts as taken."""
    assert next_free(tmp_path / "lenet") == tmp_path / "lenet"
    (tmp_path / "lenet").mkdir()
    (tmp_path / "lenet-2").write_text("a file")

    assert next_free(str(tmp_path / "lenet")) == tmp_path / "lenet-3"


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_in_a_stranger_s_run_write_nothing_elsewhere(tmp_path: Path) -> None:
    """Rows that begin anew replace the link; checkpoints that are a link are refused."""
    (tmp_path / "mine").write_text("mine")
    folder = RunFolder(tmp_path / "run")
    (tmp_path / "run" / "metrics.jsonl").symlink_to("../mine")
    folder.begin({})
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "run" / "metrics.jsonl").is_symlink()
    (tmp_path / "run" / "checkpoints").symlink_to("..")
    with pytest.raises(fs.RunFolderError, match="checkpoints is a link: expected a folder"):
        folder.read_settings()
