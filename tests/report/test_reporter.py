"""A report that is kept while a run lives: it changes nothing of the run, and no trouble that it has ends the run."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.report import reporter
from fourstep.report.folders import save_report
from fourstep.report.notes import ClassAnswers, Notes, load_notes
from fourstep.report.reporter import command_line

LOSS = nn.CrossEntropyLoss()


class Draws(nn.Module):
    """Draws numbers and counts in a buffer, also where it is evaluated."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        """A bit of noise."""
        self.calls += 1
        outputs: Tensor = self.inner(inputs + 0.01 * torch.randn_like(inputs))
        return outputs


def linear() -> nn.Module:
    """The same small classifier every time."""
    torch.manual_seed(2)
    return nn.Linear(2, 3)


def blobs() -> fs.Data:
    """Three clouds of points with a test split."""
    return fs.data.from_arrays(*fs.data.synthetic_blobs(100), batch_size=20, test=0.2, classes=("a", "b", "c"))


def train(folder: Path | None, *, epochs: int = 3, model: nn.Module | None = None, **more: Any) -> fs.Run:
    """A small run."""
    fs.seed_everything(3)
    model = Draws() if model is None else model
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    metrics = {"accuracy": fs.accuracy}
    return fs.fit(
        model, blobs(), LOSS, optimizer, epochs=epochs, metrics=metrics, folder=folder, show="none", **more
    )  # fmt: skip


def notes_of(folder: Path) -> Notes:
    """Which must be there."""
    notes = load_notes(folder)
    assert notes is not None
    return notes


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page is written, and a step looked at, as often as there is an event."""
    monkeypatch.setattr(reporter, "REST", 0)
    monkeypatch.setattr(reporter, "LOOK_EVERY", 0)
    monkeypatch.setattr("fourstep.events.TICK_SECONDS", 0.0)


@pytest.mark.usefixtures("eager")
def test_a_report_changes_no_bit_of_a_run(tmp_path: Path) -> None:
    """Weights, buffers, rows, generators and modes are those of a run without a folder; so are those of more epochs."""
    ends: list[tuple[Any, ...]] = []
    for folder in (None, tmp_path / "run"):
        run = train(folder)
        for epoch in run.epochs(5):
            for inputs, targets in epoch:
                outputs = run.model(inputs)
                loss = LOSS(outputs, targets)
                run.optimizer.zero_grad()
                loss.backward()
                run.optimizer.step()
                epoch.record(loss, outputs, targets)
            epoch.evaluate(LOSS)
        rows = [{key: value for key, value in row.items() if "second" not in key} for row in run.history]
        modes = [module.training for module in run.model.modules()]
        ends.append((run.model.state_dict(), rows, modes, torch.get_rng_state()))

    assert all(torch.equal(value, ends[1][0][name]) for name, value in ends[0][0].items())
    assert ends[0][1:3] == ends[1][1:3]
    assert torch.equal(ends[0][3], ends[1][3])
    assert run.reporter is not None
    assert run.reporter.stopwatch.steps > 0


def test_a_finished_run_has_its_answers(tmp_path: Path) -> None:
    """Those of the weights at the end, which are in the folder; the accuracy is the last row's."""
    model = linear()
    run = train(tmp_path / "run", model=model)
    notes = notes_of(tmp_path / "run")
    answers = notes.answers

    assert (notes.state, notes.step, notes.epochs) == ("finished", 12, 3)
    assert isinstance(answers, ClassAnswers)
    right = sum(one.count for one in answers.confusions if one.true == one.predicted)
    assert right / answers.samples == pytest.approx(run.history.rows[-1]["test/accuracy"])
    assert notes.times is not None
    assert 0 < notes.times.passes + notes.times.evaluations <= notes.times.all
    assert notes.begun <= notes.written <= time.time()


def stops(event: fs.Event) -> fs.Stop | None:
    """Ends the run after its second epoch."""
    return fs.Stop("good enough <b>") if event.kind == "epoch" and event.epochs_done == 2 else None


