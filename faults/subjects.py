"""What is trained while it is disturbed: small, but with all that has a state. Equal seeds give equal bits."""

import random
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from faults.oracle import digest
from faults.zygote import answer
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader, Dataset

import fourstep as fs

EPOCHS = {"mlp": 4, "cnn": 5}
SAVING = {"mlp": fs.Saving(every_steps=7), "cnn": fs.Saving(every_steps=4, best="lowest test/loss")}
IN_STEPS = {"mlp": 152, "cnn": 30}  # updates of a whole run


@dataclass(frozen=True)
class Subject:
    """One program that trains.

    Attributes:
        kind: `"mlp"` is a perceptron over whole tensors; `"cnn"` has BatchNorm, Dropout, random augmentation, a
            `DataLoader`, a schedule and accumulated gradients.
        way: by hand over `Run`, or `fit`.
        workers: processes that load data; of the cnn alone.
        prefetch: batches that each of them loads ahead; None for torch's own choice.
        persistent: whether they live on between epochs.
    """

    kind: Literal["mlp", "cnn"]
    way: Literal["loop", "fit"]
    workers: int = 0
    prefetch: int | None = None
    persistent: bool = False


SUBJECTS = (
    Subject("mlp", "loop"),
    Subject("mlp", "fit"),
    Subject("cnn", "loop"),
    Subject("cnn", "fit"),
    Subject("cnn", "loop", workers=2),
)


class Augmented(Dataset[Any]):
    """Images that are turned, shifted and made noisy at random, by all three generators."""

    def __init__(self, inputs: Tensor, targets: Tensor) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        image = self.inputs[index].roll(random.randrange(-1, 2), 2)
        image = image.flip(2) if torch.rand(()) < 0.5 else image  # noqa: PLR2004 - a coin
        return image + 0.1 * float(np.random.standard_normal()), self.targets[index]  # noqa: NPY002 - as users do


class Scheduling:
    """A hook that moves a schedule on after every epoch; what a checkpoint holds of it is the schedule's state."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.schedule = CosineAnnealingLR(optimizer, 5)

    def __call__(self, event: fs.Event) -> None:
        """Move on."""
        if event.kind == "epoch":
            self.schedule.step()

    def state_dict(self) -> dict[str, Any]:
        """The schedule's."""
        return self.schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The schedule's."""
        self.schedule.load_state_dict(state)


def make_model(kind: str) -> nn.Module:
    """The subject's model; draws from torch's generator."""
    if kind == "mlp":
        return nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 3))
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.2),
        nn.Linear(96, 4),
    )


def make_data(subject: Subject) -> fs.Data:
    """The subject's data, the same in every process."""
    generator = torch.Generator().manual_seed(7)
    if subject.kind == "mlp":
        inputs = torch.randn(600, 16, generator=generator)
        targets = (inputs[:, 0] > 0).long() + (inputs[:, 1] > 0).long()
        return fs.data.from_arrays(inputs, targets, batch_size=16, test=(inputs[:100], targets[:100]))
    inputs = torch.randn(96, 1, 8, 8, generator=generator)
    targets = torch.randint(4, (96,), generator=generator)
    loading: dict[str, Any] = {"num_workers": subject.workers}
    if subject.workers:
        loading |= {"prefetch_factor": subject.prefetch, "persistent_workers": subject.persistent}
    train: DataLoader[Any] = DataLoader(Augmented(inputs, targets), batch_size=8, shuffle=True, **loading)
    test = fs.Batches(inputs[:32], targets[:32], batch_size=16, shuffle=False)
    return fs.Data(train=train, test=test, name="pictures")


def train(subject: Subject, folder: Path | None, *, hooks: Sequence[Any] = (), show: Any = "none") -> str:
    """Train to the end, from wherever the folder stands; the digest of all that came out."""
    torch.set_num_threads(1)
    fs.seed_everything(11)
    model = make_model(subject.kind)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    settings = {
        "metrics": {"accuracy": fs.accuracy},
        "folder": folder,
        "saving": SAVING[subject.kind],
        "log_every": 5,
        "device": "cpu",
        "show": show,
    }
    work = _fit if subject.way == "fit" else _loop
    run = work(subject, model, optimizer, settings, hooks)
    return digest(run.model, optimizer, run.history.rows, folder)


def _fit(subject: Subject, model: nn.Module, optimizer: Optimizer, settings: dict[str, Any], hooks: Any) -> fs.Run:
    own = () if subject.kind == "mlp" else (Scheduling(optimizer),)
    return fs.fit(
        model,
        make_data(subject),
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=EPOCHS[subject.kind],
        accumulate=1 if subject.kind == "mlp" else 2,
        hooks=(*own, *hooks),
        **settings,
    )


def _loop(subject: Subject, model: nn.Module, optimizer: Optimizer, settings: dict[str, Any], hooks: Any) -> fs.Run:
    run = fs.Run(model, optimizer, make_data(subject), hooks=hooks, **settings)
    loss_fn = nn.CrossEntropyLoss()
    accumulate = 1 if subject.kind == "mlp" else 2
    schedule = None
    if subject.kind == "cnn":
        schedule = CosineAnnealingLR(optimizer, IN_STEPS["cnn"])
        run.register("schedule", schedule)
    for epoch in run.epochs(EPOCHS[subject.kind]):
        for group in epoch.micro_batches(accumulate):
            optimizer.zero_grad()
            for inputs, targets in group:
                outputs = model(inputs)
                loss = loss_fn(outputs, targets)
                (loss / len(group)).backward()
                epoch.record(loss, outputs, targets)
            optimizer.step()
            if schedule is not None:
                schedule.step()
        epoch.evaluate(loss_fn)
    return run


def list_modules(folder: Path) -> None:
    """Train once, and answer what was imported for it."""
    train(Subject("cnn", "loop", workers=1), folder)
    for name in sorted(sys.modules):
        answer(name)


def train_and_tell(subject: Subject, folder: Path, **more: Any) -> None:
    """Train, and answer where it was taken up, when it ended, and what came of it; what a trial's process does."""
    since = time.perf_counter()
    hooks = (_mark, *more.pop("hooks", ()))
    found = train(subject, folder, hooks=hooks, **more)
    answer({"digest": found, "seconds": time.perf_counter() - since})


def _mark(event: fs.Event) -> None:
    if event.kind in ("start", "end"):
        answer({event.kind: event.step})
