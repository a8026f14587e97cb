"""Paths in two dimensions, the airfoil data, and optimizers on them: the book's numbers, and its traps mended."""

import math
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fourstep.d2l.chapter11 import train_ch11, train_concise_ch11
from fourstep.d2l.data import load_array
from fourstep.d2l.optimization import annotate, get_data_ch11, show_trace_2d, train_2d
from fourstep.d2l.plotting import Animator
from fourstep.errors import ConfigError, DataError, NonFiniteError, ShapeError

Put: TypeAlias = Callable[[str, str], None]
Pair: TypeAlias = tuple[Tensor, Tensor]


def descend(x1: Any, x2: Any, s1: Any, s2: Any, f_grad: Any = None) -> tuple[Any, Any, Any, Any]:
    """Gradient descent on x1**2 + 2 * x2**2, with a count of its steps as state."""
    g1, g2 = (2 * x1, 4 * x2) if f_grad is None else f_grad(x1, x2)
    return x1 - 0.1 * g1, x2 - 0.1 * g2, s1 + 1, s2


def test_a_path_is_followed_and_its_end_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """With the gradient in the trainer, or handed to it; numbers or tensors."""
    expected = [(-5 * 0.8**step, -2 * 0.6**step) for step in range(21)]
    for path in (
        train_2d(descend),
        train_2d(descend, f_grad=lambda x1, x2: (2 * x1, 4 * x2)),
        train_2d(descend, 20, lambda x1, x2: (torch.tensor(2.0) * x1, torch.tensor(4.0) * x2)),
    ):
        assert torch.allclose(torch.tensor(path), torch.tensor(expected))
    assert capsys.readouterr().out == f"epoch 20, x1: {expected[-1][0]:f}, x2: {expected[-1][1]:f}\n" * 3
    with pytest.raises(ConfigError, match="steps 0: expected a whole number of 1 or more"):
        train_2d(descend, steps=0)


def test_a_path_is_drawn_over_contours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of tensors too, which matplotlib alone would not take with gradients; and with an arrow and a text."""
    plt.close("all")
    monkeypatch.setenv("FOURSTEP_CURVES", "off")
    weight = torch.tensor(1.0, requires_grad=True)
    show_trace_2d(lambda x1, x2: x1**2 + 2 * x2**2, [(-5, -2), (weight * -4, torch.tensor(-1.0))])
    annotate("a minimum", (0, 0), (-2.0, -1))
    axes = plt.gca()
    line, (text,) = axes.get_lines()[0], axes.texts

    assert np.asarray(line.get_xydata()).tolist() == [[-5, -2], [-4, -1]]
    assert (axes.get_xlabel(), axes.get_ylabel(), len(axes.collections)) == ("x1", "x2", 1)
    assert (text.get_text(), text.xy, text.get_position()) == ("a minimum", (0, 0), (-2.0, -1))  # type: ignore[attr-defined] # an Annotation's
    assert tuple(plt.gcf().get_size_inches()) == (3.5, 2.5)
    plt.close("all")


@pytest.fixture
def table(downloaded: Put) -> Any:
    """A file of the airfoil data's shape, shorter: 1003 rows of 5 features and a label."""
    values = np.random.default_rng(0).normal(3, 20, (1003, 6)).round(3)
    values[:, 5] = values[:, :5] @ [1, -2, 0.5, 0, 3] + 100
    downloaded("airfoil", "".join("\t".join(f"{value:.3f}" for value in row) + "\n" for row in values))
    return values.astype(np.float32)


