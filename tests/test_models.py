"""The networks whose paths part and meet, written out from the papers' and chapters' tables; and every one's sizes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fourstep import models


def on_meta(make: Callable[[], nn.Module]) -> nn.Module:
    """The model with shapes alone, without memory for its weights."""
    with torch.device("meta"):
        return make()


def count(net: nn.Module) -> int:
    """How many numbers it learns."""
    return sum(parameter.numel() for parameter in net.parameters())


def convolution(in_channels: int, out_channels: int, kernel: int) -> int:
    """A convolution's number of parameters."""
    return out_channels * (in_channels * kernel * kernel + 1)


def linear(in_features: int, out_features: int) -> int:
    """A linear layer's number of parameters."""
    return out_features * (in_features + 1)


class Layers:
    """A net's own weights by their names, with torch's functions; of double precision, and all norms do something."""

    def __init__(self, net: nn.Module) -> None:
        for norm in net.double().eval().modules():
            if isinstance(norm, nn.BatchNorm2d):
                for name, low, high in (("running_mean", -1, 1), ("running_var", 0.5, 2)):
                    nn.init.uniform_(norm.get_buffer(name), low, high)
                for name, low, high in (("bias", -1, 1), ("weight", 0.5, 2)):
                    nn.init.uniform_(norm.get_parameter(name), low, high)
        self.weights = net.state_dict()

    def conv(self, name: str, inputs: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
        """A convolution."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return functional.conv2d(inputs, weight, bias, stride, padding)

    def norm(self, name: str, inputs: Tensor) -> Tensor:
        """A batch normalisation by its running statistics."""
        names = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(inputs, *(self.weights[f"{name}.{part}"] for part in names))

    def unit(self, name: str, inputs: Tensor, padding: int = 0) -> Tensor:
        """A norm, ReLU and a convolution, as DenseNet has them."""
        return self.conv(f"{name}.2", self.norm(f"{name}.0", inputs).relu(), padding=padding)

    def logits(self, name: str, inputs: Tensor) -> Tensor:
        """The mean over the image, and a linear layer."""
        return functional.linear(inputs.mean(dim=(2, 3)), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def inception(self, name: str, X: Tensor) -> Tensor:  # noqa: N803 - as the chapter has it
        """Four paths side by side."""
        paths = [
            self.conv(f"{name}path1.0", X),
            self.conv(f"{name}path2.2", self.conv(f"{name}path2.0", X).relu(), padding=1),
            self.conv(f"{name}path3.2", self.conv(f"{name}path3.0", X).relu(), padding=2),
            self.conv(f"{name}path4.1", functional.max_pool2d(X, 3, 1, 1)),
        ]
        return torch.cat(paths, dim=1).relu()

    def residual(self, name: str, X: Tensor, strides: int = 1) -> Tensor:  # noqa: N803 - as the chapter has it
        """Two convolutions with norms, plus the inputs, by a convolution 1 where the block halves; then ReLU."""
        inside = self.norm(f"{name}bn1", self.conv(f"{name}conv1", X, strides, 1)).relu()
        inside = self.norm(f"{name}bn2", self.conv(f"{name}conv2", inside, 1, 1))
        return (inside + (X if strides == 1 else self.conv(f"{name}conv3", X, strides))).relu()


def halve(inputs: Tensor) -> Tensor:
    """The pooling of these networks."""
    return functional.max_pool2d(inputs, 3, 2, 1)


def test_googlenet_is_its_chapter_s_layers() -> None:
    """The stem, nine Inception blocks with two poolings among them, the mean and a linear layer."""
    net, X = models.GoogLeNet(), torch.rand(2, 1, 70, 70, dtype=torch.float64)  # noqa: N806 - as the chapter has it
    layers = Layers(net)
    outputs = halve(layers.conv("stem.0", X, 2, 3).relu())
    outputs = layers.conv("stem.3", outputs).relu()
    outputs = halve(layers.conv("stem.5", outputs, 1, 1).relu())
    for number in range(11):
        outputs = halve(outputs) if number in (2, 8) else layers.inception(f"blocks.{number}.", outputs)

    torch.testing.assert_close(net(X), layers.logits("classifier.2", outputs))


def test_resnet18_is_its_chapter_s_layers() -> None:
    """The stem, four stages of two blocks, the mean and a linear layer."""
    net, X = models.ResNet18(), torch.rand(2, 1, 70, 70, dtype=torch.float64)  # noqa: N806 - as the chapter has it
    layers = Layers(net)
    outputs = halve(layers.norm("stem.1", layers.conv("stem.0", X, 2, 3)).relu())
    for stage in range(4):
        outputs = layers.residual(f"stages.{stage}.0.", outputs, strides=1 if stage == 0 else 2)
        outputs = layers.residual(f"stages.{stage}.1.", outputs)

    torch.testing.assert_close(net(X), layers.logits("classifier.2", outputs))


def test_densenet_is_its_chapter_s_layers() -> None:
    """The stem, four blocks with transitions between them, a norm, ReLU, the mean and a linear layer."""
    net, X = models.DenseNet(), torch.rand(2, 1, 70, 70, dtype=torch.float64)  # noqa: N806 - as the chapter has it
    layers = Layers(net)
    outputs = halve(layers.norm("stem.1", layers.conv("stem.0", X, 2, 3)).relu())
    for block in range(0, 7, 2):
        for layer in range(4):
            more = layers.unit(f"blocks.{block}.layers.{layer}", outputs, padding=1)
            outputs = torch.cat((outputs, more), dim=1)
        if block < 6:
            outputs = functional.avg_pool2d(layers.unit(f"blocks.{block + 1}", outputs), 2)

    torch.testing.assert_close(net(X), layers.logits("classifier.4", layers.norm("classifier.0", outputs).relu()))


def test_googlenet_has_the_table_s_parameters() -> None:
    """Convolutions of every Inception block as in table 1 of the paper, and the shapes between the parts."""
    table = [
        *[(192, 64, 96, 128, 16, 32, 32), (256, 128, 128, 192, 32, 96, 64)],
        *[(480, 192, 96, 208, 16, 48, 64), (512, 160, 112, 224, 24, 64, 64), (512, 128, 128, 256, 24, 64, 64)],
        *[(512, 112, 144, 288, 32, 64, 64), (528, 256, 160, 320, 32, 128, 128)],
        *[(832, 256, 160, 320, 32, 128, 128), (832, 384, 192, 384, 48, 128, 128)],
    ]
    expected = convolution(1, 64, 7) + convolution(64, 64, 1) + convolution(64, 192, 3) + linear(1024, 10)
    for inputs, one, reduce3, three, reduce5, five, pool in table:
        expected += sum(convolution(inputs, outputs, 1) for outputs in (one, reduce3, reduce5, pool))
        expected += convolution(reduce3, three, 3) + convolution(reduce5, five, 5)
    net = on_meta(models.GoogLeNet)
    stem = net.get_submodule("stem")(torch.rand(2, 1, 96, 96, device="meta"))

    assert count(net) == expected
    assert stem.shape == (2, 192, 12, 12)
    assert net.get_submodule("blocks")(stem).shape == (2, 1024, 3, 3)


def test_inception_is_four_paths_side_by_side() -> None:
    """Each path written out with its own weights."""
    block = models.Inception(3, 2, (4, 5), (6, 7), 8)
    layers, X = Layers(block), torch.randn(2, 3, 5, 5, dtype=torch.float64)  # noqa: N806 - as the chapter has it

    torch.testing.assert_close(block(X), layers.inception("", X))


def test_resnet18_has_the_table_s_parameters() -> None:
    """18 layers with weights, of the sizes of table 1 of the paper, and shortcuts of 1 x 1 where shapes change."""
    norms = 2 * 64
    expected = convolution(1, 64, 7) + 4 * convolution(64, 64, 3) + linear(512, 10)
    norms += 4 * 2 * 64
    for wide, width in ((64, 128), (128, 256), (256, 512)):
        expected += convolution(wide, width, 3) + convolution(wide, width, 1) + 3 * convolution(width, width, 3)
        norms += 4 * 2 * width
    net = on_meta(models.ResNet18)
    stem = net.get_submodule("stem")(torch.rand(2, 1, 96, 96, device="meta"))

    assert count(net) == expected + norms
    assert stem.shape == (2, 64, 24, 24)
    assert net.get_submodule("stages")(stem).shape == (2, 512, 3, 3)


@pytest.mark.parametrize(("width", "strides"), [(3, 1), (6, 2)])
def test_residual_adds_its_inputs(width: int, strides: int) -> None:
    """By a 1 x 1 convolution where it halves."""
    block = models.Residual(3, width, use_1x1conv=strides > 1, strides=strides)
    layers, X = Layers(block), torch.randn(4, 3, 6, 6, dtype=torch.float64)  # noqa: N806 - as the chapter has it

    torch.testing.assert_close(block(X), layers.residual("", X, strides))
    assert (block.conv3 is None) == (strides == 1)


def test_densenet_has_the_chapter_s_parameters() -> None:
    """Four blocks of four convolutions of 32 channels; transitions halve between them."""
    expected, channels = convolution(1, 64, 7) + 2 * 64, 64
    for block in range(4):
        for _ in range(4):
            expected += 2 * channels + convolution(channels, 32, 3)
            channels += 32
        if block < 3:
            expected += 2 * channels + convolution(channels, channels // 2, 1)
            channels //= 2
    net = on_meta(models.DenseNet)
    stem = net.get_submodule("stem")(torch.rand(2, 1, 96, 96, device="meta"))

    assert channels == 248
    assert count(net) == expected + 2 * channels + linear(channels, 10)
    assert net.get_submodule("blocks")(stem).shape == (2, 248, 3, 3)


def test_a_dense_block_shows_every_layer_what_came_before() -> None:
    """The outputs begin with the inputs; each convolution sees all channels before it."""
    block = models.DenseBlock(2, 3, 10)
    X = torch.randn(4, 3, 8, 8)  # noqa: N806 - as the chapter has it
    first = block.layers[0](X)
    second = block.layers[1](torch.cat((X, first), dim=1))

    assert torch.equal(block(X), torch.cat((X, first, second), dim=1))


def test_vgg_11_has_the_paper_s_parameters() -> None:
    """133 million by table 2 of the paper for 1000 classes in colour; exact by its layers."""
    widths = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)]
    expected = sum(convolution(wide, width, 3) for wide, width in widths)
    expected += linear(512 * 7 * 7, 4096) + linear(4096, 4096) + linear(4096, 1000)
    net = on_meta(lambda: models.VGG(num_classes=1000, in_channels=3))

    assert count(net) == expected
    assert expected // 10**6 == 132  # the paper rounds


@pytest.mark.parametrize(
    ("make", "smallest", "usual"),
    [
        (models.LeNet, 12, 28),
        (models.BatchNormLeNet, 16, 28),
        (models.AlexNet, 65, 224),
        (models.VGG, 32, 224),
        (models.NiN, 67, 224),
        (models.DenseNet, 29, 96),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_network_names_the_least_size_of_its_images(
    make: Callable[..., nn.Module], smallest: int, usual: int
) -> None:
    """One pixel fewer is refused; with that size, the usual and any between, the flattened sizes fit."""
    for side in (smallest, smallest + 1, smallest + 2, smallest + 3, usual):
        net = on_meta(lambda side=side: make(7, 3, side))  # type: ignore[misc] # mypy knows no lambda with a default
        assert net(torch.rand(2, 3, side, side, device="meta")).shape == (2, 7)
    with pytest.raises(ValueError, match=f"image_size {smallest - 1}: .* needs images of {smallest} pixels or more"):
        make(image_size=smallest - 1)
    with pytest.raises((RuntimeError, ValueError)):  # so that the least size is no larger than it has to be
        net(torch.rand(2, 3, smallest - 1, smallest - 1, device="meta"))


@pytest.mark.parametrize("make", [models.GoogLeNet, models.ResNet18])
def test_the_others_take_images_of_any_size(make: Callable[..., nn.Module]) -> None:
    """Down to a single pixel."""
    net = on_meta(lambda: make(7, 3)).eval()
    for side in (1, 28, 33):
        assert net(torch.rand(2, 3, side, side, device="meta")).shape == (2, 7)
