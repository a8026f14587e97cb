"""LeNet-5, the first convolutional network that was put to work.

Source: LeCun et al. 1998, "Gradient-based learning applied to document recognition"; in the form of *Dive into Deep
Learning*, section 6.6: sigmoid, average pooling, no Gaussian layer.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size, start_uniform

SMALLEST = 12  # below, nothing is left after the second pooling


class LeNet(nn.Module):
    """Two convolutions with average pooling, three fully connected layers, sigmoid between them.

    Shapes, for 28 x 28 with one channel and ten classes:

        input          (B, 1, 28, 28)
        convolution 5  (B, 6, 28, 28)    padding 2
        average pool   (B, 6, 14, 14)
        convolution 5  (B, 16, 10, 10)
        average pool   (B, 16, 5, 5)     flattened: (B, 400)
        linear         (B, 120)
        linear         (B, 84)
        logits         (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 12 or more.

    Raises:
        ValueError: `image_size` is below 12.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 28) -> None:
        super().__init__()
        check_size("LeNet", image_size, SMALLEST)
        side = (image_size // 2 - 4) // 2
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 6, kernel_size=5, padding=2),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
            nn.Conv2d(6, 16, kernel_size=5),
            nn.Sigmoid(),
            nn.AvgPool2d(kernel_size=2, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(16 * side * side, 120),
            nn.Sigmoid(),
            nn.Linear(120, 84),
            nn.Sigmoid(),
            nn.Linear(84, num_classes),
        )
        start_uniform(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits
