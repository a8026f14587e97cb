"""Cells in the manner of chapter 7: the modern networks, each with few channels, trained until they learn."""

from itertools import chain, pairwise

import pytest
from torch import nn

from fourstep import d2l

pytestmark = pytest.mark.usefixtures("fashion_mnist")


def walk(net, shape):
    """The shapes that a reader prints, of every layer's output."""
    X, shapes = d2l.rand(shape), []
    for layer in net:
        X = layer(X)
        shapes.append(tuple(X.shape))
        print(type(layer).__name__, "gives", shapes[-1])
    return shapes


def start_wide(layer):
    """He's start, from which these nets learn soon; a hundred steps after `train_ch6`'s own some still guess."""
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
        nn.init.zeros_(layer.bias)


def train(net, resize, lr, num_epochs):
    """The chapter's cell of training, from a start of the reader's own; the points of the loss."""
    batch_size = 16
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=resize)
    net.apply(start_wide)
    d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu(), init=False)
    return d2l.plt.gcf().axes[0].lines[0].get_ydata()


@pytest.mark.slow
def test_7_1_alexnet(printed):
    """One long `nn.Sequential` for images of 224; the flattened layer has 5 x 5 places of each channel."""
    net = nn.Sequential(
        nn.Conv2d(1, 12, 11, stride=4, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(12, 24, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2),
        nn.Conv2d(24, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 24, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten(),
        nn.Linear(600, 96), nn.ReLU(), nn.Dropout(), nn.Linear(96, 96), nn.ReLU(), nn.Dropout(), nn.Linear(96, 10),
    )  # fmt: skip
    shapes = walk(net, (1, 1, 224, 224))
    assert (shapes[0], shapes[12], shapes[-1]) == ((1, 12, 54, 54), (1, 24, 5, 5), (1, 10))
    assert printed()[0] == "Conv2d gives (1, 12, 54, 54)"
    losses = train(net, 224, 0.05, 12)
    assert losses[-1] < losses[0] / 2
    assert printed()[-1].endswith(f" examples/sec on {d2l.try_gpu()}")


def test_7_2_vgg():
    """Blocks from pairs of numbers, made narrower by a ratio, in a list that is unpacked."""

    def block(before, depth, width):
        widths = [before, *[width] * depth]
        convs = [nn.Conv2d(a, b, 3, padding="same") for a, b in pairwise(widths)]
        return nn.Sequential(*chain(*((conv, nn.ReLU()) for conv in convs)), nn.MaxPool2d(2))

    def vgg(conv_arch, side):
        widths = [1, *(width for _, width in conv_arch)]
        body = [block(before, *pair) for before, pair in zip(widths, conv_arch, strict=False)]
        head = nn.Linear(widths[-1] * side**2, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10)
        return nn.Sequential(*body, nn.Flatten(), *head)

    conv_arch = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
    net = vgg([(depth, width // 8) for depth, width in conv_arch], 2)
    assert [shape[2:] for shape in walk(net, (1, 1, 64, 64))[:5]] == [(side, side) for side in (32, 16, 8, 4, 2)]
    losses = train(net, 64, 0.05, 8)
    assert losses[-1] < losses[0] / 2


@pytest.mark.slow
def test_7_3_nin():
    """Blocks whose 1 x 1 layers follow, and global pooling in the place of dense layers."""

    def block(before, width, side, **settings):
        convs = nn.Conv2d(before, width, side, **settings), nn.Conv2d(width, width, 1), nn.Conv2d(width, width, 1)
        return nn.Sequential(*chain(*((conv, nn.ReLU()) for conv in convs)))

    net = nn.Sequential(block(1, 12, 11, stride=4), nn.MaxPool2d(3, 2))
    net.extend([block(12, 24, 5, padding=2), nn.MaxPool2d(3, 2), block(24, 32, 3, padding=1), nn.MaxPool2d(3, 2)])
    net.extend([nn.Dropout(0.5), block(32, 10, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten()])
    assert walk(net, (1, 1, 224, 224))[-3:] == [(1, 10, 5, 5), (1, 10, 1, 1), (1, 10)]
    losses = train(net, 96, 0.05, 50)
    assert losses[-1] < 0.7 * losses[0]


def path(*layers):
    """Layers, each followed by a ReLU but for the pooling."""
    return nn.Sequential(*chain(*((one,) if isinstance(one, nn.MaxPool2d) else (one, nn.ReLU()) for one in layers)))


class Inception(nn.Module):
    """Four paths side by side; their widths in the order of the paper's table."""

    def __init__(self, before, ones, threes, fives, pooled):
        super().__init__()
        self.paths = nn.ModuleList(
            [
                path(nn.Conv2d(before, ones, 1)),
                path(nn.Conv2d(before, threes[0], 1), nn.Conv2d(*threes, 3, padding=1)),
                path(nn.Conv2d(before, fives[0], 1), nn.Conv2d(*fives, 5, padding=2)),
                path(nn.MaxPool2d(3, 1, padding=1), nn.Conv2d(before, pooled, 1)),
            ]
        )

    def forward(self, X):
        return d2l.concat([one(X) for one in self.paths], 1)


@pytest.mark.slow
def test_7_4_googlenet():
    """Stages `b1` to `b5`, one after the other, and a dense layer."""

    def halve():
        return nn.MaxPool2d(3, 2, padding=1)

    b1 = path(nn.Conv2d(1, 8, 7, 2, padding=3), halve())
    b2 = path(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 24, 3, padding=1), halve())
    b3 = nn.Sequential(Inception(24, 8, (12, 16), (2, 4), 4), Inception(32, 16, (16, 24), (4, 12), 8), halve())
    b4 = nn.Sequential(Inception(60, 24, (12, 26), (2, 6), 8), halve())
    b5 = nn.Sequential(Inception(64, 32, (20, 40), (4, 12), 12), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    net = nn.Sequential(b1, b2, b3, b4, b5, nn.Linear(96, 10))
    assert walk(net, (1, 1, 96, 96))[-4:] == [(1, 60, 6, 6), (1, 64, 3, 3), (1, 96), (1, 10)]
    losses = train(net, 48, 0.03, 25)
    assert losses[-1] < losses[0] / 2
