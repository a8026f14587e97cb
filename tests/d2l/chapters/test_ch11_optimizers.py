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
    timer, B, C = d2l.Timer(), d2l.randn(12, 12), d2l.randn(12, 12)
    timer.start()
    rows = d2l.stack([d2l.stack([b @ c for c in d2l.transpose(C)]) for b in B])
    timer.stop()
    timer.start()
    whole = d2l.matmul(B, C)
    timer.stop()
    assert torch.allclose(rows, whole, atol=1e-5)
    rates = [2 * 12**3 / seconds for seconds in timer.times]
    assert len(rates) == 2
    assert min(rates) > 0


@pytest.mark.usefixtures("airfoil")
def test_11_5_batches_of_all_sizes(printed):
    """`train_ch11` gives a pair; four pairs are zipped, made lists, and drawn on a log scale that is set afterwards."""
    n = 300

    def sgd(params, states, hyperparams):
        assert states is None
        for param in params:
            param.data -= hyperparams["lr"] * param.grad
            param.grad.zero_()

    def train_sgd(lr, batch_size, num_epochs=2):
        batches, feature_dim = d2l.get_data_ch11(batch_size, n)
        return d2l.train_ch11(sgd, None, {"lr": lr}, batches, feature_dim, num_epochs)

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


def step(param, by):
    """The parameter is moved, and its gradient cleared."""
    with torch.no_grad():
        param[:] -= by
    param.grad.data.zero_()


def sgd_momentum(params, states, hyperparams):
    """Velocities in place, without gradients."""
    for param, speed in zip(params, states, strict=True):
        speed.mul_(hyperparams["momentum"]).add_(param.grad)
        step(param, hyperparams["lr"] * speed)


def adagrad(params, states, hyperparams):
    """Sums of squares."""
    for param, squares in zip(params, states, strict=True):
        squares.addcmul_(param.grad, param.grad)
        step(param, hyperparams["lr"] * param.grad * (squares + 1e-7).rsqrt())


def rmsprop(params, states, hyperparams):
    """Fading means of squares."""
    for param, squares in zip(params, states, strict=True):
        squares.lerp_(param.grad**2, 1 - hyperparams["gamma"])
        step(param, hyperparams["lr"] * param.grad * (squares + 1e-7).rsqrt())


def adadelta(params, states, hyperparams):
    """Pairs of states, and no rate."""
    new = 1 - hyperparams["rho"]
    for param, (squares, moves) in zip(params, states, strict=True):
        squares.lerp_(param.grad**2, new)
        move = param.grad * ((moves + 1e-5) / (squares + 1e-5)).sqrt()
        moves.lerp_(move**2, new)
        step(param, move)


def adam(params, states, hyperparams):
    """Pairs of states, and a time among the hyperparameters that it counts."""
    t = hyperparams["t"]
    for param, moments in zip(params, states, strict=True):
        unbiased = []
        for power, (moment, keep) in enumerate(zip(moments, (0.9, 0.999), strict=True), start=1):
            moment.lerp_(param.grad**power, 1 - keep)
            unbiased.append(moment / (1 - keep**t))
        step(param, hyperparams["lr"] * unbiased[0] / (unbiased[1].sqrt() + 1e-7))
    hyperparams["t"] = t + 1


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
    animator = d2l.Animator(xlabel="epoch", xlim=[0, num_epochs], legend=["loss", "train", "test"])
    net.to(device)
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(3)
        for X, y in train_iter:
            y_hat, y = net(X.to(device)), y.to(device)
            l = loss(y_hat, y)
            trainer.zero_grad()
            l.backward()
            trainer.step()
            metric.add(l.detach() * len(y), d2l.accuracy(y_hat, y), len(y))
        animator.add(epoch + 0.9, (metric[0] / metric[2], metric[1] / metric[2], None))
        animator.add(epoch + 1, (None, None, d2l.evaluate_accuracy_gpu(net, test_iter)))
        if isinstance(scheduler, lr_scheduler.LRScheduler):
            scheduler.step()
        elif scheduler:
            trainer.param_groups[0]["lr"] = scheduler(epoch)
    return animator


class Cosine:
    """A reader's own schedule, called with the epoch."""

    def __init__(self, epochs, highest, lowest=0.0):
        self.epochs, self.range = epochs, (lowest, highest)

    def __call__(self, epoch):
        down = math.sin(math.pi / 2 * min(epoch / self.epochs, 1)) ** 2
        return float(np.interp(1 - down, (0, 1), self.range))


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
            "own": Cosine(epochs=5, highest=lr, lowest=0.01),
        }[kind]
        animator = train(net, train_iter, test_iter, num_epochs, loss, trainer, device, scheduler)
        assert animator.Y[0][-1] < animator.Y[0][0] / 2
        assert [len(y) for y in animator.Y] == [6, 6, 6]
        rates.append(trainer.param_groups[0]["lr"])
    assert rates == [lr, lr / 4, 0.01]
    d2l.plot(torch.arange(num_epochs), [Cosine(5, lr)(t) for t in range(num_epochs)])
    assert d2l.plt.gca().lines[0].get_ydata()[0] == lr
