"""A run that is killed, stopped or refused, and goes on: its end is that of a run that was never stopped."""

import hashlib
import os
import random
import resource
import signal
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset

import fourstep as fs
from fourstep.runs.checkpoint import load_latest

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills real processes, forked from this one"),
    pytest.mark.usefixtures("one_thread"),
]

EPOCHS, SAMPLES, BATCH = 3, 100, 8  # 13 batches an epoch, the last one short
CLOCK = ("seconds", "examples_per_second")


class Noisy(Dataset[Any]):
    """Samples that are shaken anew each time, by each of the three generators that people draw from."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        shake = torch.randn(()) + random.gauss(0, 1) + np.random.randn()  # noqa: NPY002 - as people do
        return self.inputs[index] + 0.1 * shake.float(), self.targets[index]


class Halves(Sampler[int]):
    """A sampler of one's own: one half of the samples, then the other, each shuffled."""

    def __iter__(self) -> Iterator[int]:
        half = SAMPLES // 2
        yield from torch.randperm(half).tolist()
        yield from (half + torch.randperm(half)).tolist()

    def __len__(self) -> int:
        return SAMPLES


class Every:
    """Any iterable of batches, without a length."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for chosen in torch.randperm(SAMPLES).split(BATCH):
            yield self.inputs[chosen], self.targets[chosen]


def samples() -> tuple[Tensor, Tensor]:
    """100 points in three classes."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn(SAMPLES, 4, generator=generator), torch.randint(3, (SAMPLES,), generator=generator)


def shuffled(dataset: Any, **settings: Any) -> DataLoader[Any]:
    """A loader as most scripts make it."""
    return DataLoader(dataset, BATCH, shuffle=True, **settings)


SOURCES: dict[str, Callable[[], Any]] = {
    "batches": lambda: fs.Batches(*samples(), batch_size=BATCH),
    "loader": lambda: shuffled(TensorDataset(*samples())),
    "loader with a generator": lambda: shuffled(TensorDataset(*samples()), generator=torch.Generator().manual_seed(3)),
    "noisy loader": lambda: shuffled(Noisy(*samples())),
    "noisy loader, 2 workers": lambda: shuffled(Noisy(*samples()), num_workers=2),
    "loader with a sampler": lambda: DataLoader(TensorDataset(*samples()), BATCH, sampler=Halves()),
    "iterable": lambda: Every(*samples()),
}


def make_parts() -> tuple[nn.Module, torch.optim.Optimizer]:
    """A model that draws, counts and remembers: dropout, batch normalisation, Adam."""
    torch.manual_seed(0)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - as people do
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 3))
    return model, torch.optim.Adam(model.parameters(), lr=0.01)


