"""Cells in the manner of chapter 6: convolutions, and LeNet."""

from itertools import product

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l


def corr2d(X, K):
    """A reader's own, in the aliases of the text: shifted images by the kernel's entries, added up."""
    rows, columns = (one - other + 1 for one, other in zip(X.shape, K.shape, strict=True))
    Y = d2l.zeros((rows, columns))
    for i, j in product(*map(range, K.shape)):
        Y += K[i, j] * X[i : i + rows, j : j + columns]
    return Y


def test_6_2_edges_are_found_and_their_kernel_is_learnt(printed):
    """The reader's function and the library's agree; a layer that is one; a kernel by hand-made steps."""
    X = d2l.zeros((5, 9))
    X[:, 2:5] = 1
    K = d2l.tensor([[-1.0, 1.0]])
    Y = corr2d(X, K)
    assert torch.equal(Y, d2l.corr2d(X, K))
    assert Y[4].tolist() == [0, 1, 0, 0, -1, 0, 0, 0]
    assert not d2l.corr2d(d2l.transpose(X), K).any()

    class Filter(nn.Module):
        def __init__(self, *sides):
            super().__init__()
            self.weight, self.shift = nn.Parameter(d2l.rand(*sides)), nn.Parameter(d2l.zeros(()))

        def forward(self, X):
            return self.shift + d2l.corr2d(X, self.weight)

    layer = Filter(3, 2)
    d2l.reduce_sum(layer(X)).backward()
    assert (layer.weight.grad.shape, layer.shift.grad) == ((3, 2), 3 * 8)

    conv2d = nn.Conv2d(1, 1, (1, 2), bias=False)
    for epoch in range(30):
        error = d2l.reduce_sum((conv2d(X[None, None])[0, 0] - Y) ** 2)
        (grad,) = torch.autograd.grad(error, conv2d.weight)
        conv2d.weight.data -= 0.02 * grad
        print(f"epoch {epoch}, loss {error:.4f}")
    losses = [float(line.split()[-1]) for line in printed()]
    assert losses[-1] < losses[0] / 20
    assert d2l.abs(d2l.reshape(conv2d.weight.data, (1, 2)) - K).max() < 0.2


def test_6_3_padding_and_stride():
    """A layer on a matrix, with both dimensions put before it."""

    def shape_after(X, *sides, **settings):
        Y = nn.Conv2d(1, 1, sides, **settings)(d2l.reshape(X, (1, 1, *X.shape)))
        return d2l.reshape(Y, Y.shape[-2:]).shape

    X = d2l.rand(size=(9, 7))
    assert shape_after(X, 3, 3, padding=1) == (9, 7)
    assert shape_after(X, 1, 5, padding=(0, 2)) == (9, 7)
    assert shape_after(X, 3, 3, padding=1, stride=2) == (5, 4)
    assert shape_after(X, 2, 3, padding=(1, 0), stride=(4, 3)) == (3, 2)


def test_6_4_channels():
    """`stack` of tuples and lists, sums over an axis, and 1 x 1 convolution as a product of matrices: as torch's."""

    def over_inputs(X, kernels):
        return d2l.reduce_sum(d2l.stack(list(map(d2l.corr2d, X, kernels))), 0)

    def to_outputs(X, K):
        return d2l.stack(tuple(over_inputs(X, kernels) for kernels in K), 0)

    X, K = d2l.normal(0, 1, (3, 5, 4)), d2l.normal(0, 1, (2, 3, 2, 3))
    assert torch.allclose(to_outputs(X, K), F.conv2d(X[None], K)[0], atol=1e-5)
    assert d2l.stack((K[0], K[1] + 1), 0).shape == K.shape

    points = d2l.normal(0, 1, (2, 3, 1, 1))
    mixed = d2l.matmul(d2l.reshape(points, (2, 3)), d2l.reshape(X, (3, -1)))
    difference = d2l.reshape(mixed, (2, 5, 4)) - to_outputs(X, points)
    assert float(d2l.reduce_sum(d2l.abs(difference))) < 1e-4


