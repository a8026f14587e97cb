"""Cells in the manner of chapter 11: optimizers from scratch and torch's, on data like the airfoils'; schedules."""

import hashlib
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from fourstep import d2l


@pytest.fixture
def airfoil(book):
    """Five columns and a sixth that is linear in them, parted by tabs, in the place of NASA's file."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 5)) * [3000, 5, 0.1, 15, 0.01] + [2900, 7, 0.2, 50, 0.02]
    scaled = (features - features.mean(0)) / features.std(0)
    noise = 124 + 6 * (scaled @ [-0.6, -0.4, -0.5, 0.2, 0.1] + rng.normal(size=300) * 0.6)
    path = book / "data" / "airfoil_self_noise.dat"
    np.savetxt(path, np.column_stack([features, noise]), delimiter="\t", fmt="%.8g")
    sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
    d2l.DATA_HUB["airfoil"] = (d2l.DATA_URL + path.name, sha1)


def test_11_5_products_are_timed():
    """`timer.start()` before each block, `timer.times` after; a rate for each."""
    timer = d2l.Timer()
    A, B, C = torch.zeros(16, 16), torch.randn(16, 16), torch.randn(16, 16)
    timer.start()
    for i in range(16):
        for j in range(16):
            A[i, j] = torch.dot(B[i, :], C[:, j])
    timer.stop()
    timer.start()
    A = torch.mm(B, C)
    timer.stop()
    gigaflops = [2 / i for i in timer.times]
    assert len(gigaflops) == 2
    assert min(gigaflops) > 0


@pytest.mark.usefixtures("airfoil")
def test_11_5_batches_of_all_sizes(printed):
    """`train_ch11` gives a pair; four pairs are zipped, made lists, and drawn on a log scale that is set afterwards."""
    n = 300

    def sgd(params, states, hyperparams):
        for p in params:
            p.data.sub_(hyperparams["lr"] * p.grad)
            p.grad.data.zero_()

    def train_sgd(lr, batch_size, num_epochs=2):
        data_iter, feature_dim = d2l.get_data_ch11(batch_size, n)
        return d2l.train_ch11(sgd, None, {"lr": lr}, data_iter, feature_dim, num_epochs)

    gd_res = train_sgd(1, n, 6)
    sgd_res = train_sgd(0.005, 1)
    mini1_res = train_sgd(0.4, 100)
    mini2_res = train_sgd(0.05, 10)
    lines = printed()
    assert len(lines) == 4
    assert all(line.startswith("loss: 0.") and line.endswith(" sec/epoch") for line in lines)
    for _, losses in (gd_res, sgd_res, mini1_res, mini2_res):
        assert losses[-1] < 0.35

    d2l.set_figsize([6, 3])
    d2l.plot(
        *list(map(list, zip(gd_res, sgd_res, mini1_res, mini2_res))),  # noqa: B905 - as readers type it
        "time (sec)", "loss", xlim=[1e-2, 10],
        legend=["gd", "sgd", "batch size=100", "batch size=10"],
    )  # fmt: skip
    d2l.plt.gca().set_xscale("log")
    axes = d2l.plt.gca()
    assert [len(line.get_xdata()) for line in axes.lines] == [
        len(res[0]) for res in (gd_res, sgd_res, mini1_res, mini2_res)
    ]
    assert (axes.get_xscale(), axes.get_xlabel(), axes.get_xlim()) == ("log", "time (sec)", (1e-2, 10))


def sgd_momentum(params, states, hyperparams):
    """Velocities in place, without gradients."""
    for p, v in zip(params, states, strict=True):
        with torch.no_grad():
            v[:] = hyperparams["momentum"] * v + p.grad
            p[:] -= hyperparams["lr"] * v
        p.grad.data.zero_()


def adagrad(params, states, hyperparams):
    """Sums of squares."""
    eps = 1e-6
    for p, s in zip(params, states, strict=True):
        with torch.no_grad():
            s[:] += torch.square(p.grad)
            p[:] -= hyperparams["lr"] * p.grad / torch.sqrt(s + eps)
        p.grad.data.zero_()


def rmsprop(params, states, hyperparams):
    """Fading means of squares."""
    gamma, eps = hyperparams["gamma"], 1e-6
    for p, s in zip(params, states, strict=True):
        with torch.no_grad():
            s[:] = gamma * s + (1 - gamma) * torch.square(p.grad)
            p[:] -= hyperparams["lr"] * p.grad / torch.sqrt(s + eps)
        p.grad.data.zero_()


def adadelta(params, states, hyperparams):
    """Pairs of states, and no rate."""
    rho, eps = hyperparams["rho"], 1e-5
    for p, (s, delta) in zip(params, states, strict=True):
        with torch.no_grad():
            s[:] = rho * s + (1 - rho) * torch.square(p.grad)
            g = (torch.sqrt(delta + eps) / torch.sqrt(s + eps)) * p.grad
            p[:] -= g
            delta[:] = rho * delta + (1 - rho) * g * g
        p.grad.data.zero_()


def adam(params, states, hyperparams):
    """Pairs of states, and a time among the hyperparameters that it counts."""
    beta1, beta2, eps = 0.9, 0.999, 1e-6
    for p, (v, s) in zip(params, states, strict=True):
        with torch.no_grad():
            v[:] = beta1 * v + (1 - beta1) * p.grad
            s[:] = beta2 * s + (1 - beta2) * torch.square(p.grad)
            v_bias_corr = v / (1 - beta1 ** hyperparams["t"])
            s_bias_corr = s / (1 - beta2 ** hyperparams["t"])
            p[:] -= hyperparams["lr"] * v_bias_corr / (torch.sqrt(s_bias_corr) + eps)
        p.grad.data.zero_()
    hyperparams["t"] += 1


def states_of(feature_dim, pairs=False):
    """Zeros for the weights and for the bias, or two of them for each."""
    w, b = [d2l.zeros((feature_dim, 1)) for _ in range(2)], [d2l.zeros(1) for _ in range(2)]
    return (tuple(w), tuple(b)) if pairs else (w[0], b[0])


@pytest.mark.usefixtures("airfoil")
@pytest.mark.parametrize(
    ("trainer", "pairs", "hyperparams"),
    [
        (sgd_momentum, False, {"lr": 0.02, "momentum": 0.5}),
        (adagrad, False, {"lr": 0.1}),
        (rmsprop, False, {"lr": 0.02, "gamma": 0.9}),
        (adadelta, True, {"rho": 0.9}),
        (adam, True, {"lr": 0.02, "t": 1}),
    ],
)
def test_11_6_to_11_10_from_scratch(printed, trainer, pairs, hyperparams):
    """Each in the call of its section, states and hyperparameters by position; the axes are the chapter's."""
    data_iter, feature_dim = d2l.get_data_ch11(batch_size=10)
    d2l.train_ch11(trainer, states_of(feature_dim, pairs), hyperparams, data_iter, feature_dim)
    (line,) = printed()
    assert float(line.removeprefix("loss: ").split(",")[0]) < 0.35
    axes = d2l.plt.gcf().axes[0]
    assert (axes.get_xlim(), axes.get_ylim(), axes.get_ylabel()) == ((0, 2), (0.22, 0.35), "loss")