def fails(event: fs.Event) -> None:
    """Fails after the second epoch."""
    if event.kind == "epoch" and event.epochs_done == 2:
        raise ValueError("no\nmore")


def interrupts(event: fs.Event) -> None:
    """Ctrl-C after the second epoch."""
    if event.kind == "epoch" and event.epochs_done == 2:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("hook", "error", "state", "why"),
    [
        (stops, None, "stopped", "good enough <b>"),
        (fails, ValueError, "failed", r"ValueError: no\nmore"),
        (interrupts, KeyboardInterrupt, "interrupted", "by a signal, or by Ctrl-C"),
    ],
)
def test_how_a_run_ended_is_said(
    hook: Callable[[fs.Event], Any], error: type[BaseException] | None, state: str, why: str, tmp_path: Path
) -> None:
    """A stop is asked for its answers; what failed or was interrupted is not."""
    if error is None:
        train(tmp_path / "run", hooks=[hook])
    else:
        with pytest.raises(error):
            train(tmp_path / "run", hooks=[hook])
    notes = notes_of(tmp_path / "run")

    assert (notes.state, notes.why) == (state, why)
    assert (notes.answers is not None) == (error is None)
    page = (tmp_path / "run" / "report.html").read_text()
    assert f'class="state {state}"' in page
    assert "2 of 3 epochs" in page
    assert "<b>" not in page.partition("<main>")[2].partition("Most confident mistakes")[0]


class NoNumber(nn.Module):
    """Sound in training, NaN where it is evaluated."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.inner = nn.Linear(2, outputs)

    def forward(self, inputs: Tensor) -> Tensor:
        """NaN, or not."""
        outputs: Tensor = self.inner(inputs)
        return outputs if self.training else outputs * torch.nan


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_a_model_that_answers_nan_has_its_report(kind: str, tmp_path: Path) -> None:
    """Without a warning; the page says so, and gives no error of nothing."""
    data = blobs()
    if kind == "values":
        data = fs.data.from_arrays(*fs.data.synthetic_regression([2.0, -3.4], 4.2, 100), batch_size=20, test=0.2)
    model, loss_fn = (NoNumber(3), LOSS) if kind == "classes" else (NoNumber(1), nn.MSELoss())
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fs.fit(model, data, loss_fn, optimizer, epochs=1, folder=tmp_path, show="none")
    page = (tmp_path / "report.html").read_text()

    assert notes_of(tmp_path).state == "finished"
    assert "20 of the answers are NaN or infinite" in page
    assert "Root mean squared error" not in page
    assert "nan%" not in page


def test_a_loop_that_is_left_is_a_stop(tmp_path: Path) -> None:
    """By `break`, as people stop early."""
    model = nn.Linear(2, 3)
    run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.1), blobs(), folder=tmp_path / "run", show="none")
    for epoch in run.epochs(5):
        for inputs, targets in epoch:
            outputs = model(inputs)
            epoch.record(LOSS(outputs, targets), outputs, targets)
        if epoch.number == 2:
            break
    notes = notes_of(tmp_path / "run")

    assert (notes.state, notes.why) == ("stopped", "its loop was left")
    assert notes.answers is not None


KILLED = """
import os, torch, fourstep as fs
from torch import nn
model = nn.Linear(2, 3)
data = fs.data.from_arrays(*fs.data.synthetic_blobs(100), batch_size=20, test=0.2)
def die(event):
    if event.epochs_done >= 2: os._exit(9)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=4, folder="run", show="none", hooks=[die])