def test_the_airfoil_data_are_standardised(table: Any) -> None:
    """By each column's mean and population deviation over all rows; then the first n are taken, shuffled."""
    batches, features = get_data_ch11(10, 1000)
    data = (table - table.mean(axis=0)) / table.std(axis=0)
    assert (features, len(batches), batches.batch_size) == (5, 100, 10)
    np.testing.assert_allclose(batches.inputs.numpy(), data[:1000, :5], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(batches.targets.numpy(), data[:1000, 5], rtol=1e-4, atol=1e-4)
    first, second = next(iter(batches)), next(iter(batches))
    assert first[1].shape == (10,)
    assert not torch.equal(first[0], second[0])
    assert len(get_data_ch11(10, 5000)[0].inputs) == 1003
    with pytest.raises(ConfigError, match="n 0: expected a whole number of 1 or more"):
        get_data_ch11(n=0)


@pytest.mark.parametrize("text", ["1\t2\n1\tx\n", "1\t2\n1\t3\n", "1\n2\n"])
def test_a_file_that_is_no_table_is_said(downloaded: Put, text: str) -> None:
    """Words, a column of one value (its deviation is 0), a single column: NaN in the weights otherwise."""
    downloaded("airfoil", text)
    with pytest.raises(DataError, match=r"airfoil\.txt: expected rows of numbers parted by tabs"):
        get_data_ch11()


def made_data(count: int = 1500, features: int = 5) -> Pair:
    """A linear relation with noise."""
    inputs = torch.randn(count, features, generator=torch.Generator().manual_seed(5))
    noise = torch.randn(count, generator=torch.Generator().manual_seed(6))
    return inputs, inputs @ torch.linspace(-1, 1, features) * 0.5 + 0.5 * noise


def momentum(params: list[Tensor], states: list[Tensor], hyperparams: dict[str, float]) -> None:
    """An optimizer in the manner of section 11.6."""
    for param, state in zip(params, states, strict=True):
        assert param.grad is not None
        with torch.no_grad():
            state[:] = hyperparams["momentum"] * state + param.grad
            param[:] -= hyperparams["lr"] * state
        param.grad.zero_()


def zeros() -> list[Tensor]:
    """Its states."""
    return [torch.zeros(5, 1), torch.zeros(1)]


def mean_of_all(net: Any, data_iter: Any) -> float:
    """Section 4.4's loss over all data, half the squared error."""
    total, items = 0.0, 0
    for X, y in data_iter:  # noqa: N806 - the book's name
        outputs = net(X)
        total += float(((outputs.detach() - y.reshape(outputs.shape)) ** 2 / 2).sum())
        items += y.numel()
    return total / items


def book_scratch(data_iter: Any, num_epochs: int) -> tuple[list[float], list[Tensor]]:
    """Section 11.5 from scratch in plain torch: the losses at every multiple of 200, and the weights."""
    w = torch.normal(mean=0.0, std=0.01, size=(5, 1), requires_grad=True)
    b = torch.zeros(1, requires_grad=True)
    states, n, losses = zeros(), 0, []
    for _ in range(num_epochs):
        for X, y in data_iter:  # noqa: N806 - the book's name
            ((X @ w + b - y.reshape(-1, 1)) ** 2 / 2).mean().backward()
            momentum([w, b], states, {"lr": 0.02, "momentum": 0.5})
            n += len(X)
            if n % 200 == 0:
                losses.append(mean_of_all(lambda X: X @ w + b, data_iter))  # noqa: N803 - the book's name
    return losses, [w.detach(), b.detach()]


@pytest.mark.parametrize("loader", ["ours", "torch"])
@pytest.mark.parametrize("batch_size", [10, 100, 64, 1500, 7])
def test_from_scratch_it_is_the_book_s_bit_for_bit(batch_size: int, loader: str) -> None:
    """The same weights, and at the book's points the same losses; ours has those that it leaves out, too."""
    kept: list[list[Tensor]] = []

    def watched(params: list[Tensor], states: list[Tensor], hyperparams: dict[str, float]) -> None:
        kept[:] = [params]
        momentum(params, states, hyperparams)

    def batches() -> Any:
        if loader == "ours":
            return load_array(made_data(), batch_size)
        return DataLoader(TensorDataset(*made_data()), batch_size, shuffle=True)

    torch.manual_seed(1)
    seconds, losses = train_ch11(watched, zeros(), {"lr": 0.02, "momentum": 0.5}, batches(), 5, 2)
    torch.manual_seed(1)
    expected, weights = book_scratch(batches(), 2)

    assert all(torch.equal(ours.detach(), plain) for ours, plain in zip(kept[0], weights, strict=True))
    assert set(expected) <= set(losses)
    assert len(losses) == len(seconds) == (2 if batch_size == 1500 else 15)
    assert seconds == sorted(seconds)
    if 200 % batch_size == 0:
        assert losses == expected


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Animator]:
    """The charts that are drawn."""
    charts: list[Animator] = []

    class Watched(Animator):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            charts.append(self)

    monkeypatch.setattr("fourstep.d2l.chapter11.Animator", Watched)
    return charts


