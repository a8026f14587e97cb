"""The article's training functions, written anew with the same work per batch, and the same calls by `fourstep.d2l`.

Left out of the article's: what shows the figure in a notebook, the print of every batch's outputs, the closing asserts.
A figure is drawn by clearing the axes and plotting all curves again, as there, but never rendered.

Source of the functions: *Dive into Deep Learning*, sections 3.3, 3.6 and 6.6, as the article has them.
"""

import importlib
import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import torch
from benchmarks.sample import Clock
from benchmarks.works import WORKS, Result, Tensors, Work, load, make_loss, make_model, make_optimizer, to_float
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fourstep import d2l

CURVES = ["train loss", "train acc", "test acc"]


class Accumulator:
    """Sums of several numbers, as Python floats."""

    def __init__(self, count: int) -> None:
        self.sums = [0.0] * count

    def add(self, *values: float | Tensor) -> None:
        """Add a value to each sum; a tensor's is read, which waits for it."""
        self.sums = [total + float(value) for total, value in zip(self.sums, values, strict=True)]


class Animator:
    """Curves that are drawn from their beginning with every point."""

    def __init__(self, num_epochs: int, ylim: tuple[float, float] | None) -> None:
        from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import, and only drawn here

        self.figure, self.axes = plt.subplots(figsize=(3.5, 2.5))
        self.num_epochs, self.ylim = num_epochs, ylim
        self.points: list[tuple[list[float], list[float]]] = [([], []) for _ in CURVES]

    def add(self, x: float, values: Sequence[float | None]) -> None:
        """Add a point to each curve that has a value, and draw all."""
        for (xs, ys), value in zip(self.points, values, strict=True):
            if value is not None:
                xs.append(x)
                ys.append(value)
        axes = self.axes
        axes.cla()
        for (xs, ys), style in zip(self.points, ("-", "m--", "g-."), strict=True):
            axes.plot(xs, ys, style)
        axes.set_xlabel("epoch")
        axes.set_ylabel("")
        axes.set_xscale("linear")
        axes.set_yscale("linear")
        axes.set_xlim(1, max(self.num_epochs, 1.01))  # one epoch alone has no width
        if self.ylim is not None:
            axes.set_ylim(*self.ylim)
        axes.legend(CURVES)
        axes.grid()


def count_right(outputs: Tensor, targets: Tensor) -> float:
    """How many predictions are right."""
    if outputs.dim() > 1 and outputs.shape[1] > 1:
        outputs = outputs.argmax(dim=1)
    right = outputs.type(targets.dtype) == targets
    return float(right.type(targets.dtype).sum())


def evaluate_accuracy(net: nn.Module, data_iter: Iterable[Any], device: torch.device | None = None) -> float:
    """The share of right predictions; leaves the net in evaluation mode."""
    net.eval()
    sums = Accumulator(2)
    with torch.no_grad():
        for inputs, targets in data_iter:
            if device is not None:
                inputs, targets = inputs.to(device), targets.to(device)  # noqa: PLW2901 - as the article has it
            sums.add(count_right(net(inputs), targets), targets.numel())
    return sums.sums[0] / sums.sums[1]


def train_epoch_ch3(
    net: nn.Module, train_iter: Iterable[Any], loss: nn.Module, updater: torch.optim.Optimizer
) -> tuple[float, float, int]:
    """One pass: its mean loss, its share of right predictions, and how many samples it saw."""
    net.train()
    sums = Accumulator(3)
    for inputs, targets in train_iter:
        outputs = net(inputs)
        values = loss(outputs, targets)
        updater.zero_grad()
        values.mean().backward()
        updater.step()
        sums.add(float(values.sum().detach()), count_right(outputs, targets), targets.numel())
    total, right, count = sums.sums
    return total / count, right / count, int(count)


def train_ch3(work: Work, net: nn.Module, train_iter: Iterable[Any], test_iter: Iterable[Any]) -> tuple[Any, ...]:
    """Train and draw; the last epoch's train loss, test accuracy, and the samples of an epoch."""
    updater, loss = make_optimizer(work, net), nn.CrossEntropyLoss(reduction="none")
    animator = Animator(work.epochs, (0.3, 0.9))
    for epoch in range(work.epochs):
        train_loss, train_accuracy, count = train_epoch_ch3(net, train_iter, loss, updater)
        test_accuracy = evaluate_accuracy(net, test_iter)
        animator.add(epoch + 1, (train_loss, train_accuracy, test_accuracy))
    return train_loss, test_accuracy, count


