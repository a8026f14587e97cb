"""The contenders of our own making: the limit, fourstep by each of its doors, and the loop that is written by hand.

Each trains one work and says what it did. The clock goes around training and the evaluations after each epoch alone.
"""

import importlib
import math
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from benchmarks import article
from benchmarks.sample import Clock
from benchmarks.works import Contender, Result, Work, load, make_loss, make_model, make_optimizer, to_float
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.history import History
from fourstep.runs.folder import RunFolder
from fourstep.scale.memory import keep_freed_memory


def limit(work: Work) -> Result:
    """The four steps over batches that lie ready, in one order: no metrics, and no evaluation within the clock."""
    keep_freed_memory(torch.device("cpu"))
    model, batches, test = make_model(work), *ready_batches(work)
    if any(isinstance(module, nn.Conv2d) for module in model.modules()):
        as_channels_last(model)
    loss_fn, optimizer = make_loss(work), make_optimizer(work, model)
    with Clock() as clock:
        for _ in range(work.epochs):
            for inputs, targets in batches:
                loss = loss_fn(model(inputs), targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    return Result(
        seconds=clock.seconds,
        steps=work.epochs * len(batches),
        samples=work.epochs * sum(len(targets) for _, targets in batches),
        train_loss=math.nan,
        score=measure(work, model, test)[1],
        page_faults=clock.page_faults,
    )


def as_channels_last(model: nn.Module) -> nn.Module:
    """The model with its weights in the memory format that torch advises for convolutions."""
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return] # torch's types lack it


def ready_batches(work: Work) -> tuple[list[tuple[Tensor, Tensor]], DataLoader[Any]]:
    """Shuffled training batches as float32, and the test data."""
    data = load(work)
    batches = [
        (to_float(data.train_inputs[chosen]), data.train_targets[chosen])
        for chosen in torch.randperm(work.samples).split(work.batch_size)
    ]
    test = TensorDataset(to_float(data.test_inputs), data.test_targets)
    return batches, DataLoader(test, batch_size=work.batch_size)


def measure(work: Work, model: nn.Module, test: Iterable[Any]) -> tuple[float, float]:
    """The mean test loss and the score, as a loop by hand measures them; leaves the model in evaluation mode."""
    model.eval()
    loss_fn, total, right, count = make_loss(work), 0.0, 0, 0
    with torch.no_grad():
        for inputs, targets in test:
            outputs = model(inputs)
            total += loss_fn(outputs, targets).item() * len(targets)
            if work.classes:
                right += int((outputs.argmax(dim=1) == targets).sum().item())
            count += len(targets)
    return total / count, right / count if work.classes else total / count


