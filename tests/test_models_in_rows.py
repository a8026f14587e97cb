"""The networks that are layers in a row, against plain torch in the chapters' order; and what they refuse."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from fourstep import models

GREY = torch.Generator().manual_seed(7)


def start_as_train_ch6(net: nn.Module) -> nn.Module:
    """The start that the book's training function gives a net."""

    def start(module: nn.Module) -> None:
        if type(module) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_uniform_(module.get_parameter("weight"))

    return net.apply(start)


def alexnet() -> list[nn.Module]:
    """Section 7.1 for images of 65 pixels."""
    return [
        *[nn.Conv2d(1, 96, 11, 4, 1), nn.ReLU(), nn.MaxPool2d(3, 2)],
        *[nn.Conv2d(96, 256, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2)],
        *[nn.Conv2d(256, 384, 3, padding=1), nn.ReLU(), nn.Conv2d(384, 384, 3, padding=1), nn.ReLU()],
        *[nn.Conv2d(384, 256, 3, padding=1), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Flatten()],
        *[nn.Linear(256, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout()],
        nn.Linear(4096, 10),
    ]


def vgg() -> list[nn.Module]:
    """Section 7.2, a quarter of VGG-11's channels, for images of 32 pixels."""
    layers: list[nn.Module] = []
    for wide, width, pools in (
        *[(1, 16, True), (16, 32, True), (32, 64, False), (64, 64, True)],
        *[(64, 128, False), (128, 128, True), (128, 128, False), (128, 128, True)],
    ):
        layers += [nn.Conv2d(wide, width, 3, padding=1), nn.ReLU(), *[nn.MaxPool2d(2)] * pools]
    layers += [nn.Flatten(), nn.Linear(128, 4096), nn.ReLU(), nn.Dropout()]
    return [*layers, nn.Linear(4096, 4096), nn.ReLU(), nn.Dropout(), nn.Linear(4096, 10)]


def batchnorm_lenet() -> list[nn.Module]:
    """Section 7.5."""
    return [
        *[nn.Conv2d(1, 6, 5), nn.BatchNorm2d(6), nn.Sigmoid(), nn.AvgPool2d(2)],
        *[nn.Conv2d(6, 16, 5), nn.BatchNorm2d(16), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten()],
        *[nn.Linear(256, 120), nn.BatchNorm1d(120), nn.Sigmoid()],
        *[nn.Linear(120, 84), nn.BatchNorm1d(84), nn.Sigmoid(), nn.Linear(84, 10)],
    ]


def dropout_mlp() -> list[nn.Module]:
    """Section 4.6."""
    layers = [nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Dropout(0.2)]
    return [*layers, nn.Linear(256, 256), nn.ReLU(), nn.Dropout(0.5), nn.Linear(256, 10)]


def start_small(net: nn.Module) -> nn.Module:
    """The start of the book's perceptrons, with biases of 0."""
    for module in net.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
    return net


@pytest.mark.parametrize(
    ("make", "layers", "start", "side"),
    [
        (lambda: models.AlexNet(image_size=65), alexnet, start_as_train_ch6, 65),
        (lambda: models.VGG(image_size=32, ratio=4), vgg, start_as_train_ch6, 32),
        (models.BatchNormLeNet, batchnorm_lenet, start_as_train_ch6, 28),
        (lambda: models.MLP(hidden=(256, 256), dropout=(0.2, 0.5)), dropout_mlp, start_small, 28),
    ],
    ids=["alexnet", "vgg", "batchnorm-lenet", "dropout"],
)
def test_a_network_is_its_chapter_s_layers_in_a_row(
    make: Callable[[], nn.Module],
    layers: Callable[[], list[nn.Module]],
    start: Callable[[nn.Module], nn.Module],
    side: int,
) -> None:
    """Under one seed the same weights, and in training, with dropout, the same logits, bit for bit."""
    inputs = torch.rand(3, 1, side, side)
    torch.manual_seed(4)
    ours = make()
    outputs = ours(inputs)
    torch.manual_seed(4)
    plain = start(nn.Sequential(*layers()))

    assert torch.equal(outputs, plain(inputs))
    assert [*map(torch.numel, ours.parameters())] == [*map(torch.numel, plain.parameters())]


def test_nin_is_its_chapter_s_layers_in_a_row() -> None:
    """With the same weights, since its start is our own."""
    layers: list[nn.Module] = []
    for wide, width, kernel, stride, padding in ((1, 96, 11, 4, 0), (96, 256, 5, 1, 2), (256, 384, 3, 1, 1)):
        layers += [nn.Conv2d(wide, width, kernel, stride, padding), nn.ReLU()]
        layers += [nn.Conv2d(width, width, 1), nn.ReLU(), nn.Conv2d(width, width, 1), nn.ReLU(), nn.MaxPool2d(3, 2)]
    layers += [nn.Dropout(0.5), nn.Conv2d(384, 10, 3, padding=1), nn.ReLU(), nn.Conv2d(10, 10, 1), nn.ReLU()]
    plain = nn.Sequential(*layers, nn.Conv2d(10, 10, 1), nn.ReLU(), nn.AdaptiveAvgPool2d((1, 1)), nn.Flatten())
    ours = models.NiN(image_size=67)
    weights = zip(plain.state_dict(), ours.state_dict().values(), strict=True)
    plain.load_state_dict(dict(weights))
    inputs = torch.rand(2, 1, 67, 67)

    assert torch.equal(ours.eval()(inputs), plain.eval()(inputs))


@pytest.mark.parametrize("image_size", [67, 96])
def test_nin_starts_with_every_class_alive(image_size: int) -> None:
    """Each class's last ReLU lets something through for every image, whatever the seed."""
    inputs = torch.rand(8, 1, image_size, image_size, generator=GREY)
    for seed in range(5):
        torch.manual_seed(seed)
        assert models.NiN(image_size=image_size).eval()(inputs).min() > 0


@pytest.mark.parametrize("ratio", [0, 65, -1])
def test_vgg_refuses_a_ratio_that_leaves_no_channels(ratio: int) -> None:
    """From 1 to the fewest channels of a block."""
    with pytest.raises(ValueError, match=f"ratio {ratio}: expected 1 to 64, so that every block has channels"):
        models.VGG(ratio=ratio)


@pytest.mark.parametrize("dropout", [(0.5,), (0.1, 0.2, 0.3), (0.2, 1), (-0.1, 0.5)])
def test_an_mlp_refuses_dropout_that_does_not_fit(dropout: tuple[float, ...]) -> None:
    """One probability per hidden layer, from 0 to below 1."""
    with pytest.raises(ValueError, match="expected one probability per hidden layer, from 0 to below 1"):
        models.MLP(hidden=(256, 256), dropout=dropout)


def test_an_mlp_without_dropout_is_as_it_was() -> None:
    """The names of its weights, and the weights under a seed; a probability of 0 is none."""
    torch.manual_seed(5)
    plain = start_small(nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)))
    for dropout in ((), (0,), (0.0,)):
        torch.manual_seed(5)
        found = models.MLP(dropout=dropout).state_dict()
        assert list(found) == [f"layers.{name}" for name in plain.state_dict()]
        assert all(torch.equal(weight, found[f"layers.{name}"]) for name, weight in plain.state_dict().items())