@pytest.mark.parametrize("batch_size", [10, 64])
def test_concise_it_is_the_book_s_bit_for_bit(
    drawn: list[Animator], capsys: pytest.CaptureFixture[str], batch_size: int
) -> None:
    """By one of torch's optimizers: the losses at the book's points, and the closing line."""
    settings: dict[str, Any] = {"lr": 0.01, "momentum": 0.9}
    torch.manual_seed(2)
    train_concise_ch11(torch.optim.SGD, settings, load_array(made_data(), batch_size), 2)
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(5, 1))
    nn.init.normal_(net[0].weight, std=0.01)  # type: ignore[arg-type] # a linear layer has one
    optimizer = torch.optim.SGD(net.parameters(), **settings)
    data_iter, n, expected = load_array(made_data(), batch_size), 0, []
    for _ in range(2):
        for X, y in data_iter:  # noqa: N806 - the book's name
            optimizer.zero_grad()
            outputs = net(X)
            nn.functional.mse_loss(outputs, y.reshape(outputs.shape), reduction="none").mean().backward()
            optimizer.step()
            n += len(X)
            if n % 200 == 0:
                expected.append(mean_of_all(net, data_iter))
    (animator,) = drawn
    assert animator.Y is not None

    assert set(expected) <= set(animator.Y[0])
    assert len(animator.Y[0]) == 15
    assert len(expected) == (15 if batch_size == 10 else 1)
    assert re.fullmatch(rf"loss: {animator.Y[0][-1]:.3f}, \d+\.\d{{3}} sec/epoch\n", capsys.readouterr().out)
    axes = animator.axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim(), axes.get_ylim()) == (
        "epoch", "loss", (0, 2), (0.22, 0.35)
    )  # fmt: skip


def test_points_lie_where_they_belong(drawn: list[Animator]) -> None:
    """A short last batch does not move them, as it does in the book; few examples give a point at the end."""
    train_concise_ch11(torch.optim.SGD, {"lr": 0.01}, load_array(made_data(450), 100), 2)
    train_concise_ch11(torch.optim.SGD, {"lr": 0.01}, load_array(made_data(30), 10), 3)

    assert [chart.X for chart in drawn] == [[[0.4, 0.8, 1.4, 1.8]], [[3.0]]]


def test_a_step_that_keeps_the_gradients_is_said() -> None:
    """They would add up without a word: trouble 14, a forgotten `zero_`."""

    def forgets(params: list[Tensor], states: None, hyperparams: dict[str, float]) -> None:  # noqa: ARG001 - its call
        for param in params:
            assert param.grad is not None
            param.data.sub_(hyperparams["lr"] * param.grad)

    with pytest.raises(ConfigError, match=r"trainer_fn left the gradients as they are.*p\.grad\.zero_\(\) for each"):
        train_ch11(forgets, None, {"lr": 0.1}, load_array(made_data(), 10), 5)


def test_what_cannot_be_trained_on_is_said() -> None:
    """A step too large, other columns, a source without a length, no epochs."""
    sgd, few = torch.optim.SGD, load_array(made_data(), 10)
    with pytest.raises(NonFiniteError, match=r"NaN or infinite by example 1,000 \(epoch 0\.50\): use a smaller lr"):
        train_ch11(momentum, zeros(), {"lr": 1e9, "momentum": math.inf}, load_array(made_data(), 1000), 5)
    with pytest.raises(ShapeError, match=r"X has shape \(10, 3\): train_concise_ch11 trains a net of 5 features"):
        train_concise_ch11(sgd, {"lr": 0.1}, load_array(made_data(features=3), 10))
    with pytest.raises(DataError, match="data_iter has no length"):
        train_concise_ch11(sgd, {"lr": 0.1}, iter(few))
    with pytest.raises(ConfigError, match="num_epochs 0: expected"):
        train_concise_ch11(sgd, {"lr": 0.1}, few, 0)
