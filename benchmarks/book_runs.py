"""The book's runs: through the command, through `fourstep.d2l` as its chapters have them, and in small."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from pathlib import Path

import numpy as np
import torch
from benchmarks.houses import write_houses
from torch import Tensor, nn

import fourstep as fs
from fourstep import d2l
from fourstep.recipes import make_parts, recipe_for, with_settings

Numbers = dict[str, float]


def by_command(recipe: str, seed: int) -> Numbers:
    """`fourstep train`, in a process of its own; its last row."""
    with tempfile.TemporaryDirectory() as folder:
        data = "synthetic" if recipe == "linear" else "fashion-mnist"
        command = [sys.executable, "-m", "fourstep", "train", recipe, "--data", data]
        command += ["--seed", str(seed), "--run", f"{folder}/run"]
        subprocess.run(command, check=True, capture_output=True)
        row = json.loads((Path(folder) / "run/metrics.jsonl").read_text().splitlines()[-1])
    return {"loss": row["test/loss"]} if recipe == "linear" else last_of(row)


def last_of(row: dict[str, float]) -> Numbers:
    """A row's numbers under the table's names."""
    return {"train loss": row["train/loss"], "train acc": row["train/accuracy"], "test acc": row["test/accuracy"]}


def named(result: d2l.TrainResult) -> Numbers:
    """A training function's result under the table's names."""
    return {"train loss": result.train_loss, "train acc": result.train_acc, "test acc": result.test_acc}


def linear() -> Numbers:
    """Section 3.3: the loss over all samples after three epochs."""
    features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 1000)
    net = nn.Sequential(nn.Linear(2, 1))
    net.apply(start_small)
    nn.init.zeros_(net[0].bias)  # type: ignore[arg-type] # it has one
    loss, trainer = nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.03)
    train(net, d2l.load_array((features, labels), 10), loss, trainer, 3)
    return {"loss": float(loss(net(features), labels).detach())}


def train(net: nn.Module, train_iter: fs.data.Batches, loss: nn.Module, trainer: torch.optim.Optimizer, n: int) -> None:
    """The four steps for n epochs, by hand."""
    for _ in range(n):
        for inputs, targets in train_iter:
            value = loss(net(inputs), targets).mean()
            trainer.zero_grad()
            value.backward()
            trainer.step()


def start_small(module: nn.Module) -> None:
    """The book's start for linear layers."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)


def chapters_3_and_4(*layers: nn.Module, lr: float = 0.1) -> Numbers:
    """`train_ch3` for ten epochs."""
    net = nn.Sequential(nn.Flatten(), *layers)
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net.apply(start_small)
    trainer = torch.optim.SGD(net.parameters(), lr=lr)
    return named(d2l.train_ch3(net, train_iter, test_iter, nn.CrossEntropyLoss(reduction="none"), 10, trainer))


def lenet(*, normalised: bool, lr: float) -> Numbers:
    """`train_ch6` for ten epochs; sections 6.6 and 7.5."""

    def after(norm: type[nn.Module], channels: int) -> list[nn.Module]:
        return [norm(channels), nn.Sigmoid()] if normalised else [nn.Sigmoid()]

    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=0 if normalised else 2), *after(nn.BatchNorm2d, 6), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), *after(nn.BatchNorm2d, 16), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(256 if normalised else 400, 120), *after(nn.BatchNorm1d, 120),
        nn.Linear(120, 84), *after(nn.BatchNorm1d, 84), nn.Linear(84, 10),
    )  # fmt: skip
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    return named(d2l.train_ch6(net, train_iter, test_iter, 10, lr, d2l.try_gpu()))


def polynomial(num_features: int, num_epochs: int) -> Numbers:
    """Section 4.4: a cubic fitted with that many of twenty powers."""
    weights = np.zeros(20)
    weights[:4] = [5, 1.2, -3.4, 5.6]
    x = torch.randn(200, 1).numpy()
    powers = np.power(x, np.arange(20)) / np.array([factorial(power) for power in range(20)])
    labels = powers @ weights + 0.1 * torch.randn(200).numpy()
    features = torch.tensor(powers[:, :num_features], dtype=torch.float32)
    truth = torch.tensor(labels, dtype=torch.float32).reshape(-1, 1)
    net, loss = nn.Sequential(nn.Linear(num_features, 1, bias=False)), nn.MSELoss(reduction="none")
    train_iter = d2l.load_array((features[:100], truth[:100]), 10)
    test_iter = d2l.load_array((features[100:], truth[100:]), 10, is_train=False)
    train(net, train_iter, loss, torch.optim.SGD(net.parameters(), lr=0.01), num_epochs)
    return {
        "train loss": d2l.evaluate_loss(net, train_iter, loss),
        "test loss": d2l.evaluate_loss(net, test_iter, loss),
    }