def train(
    folder: Path,
    *,
    source: str = "batches",
    by_fit: bool = False,
    epochs: int = EPOCHS,
    saving: fs.Saving | None = None,
    hooks: Any = (),
    metrics: Any = None,
) -> fs.Run:
    """The training script: the same every time it is started."""
    model, optimizer = make_parts()
    data = fs.Data(train=SOURCES[source](), test=fs.Batches(*samples(), batch_size=50))
    saving = saving or fs.Saving(every_steps=4)
    metrics = {"accuracy": fs.accuracy} if metrics is None else metrics
    options: dict[str, Any] = {"metrics": metrics, "folder": folder, "saving": saving, "log_every": 5, "hooks": hooks}
    if by_fit:
        step: dict[str, Any] = {"accumulate": 2, "max_grad_norm": 1.0}
        return fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=epochs, show="none", **step, **options)
    run = fs.Run(model, optimizer, data, show="none", **options)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=500)
    run.register("schedule", schedule)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in run.epochs(epochs):
        for inputs, targets in epoch:
            outputs = model(inputs)
            loss = loss_fn(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            epoch.record(loss, outputs, targets)
        epoch.evaluate(loss_fn)
    return run


def digest(run: fs.Run) -> str:
    """All that a run ends with: weights, the optimizer's tensors, the rows without the clock, the generators.

    Without Python's own: the run-time check of types, which the tests have on, draws from it.
    """
    content = hashlib.sha256()
    for state in (run.model.state_dict(), *run.optimizer.state_dict()["state"].values()):
        for name, tensor in sorted(state.items()):
            content.update(name.encode() + tensor.numpy().tobytes())
    for row in run.history:
        content.update(repr({name: value for name, value in row.items() if name not in CLOCK}).encode())
    content.update(repr((np.random.rand(), torch.rand(()).item())).encode())  # noqa: NPY002 - as people do
    return content.hexdigest()


def in_child(work: Callable[[], Any]) -> int:
    """Do it in a forked process; its exit status, negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        try:
            work()
            os._exit(0)
        except SystemExit as error:
            os._exit(error.code if isinstance(error.code, int) else 1)
        except KeyboardInterrupt:
            os._exit(130)
        except BaseException:  # noqa: BLE001 - the child is no test
            traceback.print_exc()
            os._exit(99)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def finish(folder: Path, **settings: Any) -> str:
    """Start the script (again), to its end; what it ends with."""

    def work() -> None:
        (folder.parent / "digest").write_text(digest(train(folder, **settings)))

    assert in_child(work) == 0
    return (folder.parent / "digest").read_text()


def dying(step: int) -> fs.Event | Any:
    """A hook that ends the process the hard way when so many steps are done, or as soon after as it is told."""

    def kill(event: fs.Event) -> None:
        if event.step >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def killed(folder: Path, step: int, **settings: Any) -> None:
    """Start the script and kill it with the batch after `step`, before the next save."""
    assert in_child(lambda: train(folder, hooks=[dying(step)], **settings)) == -signal.SIGKILL


@pytest.mark.parametrize("by_fit", [False, True], ids=["loop by hand", "fit"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_killed_run_ends_as_one_that_was_never_stopped(source: str, by_fit: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """Killed three times, in an epoch's middle, at its end, and before the first save."""
    whole = finish(tmp_path / "whole", source=source, by_fit=by_fit)
    for step in (2, 9, 13, 20):
        killed(tmp_path / "run", step, source=source, by_fit=by_fit)

    assert finish(tmp_path / "run", source=source, by_fit=by_fit) == whole


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_workers_change_no_bit(workers: int, tmp_path: Path) -> None:
    """What a sample draws depends on the seed, the epoch and its index alone."""
    SOURCES["these workers"] = lambda: shuffled(Noisy(*samples()), num_workers=workers, prefetch_factor=workers)

    assert finish(tmp_path / "some", source="these workers") == finish(tmp_path / "none", source="noisy loader")


def test_a_loader_in_a_folder_keeps_torch_s_order(tmp_path: Path) -> None:
    """The batches are those of the loader itself under the same seed."""
    torch.manual_seed(0)
    expected = [targets for _ in range(2) for _, targets in shuffled(TensorDataset(*samples()))]
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.manual_seed(0)
    run = fs.Run(model, optimizer, shuffled(TensorDataset(*samples())), folder=tmp_path / "run", show="none")
    taken = [targets for epoch in run.epochs(2) for _, targets in epoch]

    assert all(map(torch.equal, taken, expected))
    assert len(taken) == len(expected)


@pytest.mark.slow
def test_a_kill_at_every_call_to_the_disk_of_a_save_is_survived(tmp_path: Path) -> None:
    """In the first save, in later ones and in what they remove; in whichever call, the end is the same."""
    whole = finish(tmp_path / "whole")
    calls = ("fsync", "rename", "mkdir", "rmdir", "unlink", "open")
    for number in range(1, 60, 2):

        def work(number: int = number) -> None:
            count = iter(range(1, 10_000))
            for call in calls:
                setattr(os, call, dying_at(getattr(os, call), number, count))
            train(tmp_path / f"run {number}")

        assert in_child(work) == -signal.SIGKILL
        assert finish(tmp_path / f"run {number}") == whole


def dying_at(real: Any, number: int, count: Iterator[int]) -> Callable[..., Any]:
    """The function, but for a call at which `count` has come to `number`: there the process dies."""

    def call(*given: Any, **named: Any) -> Any:
        if next(count) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*given, **named)

    return call


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGHUP", 129), ("SIGINT", 130)])
@pytest.mark.parametrize("step", [5, 13])
def test_a_signal_ends_the_step_saves_and_leaves(
    name: str, status: int, step: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """With the exit code that shells expect, nothing lost, and a line that says how to go on."""
    whole = finish(tmp_path / "whole")

    def ask(event: fs.Event) -> None:
        if event.step == step and event.kind != "end":
            os.kill(os.getpid(), getattr(signal, name))

    def work() -> None:
        train(tmp_path / "run", hooks=[ask], saving=fs.Saving(every_seconds=None))

    assert in_child(work) == status
    found = load_latest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert found[0].step == step
    assert (
        f"stopped at step {step}, and saved in {tmp_path / 'run'}: started again, it goes on" in capfd.readouterr().err
    )
    assert finish(tmp_path / "run") == whole


def test_a_run_goes_on_from_the_checkpoint_before_a_damaged_one(tmp_path: Path) -> None:
    """It is named; the end is the same."""
    whole = finish(tmp_path / "whole")
    killed(tmp_path / "run", 20)
    weights = max((tmp_path / "run" / "checkpoints").glob("*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.warns(fs.FourstepWarning, match=r"model\.safetensors is damaged: its SHA-256 differs\. Continued from"):
        run = train(tmp_path / "run")

    assert digest(run) == whole


def test_a_signal_does_not_wait_for_a_long_evaluation(tmp_path: Path) -> None:
    """It is done again as a whole, from the same generators; so is what the loop does after it."""

    class Slow:
        """Batches of the test split, drawn at random, before the first of which a signal may come."""

        def __init__(self, asks: bool) -> None:  # noqa: FBT001 - of the test alone
            self.asks = asks

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            inputs, targets = samples()
            for number, chosen in enumerate(torch.randperm(SAMPLES).split(10)):
                if self.asks and number == 3:
                    os.kill(os.getpid(), signal.SIGTERM)
                assert not (self.asks and number > 4), "the evaluation went on"
                yield inputs[chosen], targets[chosen]

    def train_slowly(folder: Path, *, asks: bool) -> str:
        model, optimizer = make_parts()
        data = fs.Data(train=SOURCES["loader"](), test=Slow(asks))
        saving = fs.Saving(every_seconds=None)
        return digest(
            fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=2, folder=folder, saving=saving, show="none")
        )

    whole = train_slowly(tmp_path / "whole", asks=False)
    assert in_child(lambda: train_slowly(tmp_path / "run", asks=True)) == 143
    found = load_latest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert (found[0].step, found[1]["state"]["epoch"]["batches"], found[1]["state"]["epochs_done"]) == (13, 13, 0)
    assert train_slowly(tmp_path / "run", asks=False) == whole


def test_a_second_signal_does_not_wait(tmp_path: Path) -> None:
    """The earlier save is whole, and the run goes on from it."""
    whole = finish(tmp_path / "whole")

    def ask_twice(event: fs.Event) -> None:
        if event.step == 10:
            for _ in range(2):
                os.kill(os.getpid(), signal.SIGTERM)

    assert in_child(lambda: train(tmp_path / "run", hooks=[ask_twice])) == 143
    found = load_latest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert found[0].step == 8
    assert finish(tmp_path / "run") == whole


def test_a_finished_run_says_so_and_is_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Started again it does nothing, and has the weights and rows; asked for more epochs it goes on."""
    longer, whole = digest(train(tmp_path / "longer", epochs=5)), digest(train(tmp_path / "run"))
    model, optimizer = make_parts()
    data = fs.Data(train=SOURCES["batches"](), test=fs.Batches(*samples(), batch_size=50))
    again = fs.Run(model, optimizer, data, metrics={"accuracy": fs.accuracy}, folder=tmp_path / "run", log_every=5)
    again.register("schedule", torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.05, total_steps=500))

    assert list(again.epochs(EPOCHS)) == []
    assert f"finished at step 39 of {tmp_path / 'run'}, 3 of 3 epochs done. Ask for more" in capsys.readouterr().err
    assert digest(again) == whole
    assert digest(train(tmp_path / "run", epochs=5)) == longer


def test_a_lost_curve_or_row_is_written_again(tmp_path: Path) -> None:
    """What the checkpoint holds, the other files are made from."""
    train(tmp_path / "run")
    rows = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    curves = (tmp_path / "run" / "curves.svg").read_bytes()
    (tmp_path / "run" / "metrics.jsonl").write_bytes(rows[:-30])
    (tmp_path / "run" / "curves.svg").unlink()
    train(tmp_path / "run")

    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == rows
    assert (tmp_path / "run" / "curves.svg").read_bytes() == curves


class Patience:
    """Stops when the loss has not fallen for `patience` epochs: a hook with a state."""

    def __init__(self, patience: int) -> None:
        self.best, self.bad, self.patience = float("inf"), 0, patience

    def __call__(self, event: fs.Event) -> fs.Stop | None:
        """Count the epochs without a better loss."""
        if event.kind != "epoch":
            return None
        self.bad = 0 if event.row["test/loss"] < self.best else self.bad + 1
        self.best = min(self.best, event.row["test/loss"])
        return fs.Stop("no better") if self.bad >= self.patience else None

    def state_dict(self) -> dict[str, float]:
        """As torch's objects have it."""
        return {"best": self.best, "bad": self.bad}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """As torch's objects have it."""
        self.best, self.bad = state["best"], state["bad"]


def test_a_hook_s_state_goes_on_and_its_stop_stays(tmp_path: Path) -> None:
    """Early stopping happens at the same epoch; started again, the stopped run stays stopped."""
    whole = train(tmp_path / "whole", hooks=[Patience(2)], epochs=30)
    expected = digest(whole)
    assert whole.epochs_done < 30
    killed_hooks = [Patience(2), dying(whole.step - 3)]
    assert in_child(lambda: train(tmp_path / "run", hooks=killed_hooks, epochs=30)) == -signal.SIGKILL
    run = train(tmp_path / "run", hooks=[Patience(2)], epochs=30)

    assert run.stopped == fs.Stop("no better")
    assert digest(run) == expected
    again = train(tmp_path / "run", hooks=[Patience(2)], epochs=30)
    assert (again.step, again.stopped) == (run.step, fs.Stop("no better"))


def test_an_object_s_numbers_go_on_inside_an_epoch(tmp_path: Path) -> None:
    """The own `state_dict` of torchmetrics is empty, so that its state is read from where it is."""
    metrics = {"f1": torchmetrics.classification.MulticlassF1Score(num_classes=3)}
    whole = finish(tmp_path / "whole", metrics=metrics)
    killed(tmp_path / "run", 20, metrics=metrics)

    assert finish(tmp_path / "run", metrics=metrics) == whole


def test_the_best_epoch_s_weights_come_back(tmp_path: Path) -> None:
    """By any number of the rows; its checkpoint outlives those that came later, and a restart."""
    weights: dict[float, Tensor] = {}

    def remember(event: fs.Event) -> None:
        if event.kind == "epoch":
            weights.setdefault(event.row["test/accuracy"], run_model[0].weight.detach().clone())

    run_model: Any = None
    saving = fs.Saving(every_steps=4, best="highest test/accuracy")
    for _ in range(2):
        model, optimizer = make_parts()
        run_model = model
        data = fs.Data(train=SOURCES["batches"](), test=fs.Batches(*samples(), batch_size=50))
        optimizer.param_groups[0]["lr"] = 1.0  # so that it jumps about
        run = fs.fit(
            model, data, nn.CrossEntropyLoss(), optimizer,
            epochs=8, folder=tmp_path / "run", saving=saving, hooks=[remember], show="none",
            metrics={"accuracy": fs.accuracy},
        )  # fmt: skip
        measured = run.history.series("test/accuracy")[1]
        best = max(measured)

        assert best > measured[-1]
        assert run.load_best() == best
        assert torch.equal(model[0].weight, weights[best])  # type: ignore[index] # a Sequential
        assert len(list((tmp_path / "run" / "checkpoints").iterdir())) == 3


def test_a_best_that_is_not_measured_is_named(tmp_path: Path) -> None:
    """With what there is."""
    with pytest.raises(
        fs.ConfigError, match=r"best 'lowest val/loss': the rows have no 'val/loss', they have train/loss"
    ):
        train(tmp_path / "run", saving=fs.Saving(best="lowest val/loss"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"best": "val/loss"}, "best 'val/loss': expected as 'lowest val/loss' or 'highest val/accuracy'"),
        ({"best": "least val/loss"}, "expected as 'lowest val/loss'"),
        ({"every_steps": 0}, "every_steps 0: expected a whole number of 1 or more"),
        ({"keep": 0}, "keep 0: expected a whole number of 1 or more"),
        ({"every_seconds": 0.0}, r"every_seconds 0\.0: expected a number above 0, or None"),
    ],
)
def test_saving_that_can_not_be_is_refused(settings: dict[str, Any], message: str) -> None:
    """In one line, before anything is trained."""
    with pytest.raises(fs.ConfigError, match=message):
        fs.Saving(**settings)