@pytest.mark.usefixtures("airfoil")
@pytest.mark.parametrize(
    ("trainer", "hyperparams"),
    [
        (torch.optim.SGD, {"lr": 0.05}),
        (torch.optim.SGD, {"lr": 0.02, "momentum": 0.9}),
        (torch.optim.Adagrad, {"lr": 0.1}),
        (torch.optim.RMSprop, {"lr": 0.01, "alpha": 0.9}),
        (torch.optim.Adadelta, {"rho": 0.9}),
        (torch.optim.Adam, {"lr": 0.01}),
    ],
)
def test_11_5_to_11_10_in_brief(printed, trainer, hyperparams):
    """Torch's class and its keywords."""
    data_iter, _ = d2l.get_data_ch11(10)
    d2l.train_concise_ch11(trainer, hyperparams, data_iter)
    assert float(printed()[0].removeprefix("loss: ").split(",")[0]) < 0.35


def train(net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler=None):
    """A loop of the reader's own, with a schedule of torch's or a function of the epoch."""
    net.to(device)
    animator = d2l.Animator(xlabel="epoch", xlim=[0, num_epochs], legend=["train loss", "train acc", "test acc"])
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(3)
        for i, (X, y) in enumerate(train_iter):
            net.train()
            trainer.zero_grad()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            l = loss(y_hat, y)
            l.backward()
            trainer.step()
            with torch.no_grad():
                metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
            if (i + 1) % 4 == 0:
                animator.add(epoch + i / len(train_iter), (metric[0] / metric[2], metric[1] / metric[2], None))
        animator.add(epoch + 1, (None, None, d2l.evaluate_accuracy_gpu(net, test_iter)))
        if scheduler and scheduler.__module__ == lr_scheduler.__name__:
            scheduler.step()
        elif scheduler:
            for param_group in trainer.param_groups:
                param_group["lr"] = scheduler(epoch)
    return animator


class CosineScheduler:
    """A reader's own schedule, called with the epoch."""

    def __init__(self, max_update, base_lr=0.01, final_lr=0.0):
        self.max_update, self.base_lr, self.final_lr = max_update, base_lr, final_lr

    def __call__(self, epoch):
        share = min(epoch, self.max_update) / self.max_update
        return self.final_lr + (self.base_lr - self.final_lr) * (1 + math.cos(math.pi * share)) / 2


@pytest.mark.usefixtures("fashion_mnist")
def test_11_11_schedules():
    """None, torch's and the reader's own; their rates are drawn over a tensor of epochs, from a list."""
    batch_size, lr, num_epochs, device = 32, 0.3, 6, d2l.try_gpu()
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=batch_size)
    loss = nn.CrossEntropyLoss()
    rates = []
    for kind in ("none", "torch", "own"):
        net = nn.Sequential(nn.Flatten(), nn.Linear(784, 32), nn.ReLU(), nn.Linear(32, 10))
        trainer = torch.optim.SGD(net.parameters(), lr=lr)
        scheduler = {
            "none": None,
            "torch": lr_scheduler.MultiStepLR(trainer, milestones=[2, 4], gamma=0.5),
            "own": CosineScheduler(max_update=5, base_lr=lr, final_lr=0.01),
        }[kind]
        animator = train(net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler)
        assert animator.Y[0][-1] < animator.Y[0][0] / 2
        assert [len(y) for y in animator.Y] == [6, 6, 6]
        rates.append(trainer.param_groups[0]["lr"])
    assert rates == [lr, lr / 4, 0.01]
    d2l.plot(torch.arange(num_epochs), [CosineScheduler(5, lr)(t) for t in range(num_epochs)])
    assert d2l.plt.gca().lines[0].get_ydata()[0] == lr
