"""Cells in the manner of chapter 3: softmax regression."""

import pytest
import torch
from torch import nn

from fourstep import d2l
from fourstep.errors import FourstepWarning


def softmax(scores):
    """A reader's own, in the aliases of the text."""
    odds = d2l.exp(scores - d2l.reduce_mean(scores, 1, keepdim=True))
    return odds / d2l.reduce_sum(odds, 1, keepdim=True)


def cross_entropy(y_hat, y):
    """Likewise: of each row the entry that its label says, by two lists of indices."""
    of_label = y_hat[list(range(len(y))), y]
    return -d2l.log(of_label)


def test_3_6_softmax_and_its_loss():
    """The aliases with dimensions by position and `keepdim`; accuracy is a count; the accumulator adds pairs."""
    X = d2l.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    assert d2l.reduce_sum(X, 0, keepdim=True).tolist() == [[5, 7, 9]]
    assert d2l.reduce_sum(X, 1, keepdim=True).shape == (2, 1)

    logits = d2l.normal(0, 1, (2, 5))
    assert torch.allclose(d2l.reduce_sum(softmax(logits), 1), d2l.ones(2))
    assert torch.allclose(softmax(logits), logits.softmax(1))

    y = d2l.tensor([0, 2])
    y_hat = d2l.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
    assert torch.allclose(y_hat[[0, 1], y], d2l.tensor([0.1, 0.5]))
    assert torch.allclose(cross_entropy(y_hat, y), nn.NLLLoss(reduction="none")(d2l.log(y_hat), y))

    def accuracy(y_hat, y):
        right = d2l.astype(d2l.argmax(y_hat, axis=1), y.dtype) == y
        return d2l.reduce_sum(d2l.astype(right, d2l.float32)).item()

    assert accuracy(y_hat, y) / len(y) == d2l.accuracy(y_hat, y) / len(y) == 0.5

    metric = d2l.Accumulator(2)
    with torch.no_grad():
        for _ in range(3):
            metric.add(accuracy(y_hat, y), d2l.size(y))
    assert metric[0] / metric[1] == 0.5
    assert metric.data == [3.0, 6.0]
    metric.reset()
    assert metric.data == [0, 0]


def test_3_6_an_animator_of_the_readers_own():
    """Their class draws by `d2l.plt.subplots` and `d2l.set_axes`, and shows by IPython's `display`."""
    from IPython import display  # noqa: PLC0415 - the cell imports it

    class Animator:
        def __init__(self, label, limits, legend):
            d2l.use_svg_display()
            self.label, self.limits, self.legend, self.rows = label, limits, legend, []
            self.fig, self.axes = d2l.plt.subplots(1, 1, figsize=(3, 2))

        def add(self, x, y):
            self.rows.append((x, *y))
            xs, train, test = zip(*self.rows, strict=True)
            self.axes.clear()
            self.axes.plot(xs, train, "-", xs, test, "--")
            d2l.set_axes(self.axes, self.label, None, *self.limits, "linear", "linear", self.legend)
            display.display(self.fig)
            display.clear_output(wait=True)

    animator = Animator("epoch", ([1, 3], [0, 1]), ["train", "test"])
    for epoch in range(3):
        animator.add(epoch + 1, (0.5 / (epoch + 1), 0.6 / (epoch + 1)))
    assert [line.get_linestyle() for line in animator.axes.lines] == ["-", "--"]
    assert animator.axes.get_xlim() == (1, 3)


def softmax_net(W, b):
    """The model of section 3.6 as a plain function of the images."""

    def net(X):
        rows = d2l.reshape(X, (len(X), -1))
        return softmax(b + d2l.matmul(rows, W))

    return net


@pytest.mark.usefixtures("fashion_mnist")
def test_3_6_softmax_regression_from_scratch(printed):
    """A plain function as the net, `updater(batch_size)`, a loss per item; the curves and the predictions are drawn."""
    batch_size, num_inputs, num_outputs, lr, num_epochs = 32, 784, 10, 0.1, 8
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    W = torch.normal(0, 0.01, size=(num_inputs, num_outputs), requires_grad=True)
    b = torch.zeros(num_outputs, requires_grad=True)
    net = softmax_net(W, b)

    def updater(batch_size):
        return d2l.sgd([W, b], lr, batch_size)

    before = d2l.evaluate_accuracy(net, test_iter)
    d2l.train_ch3(net, train_iter, test_iter, cross_entropy, num_epochs, updater)
    assert before < 0.4
    assert d2l.evaluate_accuracy(net, test_iter) > 0.9
    assert printed() == []
    axes = d2l.plt.gcf().axes[0]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train loss", "train acc", "test acc"]
    assert (axes.get_xlim(), axes.get_ylim()) == ((1, num_epochs), (0.3, 0.9))
    assert list(axes.lines[0].get_xdata()) == list(range(1, num_epochs + 1))

    d2l.predict_ch3(net, test_iter)
    titles = [ax.get_title().split("\n") for ax in d2l.plt.gcf().axes]
    assert titles == [[name, name] for name in d2l.get_fashion_mnist_labels(range(6))]


@pytest.mark.usefixtures("fashion_mnist")
def test_3_6_training_by_a_loop_of_the_readers_own():
    """What an epoch gives is a tuple, which is prolonged by the test's accuracy and drawn."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(32)
    W = torch.normal(0, 0.01, size=(784, 10), requires_grad=True)
    b = torch.zeros(10, requires_grad=True)
    net, loss, num_epochs = softmax_net(W, b), cross_entropy, 3
    names = ["train loss", "train acc", "test acc"]
    animator = d2l.Animator(xlabel="epoch", xlim=[1, num_epochs], ylim=[0.3, 0.9], legend=names)
    for epoch in range(1, num_epochs + 1):
        train_metrics = d2l.train_epoch_ch3(net, train_iter, loss, lambda batch_size: d2l.sgd([W, b], 0.1, batch_size))
        animator.add(epoch, train_metrics + (d2l.evaluate_accuracy(net, test_iter),))  # noqa: RUF005 - as readers type it
    train_loss, train_acc = train_metrics
    assert animator.Y[0][-1] == train_loss < animator.Y[0][0]
    assert animator.Y[1][-1] == train_acc > animator.Y[1][0]
    assert animator.X == [[1, 2, 3]] * 3


@pytest.mark.usefixtures("fashion_mnist")
def test_3_7_softmax_regression_in_brief():
    """`net.apply(init_weights)`, an optimizer; where too few epochs were trained, a warning and no assert."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 10))

    def init_weights(m):
        if type(m) == nn.Linear:
            nn.init.normal_(m.weight, std=0.01)

    net.apply(init_weights)
    loss = nn.CrossEntropyLoss(reduction="none")
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    num_epochs = 1
    with pytest.warns(FourstepWarning, match=r"after epoch 1: train loss .* \(expected below 0\.5\)"):
        d2l.train_ch3(net, train_iter, test_iter, loss, num_epochs, trainer)
    first = d2l.evaluate_loss(net, train_iter, loss)
    d2l.train_ch3(net, train_iter, test_iter, loss, 7, trainer)
    assert d2l.evaluate_loss(net, train_iter, loss) < first / 2
    assert net.training