def test_6_5_pooling():
    """From scratch with a mode by name, and torch's on channels that were put side by side."""

    def pool2d(X, pool_size, mode="max"):
        windows = X.unfold(0, pool_size[0], 1).unfold(1, pool_size[1], 1).flatten(2)
        return windows.amax(2) if mode == "max" else d2l.reduce_mean(windows, 2)

    X = d2l.reshape(d2l.arange(12, dtype=d2l.float32), (3, 4))
    assert pool2d(X, (2, 2)).tolist() == [[5, 6, 7], [9, 10, 11]]
    assert pool2d(X, (3, 2), "avg").tolist() == [[4.5, 5.5, 6.5]]
    X = d2l.reshape(X, (1, 1, 3, 4))
    assert torch.equal(nn.MaxPool2d(2, stride=1)(X)[0, 0], pool2d(X[0, 0], (2, 2)))
    both = d2l.concat((X, -X), 1)
    assert nn.AvgPool2d((3, 4))(both).flatten().tolist() == [5.5, -5.5]


def lenet():
    """The chapter's net; by ReLU, which learns in fewer steps."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.ReLU(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), nn.ReLU(),
        nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
        nn.Linear(16 * 5 * 5, 120), nn.ReLU(),
        nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip


@pytest.mark.usefixtures("fashion_mnist")
def test_6_6_lenet_by_the_librarys_loop(printed):
    """A walk through the shapes; the three lines that a reader sees; the net can predict."""
    X = d2l.rand(1, 1, 28, 28)
    net = lenet()
    shapes = [tuple((X := layer(X)).shape) for layer in net]
    assert (shapes[0], shapes[6], shapes[-1]) == ((1, 6, 28, 28), (1, 400), (1, 10))

    batch_size = 20
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=batch_size)
    lr, num_epochs = 0.1, 8
    d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
    lines = printed()
    assert lines[0] == f"training on {d2l.try_gpu()}"
    said = lines[-2].split(", ")
    assert [part.rsplit(" ", 1)[0] for part in said] == ["loss", "train acc", "test acc"]
    assert float(said[2].split()[-1]) == round(d2l.evaluate_accuracy_gpu(net, test_iter), 3) > 0.5
    assert lines[-1].endswith(f" examples/sec on {d2l.try_gpu()}")
    d2l.predict_ch3(net, test_iter, n=3)
    assert len(d2l.plt.gcf().axes) == 3


def train_ch6(net, train_iter, test_iter, num_epochs, lr, device):
    """A reader's own loop over the library's parts, under the library's name."""
    trainer, loss = torch.optim.SGD(net.to(device).parameters(), lr), nn.CrossEntropyLoss()
    animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], legend=["loss", "train", "test"])
    timer, steps = d2l.Timer(), 0
    for epoch in range(1, num_epochs + 1):
        metric = d2l.Accumulator(3)
        for X, y in train_iter:
            net.train()
            timer.start()
            trainer.zero_grad()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            l = loss(y_hat, y)
            l.backward()
            trainer.step()
            timer.stop()
            metric.add(len(y) * l.detach(), d2l.accuracy(y_hat, y), len(y))
            steps += 1
            if steps % 2 == 0:
                animator.add(steps / len(train_iter), (metric[0] / metric[2], metric[1] / metric[2], None))
        animator.add(epoch, (None, None, d2l.evaluate_accuracy_gpu(net, test_iter)))
    print(f"last: {[round(curve[-1], 3) for curve in animator.Y]}, {metric[2] / timer.avg():.1f} on {device}")
    return animator


@pytest.mark.usefixtures("fashion_mnist")
def test_6_6_lenet_by_a_loop_of_the_readers_own(printed):
    """Metrics, timer and curves in it; five points an epoch of training and one of testing."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=16)
    net = lenet()
    for module in net.modules():
        if type(module) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_normal_(module.weight)
    animator = train_ch6(net, train_iter, test_iter, 8, 0.1, d2l.try_gpu())
    assert [len(y) for y in animator.Y] == [40, 40, 8]
    assert animator.X[0][:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert animator.Y[0][-1] < animator.Y[0][0]
    assert animator.Y[2][-1] > 0.5
    assert printed()[0].startswith(f"last: [{round(animator.Y[0][-1], 3)}, ")
