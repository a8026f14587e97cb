"""The book's networks against plain torch, written out from the papers' and chapters' tables of layers."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from fourstep import models

GREY = torch.Generator().manual_seed(7)


def start_as_train_ch6(net: nn.Module) -> nn.Module:
    """The start that the book's training function gives a net."""

    def start(module: nn.Module) -> None:
        if type(module) in (nn.Linear, nn.Conv2d):
            nn.init.xavier_uniform_(module.get_parameter("weight"))

    return net.apply(start)


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
    assert count(ours) == count(plain)


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
    X = torch.randn(2, 3, 5, 5)  # noqa: N806 - as the chapter has it

    def conv(inputs: Tensor, name: str, padding: int = 0) -> Tensor:
        layer = block.get_submodule(name)
        return functional.conv2d(
            inputs, layer.get_parameter("weight"), layer.get_parameter("bias"), padding=padding
        ).relu()

    paths = [
        conv(X, "path1.0"),
        conv(conv(X, "path2.0"), "path2.2", 1),
        conv(conv(X, "path3.0"), "path3.2", 2),
        conv(functional.max_pool2d(X, 3, 1, 1), "path4.1"),
    ]
    torch.testing.assert_close(block(X), torch.cat(paths, dim=1))


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
    """Two convolutions with their norms, plus the inputs, or their 1 x 1 convolution, then ReLU."""
    block = models.Residual(3, width, use_1x1conv=strides > 1, strides=strides)
    X = torch.randn(4, 3, 6, 6)  # noqa: N806 - as the chapter has it
    inside = block.bn2(block.conv2(functional.relu(block.bn1(block.conv1(X)))))
    shortcut = X if block.conv3 is None else block.conv3(X)

    torch.testing.assert_close(block(X), functional.relu(inside + shortcut))
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


@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 3, 3), (2, 5, 1, 1)])
def test_batchnorm_from_scratch_is_torch_s(shape: tuple[int, ...]) -> None:
    """Outputs, gradients and running statistics over training batches, then the outputs of evaluation."""
    ours, theirs = models.BatchNorm(5), (nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5))
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.get_parameter("weight").copy_(torch.linspace(0.5, 2, 5))
            norm.get_parameter("bias").copy_(torch.linspace(-1, 1, 5))
    for _ in range(3):
        inputs = torch.randn(shape) * 3 + 2
        grads = []
        for norm in (ours, theirs):
            leaf = inputs.clone().requires_grad_()
            outputs = norm(leaf)
            norm.zero_grad()
            (outputs * torch.linspace(0, 1, outputs.numel()).view(shape)).sum().backward()
            grads.append([outputs, leaf.grad, *[parameter.grad for parameter in norm.parameters()]])
        torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)
    for norm in (ours, theirs):
        norm.eval()

    torch.testing.assert_close(ours(inputs), theirs(inputs))
    torch.testing.assert_close(ours.state_dict(), {name: theirs.state_dict()[name] for name in ours.state_dict()})


def test_batchnorm_from_scratch_needs_two_values_to_train() -> None:
    """As torch's does; an answer alone is fine."""
    norm = models.BatchNorm(5)
    with pytest.raises(ValueError, match="1 value per feature: batch normalisation needs 2 or more to train"):
        norm(torch.ones(1, 5))
    assert torch.isfinite(norm.eval()(torch.ones(1, 5))).all()
    assert torch.equal(norm.running_mean, torch.zeros(5))


def test_batchnorm_lenet_from_scratch_is_the_one_of_torch_s_layers() -> None:
    """The same weights by name, and the same logits up to rounding, in training and in evaluation."""
    torch.manual_seed(6)
    scratch = models.BatchNormLeNet(scratch=True)
    torch.manual_seed(6)
    layers = models.BatchNormLeNet()
    inputs = torch.rand(16, 1, 28, 28)

    assert dict(scratch.named_parameters()).keys() == dict(layers.named_parameters()).keys()
    torch.testing.assert_close(scratch(inputs), layers(inputs), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scratch.eval()(inputs), layers.eval()(inputs), rtol=1e-4, atol=1e-4)
