"""Runs that nearly came back as they were: each was once another at its end."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="kills real processes, forked from this one"),
    pytest.mark.usefixtures("one_thread"),
]

Make = Callable[[nn.Module], torch.optim.Optimizer]


def samples() -> tuple[Tensor, Tensor]:
    """100 points in three classes: 13 batches of 8."""
    generator = torch.Generator().manual_seed(5)
    return torch.randn(100, 4, generator=generator), torch.randint(3, (100,), generator=generator)


def dying(step: int) -> Callable[[fs.Event], None]:
    """Ends the process the hard way with the row of that step or a later one."""

    def kill(event: fs.Event) -> None:
        if event.step >= step:
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def in_child(work: Callable[[], Any]) -> int:
    """Its exit status, negative where a signal ended it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - the child is no test
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def weights(run: fs.Run) -> list[bytes]:
    """What the model ends with."""
    return [tensor.view(torch.uint8).numpy().tobytes() for tensor in run.model.state_dict().values() if tensor.dim()]


def is_equal_when_killed(train: Callable[..., fs.Run], folder: Path, step: int = 17) -> bool:
    """Is the end of a run that was killed that of one that was not?"""
    whole = weights(train(folder / "whole", ()))
    assert in_child(lambda: train(folder / "run", [dying(step)])) == -signal.SIGKILL
    resumed = train(folder / "run", ())
    assert resumed.step == 39
    return weights(resumed) == whole


def by_hand(
    folder: Path,
    hooks: Any,
    *,
    model: nn.Module | None = None,
    make: Make = lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
    data: Any = None,
    accumulate: int = 1,
) -> fs.Run:
    """A loop as people write it; the optimizer is asked with a closure where it needs one."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3)) if model is None else model
    optimizer = make(model)
    saving = fs.Saving(every_steps=3)
    data = fs.Batches(*samples(), batch_size=8) if data is None else data
    run = fs.Run(model, optimizer, data, folder=folder, hooks=hooks, saving=saving, log_every=1, show="none")
    for epoch in run.epochs(3):
        for number, (inputs, targets) in enumerate(epoch, start=1):

            def closure(inputs: Tensor = inputs, targets: Tensor = targets) -> Tensor:
                loss = nn.functional.cross_entropy(model(inputs).float(), targets) / accumulate
                loss.backward()
                return loss

            if isinstance(optimizer, torch.optim.LBFGS):
                optimizer.zero_grad()
                loss = optimizer.step(closure)
            else:
                loss = closure()
                if epoch.batch_number % accumulate == 0 or number == 13:
                    optimizer.step()
                    optimizer.zero_grad()
            epoch.record(loss.detach(), model(inputs), targets, len(targets))
    return run


def test_augmented_batches(tmp_path: Path) -> None:
    """What a sample draws is a function of its place: nothing of it is kept."""

    def train(folder: Path, hooks: Any) -> fs.Run:
        points, labels = samples()
        augment: list[Any] = [fs.data.augment.Crop(padding=1), fs.data.augment.MixUp(num_classes=3)]
        data = fs.data.from_arrays(points.reshape(100, 1, 2, 2), labels, batch_size=8, augment=augment)
        torch.manual_seed(0)
        return by_hand(folder, hooks, model=nn.Sequential(nn.Flatten(), nn.Linear(4, 3)), data=data)

    assert is_equal_when_killed(train, tmp_path)


def test_an_optimizer_that_sums_over_its_state(tmp_path: Path) -> None:
    """Sums round by where in memory a tensor begins."""

    def train(folder: Path, hooks: Any) -> fs.Run:
        return by_hand(folder, hooks, make=lambda model: torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=3))

    assert is_equal_when_killed(train, tmp_path)


def test_gradients_that_are_added_up_by_hand(tmp_path: Path) -> None:
    """A save waits for the update."""

    def train(folder: Path, hooks: Any) -> fs.Run:
        return by_hand(folder, hooks, accumulate=2)

    assert is_equal_when_killed(train, tmp_path, 5)


def test_persistent_workers(tmp_path: Path) -> None:
    """They draw in the first pass of a process alone; in training and in evaluation."""

    def train(folder: Path, hooks: Any) -> fs.Run:
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(4, 9), nn.Dropout(0.3), nn.Linear(9, 3))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        loaders = [
            DataLoader(TensorDataset(*samples()), 8, shuffle=True, num_workers=1, persistent_workers=True)
            for _ in range(2)
        ]
        data = fs.Data(train=loaders[0], val=loaders[1])
        saving = fs.Saving(every_steps=3)
        options: dict[str, Any] = {"folder": folder, "hooks": hooks, "saving": saving, "show": "none", "log_every": 1}
        return fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=3, **options)

    assert is_equal_when_killed(train, tmp_path)


class Masters(torch.optim.SGD):
    """Keeps a float32 copy of every half-precision weight, as many do."""

    def step(self, closure: Any = None) -> None:  # type: ignore[override] # it returns nothing
        """The update in float32."""
        del closure
        with torch.no_grad():
            for parameter in self.param_groups[0]["params"]:
                state = self.state[parameter]
                master = state.setdefault("master", parameter.float())
                master -= 0.01 * parameter.grad.float()
                parameter.copy_(master)


def test_an_optimizer_s_state_of_another_type(tmp_path: Path) -> None:
    """torch casts it to its parameter's on the way back."""  # noqa: D403 - its name

    def train(folder: Path, hooks: Any) -> fs.Run:
        torch.manual_seed(0)
        model = nn.Sequential(Half(), nn.Linear(4, 3)).bfloat16()
        return by_hand(folder, hooks, model=model, make=lambda model: Masters(model.parameters(), lr=0.01))

    assert is_equal_when_killed(train, tmp_path)


