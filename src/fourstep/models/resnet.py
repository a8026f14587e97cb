"""ResNet: layers that learn what to add to their inputs.

Source: He et al. 2015, "Deep Residual Learning for Image Recognition", arXiv:1512.03385; in the form of *Dive into Deep
Learning*, section 7.6: grey images, ten classes.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from fourstep.models.starting import start_uniform


class Residual(nn.Module):
    """Two convolutions with batch normalisation, and the inputs added to what they give.

    Shapes, with `strides` s:

        input          (B, input_channels, H, W)
        convolution 3  (B, num_channels, H/s, W/s)    padding 1, stride s
        convolution 3  (B, num_channels, H/s, W/s)    padding 1
        sum            (B, num_channels, H/s, W/s)    with the input, by a convolution 1 of stride s where asked for

    Args:
        input_channels: 1 or more.
        num_channels: 1 or more; another number than `input_channels` needs `use_1x1conv`.
        use_1x1conv: bring the inputs to the shape of the outputs by a convolution of 1 x 1; `strides` above 1 need it.
        strides: of the first convolution, 1 or more.
    """

    def __init__(
        self,
        input_channels: int,
        num_channels: int,
        use_1x1conv: bool = False,  # noqa: FBT001, FBT002 - the book's signature
        strides: int = 1,
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B D S T"]:
        """The outputs of the block, 0 or above."""
        outputs = functional.relu(self.bn1(self.conv1(inputs)))
        outputs = self.bn2(self.conv2(outputs))
        shortcut = inputs if self.conv3 is None else self.conv3(inputs)
        return functional.relu(outputs + shortcut)


class ResNet18(nn.Module):
    """A convolution, four stages of two residual blocks each, and one linear layer: 18 layers with weights.

    Shapes, for 96 x 96 with one channel and ten classes:

        input               (B, 1, 96, 96)
        convolution 7       (B, 64, 48, 48)    padding 3, stride 2; batch normalisation, ReLU
        max pool 3          (B, 64, 24, 24)    padding 1, stride 2
        stage 1             (B, 64, 24, 24)
        stage 2             (B, 128, 12, 12)
        stage 3             (B, 256, 6, 6)
        stage 4             (B, 512, 3, 3)
        global average pool (B, 512)
        logits              (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.

    Images may have any size; up to 32 pixels the last stages see a single pixel.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 64, kernel_size=7, stride=2, padding=3),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2, padding=1),
        )
        self.stages = nn.Sequential(*make_stages())
        self.classifier = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, num_classes))
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.stages(self.stem(inputs)))
        return logits


def make_stages() -> list[nn.Sequential]:
    """The four stages of ResNet-18, two blocks each: `(B, 64, H, W)` -> `(B, 512, H/8, W/8)`.

    Each stage after the first halves height and width, in its first block, and doubles the channels.
    """
    stages = [nn.Sequential(Residual(64, 64), Residual(64, 64))]
    for channels in (64, 128, 256):
        halving = Residual(channels, 2 * channels, use_1x1conv=True, strides=2)
        stages.append(nn.Sequential(halving, Residual(2 * channels, 2 * channels)))
    return stages
