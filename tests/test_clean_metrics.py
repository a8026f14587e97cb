"""The training data measured again, by weights that stand still."""

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

Classification = tuple[Tensor, Tensor]
CLOCK = {"seconds", "examples_per_second"}


def network() -> nn.Module:
    """With dropout, which draws from the global generator in training, and normalisation, which keeps means."""
    torch.manual_seed(2)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 3))


def batches(samples: Classification) -> fs.Data:
    """Our own."""
    return fs.data.from_arrays(*samples, batch_size=16, test=0.2, seed=3)


def loader(samples: Classification) -> fs.Data:
    """Torch's, whose order is drawn from the global generator."""
    whole = TensorDataset(*samples)
    return fs.Data(train=DataLoader(whole, 16, shuffle=True), test=DataLoader(whole, 16))


def loader_with_generator(samples: Classification) -> fs.Data:
    """Torch's, whose order is drawn from a generator of its own."""
    generator = torch.Generator().manual_seed(7)
    return fs.Data(train=DataLoader(TensorDataset(*samples), 16, shuffle=True, generator=generator))


def train(data: fs.Data, *, clean: bool, epochs: int = 3, metric: Any = fs.accuracy, **options: Any) -> fs.Run:
    """Adam on the network above."""
    model = network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    options = {"device": "cpu", "show": "none", **options}
    metrics = {"accuracy": metric}
    return fs.fit(
        model,
        data,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=epochs,
        metrics=metrics,
        clean_train_metrics=clean,
        **options,
    )


def numbers(run: fs.Run) -> list[dict[str, float]]:
    """The rows without the clock's."""
    return [{name: value for name, value in row.items() if name not in CLOCK} for row in run.history]


def is_equal(one: fs.Run, other: fs.Run) -> bool:
    """Do they end with the same bits?"""
    pairs = zip(one.model.state_dict().values(), other.model.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("make", [batches, loader, loader_with_generator])
@pytest.mark.parametrize("has_folder", [True, False])
def test_they_are_measured_beside_and_change_nothing(
    make: Callable[[Classification], fs.Data], classification: Classification, tmp_path: Path, *, has_folder: bool
) -> None:
    """They are what `evaluate` gives at the epoch's end; weights and all other numbers are those of a run without."""
    folders = [tmp_path / name if has_folder else None for name in ("clean", "plain")]
    run = train(make(classification), clean=True, folder=folders[0])
    without = train(make(classification), clean=False, folder=folders[1])
    expected = fs.evaluate(run.model, run.data.train, nn.CrossEntropyLoss(), metrics=run.metrics)

    last = run.history.rows[-1]
    assert {name: last[f"train-clean/{name}"] for name in expected} == pytest.approx(expected, rel=1e-5)
    assert last["train-clean/loss"] != last["train/loss"]
    assert is_equal(run, without)
    assert numbers(without) == [
        {name: value for name, value in row.items() if "clean" not in name} for row in numbers(run)
    ]


def test_with_weights_that_stand_still_both_are_the_same(classification: Classification) -> None:
    """A learning rate of 0, and nothing that differs in evaluation mode."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    run = fs.fit(
        model,
        batches(classification),
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=1,
        show="none",
        clean_train_metrics=True,
    )
    (row,) = run.history.rows
    assert row["train-clean/loss"] == pytest.approx(row["train/loss"], rel=1e-6)


def test_a_loop_of_ones_own_has_them_too(classification: Classification) -> None:
    """`epoch.evaluate` over train, which returns them under their own names."""
    model = network()
    loss_fn = nn.CrossEntropyLoss()
    run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.1), batches(classification), show="none")
    for epoch in run.epochs(1):
        for inputs, targets in epoch:
            outputs = model(inputs)
            loss = loss_fn(outputs, targets)
            loss.backward()
            run.optimizer.step()
            run.optimizer.zero_grad()
            epoch.record(loss, outputs, targets)
        measured = epoch.evaluate(loss_fn, "train")
        epoch.evaluate(loss_fn)
    (row,) = run.history.rows

    assert measured == {"loss": row["train-clean/loss"]}
    assert {"train/loss", "test/loss"} <= set(row)
    assert row["lr"] == 0.1


@pytest.mark.parametrize("make", [batches, loader, loader_with_generator])
@pytest.mark.parametrize("batch", [2, 6, 8])
def test_a_signal_within_either_evaluation_changes_nothing(
    batch: int, make: Callable[[Classification], fs.Data], classification: Classification, tmp_path: Path
) -> None:
    """Interrupted while train or test is evaluated, the run goes on to the bits of one that was not."""
    seen = 0

    def interrupting(outputs: Tensor, targets: Tensor) -> Tensor:
        nonlocal seen
        if not torch.is_grad_enabled():
            seen += 1
            if seen == batch:
                os.kill(os.getpid(), signal.SIGINT)
        return fs.accuracy(outputs, targets)

    whole = train(make(classification), clean=True, folder=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(make(classification), clean=True, metric=interrupting, folder=tmp_path / "run")
    resumed = train(make(classification), clean=True, folder=tmp_path / "run")

    assert is_equal(resumed, whole)
    assert numbers(resumed) == numbers(whole)


def test_the_learning_rate_in_a_row_is_that_of_its_epoch(classification: Classification) -> None:
    """A schedule that steps after the epoch changes the next one's; an optimizer without an lr leaves it out."""
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.4)
    schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.5)
    run = fs.Run(model, optimizer, batches(classification), show="none", log_every=2)
    for epoch in run.epochs(3):
        for inputs, targets in epoch:
            loss = nn.functional.cross_entropy(model(inputs), targets)
            loss.backward()
            optimizer.step()
            epoch.record(loss, model(inputs), targets)
        schedule.step()

    assert [row["lr"] for row in run.history if row["epoch"].is_integer()] == [0.4, 0.2, 0.1]
    assert {row["lr"] for row in run.history if 1 < row["epoch"] < 2} == {0.2}