class Half(nn.Module):
    """To half precision."""

    def forward(self, inputs: Tensor) -> Tensor:
        """The same in bfloat16."""
        return inputs.bfloat16()


class Migrating(nn.Linear):
    """A layer whose weights older versions kept the other way round."""

    _version = 2

    def _load_from_state_dict(self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any) -> None:
        if local_metadata.get("version", 1) < 2:
            state_dict[f"{prefix}weight"] = state_dict[f"{prefix}weight"].t().clone()
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)


def test_a_layer_that_migrates_older_states(tmp_path: Path) -> None:
    """A checkpoint is none of an older version."""

    def train(folder: Path, hooks: Any) -> fs.Run:
        torch.manual_seed(0)
        return by_hand(folder, hooks, model=nn.Sequential(Migrating(4, 4), nn.Linear(4, 3)))

    assert is_equal_when_killed(train, tmp_path)


class Counter:
    """A hook that counts, without torch's protocol."""

    def __init__(self) -> None:
        self.rows = 0

    def __call__(self, event: fs.Event) -> None:
        """Count the rows."""
        self.rows += bool(event.row)


def test_what_a_hook_counts(tmp_path: Path) -> None:
    """Its attributes come back."""
    whole, resumed = Counter(), Counter()
    by_hand(tmp_path / "whole", [whole])
    assert in_child(lambda: by_hand(tmp_path / "run", [Counter(), dying(17)])) == -signal.SIGKILL
    by_hand(tmp_path / "run", [resumed])

    assert resumed.rows == whole.rows == 39


def test_a_schedule_that_is_not_registered_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the line that keeps it."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    torch.optim.lr_scheduler.StepLR(optimizer, 1)
    run = fs.Run(model, optimizer, fs.Batches(*samples(), batch_size=8), folder=tmp_path / "run", show="none")
    next(run.epochs(1))

    assert "run.register('schedule', schedule) keeps it" in capsys.readouterr().err


def test_a_run_that_failed_at_once_can_be_tried_again(tmp_path: Path) -> None:
    """In the same process, as in a notebook."""
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = fs.Run(model, optimizer, fs.Batches(*samples(), batch_size=8), folder=tmp_path / "run", show="none")

    def fail() -> None:
        for epoch in run.epochs(1):
            for _ in epoch:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    for epoch in run.epochs(1):
        for inputs, targets in epoch:
            epoch.record(nn.functional.cross_entropy(model(inputs), targets), model(inputs), targets)

    assert {"run.toml", "metrics.jsonl", "checkpoints"} <= {path.name for path in (tmp_path / "run").iterdir()}


def test_a_run_trains_again_after_ctrl_c(tmp_path: Path) -> None:
    """In the same process, as in a notebook."""

    def ask(event: fs.Event) -> None:
        if event.step == 5 and event.kind == "row":
            os.kill(os.getpid(), signal.SIGINT)

    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = fs.Batches(*samples(), batch_size=8)
    run = fs.Run(model, optimizer, data, folder=tmp_path / "run", hooks=[ask], log_every=1, show="none")

    def train() -> None:
        for epoch in run.epochs(2):
            for inputs, targets in epoch:
                optimizer.zero_grad()
                loss = nn.functional.cross_entropy(model(inputs), targets)
                loss.backward()
                optimizer.step()
                epoch.record(loss, model(inputs), targets)

    with pytest.raises(KeyboardInterrupt):
        train()
    assert run.step == 5
    train()
    assert run.epochs_done == 2


def test_a_run_that_was_overtaken_does_not_go_on(tmp_path: Path) -> None:
    """It would remove what the other has saved."""
    first = by_hand(tmp_path / "run", ())
    model = nn.Sequential(nn.Linear(4, 9), nn.Tanh(), nn.Linear(9, 3))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    data = fs.Batches(*samples(), batch_size=8)
    other = fs.Run(model, optimizer, data, folder=tmp_path / "run", show="none")
    for epoch in other.epochs(4):
        for inputs, targets in epoch:
            epoch.record(nn.functional.cross_entropy(model(inputs), targets), model(inputs), targets)
    with pytest.raises(
        fs.RunFolderError, match="has been trained on to step 52 by another run, this one knows step 39"
    ):
        next(first.epochs(5))


def test_a_batch_of_ignored_targets_is_no_nan() -> None:
    """Its mean is one of nothing; its gradients are zeros."""
    inputs, targets = samples()
    targets[:8] = -100
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = fs.Batches(inputs, targets, batch_size=8, shuffle=False)
    run = fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=1, show="none")

    assert run.step == 13
    assert bool(torch.isfinite(model.weight).all())
