"""GoogLeNet: blocks that look at their inputs through windows of several sizes at once.

Source: Szegedy et al. 2014, "Going Deeper with Convolutions", arXiv:1409.4842, table 1; in the form of *Dive into Deep
Learning*, section 7.4: grey images, ten classes, no auxiliary classifiers.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import start_uniform


class Inception(nn.Module):
    """Four paths side by side, each as high and wide as the inputs, their channels joined.

    Shapes: `(B, in_channels, H, W)` -> `(B, path1 + path2[1] + path3[1] + path4, H, W)`.

    Args:
        in_channels: 1 or more.
        path1: channels of a convolution 1.
        path2: channels of a convolution 1, then of a convolution 3.
        path3: channels of a convolution 1, then of a convolution 5.
        path4: channels of a convolution 1 after a max pool 3.
    """

    def __init__(
        self, in_channels: int, path1: int, path2: tuple[int, int], path3: tuple[int, int], path4: int
    ) -> None:
        super().__init__()
        self.path1 = nn.Sequential(nn.Conv2d(in_channels, path1, kernel_size=1), nn.ReLU())
        self.path2 = nn.Sequential(
            nn.Conv2d(in_channels, path2[0], kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(path2[0], path2[1], kernel_size=3, padding=1),
            nn.ReLU(),
        )
        self.path3 = nn.Sequential(
            nn.Conv2d(in_channels, path3[0], kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(path3[0], path3[1], kernel_size=5, padding=2),
            nn.ReLU(),
        )
        self.path4 = nn.Sequential(
            nn.MaxPool2d(kernel_size=3, stride=1, padding=1),
            nn.Conv2d(in_channels, path4, kernel_size=1),
            nn.ReLU(),
        )

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D H W"]:
        """The four paths' channels, in their order."""
        return torch.cat([path(inputs) for path in (self.path1, self.path2, self.path3, self.path4)], dim=1)


class GoogLeNet(nn.Module):
    """Three convolutions, nine Inception blocks and one linear layer.

    Shapes, for 96 x 96 with one channel and ten classes; each Inception block with the channels that it gives:

        input                (B, 1, 96, 96)
        convolution 7        (B, 64, 48, 48)     padding 3, stride 2
        max pool 3           (B, 64, 24, 24)     padding 1, stride 2
        convolutions 1, 3    (B, 192, 24, 24)
        max pool 3           (B, 192, 12, 12)    padding 1, stride 2
        Inception            (B, 480, 12, 12)    256, 480
        max pool 3           (B, 480, 6, 6)      padding 1, stride 2
        Inception            (B, 832, 6, 6)      512, 512, 512, 528, 832
        max pool 3           (B, 832, 3, 3)      padding 1, stride 2
        Inception            (B, 1024, 3, 3)     832, 1024
        global average pool  (B, 1024)
        logits               (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.

    Images may have any size; up to 32 pixels the last blocks see a single pixel.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),
            nn.ReLU(),
            make_pool(),
            nn.Conv2d(64, 64, kernel_size=1),
            nn.ReLU(),
            nn.Conv2d(64, 192, kernel_size=3, padding=1),
            nn.ReLU(),
            make_pool(),
        )
        self.blocks = nn.Sequential(
            Inception(192, 64, (96, 128), (16, 32), 32),
            Inception(256, 128, (128, 192), (32, 96), 64),
            make_pool(),
            Inception(480, 192, (96, 208), (16, 48), 64),
            Inception(512, 160, (112, 224), (24, 64), 64),
            Inception(512, 128, (128, 256), (24, 64), 64),
            Inception(512, 112, (144, 288), (32, 64), 64),
            Inception(528, 256, (160, 320), (32, 128), 128),
            make_pool(),
            Inception(832, 256, (160, 320), (32, 128), 128),
            Inception(832, 384, (192, 384), (48, 128), 128),
        )
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1024, num_classes))
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.blocks(self.stem(inputs)))
        return logits


def make_pool() -> nn.MaxPool2d:
    """The pooling between blocks: it halves height and width, rounding up."""
    return nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