"""


def test_a_run_that_was_killed_is_not_called_running(tmp_path: Path) -> None:
    """Nobody holds its folder; the command that repeats it is known, and stands on the page."""
    (tmp_path / "mine.py").write_text(KILLED)
    done = subprocess.run([sys.executable, "mine.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (9, "")
    assert notes_of(tmp_path / "run").state == "running"
    page = save_report(tmp_path / "run").read_text()

    assert 'class="state interrupted"' in page
    assert "the process that trained it is gone" in page
    assert "<code>python mine.py</code>" in page
    assert '"live": false' in page


def test_a_run_that_goes_on_is_called_running(tmp_path: Path) -> None:
    """Also by the command, from the folder alone; and again where a finished run is made longer."""
    seen: list[str] = []

    def look(event: fs.Event) -> None:
        if event.kind == "epoch":
            seen.append(save_report(tmp_path / "run").read_text())

    train(tmp_path / "run", model=linear(), epochs=1, hooks=[look])
    train(tmp_path / "run", model=linear(), epochs=2, hooks=[look])

    assert len(seen) == 2
    assert all('class="state running"' in page and '"live": true' in page for page in seen)
    assert "1 of 1 epochs" in seen[0]
    assert "2 of 2 epochs" in seen[1]
    assert 'class="state finished"' in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("log_every", [None, 1])
def test_steps_are_looked_at_however_often_there_are_rows(log_every: int | None, tmp_path: Path) -> None:
    """A run with a row per step is told of no ticks."""
    run = train(tmp_path / "run", model=linear(), epochs=10, log_every=log_every)
    times = notes_of(tmp_path / "run").times

    assert run.step == 40
    assert times is not None
    assert times.steps >= 20
    assert min(times.parts) > 0
    assert "No step was timed" not in (tmp_path / "run" / "report.html").read_text()


@pytest.mark.usefixtures("eager")
def test_a_disk_that_fails_ends_no_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One warning in one line, whatever the page meets; the weights and the other files are those of any run."""
    ends = []
    for fault in (None, OSError(28, "No space left on device"), ZeroDivisionError("a mistake of ours")):
        folder = tmp_path / type(fault).__name__
        model = linear()
        if fault is None:
            train(folder, model=model)
        else:

            def broken(_page: str, _path: Path, error: Exception = fault) -> None:
                raise error

            monkeypatch.setattr(reporter, "save_page", broken)
            with pytest.warns(fs.FourstepWarning, match="the report could not be written: .*Training goes on") as told:
                train(folder, model=model)
            assert len(told) == 1
            assert "\n" not in str(told[0].message)
        fs.load_weights(model, folder)
        ends.append(model.state_dict())

    assert all(torch.equal(value, end[name]) for end in ends[1:] for name, value in ends[0].items())


def test_notes_that_were_damaged_do_not_keep_a_run_from_going_on(tmp_path: Path) -> None:
    """It is said; the page and the notes are written anew."""
    train(tmp_path / "run", model=linear(), epochs=1)
    (tmp_path / "run" / "report.json").write_text("{")
    with pytest.warns(fs.FourstepWarning, match=r"report\.json is damaged"):
        train(tmp_path / "run", model=linear(), epochs=2)

    assert notes_of(tmp_path / "run").state == "finished"


def test_the_page_is_written_rarely(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred times as long as a writing took passes until the next, whatever happens meanwhile."""
    now, written = [0.0], []
    monkeypatch.setattr(reporter, "perf_counter", lambda: now[0])

    def write(_self: Any) -> None:
        written.append(now[0])
        now[0] += 0.5

    run = train(tmp_path / "run", epochs=1)
    one = reporter.Reporter(run)
    monkeypatch.setattr(reporter.Reporter, "_write_page", write)
    event = fs.Event(
        kind="tick", epochs_done=0.5, num_epochs=1, step=1, examples_per_second=1.0, seconds=1.0, row={}
    )  # fmt: skip
    one._next = 5.0
    for _ in range(400):
        one.on_event(event)
        now[0] += 1.0

    assert written == [5.0, 105.5, 206.0, 306.5]
    assert 0.5 * len(written) / now[0] <= 0.005


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["/usr/bin/python3", "train.py", "--lr", "0.1"], ("python", "train.py", "--lr", "0.1")),
        (["python", "-m", "mine"], ("python", "-m", "mine")),
        (["python", "-c", "import fourstep"], ()),
        (["python", "-m", "ipykernel_launcher", "-f", "kernel.json"], ()),
        (["python"], ()),
        ([], ()),
    ],
)
def test_the_command_that_started_a_run(words: list[str], expected: tuple[str, ...]) -> None:
    """What is no command to repeat, as a notebook's, is none."""
    assert command_line(words) == expected