def hand(work: Work) -> Result:
    """The loop that a good user of plain torch writes over `DataLoader(TensorDataset)`."""
    train, test = loaders(work)
    model, loss_fn = make_model(work), make_loss(work)
    optimizer = make_optimizer(work, model)
    steps = samples = 0
    with Clock() as clock:
        for _ in range(work.epochs):
            model.train()
            total, right, count = 0.0, 0, 0
            for inputs, targets in train:
                outputs = model(inputs)
                loss = loss_fn(outputs, targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                total += loss.item() * len(targets)
                if work.classes:
                    right += int((outputs.argmax(dim=1) == targets).sum().item())
                count += len(targets)
                steps += 1
            samples += count
            _, score = measure(work, model, test)
    return Result(
        seconds=clock.seconds,
        steps=steps,
        samples=samples,
        train_loss=total / count,
        score=score,
        page_faults=clock.page_faults,
    )


def loaders(work: Work) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """The training data, shuffled, and the test data, both whole as float32."""
    data = load(work)
    train = TensorDataset(to_float(data.train_inputs), data.train_targets)
    test = TensorDataset(to_float(data.test_inputs), data.test_targets)
    return DataLoader(train, work.batch_size, shuffle=True), DataLoader(test, work.batch_size)


def fit(work: Work) -> Result:
    """`fourstep.fit` with its defaults, over the package's own model."""
    return by_fit(work, package_model(work))


def fit_own(work: Work) -> Result:
    """`fourstep.fit` with its defaults, over a plain model as it comes."""
    return by_fit(work, make_model(work))


def fit_silent(work: Work) -> Result:
    """`fit` that shows and keeps nothing."""
    return by_fit(work, package_model(work), show="none")


def fit_shown(work: Work) -> Result:
    """`fit` with the terminal's display, and the log of a run's folder: a line of numbers after each epoch."""
    with TemporaryDirectory() as name:
        folder = RunFolder(Path(name))
        result = by_fit(work, package_model(work), show="terminal", hooks=[folder.append_row])
        folder.finish(History(), None)
        return result


def fit_kept(work: Work) -> Result:
    """The same with all of a run's folder: settings, fingerprints, weights, and a last picture of the curves."""
    importlib.import_module("fourstep.show.figure")
    return by_fit(work, package_model(work), show="terminal", folder="run")


def package_model(work: Work) -> nn.Module:
    """The package's own model, or the plain small ResNet; convolutions in torch's faster memory format."""
    torch.manual_seed(0)
    if work.name == "linear":
        return fs.models.LinearRegression(2)
    if work.name == "resnet":
        return as_channels_last(make_model(work))
    models: dict[str, type[nn.Module]] = {
        "softmax": fs.models.SoftmaxRegression,
        "mlp": fs.models.MLP,
        "lenet": fs.models.LeNet,
    }
    model = models[work.name]()
    return as_channels_last(model) if work.name == "lenet" else model


def run_data(work: Work) -> fs.Data:
    """The work's data as fourstep takes it; images stay bytes."""
    inputs, targets, *test = load(work)
    return fs.data.from_arrays(inputs, targets, batch_size=work.batch_size, test=list(test))


def by_fit(work: Work, model: nn.Module, **settings: Any) -> Result:
    """Train by `fourstep.fit`."""
    data, loss_fn, optimizer = run_data(work), make_loss(work), make_optimizer(work, model)
    metrics = {"accuracy": fs.accuracy} if work.classes else None
    importlib.import_module("fourstep.show.terminal")  # imports are left out
    with Clock() as clock:
        run = fs.fit(model, data, loss_fn, optimizer, epochs=work.epochs, metrics=metrics, **settings)
    return run_result(work, run, clock)


def by_run(work: Work) -> Result:
    """The loop that is written by hand over `fourstep.Run`."""
    model, data, loss_fn = package_model(work), run_data(work), make_loss(work)
    optimizer = make_optimizer(work, model)
    metrics = {"accuracy": fs.accuracy} if work.classes else None
    importlib.import_module("fourstep.show.terminal")
    with Clock() as clock:
        run = fs.Run(model, optimizer, data, metrics=metrics)
        for epoch in run.epochs(work.epochs):
            for inputs, targets in epoch:
                outputs = model(inputs)
                loss = loss_fn(outputs, targets)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                epoch.record(loss, outputs, targets)
            epoch.evaluate(loss_fn)
    return run_result(work, run, clock)


def run_result(work: Work, run: fs.Run, clock: Clock) -> Result:
    """What a run did, by its own counts."""
    assert isinstance(run.data.train, fs.Batches)
    last = run.history.rows[-1]
    return Result(
        seconds=clock.seconds,
        steps=run.step,
        samples=run.epochs_done * run.data.train.num_items,
        train_loss=last["train/loss"],
        score=last["test/accuracy" if work.classes else "test/loss"],
        page_faults=clock.page_faults,
    )


CONTENDERS: dict[str, Contender] = {
    "limit": limit,
    "fit": fit,
    "fit-own": fit_own,
    "run": by_run,
    "d2l": article.by_d2l,
    "hand": hand,
    "article": article.by_article,
    "fit-silent": fit_silent,
    "fit-shown": fit_shown,
    "fit-kept": fit_kept,
}
