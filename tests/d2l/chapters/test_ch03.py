"""Cells in the manner of chapter 3: linear regression, and images."""

import math
import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils import data

from fourstep import d2l


def test_3_1_loops_against_vectors_and_the_normal_density():
    """The timer says that one addition beats many; the bell curves are drawn by legend, named and sized."""
    n = 2000
    a, b = d2l.ones(n), d2l.ones([n])
    c = d2l.zeros(n)
    timer = d2l.Timer()
    for i in range(n):
        c[i] = a[i] + b[i]
    slow = f"{timer.stop():.5f} sec"
    timer.start()
    d = a + b
    assert timer.stop() < timer.times[0]
    assert slow == f"{timer.times[0]:.5f} sec"
    assert torch.equal(c, d)

    def normal(x, mean, std):
        distance = (x - mean) / std
        return np.exp(-distance * distance / 2) / (std * math.sqrt(2 * math.pi))

    x = np.arange(-6, 6, 0.05)
    params = [(0, 1), (0, 3), (2, 1)]
    d2l.plot(
        x,
        [normal(x, *pair) for pair in params],
        xlabel="x",
        ylabel="p(x)",
        figsize=(4.5, 2.5),
        legend=["mean {}, std {}".format(*pair) for pair in params],
    )
    axes = d2l.plt.gca()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "mean 0, std 1", "mean 0, std 3", "mean 2, std 1",
    ]  # fmt: skip
    assert (axes.get_xlabel(), axes.get_ylabel(), len(axes.lines)) == ("x", "p(x)", 3)
    assert tuple(d2l.plt.gcf().get_size_inches()) == (4.5, 2.5)


def test_3_2_linear_regression_from_scratch(printed):
    """A reader's own functions in the aliases of the text, over a generator of batches, and then the library's."""

    def noisy_plane(slopes, offset, rows):
        points = d2l.randn(rows, d2l.size(slopes))
        heights = offset + d2l.matmul(points, slopes)
        return points, d2l.reshape(heights + d2l.normal(0, 0.01, (rows,)), (rows, 1))

    def data_iter(batch_size, features, labels):
        left = random.sample(range(len(labels)), len(labels))
        while left:
            batch, left = d2l.tensor(left[:batch_size]), left[batch_size:]
            yield features[batch], labels[batch]

    true_w, true_b = d2l.tensor([1.5, -2.6]), 3.1
    features, labels = noisy_plane(true_w, true_b, 500)
    d2l.set_figsize()
    d2l.plt.scatter(d2l.numpy(features[:, 1]), d2l.numpy(labels), 1)
    d2l.plt.scatter(features[:, (1)].detach().numpy(), labels.detach().numpy(), 1)
    assert tuple(d2l.plt.gcf().get_size_inches()) == (3.5, 2.5)

    w = d2l.normal(0, 0.01, size=(2, 1), requires_grad=True)
    b = d2l.zeros(1, requires_grad=True)
    lr, num_epochs, batch_size = 0.03, 4, 10
    net, loss = d2l.linreg, d2l.squared_loss
    for epoch in range(num_epochs):
        for X, y in data_iter(batch_size, features, labels):
            l = loss(net(X, w, b), y)
            assert l.shape == (10, 1)
            l.sum().backward()
            d2l.sgd([w, b], lr, batch_size)
        error = loss(net(features, w, b).detach(), labels)
        print(f"epoch {epoch}: loss {float(d2l.reduce_mean(error)):.6f}")
    losses = [float(line.split()[-1]) for line in printed()]
    assert losses[0] > 10 * losses[-1]
    assert losses[-1] < 2e-4
    assert (true_w - d2l.reshape(w, true_w.shape)).abs().max() < 0.03
    assert (true_b - b).abs() < 0.03
    assert d2l.synthetic_data(true_w, true_b, 7)[1].shape == (7, 1)


def test_3_3_linear_regression_in_brief():
    """`load_array` under `next(iter(...))`, a layer's weights set in place, MSE, SGD."""
    true_w, true_b = torch.tensor([1.5, -2.6]), 3.1
    features, labels = d2l.synthetic_data(true_w, true_b, 500)
    batch_size = 10
    data_iter = d2l.load_array((features, labels), batch_size)
    assert [part.shape for part in next(iter(data_iter))] == [(10, 2), (10, 1)]

    net = nn.Sequential(nn.Linear(2, 1))
    net[0].weight.data.normal_(0, 0.01)
    net[0].bias.data.fill_(0)
    loss = nn.MSELoss()
    trainer = torch.optim.SGD(net.parameters(), lr=0.03)
    for _ in range(3):
        for X, y in data_iter:
            l = loss(net(X), y)
            trainer.zero_grad()
            l.backward()
            trainer.step()
    assert loss(net(features), labels) < 2e-4
    w, b = net[0].weight.data, net[0].bias.data
    assert (true_w - d2l.reshape(w, true_w.shape)).abs().max() < 0.01
    assert (true_b - b).abs() < 0.01


@pytest.mark.usefixtures("fashion_mnist")
def test_3_5_a_data_set_of_images():
    """A grid of images with their names, from a reader's own loader too; batches in another size; a pass's time."""
    d2l.use_svg_display()
    train_iter, test_iter = d2l.load_data_fashion_mnist(32, resize=20)
    for X, y in train_iter:
        assert (X.shape, X.dtype, y.shape, y.dtype) == ((32, 1, 20, 20), torch.float32, (32,), torch.int64)
        break
    assert len(test_iter) == 2

    train_iter, _ = d2l.load_data_fashion_mnist(batch_size=18)
    mnist_train = data.TensorDataset(*next(iter(train_iter)))
    X, y = next(iter(data.DataLoader(mnist_train, batch_size=18)))
    axes = d2l.show_images(X.reshape(18, 28, 28), 2, 9, titles=d2l.get_fashion_mnist_labels(y))
    assert axes.shape == (18,)
    assert [ax.get_title() for ax in axes] == d2l.get_fashion_mnist_labels(y.tolist())
    assert all(ax.images for ax in axes)

    loader = data.DataLoader(mnist_train, 5, shuffle=True, num_workers=d2l.get_dataloader_workers())
    timer = d2l.Timer()
    for X, y in loader:
        continue
    assert f"{timer.stop():.2f} sec" == f"{timer.sum():.2f} sec"
    assert y.shape == (3,)
