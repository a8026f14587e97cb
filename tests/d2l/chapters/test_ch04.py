"""Cells in the manner of chapter 4: multilayer perceptrons, dropout, and gradients that vanish."""

import pytest
import torch
from torch import nn

from fourstep import d2l


@pytest.mark.parametrize(("function", "name"), [(torch.relu, "relu"), (torch.sigmoid, "sigmoid"), (torch.tanh, "tanh")])
def test_4_1_activation_functions_and_their_gradients(function, name):
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
    assert 0.5 < x.grad.max() <= 1 or name == "sigmoid"


@pytest.mark.usefixtures("fashion_mnist")
def test_4_2_a_perceptron_from_scratch():
    """Four parameters in a list, `X @ W1 + b1`, an optimizer over them, the library's training and predictions."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    num_inputs, num_outputs, num_hiddens = 784, 10, 64
    W1 = nn.Parameter(torch.randn(num_inputs, num_hiddens, requires_grad=True) * 0.01)
    b1 = nn.Parameter(torch.zeros(num_hiddens, requires_grad=True))
    W2 = nn.Parameter(torch.randn(num_hiddens, num_outputs, requires_grad=True) * 0.01)
    b2 = nn.Parameter(torch.zeros(num_outputs, requires_grad=True))
    params = [W1, b1, W2, b2]

    def relu(X):
        return torch.max(X, torch.zeros_like(X))

    def net(X):
        X = d2l.reshape(X, (-1, num_inputs))
        return relu(X @ W1 + b1) @ W2 + b2

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

    def init_weights(m):
        if type(m) == nn.Linear:
            nn.init.normal_(m.weight, std=0.01)

    net.apply(init_weights)
    batch_size, lr, num_epochs = 32, 0.2, 12
    loss = nn.CrossEntropyLoss(reduction="none")
    trainer = torch.optim.SGD(net.parameters(), lr=lr)
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, trainer)
    assert d2l.evaluate_accuracy(net, test_iter) > 0.9


def dropout_layer(X, dropout):
    """A reader's own dropout."""
    assert 0 <= dropout <= 1
    if dropout == 1:
        return torch.zeros_like(X)
    mask = (torch.rand(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)


class Net(nn.Module):
    """A net that drops out where it is told that it trains."""

    def __init__(self, num_inputs, num_outputs, num_hiddens, is_training=True):
        super().__init__()
        self.num_inputs, self.training = num_inputs, is_training
        self.lin1, self.lin2 = nn.Linear(num_inputs, num_hiddens), nn.Linear(num_hiddens, num_outputs)
        self.relu = nn.ReLU()

    def forward(self, X):
        H = self.relu(self.lin1(X.reshape((-1, self.num_inputs))))
        return self.lin2(dropout_layer(H, 0.5) if self.training else H)


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
    for net in (Net(784, 10, 64), brief):
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

    M = torch.normal(0, 1, size=(4, 4))
    first = M.abs().max()
    for _ in range(100):
        M = torch.mm(M, torch.normal(0, 1, size=(4, 4)))
    print("after 100 matrices\n", M)
    assert printed()[0] == "after 100 matrices"
    assert M.abs().max() > 1e6 * first
