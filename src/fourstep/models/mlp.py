"""The multilayer perceptron: layers of weighted sums with a nonlinearity between.

Shapes: B samples, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.linear import start_small


class MLP(nn.Module):
    """Fully connected layers with ReLU between them.

    Shapes: `(B, ...)` with `num_features` values per sample -> logits `(B, num_classes)`. For the defaults:
    784 -> 256 -> 10.

    Args:
        num_features: 784 for images of 28 x 28.
        hidden: the hidden layers' widths, each 1 or more.
        num_classes: K, 1 or more.

    Raises:
        ValueError: a width below 1.

    Weights start normal with deviation 0.01, biases at 0 (*Dive into Deep Learning*, sections 4.2 and 4.3).
    """

    def __init__(self, num_features: int = 784, hidden: Sequence[int] = (256,), num_classes: int = 10) -> None:
        super().__init__()
        if min(num_features, *hidden, num_classes) < 1:
            given = f"num_features {num_features}, hidden {tuple(hidden)}, num_classes {num_classes}"
            raise ValueError(f"{given}: expected 1 or more each")
        widths = [num_features, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for width, next_width in pairwise(widths):
            layers += [nn.Linear(width, next_width), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
        start_small(self)

    def forward(self, inputs: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.layers(inputs)
        return logits
