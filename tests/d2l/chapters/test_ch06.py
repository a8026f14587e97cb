"""Cells in the manner of chapter 6: convolutions, and LeNet."""

import pytest
import torch
from torch import nn

from fourstep import d2l


def corr2d(X, K):
    """A reader's own, in the aliases of the text."""
    h, w = K.shape
    Y = d2l.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = d2l.reduce_sum(X[i : i + h, j : j + w] * K)
    return Y


def test_6_2_edges_are_found_and_their_kernel_is_learnt(printed):
    """The reader's function and the library's agree; a layer that is one; a kernel by hand-made steps."""
    X = d2l.ones((6, 8))
    X[:, 3:6] = 0
    K = d2l.tensor([[1.0, -1.0]])
    Y = corr2d(X, K)
    assert torch.equal(Y, d2l.corr2d(X, K))
    assert Y[0].tolist() == [0, 0, 1, 0, 0, -1, 0]
    assert not d2l.corr2d(d2l.transpose(X), K).any()

    class Conv2D(nn.Module):
        def __init__(self, kernel_size):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(kernel_size))
            self.bias = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return d2l.corr2d(x, self.weight) + self.bias

    layer = Conv2D((1, 2))
    layer(X).sum().backward()
    assert layer.weight.grad.shape == (1, 2)

    conv2d = nn.Conv2d(1, 1, kernel_size=(1, 2), bias=False)
    X, Y = X.reshape((1, 1, 6, 8)), Y.reshape((1, 1, 6, 7))
    lr = 1e-2
    for i in range(30):
        l = (conv2d(X) - Y) ** 2
        conv2d.zero_grad()
        d2l.reduce_sum(l).backward()
        conv2d.weight.data[:] -= lr * conv2d.weight.grad
        if (i + 1) % 2 == 0:
            print(f"epoch {i + 1}, loss {d2l.reduce_sum(l):.3f}")
    losses = [float(line.split()[-1]) for line in printed()]
    assert losses[-1] < losses[0] / 20
    assert (d2l.reshape(conv2d.weight.data, (1, 2)) - K).abs().max() < 0.2


def test_6_3_padding_and_stride():
    """A layer on a matrix, with both dimensions put before it."""

    def comp_conv2d(conv2d, X):
        X = d2l.reshape(X, (1, 1, *X.shape))
        Y = conv2d(X)
        return d2l.reshape(Y, Y.shape[2:])

    X = d2l.rand(size=(8, 8))
    assert comp_conv2d(nn.Conv2d(1, 1, kernel_size=3, padding=1), X).shape == (8, 8)
    assert comp_conv2d(nn.Conv2d(1, 1, kernel_size=(5, 3), padding=(2, 1)), X).shape == (8, 8)
    assert comp_conv2d(nn.Conv2d(1, 1, kernel_size=(3, 5), padding=(0, 1), stride=(3, 4)), X).shape == (2, 2)


def test_6_4_channels():
    """Python's `sum` over channels, `stack` of tuples and lists, and 1 x 1 convolution as a product of matrices."""

    def corr2d_multi_in(X, K):
        return sum(d2l.corr2d(x, k) for x, k in zip(X, K, strict=True))

    def corr2d_multi_in_out(X, K):
        return d2l.stack([corr2d_multi_in(X, k) for k in K], 0)

    def corr2d_multi_in_out_1x1(X, K):
        c_i, h, w = X.shape
        c_o = K.shape[0]
        X, K = d2l.reshape(X, (c_i, h * w)), d2l.reshape(K, (c_o, c_i))
        return d2l.reshape(d2l.matmul(K, X), (c_o, h, w))

    X = d2l.tensor([[[0.0, 1.0, 2.0], [3.0, 4.0, 5.0], [6.0, 7.0, 8.0]], [[1.0] * 3, [2.0] * 3, [3.0] * 3]])
    K = d2l.tensor([[[0.0, 1.0], [2.0, 3.0]], [[1.0, 0.0], [0.0, -1.0]]])
    assert corr2d_multi_in(X, K).tolist() == [[18, 24], [36, 42]]
    K = d2l.stack((K, K + 1, K + 2), 0)
    assert corr2d_multi_in_out(X, K).shape == (3, 2, 2)

    X, K = d2l.normal(0, 1, (3, 4, 4)), d2l.normal(0, 1, (2, 3, 1, 1))
    Y1, Y2 = corr2d_multi_in_out_1x1(X, K), corr2d_multi_in_out(X, K)
    assert float(d2l.reduce_sum(d2l.abs(Y1 - Y2))) < 1e-5


