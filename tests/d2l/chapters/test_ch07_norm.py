"""Cells in the manner of chapter 7: batch normalisation, ResNet and DenseNet."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l

pytestmark = pytest.mark.usefixtures("fashion_mnist")


def train(net, resize, lr, num_epochs=3):
    """The chapter's cell of training; the points of the loss."""
    batch_size = 32
    train_iter, test_iter = d2l.load_data_fashion_mnist(batch_size, resize=resize)
    d2l.train_ch6(net, train_iter, test_iter, num_epochs, lr, d2l.try_gpu())
    return d2l.plt.gcf().axes[0].lines[0].get_ydata()


def batch_norm(X, gamma, beta, moving_mean, moving_var, eps, momentum):
    """A reader's own, which asks whether gradients are on."""
    if not torch.is_grad_enabled():
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)
    else:
        dims = 0 if len(X.shape) == 2 else (0, 2, 3)
        mean = X.mean(dim=dims, keepdim=True)
        var = ((X - mean) ** 2).mean(dim=dims, keepdim=True)
        X_hat = (X - mean) / torch.sqrt(var + eps)
        moving_mean = momentum * moving_mean + (1.0 - momentum) * mean
        moving_var = momentum * moving_var + (1.0 - momentum) * var
    return gamma * X_hat + beta, moving_mean.data, moving_var.data


class BatchNorm(nn.Module):
    """A reader's own layer; its moving numbers are plain attributes."""

    def __init__(self, num_features, num_dims):
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.moving_mean = torch.zeros(shape)
        self.moving_var = torch.ones(shape)

    def forward(self, X):
        if self.moving_mean.device != X.device:
            self.moving_mean = self.moving_mean.to(X.device)
            self.moving_var = self.moving_var.to(X.device)
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma, self.beta, self.moving_mean, self.moving_var, eps=1e-5, momentum=0.9
        )
        return Y


def lenet(norm_of_images, norm_of_rows):
    """LeNet with a normalisation after every layer."""
    return nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5), norm_of_images(6), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2),
        nn.Conv2d(6, 16, kernel_size=5), norm_of_images(16), nn.Sigmoid(),
        nn.AvgPool2d(kernel_size=2, stride=2), nn.Flatten(),
        nn.Linear(16 * 4 * 4, 120), norm_of_rows(120), nn.Sigmoid(),
        nn.Linear(120, 84), norm_of_rows(84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip


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
    """A reader's own block."""

    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn1, self.bn2 = nn.BatchNorm2d(num_channels), nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3:
            X = self.conv3(X)
        Y += X
        return F.relu(Y)


def resnet_block(block, input_channels, num_channels, num_residuals, first_block=False):
    """The blocks of a stage, in a list."""
    blk = []
    for i in range(num_residuals):
        if i == 0 and not first_block:
            blk.append(block(input_channels, num_channels, use_1x1conv=True, strides=2))
        else:
            blk.append(block(num_channels, num_channels))
    return blk


def test_7_6_resnet():
    """The reader's block and the library's have the same weights and give the same; stages of either train."""
    X = torch.rand(4, 3, 6, 6)
    own, ours = Residual(3, 6, use_1x1conv=True, strides=2), d2l.Residual(3, 6, use_1x1conv=True, strides=2)
    ours.load_state_dict(own.state_dict())
    assert torch.equal(own(X), ours(X))
    assert ours(X).shape == (4, 6, 3, 3)
    assert d2l.Residual(3, 3)(X).shape == X.shape

    b1 = nn.Sequential(
        nn.Conv2d(1, 8, kernel_size=7, stride=2, padding=3), nn.BatchNorm2d(8), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )  # fmt: skip
    b2 = nn.Sequential(*resnet_block(d2l.Residual, 8, 8, 2, first_block=True))
    b3 = nn.Sequential(*resnet_block(d2l.Residual, 8, 16, 2))
    b4 = nn.Sequential(*resnet_block(d2l.Residual, 16, 32, 2))
    b5 = nn.Sequential(*resnet_block(d2l.Residual, 32, 64, 2))
    net = nn.Sequential(b1, b2, b3, b4, b5, nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(), nn.Linear(64, 10))
    X = torch.rand(size=(1, 1, 96, 96))
    for layer, side in zip(net[:5], (24, 24, 12, 6, 3), strict=True):
        X = layer(X)
        assert X.shape[2:] == (side, side)
    losses = train(net, 96, 0.1)
    assert losses[-1] < losses[0] / 2


def conv_block(input_channels, num_channels):
    """Normalise, activate, convolve."""
    return nn.Sequential(
        nn.BatchNorm2d(input_channels), nn.ReLU(), nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1)
    )


class DenseBlock(nn.Module):
    """Every layer's output is put beside its input."""

    def __init__(self, num_convs, input_channels, num_channels):
        super().__init__()
        layer = [conv_block(num_channels * i + input_channels, num_channels) for i in range(num_convs)]
        self.net = nn.Sequential(*layer)

    def forward(self, X):
        for blk in self.net:
            X = torch.cat((X, blk(X)), dim=1)
        return X


def test_7_7_densenet():
    """Blocks that widen and transitions that halve, from a list; unpacked into the net."""

    def transition_block(input_channels, num_channels):
        return nn.Sequential(
            nn.BatchNorm2d(input_channels), nn.ReLU(),
            nn.Conv2d(input_channels, num_channels, kernel_size=1),
            nn.AvgPool2d(kernel_size=2, stride=2),
        )  # fmt: skip

    b1 = nn.Sequential(
        nn.Conv2d(1, 16, kernel_size=7, stride=2, padding=3), nn.BatchNorm2d(16), nn.ReLU(),
        nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
    )  # fmt: skip
    num_channels, growth_rate, num_convs_in_dense_blocks, blks = 16, 8, [2, 2, 2, 2], []
    for i, num_convs in enumerate(num_convs_in_dense_blocks):
        blks.append(DenseBlock(num_convs, num_channels, growth_rate))
        num_channels += num_convs * growth_rate
        if i != len(num_convs_in_dense_blocks) - 1:
            blks.append(transition_block(num_channels, num_channels // 2))
            num_channels = num_channels // 2
    net = nn.Sequential(
        b1, *blks, nn.BatchNorm2d(num_channels), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten(),
        nn.Linear(num_channels, 10),
    )  # fmt: skip
    assert blks[0](torch.rand(1, 16, 8, 8)).shape == (1, 32, 8, 8)
    losses = train(net, 96, 0.1)
    assert losses[-1] < 0.7 * losses[0]
