"""AlexNet, the network that won ImageNet in 2012.

Source: Krizhevsky, Sutskever and Hinton 2012, "ImageNet Classification with Deep Convolutional Neural Networks"; in the
form of *Dive into Deep Learning*, section 7.1: one grey channel, ten classes, no local response normalisation.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size, start_uniform

SMALLEST = 65  # below, nothing is left after the third pooling


class AlexNet(nn.Module):
    """Five convolutions and three fully connected layers, ReLU between them, half of the wide layers dropped out.

    Shapes, for 224 x 224 with one channel and ten classes:

        input           (B, 1, 224, 224)
        convolution 11  (B, 96, 54, 54)     padding 1, stride 4
        max pool 3      (B, 96, 26, 26)     stride 2
        convolution 5   (B, 256, 26, 26)    padding 2
        max pool 3      (B, 256, 12, 12)    stride 2
        convolution 3   (B, 384, 12, 12)    padding 1
        convolution 3   (B, 384, 12, 12)    padding 1
        convolution 3   (B, 256, 12, 12)    padding 1
        max pool 3      (B, 256, 5, 5)      stride 2; flattened: (B, 6400)
        linear          (B, 4096)           dropout 0.5
        linear          (B, 4096)           dropout 0.5
        logits          (B, 10)

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 65 or more.

    Raises:
        ValueError: `image_size` is below 65.

    Weights start uniform as Glorot and Bengio 2010 have it, as the book's `train_ch6` sets them; biases as torch does.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 224) -> None:
        super().__init__()
        check_size("AlexNet", image_size, SMALLEST)
        side = (image_size - 9) // 4 + 1
        for _ in range(3):  # each pooling
            side = (side - 3) // 2 + 1
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, kernel_size=11, stride=4, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(96, 256, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(256, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 384, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Linear(256 * side * side, 4096),
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