def train_ch6(work: Work, net: nn.Module, train_iter: Any, test_iter: Iterable[Any]) -> tuple[Any, ...]:
    """The same with the data moved to a device, a clock, and five drawings per epoch."""
    device, seconds, loss = torch.device("cpu"), [], nn.CrossEntropyLoss()
    net.to(device)
    updater, animator, num_batches = make_optimizer(work, net), Animator(work.epochs, None), len(train_iter)
    for epoch in range(work.epochs):
        sums = Accumulator(3)
        net.train()
        for number, (inputs, targets) in enumerate(train_iter):
            started = time.time()
            updater.zero_grad()
            inputs, targets = inputs.to(device), targets.to(device)  # noqa: PLW2901 - as the article has it
            outputs = net(inputs)
            value = loss(outputs, targets)
            value.backward()
            updater.step()
            with torch.no_grad():
                sums.add(value * inputs.shape[0], count_right(outputs, targets), inputs.shape[0])
            seconds.append(time.time() - started)
            total, right, count = sums.sums
            if (number + 1) % max(1, num_batches // 5) == 0 or number == num_batches - 1:
                animator.add(epoch + (number + 1) / num_batches, (total / count, right / count, None))
        test_accuracy = evaluate_accuracy(net, test_iter, device)
        animator.add(epoch + 1, (None, None, test_accuracy))
    return total / count, test_accuracy, int(count)


class Images(Dataset[tuple[Tensor, int]]):
    """Images that become tensors one by one, as torchvision does it: bytes, a picture, an array, a tensor."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images[:, 0], labels
        self.to_picture = importlib.import_module("PIL.Image").fromarray

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        image, label = self.images[index], int(self.labels[index])
        picture = self.to_picture(image.numpy(), mode="L")
        values = torch.from_numpy(np.array(picture, copy=True))[:, :, None]
        return values.permute(2, 0, 1).contiguous().to(torch.float32).div(255), label


def by_article(work: Work) -> Result:
    """The article's functions over torch's `DataLoader`."""
    data, net = load(work), make_model(work)
    if not work.classes:
        pairs = TensorDataset(data.train_inputs, data.train_targets)
        return train_linear(work, net, DataLoader(pairs, work.batch_size, shuffle=True), data)
    train_set, test_set = Images(data.train_inputs, data.train_targets), Images(data.test_inputs, data.test_targets)
    train_iter = DataLoader(train_set, work.batch_size, shuffle=True, num_workers=0)
    test_iter = DataLoader(test_set, work.batch_size, shuffle=False, num_workers=0)
    importlib.import_module("matplotlib.pyplot")  # imports are left out
    train = train_ch3 if work.name in ("softmax", "mlp") else train_ch6
    with Clock() as clock:
        train_loss, score, count = train(work, net, train_iter, test_iter)
    return Result(
        seconds=clock.seconds,
        steps=work.epochs * len(train_iter),
        samples=work.epochs * count,
        train_loss=train_loss,
        score=score,
        page_faults=clock.page_faults,
    )


def by_d2l(work: Work) -> Result:
    """The article's calls, answered by `fourstep.d2l`."""
    net = make_model(work)
    if not work.classes:
        data = load(work)
        return train_linear(work, net, d2l.load_array((data.train_inputs, data.train_targets), work.batch_size), data)
    if work.samples == WORKS["softmax"].samples:
        train_iter, test_iter = d2l.load_data_fashion_mnist(work.batch_size)
    else:
        inputs, targets, test_inputs, test_targets = load(work)
        train_iter = d2l.load_array((to_float(inputs), targets), work.batch_size)
        test_iter = d2l.load_array((to_float(test_inputs), test_targets), work.batch_size, is_train=False)
    for name in ("matplotlib.pyplot", "fourstep.d2l.unseen"):  # imports are left out
        importlib.import_module(name)
    train: Callable[[], d2l.TrainResult]
    if work.name in ("softmax", "mlp"):
        loss, trainer = nn.CrossEntropyLoss(reduction="none"), make_optimizer(work, net)
        train = lambda: d2l.train_ch3(net, train_iter, test_iter, loss, work.epochs, trainer)  # noqa: E731
    else:
        train = lambda: d2l.train_ch6(net, train_iter, test_iter, work.epochs, work.lr, "cpu", init=False)  # noqa: E731
    with Clock() as clock:
        result = train()
    return Result(
        seconds=clock.seconds,
        steps=work.epochs * len(train_iter),
        samples=work.epochs * train_iter.num_items,
        train_loss=result.train_loss,
        score=result.test_acc,
        page_faults=clock.page_faults,
    )


def train_linear(work: Work, net: nn.Module, data_iter: Iterable[Any], data: Tensors) -> Result:
    """The article's first loop: the four steps, and the loss over all test samples after each epoch."""
    loss, trainer = make_loss(work), make_optimizer(work, net)
    steps = samples = 0
    with Clock() as clock:
        for _ in range(work.epochs):
            for inputs, targets in data_iter:
                value = loss(net(inputs), targets)
                trainer.zero_grad()
                value.backward()
                trainer.step()
                steps, samples = steps + 1, samples + len(targets)
            score = float(loss(net(data.test_inputs), data.test_targets).detach())
    return Result(
        seconds=clock.seconds,
        steps=steps,
        samples=samples,
        train_loss=math.nan,
        score=score,
        page_faults=clock.page_faults,
    )