def test_a_full_disk_does_not_end_the_training(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Saves that fail are said; the earlier checkpoint stays; the last save that fails is an error."""

    def fill(event: fs.Event) -> None:
        if event.step == 15:
            resource.setrlimit(resource.RLIMIT_FSIZE, (3_000, resource.RLIM_INFINITY))

    def work() -> None:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                train(tmp_path / "run", hooks=[fill])
            except fs.RunFolderError as error:
                sys.stderr.write("\n".join(str(warning.message) for warning in said) + f"\nerror: {error}\n")
                os._exit(2)

    assert in_child(work) == 2
    found = load_latest(tmp_path / "run" / "checkpoints")
    assert found is not None
    assert found[0].step == 12
    told = capfd.readouterr().err
    assert "File too large" in told
    assert "MB free); the earlier ones are whole" in told
    assert "Training goes on" in told
    assert finish(tmp_path / "run") == finish(tmp_path / "whole")


def test_what_can_not_be_saved_is_refused_before_the_first_step(tmp_path: Path) -> None:
    """By the name that it was registered under."""
    model, optimizer = make_parts()
    run = fs.Run(model, optimizer, SOURCES["batches"](), folder=tmp_path / "run", show="none")
    lock = type("Lock", (), {})()
    lock.inner = {1, 2}
    run.register("lock", lock)
    with pytest.raises(fs.ConfigError, match="'lock' is registered already: choose another name"):
        run.register("lock", lock)
    with pytest.raises(fs.RunFolderError, match=r"cannot be saved: its registered\.lock\.inner is a set"):
        next(run.epochs(1))
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    """Of the same class and size, but not the same names."""
    data = SOURCES["batches"]()
    for width in (6, 8):
        torch.manual_seed(0)
        model = nn.Sequential(
            nn.Linear(4, width), nn.Linear(width, 3 if width == 6 else 2), nn.Linear(3 if width == 6 else 2, 3)
        )
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        run = fs.Run(model, optimizer, data, folder=tmp_path / "run", show="none")
        if width == 6:
            for epoch in run.epochs(1):
                for inputs, targets in epoch:
                    epoch.record(nn.functional.cross_entropy(model(inputs), targets), model(inputs), targets)
        else:
            with pytest.raises(fs.RunFolderError, match=r"holds another run: model\.parameters"):
                next(run.epochs(2))


def test_a_run_without_a_folder_has_no_best() -> None:
    """The error says what to give it."""
    model, optimizer = make_parts()
    with pytest.raises(fs.ConfigError, match=r"load_best needs a run with a folder, and saving=fourstep\.Saving"):
        fs.Run(model, optimizer, SOURCES["batches"](), show="none").load_best()
