"""The multilayer perceptron: layers of weighted sums with a nonlinearity between.

Shapes: B samples, K classes.
"""

from collections.abc import Sequence
from itertools import pairwise

from jaxtyping import Float
from torch import Tensor, nn

from fourstep.models.linear import start_small


class MLP(nn.Module):
    """Fully connected layers with ReLU between them, and dropout after it where asked for.

    Shapes: `(B, ...)` with `num_features` values per sample -> logits `(B, num_classes)`. For the defaults:
    784 -> 256 -> 10.

    Args:
        num_features: 784 for images of 28 x 28.
        hidden: the hidden layers' widths, each 1 or more.
        num_classes: K, 1 or more.
        dropout: for each hidden layer the probability with which a value of its outputs is set to 0 in training, from
            0 to below 1; empty for none. The book's are (0.2, 0.5) after hidden layers of 256 and 256.

    Raises:
        ValueError: a width below 1, or not one probability per hidden layer.

    Weights start normal with deviation 0.01, biases at 0 (*Dive into Deep Learning*, section 4.2; in sections 4.3 and
    4.6 biases stay as torch starts them).
    """

    def __init__(
        self,
        num_features: int = 784,
        hidden: Sequence[int] = (256,),
        num_classes: int = 10,
        dropout: Sequence[float | int] = (),
    ) -> None:
        super().__init__()
        if min(num_features, *hidden, num_classes) < 1:
            given = f"num_features {num_features}, hidden {tuple(hidden)}, num_classes {num_classes}"
            raise ValueError(f"{given}: expected 1 or more each")
        if dropout and (len(dropout) != len(hidden) or not all(0 <= probability < 1 for probability in dropout)):
            raise ValueError(
                f"dropout {tuple(dropout)} with hidden {tuple(hidden)}: expected one probability per hidden layer, "
                "from 0 to below 1"
            )
        widths = [num_features, *hidden]
        layers: list[nn.Module] = [nn.Flatten()]
        for (width, next_width), probability in zip(pairwise(widths), dropout or [0] * len(hidden), strict=True):
            layers += [nn.Linear(width, next_width), nn.ReLU()]
            if probability:
                layers.append(nn.Dropout(probability))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_classes))
        start_small(self)

    def forward(self, inputs: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.layers(inputs)
        return logits
