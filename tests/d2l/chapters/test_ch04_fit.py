"""Cells in the manner of chapter 4: fitting too little and too much, weight decay, and the prices of houses."""

import math

import numpy as np
import torch
from torch import nn

from fourstep import d2l


def polynomial(max_degree, n_train, n_test):
    """A cubic of x with noise: x's powers over their factorials, and labels, as tensors from arrays of doubles."""
    features = np.random.normal(size=(n_train + n_test, 1))
    columns = [features[:, 0] ** degree / math.factorial(degree) for degree in range(max_degree)]
    true_w = np.pad([3.0, -1.5, 2.5, 4.0], (0, max_degree - 4))
    poly_features = np.stack(columns, axis=1)
    labels = poly_features @ true_w + np.random.normal(scale=0.1, size=len(features))
    return [d2l.tensor(x, dtype=d2l.float32) for x in [true_w, features, poly_features, labels]]


def evaluate_loss(net, data_iter, loss):
    """A reader's own, in the aliases of the text; what it adds up has gradients."""
    total = d2l.Accumulator(2)
    for X, y in data_iter:
        errors = loss(d2l.reshape(net(X), y.shape), y)
        total.add(d2l.reduce_sum(errors), d2l.size(errors))
    return total[0] / total[1]


def test_4_4_a_polynomial_fits_too_little_and_too_much():
    """`train_epoch_ch3` on a regression, a log curve that is added to at times, the weights as an array."""
    n_train, n_test = 100, 100
    np.random.seed(0)  # a sample far out has powers at which this learning rate diverges: 2 of 400 draws
    true_w, _, poly_features, labels = polynomial(12, n_train, n_test)

    def train(degrees, num_epochs=60):
        X, y = poly_features[:, :degrees], d2l.reshape(labels, (-1, 1))
        net, loss, batch_size = nn.Sequential(nn.Linear(degrees, 1, bias=False)), nn.MSELoss(reduction="none"), 10
        train_iter = d2l.load_array((X[:n_train], y[:n_train]), batch_size)
        test_iter = d2l.load_array((X[n_train:], y[n_train:]), batch_size, is_train=False)
        trainer = torch.optim.SGD(net.parameters(), lr=0.1)
        animator = d2l.Animator(
            xlabel="epoch", ylabel="loss", yscale="log", xlim=[1, num_epochs], ylim=[1e-3, 1e2],
            legend=["train", "test"],
        )  # fmt: skip
        for epoch in range(num_epochs):
            d2l.train_epoch_ch3(net, train_iter, loss, trainer)
            if epoch in (0, 19, 39, 59):
                animator.add(epoch + 1, (evaluate_loss(net, train_iter, loss), evaluate_loss(net, test_iter, loss)))
        assert np.isclose(animator.Y[1][-1], d2l.evaluate_loss(net, test_iter, loss))
        return animator, net[0].weight.data.numpy()

    fitted, weight = train(4)
    linear, _ = train(2)
    both, _ = train(12)
    assert fitted.X == [[1, 20, 40, 60]] * 2
    assert fitted.axes[0].get_yscale() == "log"
    assert np.abs(weight - true_w[:4].numpy()).max() < 0.5
    assert fitted.Y[1][-1] < fitted.Y[1][0] / 20
    assert linear.Y[1][-1] > 20 * fitted.Y[1][-1]
    assert len(both.fig.axes[0].lines) == 2


def decay_data(num_inputs=60, n_train=20, n_test=50, batch_size=5):
    """Many features and few examples, from pairs that `synthetic_data` gave as they are."""
    truth = d2l.ones((num_inputs, 1)) / 100, 0.05
    train_data, test_data = (d2l.synthetic_data(*truth, rows) for rows in (n_train, n_test))
    return d2l.load_array(train_data, batch_size), d2l.load_array(test_data, batch_size, is_train=False)


def test_4_5_weight_decay_from_scratch(printed):
    """A net that is a lambda, `l.sum().backward()` and `sgd`, and the norm that is printed."""
    train_iter, test_iter = decay_data()

    def train(lambd):
        w, b = d2l.randn(60, 1).requires_grad_(), d2l.zeros(1, requires_grad=True)
        loss, num_epochs, lr, batch_size = d2l.squared_loss, 40, 0.01, 5
        net = lambda X: d2l.linreg(X, w, b)  # noqa: E731 - as readers type it
        animator = d2l.Animator(
            xlabel="epochs", ylabel="loss", yscale="log", xlim=[5, num_epochs], legend=["train", "test"]
        )
        for epoch in range(num_epochs):
            for X, y in train_iter:
                l = loss(net(X), y) + lambd / 2 * (w * w).sum()
                l.sum().backward()
                d2l.sgd([w, b], lr, batch_size)
            if (epoch + 1) % 5 == 0:
                animator.add(
                    epoch + 1, (d2l.evaluate_loss(net, train_iter, loss), d2l.evaluate_loss(net, test_iter, loss))
                )
        print("L2 norm of w:", torch.norm(w).item())
        return animator.Y

    without, decayed = train(lambd=0), train(lambd=3)
    norms = [float(line.removeprefix("L2 norm of w: ")) for line in printed()]
    assert without[0][-1] < 0.5 < without[1][-1]
    assert decayed[1][-1] < without[1][-1] / 10
    assert norms[1] < norms[0] / 10


def test_4_5_weight_decay_in_brief():
    """Groups of parameters, of which one decays."""
    train_iter, test_iter = decay_data()
    net = nn.Sequential(nn.Linear(60, 1))
    for param in net.parameters():
        param.data.normal_()
    loss = nn.MSELoss(reduction="none")
    num_epochs, lr, wd = 40, 0.005, 3
    trainer = torch.optim.SGD(
        [{"params": net[0].weight, "weight_decay": wd}, {"params": net[0].bias}], lr=lr
    )  # fmt: skip
    before = d2l.evaluate_loss(net, test_iter, loss), net[0].weight.norm().item()
    for _ in range(num_epochs):
        for X, y in train_iter:
            trainer.zero_grad()
            l = loss(net(X), y)
            l.mean().backward()
            trainer.step()
    assert d2l.evaluate_loss(net, test_iter, loss) < before[0] / 10
    assert net[0].weight.norm().item() < before[1] / 10
