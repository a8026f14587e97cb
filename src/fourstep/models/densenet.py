"""DenseNet: every layer sees the outputs of all layers before it in its block.

Source: Huang et al. 2016, "Densely Connected Convolutional Networks", arXiv:1608.06993; in the form of *Dive into Deep
Learning*, section 7.7.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size, start_uniform

GROWTH = 32  # channels that each convolution adds
BLOCKS = (4, 4, 4, 4)  # convolutions of each dense block
SMALLEST = 29  # pixels; below, nothing is left after the third transition


class DenseBlock(nn.Module):
    """Convolutions that each add their channels to the inputs of the next.

    Shapes: `(B, in_channels, H, W)` -> `(B, in_channels + num_convolutions * growth, H, W)`.

    Args:
        num_convolutions: 1 or more.
        in_channels: 1 or more.
        growth: channels that each convolution adds, 1 or more.
    """

    def __init__(self, num_convolutions: int, in_channels: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(in_channels + number * growth),
                nn.ReLU(),
                nn.Conv2d(in_channels + number * growth, growth, kernel_size=3, padding=1),
            )
            for number in range(num_convolutions)
        )

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The inputs' channels, and after them those of every convolution."""
        for layer in self.layers:
            inputs = torch.cat((inputs, layer(inputs)), dim=1)
        return inputs


class DenseNet(nn.Module):
    """A convolution, dense blocks with transitions between them that halve channels, height and width, a linear layer.

    Shapes, for 96 x 96 with one channel and ten classes:

        input                (B, 1, 96, 96)
        convolution 7        (B, 64, 48, 48)    padding 3, stride 2; batch normalisation, ReLU
        max pool 3           (B, 64, 24, 24)    padding 1, stride 2
        dense block          (B, 192, 24, 24)
        transition           (B, 96, 12, 12)
        dense block          (B, 224, 12, 12)
        transition           (B, 112, 6, 6)
        dense block          (B, 240, 6, 6)
        transition           (B, 120, 3, 3)
        dense block          (B, 248, 3, 3)     batch normalisation, ReLU
        global average pool  (B, 248)
        logits               (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 29 or more; by default that of the chapter.

    Raises:
        ValueError: `image_size` is below 29.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 96) -> None:
        super().__init__()
        check_size("DenseNet", image_size, SMALLEST)
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        layers: list[nn.Module] = []
        channels = 64
        for number, convolutions in enumerate(BLOCKS, start=1):
            layers.append(DenseBlock(convolutions, channels, GROWTH))
            channels += convolutions * GROWTH
            if number < len(BLOCKS):
                layers.append(make_transition(channels, channels // 2))
                channels //= 2
        self.blocks = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, num_classes)
        )
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.blocks(self.stem(inputs)))
        return logits


def make_transition(in_channels: int, out_channels: int) -> nn.Sequential:
    """A convolution of 1 x 1 that changes the channels, then an average pool that halves height and width."""
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel_size=1),
        nn.AvgPool2d(kernel_size=2, stride=2),
    )
