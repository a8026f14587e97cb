"""One layer: linear regression, and softmax regression for classes.

Shapes: B samples, D features, K classes.
"""

from jaxtyping import Float
from torch import Tensor, nn


class LinearRegression(nn.Module):
    """A weighted sum of the features.

    Shapes: `(B, num_features)` -> `(B, num_outputs)`.

    Args:
        num_features: D, 1 or more.
        num_outputs: values to predict, 1 or more.

    Weights start normal with deviation 0.01, biases at 0 (*Dive into Deep Learning*, section 3.3).
    """

    def __init__(self, num_features: int, num_outputs: int = 1) -> None:
        super().__init__()
        self.linear = nn.Linear(num_features, num_outputs)
        start_small(self)

    def forward(self, inputs: Float[Tensor, "B D"]) -> Float[Tensor, "B O"]:
        """The predicted values."""
        outputs: Tensor = self.linear(inputs)
        return outputs


class SoftmaxRegression(nn.Module):
    """One logit per class from all pixels at once; the softmax is in the loss, `nn.CrossEntropyLoss`.

    Shapes: `(B, ...)` with `num_features` values per sample -> logits `(B, num_classes)`.

    Args:
        num_features: 784 for images of 28 x 28.
        num_classes: K, 1 or more.

    Weights start normal with deviation 0.01, biases at 0 (*Dive into Deep Learning*, sections 3.6 and 3.7).
    """

    def __init__(self, num_features: int = 784, num_classes: int = 10) -> None:
        super().__init__()
        self.flatten = nn.Flatten()
        self.linear = nn.Linear(num_features, num_classes)
        start_small(self)

    def forward(self, inputs: Float[Tensor, "B ..."]) -> Float[Tensor, "B K"]:
        """The logits."""
        logits: Tensor = self.linear(self.flatten(inputs))
        return logits


def start_small(model: nn.Module) -> None:
    """Give every linear layer normal weights of deviation 0.01 and biases of 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.01)
            nn.init.zeros_(module.bias)
