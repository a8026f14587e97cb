"""Cells in the manner of chapter 7: the modern networks, each with few channels, trained for some tiny epochs."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l

pytestmark = pytest.mark.usefixtures("fashion_mnist")


def walk(net, shape):
    """The shapes that a reader prints, of every layer's output."""
    X, shapes = torch.randn(shape), []
    for layer in net:
        X = layer(X)
        shapes.append(tuple(X.shape))
        print(layer.__class__.__name__, "output shape:\t", X.shape)
    return shapes


def train(net, resize, lr, num_epochs=2):
    """The chapter's cell of training; the points of the loss."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=resize)
    d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
    return d2l.plt.gcf().axes[0].lines[0].get_ydata()


def test_7_1_alexnet(printed):
    """One long `nn.Sequential` for images of 224; the flattened layer has 5 x 5 places of each channel."""
    net = nn.Sequential(
        nn.Conv2d(1, 12, kernel_size=11, stride=4, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(12, 24, kernel_size=5, padding=2), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Conv2d(24, 32, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 32, kernel_size=3, padding=1), nn.ReLU(),
        nn.Conv2d(32, 24, kernel_size=3, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2),
        nn.Flatten(),
        nn.Linear(24 * 5 * 5, 96), nn.ReLU(), nn.Dropout(p=0.5),
        nn.Linear(96, 96), nn.ReLU(), nn.Dropout(p=0.5),
        nn.Linear(96, 10),
    )  # fmt: skip
    shapes = walk(net, (1, 1, 224, 224))
    assert (shapes[0], shapes[12], shapes[-1]) == ((1, 12, 54, 54), (1, 24, 5, 5), (1, 10))
    assert printed()[0] == "Conv2d output shape:\t torch.Size([1, 12, 54, 54])"
    losses = train(net, 224, 0.05, num_epochs=4)
    assert losses[-1] < losses[0]
    assert printed()[-1].endswith(f" examples/sec on {d2l.try_gpu()}")


def test_7_2_vgg():
    """Blocks from pairs of numbers, made narrower by a ratio, in a list that is unpacked."""

    def vgg_block(num_convs, in_channels, out_channels):
        layers = []
        for _ in range(num_convs):
            layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
            layers.append(nn.ReLU())
            in_channels = out_channels
        layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
        return nn.Sequential(*layers)

    def vgg(conv_arch, side):
        conv_blks, in_channels = [], 1
        for num_convs, out_channels in conv_arch:
            conv_blks.append(vgg_block(num_convs, in_channels, out_channels))
            in_channels = out_channels
        return nn.Sequential(
            *conv_blks, nn.Flatten(),
            nn.Linear(out_channels * side * side, 64), nn.ReLU(), nn.Dropout(0.5), nn.Linear(64, 10),
        )  # fmt: skip

    conv_arch = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))
    ratio = 8
    small_conv_arch = [(pair[0], pair[1] // ratio) for pair in conv_arch]
    net = vgg(small_conv_arch, 2)
    assert [shape[2:] for shape in walk(net, (1, 1, 64, 64))[:5]] == [(side, side) for side in (32, 16, 8, 4, 2)]
    losses = train(net, 64, 0.05, num_epochs=4)
    assert losses[-1] < losses[0]


def test_7_3_nin():
    """Blocks whose 1 x 1 layers follow, and global pooling in the place of dense layers."""

    def nin_block(in_channels, out_channels, kernel_size, strides, padding):
        return nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel_size, strides, padding), nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU(),
            nn.Conv2d(out_channels, out_channels, kernel_size=1), nn.ReLU(),
        )  # fmt: skip

    net = nn.Sequential(
        nin_block(1, 12, kernel_size=11, strides=4, padding=0),
        nn.MaxPool2d(3, stride=2),
        nin_block(12, 24, kernel_size=5, strides=1, padding=2),
        nn.MaxPool2d(3, stride=2),
        nin_block(24, 32, kernel_size=3, strides=1, padding=1),
        nn.MaxPool2d(3, stride=2),
        nn.Dropout(0.5),
        nin_block(32, 10, kernel_size=3, strides=1, padding=1),
        nn.AdaptiveAvgPool2d((1, 1)),
        nn.Flatten(),
    )
    assert walk(net, (1, 1, 224, 224))[-3:] == [(1, 10, 5, 5), (1, 10, 1, 1), (1, 10)]
    losses = train(net, 96, 0.1)
    assert losses[-1] < 2.4  # these images differ by place, which the pooling forgets: more steps would be needed


class Inception(nn.Module):
    """Four paths side by side, of c1 to c4 channels."""

    def __init__(self, in_channels, c1, c2, c3, c4, **kwargs):
        super().__init__(**kwargs)
        self.p1_1 = nn.Conv2d(in_channels, c1, kernel_size=1)
        self.p2_1 = nn.Conv2d(in_channels, c2[0], kernel_size=1)
        self.p2_2 = nn.Conv2d(c2[0], c2[1], kernel_size=3, padding=1)
        self.p3_1 = nn.Conv2d(in_channels, c3[0], kernel_size=1)
        self.p3_2 = nn.Conv2d(c3[0], c3[1], kernel_size=5, padding=2)
        self.p4_1 = nn.MaxPool2d(kernel_size=3, stride=1, padding=1)
        self.p4_2 = nn.Conv2d(in_channels, c4, kernel_size=1)

    def forward(self, x):
        p1 = F.relu(self.p1_1(x))
        p2 = F.relu(self.p2_2(F.relu(self.p2_1(x))))
        p3 = F.relu(self.p3_2(F.relu(self.p3_1(x))))
        p4 = F.relu(self.p4_2(self.p4_1(x)))
        return torch.cat((p1, p2, p3, p4), dim=1)


def test_7_4_googlenet():
    """Stages `b1` to `b5`, one after the other, and a dense layer."""
    b1 = nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=7, stride=2, padding=3), nn.ReLU(), nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
    )
    b2 = nn.Sequential(
        nn.Conv2d(8, 8, kernel_size=1), nn.ReLU(),
        nn.Conv2d(8, 24, kernel_size=3, padding=1), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )  # fmt: skip
    b3 = nn.Sequential(
        Inception(24, 8, (12, 16), (2, 4), 4),
        Inception(32, 16, (16, 24), (4, 12), 8),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )
    b4 = nn.Sequential(Inception(60, 24, (12, 26), (2, 6), 8), nn.MaxPool2d(kernel_size=3, stride=2, padding=1))
    b5 = nn.Sequential(Inception(64, 32, (20, 40), (4, 12), 12), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    net = nn.Sequential(b1, b2, b3, b4, b5, nn.Linear(96, 10))
    assert walk(net, (1, 1, 96, 96))[-4:] == [(1, 60, 6, 6), (1, 64, 3, 3), (1, 96), (1, 10)]
    losses = train(net, 96, 0.1)
    assert losses[-1] < 2.4  # as above
