"""The book's names against the article's own loops in plain torch over its own `DataLoader`: bit for bit."""

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fourstep import d2l

Pair: TypeAlias = tuple[Tensor, Tensor]


def loader(arrays: tuple[Tensor, ...], batch_size: int, *, shuffle: bool) -> "DataLoader[tuple[Tensor, ...]]":
    """The article's `load_array`."""
    return DataLoader(TensorDataset(*arrays), batch_size, shuffle=shuffle)


def right(outputs: Tensor, targets: Tensor) -> float:
    """The article's `accuracy`."""
    return float((outputs.argmax(dim=1).type(targets.dtype) == targets).type(targets.dtype).sum())


def share_right(net: Callable[..., Any], batches: Iterable[Any]) -> float:
    """The article's `evaluate_accuracy`."""
    if isinstance(net, nn.Module):
        net.eval()
    counted, total = 0.0, 0
    with torch.no_grad():
        for inputs, targets in batches:
            counted += right(net(inputs), targets)
            total += targets.numel()
    return counted / total


def article_ch3(
    net: Callable[..., Any],
    train: Iterable[Any],
    test: Iterable[Any],
    loss: Callable[..., Tensor],
    epochs: int,
    updater: Any,
) -> tuple[float, float, float]:
    """The article's `train_ch3` without its chart and asserts; `loss` gives one value per sample."""
    for _ in range(epochs):
        if isinstance(net, nn.Module):
            net.train()
        total, counted, seen = 0.0, 0.0, 0
        for inputs, targets in train:
            outputs = net(inputs)
            value = loss(outputs, targets)
            if isinstance(updater, torch.optim.Optimizer):
                updater.zero_grad()
                value.mean().backward()
                updater.step()
            else:
                value.sum().backward()
                updater(inputs.shape[0])
            total += float(value.detach().sum())
            counted += right(outputs, targets)
            seen += targets.numel()
        result = total / seen, counted / seen, share_right(net, test)
    return result


def article_ch6(
    net: nn.Module, train: Iterable[Any], test: Iterable[Any], epochs: int, lr: float
) -> tuple[float, float, float]:
    """The article's `train_ch6` on the CPU, without its chart and lines."""

    def start(module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.xavier_uniform_(module.weight)

    net.apply(start)
    optimizer = torch.optim.SGD(net.parameters(), lr=lr)
    loss = nn.CrossEntropyLoss()
    for _ in range(epochs):
        total, counted, seen = 0.0, 0.0, 0
        net.train()
        for inputs, targets in train:
            optimizer.zero_grad()
            outputs = net(inputs)
            value = loss(outputs, targets)
            value.backward()
            optimizer.step()
            total += float(value.detach() * inputs.shape[0])
            counted += right(outputs, targets)
            seen += inputs.shape[0]
        result = total / seen, counted / seen, share_right(net, test)
    return result


def lenet() -> nn.Sequential:
    """The article's LeNet."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5),
        nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )


def same_bits(one: Iterable[Tensor], other: Iterable[Tensor]) -> bool:
    """Are these the same weights?"""
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_linear_regression_is_the_articles() -> None:
    """The article's first program, over `load_array` and over its own: the same weights, and the same three losses."""
    results = []
    for load in (d2l.load_array, lambda pair, size: loader(pair, size, shuffle=True)):
        torch.manual_seed(0)
        features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 1000)
        data_iter = load((features, labels), 10)
        net, loss = nn.Sequential(nn.Linear(2, 1)), nn.MSELoss()
        trainer = torch.optim.SGD(net.parameters(), lr=0.03)
        losses = []
        for _ in range(3):
            for X, y in data_iter:  # noqa: N806 - the article's lines
                l = loss(net(X), y)  # noqa: E741 - as above
                trainer.zero_grad()
                l.backward()
                trainer.step()
            losses.append(loss(net(features), labels).item())
        results.append((losses, [parameter.detach() for parameter in net.parameters()]))

    assert results[0][0] == results[1][0]
    assert same_bits(results[0][1], results[1][1])
    assert results[0][0][-1] < 2e-4


def test_linear_regression_from_scratch_is_the_articles() -> None:
    """`linreg`, `squared_loss` and `sgd` give the weights of their formulas written out."""
    features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 100)
    torch.manual_seed(1)
    w, b = torch.normal(0, 0.01, size=(2, 1), requires_grad=True), torch.zeros(1, requires_grad=True)
    for inputs, targets in d2l.load_array((features, labels), 8):
        d2l.squared_loss(d2l.linreg(inputs, w, b), targets).sum().backward()
        d2l.sgd([w, b], 0.03, len(inputs))
    torch.manual_seed(1)
    w_, b_ = torch.normal(0, 0.01, size=(2, 1), requires_grad=True), torch.zeros(1, requires_grad=True)
    for inputs, targets in loader((features, labels), 8, shuffle=True):
        (((torch.matmul(inputs, w_) + b_) - targets) ** 2 / 2).sum().backward()
        with torch.no_grad():
            for parameter in (w_, b_):
                assert parameter.grad is not None
                parameter.sub_(0.03 * parameter.grad / len(inputs))
                parameter.grad.zero_()

    assert same_bits((w, b), (w_, b_))


