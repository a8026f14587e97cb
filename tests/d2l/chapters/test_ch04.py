"""Cells in the manner of chapter 4: multilayer perceptrons, dropout, and gradients that vanish."""

import pytest
import torch
from torch import nn

from fourstep import d2l


@pytest.mark.parametrize(
    ("function", "name", "steepest"),
    [(torch.relu, "relu", 1), (torch.sigmoid, "sigmoid", 0.25), (torch.tanh, "tanh", 1)],
)
def test_4_1_activation_functions_and_their_gradients(function, name, steepest):
    """Tensors, labels by position, and a size; the same x with its gradient, which is gathered twice."""
    x = torch.arange(-8.0, 8.0, 0.1, requires_grad=True)
    y = function(x)
    d2l.plot(x.detach(), y.detach(), "x", f"{name}(x)", figsize=(5, 2.5))
    axes = d2l.plt.gca()
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", f"{name}(x)")
    assert axes.get_legend() is None
    assert axes.lines[0].get_ydata().tolist() == y.tolist()
    assert tuple(d2l.plt.gcf().get_size_inches()) == (5, 2.5)

    y.backward(torch.ones_like(x), retain_graph=True)
    d2l.plot(x.detach(), x.grad, "x", "grad of " + name, figsize=(5, 2.5))
    assert d2l.plt.gca().lines[0].get_ydata().tolist() == x.grad.tolist()
    x.grad.data.zero_()
    y.backward(torch.ones_like(x), retain_graph=True)
    assert x.grad.max() == pytest.approx(steepest, abs=1e-4)  # near 0, and gathered once


@pytest.mark.usefixtures("fashion_mnist")
def test_4_2_a_perceptron_from_scratch():
    """Four parameters in a list, `X @ W1 + b1`, an optimizer over them, the library's training and predictions."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    num_inputs, num_outputs, num_hiddens = 784, 10, 64
    W1, W2 = (
        nn.Parameter(d2l.normal(0, 0.01, shape))
        for shape in ((num_inputs, num_hiddens), (num_hiddens, num_outputs))
    )  # fmt: skip
    b1, b2 = nn.Parameter(d2l.zeros(num_hiddens)), nn.Parameter(d2l.zeros(num_outputs))
    params = [W1, b1, W2, b2]

    def net(X):
        hidden = d2l.reshape(X, (-1, num_inputs)) @ W1 + b1
        return (hidden * (hidden > 0)) @ W2 + b2

    loss = nn.CrossEntropyLoss(reduction="none")
    num_epochs, lr = 12, 0.2
    updater = torch.optim.SGD(params, lr=lr)
    before = W1.detach().clone()
    d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, updater)
    assert not torch.equal(before, W1)
    assert d2l.evaluate_loss(net, test_iter, loss) < 0.5
    d2l.predict_ch3(net, test_iter)
    assert len(d2l.plt.gcf().axes) == 6


@pytest.mark.usefixtures("fashion_mnist")
def test_4_3_a_perceptron_in_brief():
    """The names of the settings in one line, and the trainer in the place of the updater."""
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 10))

    net.apply(lambda m: nn.init.normal_(m.weight, std=0.01) if type(m) == nn.Linear else None)
    batch_size, lr, num_epochs = 32, 0.2, 12
    loss = nn.CrossEntropyLoss(reduction="none")
    trainer = torch.optim.SGD(net.parameters(), lr=lr)
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, trainer)
    assert d2l.evaluate_accuracy(net, test_iter) > 0.9


def dropout_layer(X, dropout):
    """A reader's own dropout."""
    kept = torch.bernoulli(torch.full_like(X, 1 - dropout))
    return X * kept / max(1 - dropout, 1e-9)


class Net(nn.Module):
    """A net that drops out where it is told that it trains."""

    def __init__(self, sizes, is_training=True):
        super().__init__()
        self.layers = nn.ModuleList(map(nn.Linear, sizes, sizes[1:]))
        self.training = is_training

    def forward(self, X):
        X = X.flatten(1)
        for layer in self.layers[:-1]:
            X = layer(X).relu()
            if self.training:
                X = dropout_layer(X, 0.5)
        return self.layers[-1](X)


@pytest.mark.usefixtures("fashion_mnist")
def test_4_6_dropout_from_scratch_and_in_brief():
    """The layer keeps the mean; `self.training` is False where accuracy is measured, and True again after."""
    X = torch.arange(16, dtype=torch.float32).reshape((2, 8))
    assert torch.equal(dropout_layer(X, 0.0), X)
    assert dropout_layer(X, 1.0).sum() == 0
    assert set((dropout_layer(X + 1, 0.5) / (X + 1)).unique().tolist()) == {0, 2}

    num_epochs, lr, batch_size = 10, 0.3, 32
    loss = nn.CrossEntropyLoss(reduction="none")
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    brief = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10))
    for net in (Net([784, 64, 10]), brief):
        trainer = torch.optim.SGD(net.parameters(), lr=lr)
        d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, trainer)
        share = d2l.evaluate_accuracy(net, test_iter)
        assert net.training
        assert share == d2l.evaluate_accuracy(net, test_iter) > 0.9  # nothing was dropped


def test_4_8_gradients_vanish_and_explode(printed):
    """Two curves over one x, by legend; a product of many matrices."""
    x = torch.arange(-8.0, 8.0, 0.1, requires_grad=True)
    y = torch.sigmoid(x)
    y.backward(torch.ones_like(x))
    d2l.plot(
        x.detach().numpy(), [y.detach().numpy(), x.grad.numpy()], legend=["sigmoid", "gradient"], figsize=(4.5, 2.5)
    )
    lines = d2l.plt.gca().lines
    assert [line.get_ydata().max() < 0.3 for line in lines] == [False, True]
    assert [len(line.get_xdata()) for line in lines] == [160, 160]

    M, *others = d2l.normal(0, 1, (101, 4, 4))
    first = M.abs().max()
    for other in others:
        M = d2l.matmul(other, M)
    print("after 100 matrices\n", M)
    assert printed()[0] == "after 100 matrices"
    assert M.abs().max() > 1e6 * first
