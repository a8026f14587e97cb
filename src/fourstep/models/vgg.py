"""VGG: a network built from blocks of small convolutions.

Source: Simonyan and Zisserman 2014, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
arXiv:1409.1556, table 1; in the form of *Dive into Deep Learning*, section 7.2.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size, start_uniform

VGG11 = ((1, 64), (1, 128), (2, 256), (2, 512), (2, 512))  # convolutions and channels of each block


class VGG(nn.Module):
    """Blocks that each halve height and width, then three fully connected layers. VGG-11 by default.

    Shapes, for 224 x 224 with one channel and ten classes; `ratio` divides the channels:

        input    (B, 1, 224, 224)
        block 1  (B, 64, 112, 112)    1 convolution 3 with padding 1, max pool 2
        block 2  (B, 128, 56, 56)     1 convolution
        block 3  (B, 256, 28, 28)     2 convolutions
        block 4  (B, 512, 14, 14)     2 convolutions
        block 5  (B, 512, 7, 7)       2 convolutions; flattened: (B, 25088)
        linear   (B, 4096)            dropout 0.5
        linear   (B, 4096)            dropout 0.5
        logits   (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 2 to the number of blocks or more: 32.
        ratio: divides the blocks' channels; the chapter trains the network with 4. From 1 to the fewest channels.
        blocks: `(convolutions, channels)` of each block, each 1 or more.

    Raises:
        ValueError: `image_size` is below 32, or `ratio` is out of range.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(
        self,
        num_classes: int = 10,
        in_channels: int = 1,
        image_size: int = 224,
        ratio: int = 1,
        blocks: Sequence[tuple[int, int]] = VGG11,
    ) -> None:
        super().__init__()
        check_size("VGG", image_size, 2 ** len(blocks))
        fewest = min(channels for _, channels in blocks)
        if not 1 <= ratio <= fewest:
            raise ValueError(f"ratio {ratio}: expected 1 to {fewest}, so that every block has channels")
        side = image_size // 2 ** len(blocks)
        widths = [in_channels, *[channels // ratio for _, channels in blocks]]
        self.features = nn.Sequential(
            *[
                make_vgg_block(count, width, next_width)
                for (count, _), (width, next_width) in zip(blocks, pairwise(widths), strict=True)
            ]
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(widths[-1] * side * side, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits


def make_vgg_block(num_convolutions: int, in_channels: int, out_channels: int) -> nn.Sequential:
    """Convolutions of 3 x 3 with ReLU, then a max pool that halves height and width.

    Args:
        num_convolutions: 1 or more.
        in_channels: 1 or more.
        out_channels: of every convolution's outputs, 1 or more.
    """
    layers: list[nn.Module] = []
    for number in range(num_convolutions):
        layers += [nn.Conv2d(out_channels if number else in_channels, out_channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(kernel_size=2, stride=2))