def test_6_5_pooling():
    """From scratch with a mode by name, and torch's on channels that were put side by side."""

    def pool2d(X, pool_size, mode="max"):
        p_h, p_w = pool_size
        Y = d2l.zeros((X.shape[0] - p_h + 1, X.shape[1] - p_w + 1))
        for i in range(Y.shape[0]):
            for j in range(Y.shape[1]):
                window = X[i : i + p_h, j : j + p_w]
                Y[i, j] = window.max() if mode == "max" else window.mean()
        return Y

    X = d2l.arange(16, dtype=d2l.float32).reshape((4, 4))
    assert pool2d(X, (3, 3)).tolist() == [[10, 11], [14, 15]]
    assert pool2d(X, (3, 3), "avg").tolist() == [[5, 6], [9, 10]]
    X = d2l.reshape(X, (1, 1, 4, 4))
    assert nn.MaxPool2d(3)(X).tolist() == [[[[10]]]]
    X = d2l.concat((X, X + 1), 1)
    assert nn.MaxPool2d(3, padding=1, stride=2)(X).tolist() == [[[[5, 7], [13, 15]], [[6, 8], [14, 16]]]]


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
    X = torch.rand(size=(1, 1, 28, 28), dtype=torch.float32)
    net, shapes = lenet(), []
    for layer in net:
        X = layer(X)
        shapes.append(tuple(X.shape))
        print(layer.__class__.__name__, "output shape: \t", X.shape)
    assert (shapes[0], shapes[6]) == ((1, 6, 28, 28), (1, 400))
    assert printed()[-1] == "Linear output shape: \t torch.Size([1, 10])"

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
    """A reader's own loop over the library's parts."""
    net.to(device)
    optimizer, loss = torch.optim.SGD(net.parameters(), lr=lr), nn.CrossEntropyLoss()
    animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], legend=["train loss", "train acc", "test acc"])
    timer, num_batches = d2l.Timer(), len(train_iter)
    for epoch in range(num_epochs):
        metric = d2l.Accumulator(3)
        net.train()
        for i, (X, y) in enumerate(train_iter):
            timer.start()
            optimizer.zero_grad()
            X, y = X.to(device), y.to(device)
            y_hat = net(X)
            l = loss(y_hat, y)
            l.backward()
            optimizer.step()
            with torch.no_grad():
                metric.add(l * X.shape[0], d2l.accuracy(y_hat, y), X.shape[0])
            timer.stop()
            train_l, train_acc = metric[0] / metric[2], metric[1] / metric[2]
            if (i + 1) % (num_batches // 5) == 0 or i == num_batches - 1:
                animator.add(epoch + (i + 1) / num_batches, (train_l, train_acc, None))
        test_acc = d2l.evaluate_accuracy_gpu(net, test_iter)
        animator.add(epoch + 1, (None, None, test_acc))
    print(f"loss {train_l:.3f}, train acc {train_acc:.3f}, test acc {test_acc:.3f}")
    print(f"{metric[2] * num_epochs / timer.sum():.1f} examples/sec on {device!s}")
    return animator


@pytest.mark.usefixtures("fashion_mnist")
def test_6_6_lenet_by_a_loop_of_the_readers_own(printed):
    """Metrics, timer and curves in it; five points an epoch of training and one of testing."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size=16)
    net = lenet()

    def init_weights(m):
        if type(m) == nn.Linear or type(m) == nn.Conv2d:
            nn.init.xavier_uniform_(m.weight)

    net.apply(init_weights)
    animator = train_ch6(net, train_iter, test_iter, 8, 0.1, d2l.try_gpu())
    assert [len(y) for y in animator.Y] == [40, 40, 8]
    assert animator.X[0][:5] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert animator.Y[0][-1] < animator.Y[0][0]
    assert animator.Y[2][-1] > 0.5
    assert printed()[0].startswith(f"loss {animator.Y[0][-1]:.3f}, train acc ")
