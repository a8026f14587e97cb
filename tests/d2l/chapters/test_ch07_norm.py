"""Cells in the manner of chapter 7: batch normalisation, ResNet and DenseNet."""

from collections import OrderedDict

import pytest
import torch
from torch import nn

from fourstep import d2l

pytestmark = pytest.mark.usefixtures("fashion_mnist")


def train(net, resize, lr, num_epochs=3):
    """The chapter's cell of training; the points of the loss."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=resize)
    d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
    return d2l.plt.gcf().axes[0].lines[0].get_ydata()


class BatchNorm(nn.Module):
    """A reader's own layer, which asks whether gradients are on; its moving numbers are plain attributes."""

    def __init__(self, num_features, num_dims):
        super().__init__()
        shape = [1, num_features, *[1] * (num_dims - 2)]
        self.gamma, self.beta = nn.Parameter(d2l.ones(shape)), nn.Parameter(d2l.zeros(shape))
        self.moving_mean, self.moving_var = d2l.zeros(shape), d2l.ones(shape)
        self.over = [dim for dim in range(num_dims) if dim != 1]

    def forward(self, X):
        mean, var = self.moving_mean.to(X.device), self.moving_var.to(X.device)
        if torch.is_grad_enabled():
            old, (var, mean) = (mean, var), torch.var_mean(X, self.over, correction=0, keepdim=True)
            self.moving_mean = torch.lerp(old[0], mean.detach(), 0.1)
            self.moving_var = torch.lerp(old[1], var.detach(), 0.1)
        return self.beta + self.gamma * (X - mean) * torch.rsqrt(var + 1e-5)


def lenet(norm_of_images, norm_of_rows):
    """LeNet with a normalisation after every layer."""
    first = nn.Conv2d(1, 6, 5), norm_of_images(6), nn.Sigmoid(), nn.AvgPool2d(2)
    second = nn.Conv2d(6, 16, 5), norm_of_images(16), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()
    third = nn.Linear(256, 120), norm_of_rows(120), nn.Sigmoid()
    fourth = nn.Linear(120, 84), norm_of_rows(84), nn.Sigmoid()
    return nn.Sequential(*first, *second, *third, *fourth, nn.Linear(84, 10))


def test_7_5_batch_normalisation_from_scratch_and_in_brief():
    """Both train; the scratch layer's moving numbers moved, in training alone; gamma is read as the chapter does."""
    net = lenet(lambda n: BatchNorm(n, num_dims=4), lambda n: BatchNorm(n, num_dims=2))
    losses = train(net, None, 1.0, num_epochs=4)
    assert losses[-1] < losses[0] / 2
    gamma, beta = net[1].gamma.reshape((-1,)), net[1].beta.reshape((-1,))
    assert gamma.shape == beta.shape == (6,)
    assert not torch.equal(gamma, torch.ones(6))
    moved = net[1].moving_mean.clone()
    assert moved.any()
    d2l.evaluate_accuracy_gpu(net, d2l.load_data_fashion_mnist(20)[1])
    assert torch.equal(net[1].moving_mean, moved)

    brief = lenet(nn.BatchNorm2d, nn.BatchNorm1d)
    losses = train(brief, None, 1.0, num_epochs=4)
    assert losses[-1] < losses[0] / 2
    assert brief[1].training


class Residual(nn.Module):
    """A reader's own block, whose layers have the names of the library's."""

    def __init__(self, before, width, use_1x1conv=False, strides=1):
        super().__init__()
        layers = {
            "conv1": nn.Conv2d(before, width, 3, strides, 1), "bn1": nn.BatchNorm2d(width), "relu": nn.ReLU(),
            "conv2": nn.Conv2d(width, width, 3, 1, 1), "bn2": nn.BatchNorm2d(width),
        }  # fmt: skip
        self.straight = nn.Sequential(OrderedDict(layers))
        self.aside = nn.Conv2d(before, width, 1, strides) if use_1x1conv else nn.Identity()

    def forward(self, X):
        return torch.relu(self.straight(X) + self.aside(X))


def stage(before, width, first_block=False):
    """Two blocks of the library's in a list; those of the first stage are called without more."""
    if first_block:
        return [d2l.Residual(before, width), d2l.Residual(width, width)]
    return [d2l.Residual(before, width, use_1x1conv=True, strides=2), d2l.Residual(width, width)]


def test_7_6_resnet():
    """The reader's block and the library's have the same weights and give the same; stages of either train."""
    X = torch.rand(4, 3, 6, 6)
    own, ours = Residual(3, 6, use_1x1conv=True, strides=2), d2l.Residual(3, 6, use_1x1conv=True, strides=2)
    names = {f"straight.{name}": name for name, _ in own.straight.named_children()} | {"aside": "conv3"}
    ours.load_state_dict(
        {f"{names[key.rpartition('.')[0]]}.{key.rpartition('.')[2]}": value for key, value in own.state_dict().items()}
    )
    assert torch.equal(own(X), ours(X))
    assert ours(X).shape == (4, 6, 3, 3)
    assert d2l.Residual(3, 3)(X).shape == X.shape

    b1 = nn.Sequential(nn.Conv2d(1, 8, 7, 2, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1))
    b2 = nn.Sequential(*stage(8, 8, first_block=True))
    b3, b4, b5 = (nn.Sequential(*stage(before, 2 * before)) for before in (8, 16, 32))
    net = nn.Sequential(b1, b2, b3, b4, b5, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))
    X = torch.rand(size=(1, 1, 96, 96))
    for layer, side in zip(net[:5], (24, 24, 12, 6, 3), strict=True):
        X = layer(X)
        assert X.shape[2:] == (side, side)
    losses = train(net, 96, 0.1)
    assert losses[-1] < losses[0] / 2


def unit(before, width, side):
    """Normalise, activate, convolve."""
    return nn.Sequential(nn.BatchNorm2d(before), nn.ReLU(), nn.Conv2d(before, width, side, padding="same"))


class Beside(nn.Sequential):
    """A layer whose output is put beside its input."""

    def forward(self, X):
        return d2l.concat((X, super().forward(X)), 1)


def dense_block(depth, before, growth):
    """As many of them, each with the inputs of all before it."""
    widths = range(before, before + depth * growth, growth)
    return nn.Sequential(*(Beside(unit(width, growth, 3)) for width in widths))


def test_7_7_densenet():
    """Blocks that widen and transitions that halve, in a list; unpacked into the net."""
    blks = [nn.Conv2d(1, 16, 7, 2, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)]
    for _ in range(3):  # 16 channels become 32, and 16 again
        blks += [dense_block(2, 16, 8), unit(32, 16, 1), nn.AvgPool2d(2)]
    net = nn.Sequential(
        *blks, dense_block(2, 16, 8), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, 10),
    )  # fmt: skip
    assert blks[4](d2l.rand(1, 16, 8, 8)).shape == (1, 32, 8, 8)
    losses = train(net, 96, 0.1)
    assert losses[-1] < 0.7 * losses[0]
