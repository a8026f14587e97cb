"""NiN, Network in Network: small networks slide over the image, and no layer is fully connected.

Source: Lin, Chen and Yan 2013, "Network In Network", arXiv:1312.4400; in the form of *Dive into Deep Learning*,
section 7.3. Weights start as He et al. 2015, "Delving Deep into Rectifiers", arXiv:1502.01852, have it.

Shapes: B samples, C channels, H and W height and width, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.starting import check_size

SMALLEST = 67  # below, nothing is left after the third pooling


class NiN(nn.Module):
    """Three blocks with pooling, and a fourth that has one channel per class, averaged over the image.

    Shapes, for 224 x 224 with one channel and ten classes; a block is a convolution and two of 1 x 1, each with ReLU:

        input                (B, 1, 224, 224)
        block 11             (B, 96, 54, 54)     stride 4
        max pool 3           (B, 96, 26, 26)     stride 2
        block 5              (B, 256, 26, 26)    padding 2
        max pool 3           (B, 256, 12, 12)    stride 2
        block 3              (B, 384, 12, 12)    padding 1
        max pool 3           (B, 384, 5, 5)      stride 2; dropout 0.5
        block 3              (B, 10, 5, 5)       padding 1
        global average pool  (B, 10)             the logits

    Args:
        num_classes: K, 1 or more.
        in_channels: C, 1 or more.
        image_size: H = W in pixels, 67 or more.

    Raises:
        ValueError: `image_size` is below 67.

    As published, with the start that the book's `train_ch6` gives it, many runs never learn. Twelve layers of Glorot's
    weights, each with a ReLU behind it, let so little of the image through that biases decide what the last block
    gives: at the start the logits of two images differ by a thousandth of their size. Of the ten classes about five
    are then below 0 for every image, and a class that ReLU holds at 0 everywhere has no gradient. As all images look
    alike, the updates push down whichever class is ahead, and in some hundred updates two or three are left. Now it is
    a race: the features wake up, and the classes with them; or the last class dies, and the loss stays at ln 10 =
    2.303, the accuracy at 0.1.

    Here the layers are the same, but start so that every class is alive: He's weights and biases of 0 keep the image
    in what is passed on; the last block's first convolution starts at weights 0 and biases 1, and its two of 1 x 1 as
    the identity, so that every class begins at the logit 1, above the ReLU's edge. In `benchmarks/nin.py` 10 of 10
    reduced runs learn so, and 7 of 10 from the published start. `d2l.train_ch6(net, ..., init=False)` keeps this start.
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, image_size: int = 224) -> None:
        super().__init__()
        check_size("NiN", image_size, SMALLEST)
        self.features = nn.Sequential(
            make_nin_block(in_channels, 96, kernel_size=11, stride=4),
            nn.MaxPool2d(kernel_size=3, stride=2),
            make_nin_block(96, 256, kernel_size=5, padding=2),
            nn.MaxPool2d(kernel_size=3, stride=2),
            make_nin_block(256, 384, kernel_size=3, padding=1),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Dropout(0.5),
        )
        self.classifier = nn.Sequential(
            make_nin_block(384, num_classes, kernel_size=3, padding=1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        start_alive(self)

    def forward(self, inputs: Float[Tensor, "B C H W"]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.classifier(self.features(inputs))
        return logits


def make_nin_block(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, padding: int = 0
) -> nn.Sequential:
    """A convolution, and after it at every pixel a perceptron of two layers: convolutions of 1 x 1.

    Args:
        in_channels: 1 or more.
        out_channels: of each of the three, 1 or more.
        kernel_size: of the first convolution, as are `stride` and `padding`.
        stride: 1 or more.
        padding: 0 or more.
    """
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=1),
        nn.ReLU(),
    )


def start_alive(model: NiN) -> None:
    """Start with every class alive: He's weights and biases of 0, and in the last block 0 and 1, then the identity."""
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    *before, classes, first, second = convolutions
    for convolution in convolutions:
        if convolution.bias is not None:
            nn.init.constant_(convolution.bias, 1.0 if convolution is classes else 0.0)
    for convolution in before:
        nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
    nn.init.zeros_(classes.weight)
    for convolution in (first, second):
        nn.init.dirac_(convolution.weight)