def scratch_net() -> tuple[list[Tensor], Callable[[Tensor], Tensor]]:
    """Softmax regression as two tensors and a function, and its parameters."""
    w = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
    b = torch.zeros(10, requires_grad=True)

    def net(inputs: Tensor) -> Tensor:
        exponents = (torch.matmul(inputs.reshape((-1, 784)), w) + b).exp()
        return exponents / exponents.sum(1, keepdim=True)

    return [w, b], net


def cross_entropy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The article's: one value per sample."""
    return -torch.log(outputs[range(len(outputs)), targets])


@pytest.mark.filterwarnings("ignore::fourstep.FourstepWarning")
def test_softmax_from_scratch_is_the_articles(images: Any) -> None:
    """`train_ch3` of a function by a function: the same weights and the same three numbers."""
    torch.manual_seed(4)
    ours, net = scratch_net()
    batches = d2l.load_array(images.train, 16), d2l.load_array(images.test, 16, is_train=False)
    result = d2l.train_ch3(net, *batches, cross_entropy, 3, lambda size: d2l.sgd(ours, 0.1, size))
    torch.manual_seed(4)
    theirs, net = scratch_net()
    loaders = loader(images.train, 16, shuffle=True), loader(images.test, 16, shuffle=False)
    expected = article_ch3(net, *loaders, cross_entropy, 3, lambda size: d2l.sgd(theirs, 0.1, size))

    assert tuple(result) == expected
    assert same_bits(ours, theirs)


@pytest.mark.filterwarnings("ignore::fourstep.FourstepWarning")
@pytest.mark.parametrize("reduction", ["none", "mean"])
def test_concise_softmax_is_the_articles(images: Any, reduction: str) -> None:
    """`train_ch3` of a module with dropout by a torch optimizer: weights bit for bit, whatever the reduction."""

    def build() -> tuple[nn.Module, torch.optim.Optimizer]:
        torch.manual_seed(4)
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10), nn.Dropout(0.2))
        return net, torch.optim.SGD(net.parameters(), lr=0.1)

    ours, optimizer = build()
    batches = d2l.load_array(images.train, 10), d2l.load_array(images.test, 10, is_train=False)
    result = d2l.train_ch3(ours, *batches, nn.CrossEntropyLoss(reduction=reduction), 3, optimizer)
    theirs, optimizer = build()
    loaders = loader(images.train, 10, shuffle=True), loader(images.test, 10, shuffle=False)
    expected = article_ch3(theirs, *loaders, nn.CrossEntropyLoss(reduction="none"), 3, optimizer)

    assert same_bits(ours.parameters(), theirs.parameters())
    assert tuple(result) == (expected if reduction == "none" else pytest.approx(expected, rel=1e-6))


def test_lenet_is_the_articles(images: Any) -> None:
    """`train_ch6`: the same weights and the same three numbers."""
    torch.manual_seed(4)
    ours = lenet()
    batches = d2l.load_array(images.train, 10), d2l.load_array(images.test, 10, is_train=False)
    result = d2l.train_ch6(ours, *batches, 2, 0.9, "cpu")
    torch.manual_seed(4)
    theirs = lenet()
    expected = article_ch6(
        theirs, loader(images.train, 10, shuffle=True), loader(images.test, 10, shuffle=False), 2, 0.9
    )

    assert tuple(result) == expected
    assert same_bits(ours.parameters(), theirs.parameters())


def test_a_loader_of_ones_own_gives_the_same(images: Any) -> None:
    """`train_ch6` takes a `DataLoader` as it takes `load_array`'s batches."""
    weights = []
    for load in (loader, lambda pair, size, *, shuffle: d2l.load_array(pair, size, shuffle)):
        torch.manual_seed(4)
        net = lenet()
        d2l.train_ch6(net, load(images.train, 8, shuffle=True), load(images.test, 8, shuffle=False), 1, 0.9, "cpu")
        weights.append([parameter.detach() for parameter in net.parameters()])

    assert same_bits(*weights)


def test_the_articles_own_functions_work_over_our_batches(images: Any) -> None:
    """The article's loops, kept in one's own file, run over `load_array`: the numbers of its `DataLoader`."""
    numbers = []
    for load in (loader, lambda pair, size, *, shuffle: d2l.load_array(pair, size, shuffle)):
        torch.manual_seed(4)
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        loss = nn.CrossEntropyLoss(reduction="none")
        train, test = load(images[0], 16, shuffle=True), load(images[1], 16, shuffle=False)
        numbers.append(article_ch3(net, train, test, loss, 3, optimizer))

    assert numbers[0] == numbers[1]