def weight_decay(strength: float) -> Numbers:
    """Section 4.5: 200 features and 20 samples to learn from."""
    true_w, true_b = torch.ones(200, 1) * 0.01, 0.05
    train_iter = d2l.load_array(d2l.synthetic_data(true_w, true_b, 20), 5)
    test_iter = d2l.load_array(d2l.synthetic_data(true_w, true_b, 100), 5, is_train=False)
    w, b = torch.normal(0, 1, size=(200, 1), requires_grad=True), torch.zeros(1, requires_grad=True)

    def net(inputs: Tensor) -> Tensor:
        return d2l.linreg(inputs, w, b)

    for _ in range(100):
        for inputs, targets in train_iter:
            value = d2l.squared_loss(net(inputs), targets) + strength * (w**2).sum() / 2
            value.sum().backward()
            d2l.sgd([w, b], 0.003, 5)
    return {"test loss": d2l.evaluate_loss(net, test_iter, d2l.squared_loss), "norm of w": float(w.detach().norm())}


def house_prices() -> Numbers:
    """Section 4.10: five folds of a file of its shape, made up here."""
    import pandas as pd  # noqa: PLC0415 - here alone

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kaggle_house_pred_train.csv"
        write_houses(path, int(torch.randint(2**31, (1,))))
        houses = pd.read_csv(path)
    features = houses.drop(columns=["Id", "SalePrice"])
    numeric = features.select_dtypes("number").columns
    features[numeric] = features[numeric].apply(lambda column: (column - column.mean()) / column.std()).fillna(0)
    table = torch.tensor(pd.get_dummies(features, dummy_na=True, dtype=float).to_numpy(), dtype=torch.float32)
    prices = torch.tensor(houses["SalePrice"].to_numpy(), dtype=torch.float32).reshape(-1, 1)
    errors = [fold(table, prices, part) for part in torch.arange(len(table)).chunk(5)]
    return {
        "train log rmse": sum(train for train, _ in errors) / 5,
        "valid log rmse": sum(valid for _, valid in errors) / 5,
    }


def fold(table: Tensor, prices: Tensor, held_out: Tensor) -> tuple[float, float]:
    """One of the folds: the error of the logarithms on what was learnt from, and on what was held out."""
    kept = torch.ones(len(table), dtype=torch.bool)
    kept[held_out] = False
    net = nn.Sequential(nn.Linear(table.shape[1], 1))
    train_iter = d2l.load_array((table[kept], prices[kept]), 64)
    train(net, train_iter, nn.MSELoss(), torch.optim.Adam(net.parameters(), lr=5), 100)

    def error(rows: Tensor) -> float:
        with torch.no_grad():
            return float(nn.functional.mse_loss(net(table[rows]).clamp(min=1).log(), prices[rows].log()).sqrt())

    return error(kept), error(held_out)


BY_D2L: dict[str, Callable[[], Numbers]] = {
    "linear": linear,
    "softmax": lambda: chapters_3_and_4(nn.Linear(784, 10)),
    "mlp": lambda: chapters_3_and_4(nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)),
    "dropout": lambda: chapters_3_and_4(
        nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2),
        nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10), lr=0.5,
    ),
    "lenet": lambda: lenet(normalised=False, lr=0.9),
    "batchnorm-lenet": lambda: lenet(normalised=True, lr=1.0),
    "polynomial, 4 features": lambda: polynomial(4, 400),
    "polynomial, 2 features": lambda: polynomial(2, 400),
    "polynomial, 20 features": lambda: polynomial(20, 1500),
    "weight decay, 0": lambda: weight_decay(0),
    "weight decay, 3": lambda: weight_decay(3),
    "house prices, 5 folds": house_prices,
}  # fmt: skip


def by_d2l(recipe: str, seed: int) -> Numbers:
    """The book's way, in this process."""
    torch.manual_seed(seed)
    return BY_D2L[recipe]()


@dataclass(frozen=True)
class Reduced:
    """A recipe in small: the book's network and learning rate."""

    images: int
    side: int
    epochs: int
    batch_size: int


def in_small(recipe: str, size: Reduced, seed: int) -> Numbers:
    """Train a recipe on the first images of Fashion-MNIST, and measure it on the first thousand of the test's."""
    settings = {"resize": size.side, "epochs": size.epochs, "batch_size": size.batch_size, "seed": seed}
    made = with_settings(recipe_for(recipe, "fashion-mnist"), settings)
    model, data, loss_fn, optimizer = make_parts(made)

    def first(split: object, count: int, *, shuffle: bool) -> fs.data.Batches:
        assert isinstance(split, fs.data.Batches)
        return fs.data.Batches(
            split.inputs[:count], split.targets[:count],
            batch_size=made.batch_size, shuffle=shuffle, seed=seed, prepare=split.prepare,
        )  # fmt: skip

    few = fs.data.Data(train=first(data.train, size.images, shuffle=True), test=first(data.test, 1000, shuffle=False))
    metrics = {"accuracy": fs.accuracy}
    run = fs.fit(model, few, loss_fn, optimizer, epochs=size.epochs, metrics=metrics, show="none")
    return last_of(run.history.rows[-1])
