"""The error of a layer that cannot take its input names it, and the value that would fit: which then does."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fourstep as fs

FAILING: list[tuple[nn.Module, Tensor, str, nn.Module | None]] = [  # what fails, on what, the message, the mended layer
    (
        nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(100, 10)),
        torch.zeros(4, 1, 28, 28),
        r"layer '2' \(Linear\) cannot take its input, float32 \(4, 3456\): .* holds 3456. Mend: nn.Linear\(3456, 10\)",
        nn.Sequential(nn.Conv2d(1, 6, 5), nn.Flatten(), nn.Linear(3456, 10)),
    ),
    (nn.Linear(784, 10, bias=False), torch.zeros(4, 1, 28, 28), r"put nn.Flatten\(\) before it", None),
    (nn.Linear(7, 10, bias=False), torch.zeros(4, 3), r"nn.Linear\(3, 10, bias=False\)", nn.Linear(3, 10)),
    (
        nn.Conv2d(1, 6, 5),
        torch.zeros(4, 28, 28),
        r"in_channels=1, but dimension 0 holds 4. Mend: inputs.unsqueeze",
        None,
    ),
    (nn.Conv2d(3, 6, 5), torch.zeros(4, 28, 28, 3), r"channels come last: mend: inputs.permute\(0, 3, 1, 2\)", None),
    (nn.Conv2d(3, 6, 5), torch.zeros(4, 5, 28, 28), r"Conv2d\(5, 6, kernel_size=5 x 5, ...\)", nn.Conv2d(5, 6, 5)),
    (nn.Conv2d(3, 6, 5), torch.zeros(4, 3, 2, 2), "its kernel 5 x 5 needs at least 5 x 5 values a side", None),
    (nn.Conv2d(3, 6, 3, dilation=2, padding=1), torch.zeros(4, 3, 2, 2), "needs at least 3 x 3 values a side", None),
    (nn.Conv2d(3, 6, 5), torch.zeros(4, 7), r"it takes \(batch, channels, height, width\), and this has 2", None),
    (nn.MaxPool2d(2), torch.zeros(4, 4, 1, 1), "it pools over 2 x 2, and only 1 x 1 is left", None),
    (
        nn.BatchNorm2d(4),
        torch.zeros(4, 3, 2, 2),
        r"num_features=4, .* holds 3. Mend: nn.BatchNorm2d\(3\)",
        nn.BatchNorm2d(3),
    ),
    (
        nn.BatchNorm1d(4),
        torch.zeros(4, 4, 3, 3),
        r"no use for 4 dimensions. Mend: nn.BatchNorm2d\(4\)",
        nn.BatchNorm2d(4),
    ),
    (nn.BatchNorm1d(4), torch.zeros(1, 4), "more than one value per channel. Mend: two samples or more", None),
    (nn.LayerNorm(4), torch.zeros(2, 3), r"normalized_shape=\(4,\).*nn.LayerNorm\(\(3,\)\)", nn.LayerNorm((3,))),
    (
        nn.Embedding(4, 2),
        torch.tensor([[5]]),
        r"4 rows, 0..3, .* from 5 to 5. Mend: nn.Embedding\(6, 2\)",
        nn.Embedding(6, 2),
    ),
    (nn.Embedding(4, 2), torch.tensor([[-1]]), "Mend: number them from 0", None),
    (nn.Embedding(4, 2), torch.zeros(2, 3), r"it takes whole numbers.*inputs.long\(\) in place of float32", None),
    (nn.LSTM(4, 2), torch.zeros(5, 2, 3), r"input_size=4, .* holds 3. Mend: nn.LSTM\(3, 2, ...\)", nn.LSTM(3, 2)),
    (nn.Linear(4, 2), torch.zeros(4, 4, dtype=torch.uint8), r"weights are float32: mend: inputs.float\(\) / 255", None),
    (nn.Linear(4, 2), torch.zeros(4, 4).double(), r"weights are float32: mend: inputs.float\(\)", None),
    (nn.Linear(4, 2).double(), torch.zeros(4, 4), "mend: inputs.to.torch.float64.", None),
]


@pytest.mark.parametrize(("model", "inputs", "message", "mended"), FAILING, ids=lambda value: str(value)[:25])
def test_a_layer_that_fails_is_named_with_the_value_that_fits(
    model: nn.Module, inputs: Tensor, message: str, mended: nn.Module | None
) -> None:
    """In one line; the layer that it proposes takes the same inputs."""
    with pytest.raises(fs.DataError, match=message) as caught:
        fs.summary(model, inputs)

    assert "\n" not in str(caught.value)
    if mended is not None:
        fs.summary(mended, inputs)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (np.zeros((2, 4), np.float32), r"failed on a ndarray: .* Expected tensors: torch.as_tensor\(array\) makes one"),
        ((2, 4), r"failed on a int: .* torch.zeros\(2, 4\) one of a shape"),
        ((2, 4, 4), r"failed on a tuple: .* pass what the layer takes"),
    ],
)
def test_what_is_no_tensor_is_told_by_its_type(given: object, said: str) -> None:
    """An array, or a shape as other programs take it."""
    with pytest.raises(fs.DataError, match=said):
        fs.summary(nn.Linear(4, 3), given)


def test_an_error_of_the_models_own_is_told_with_its_place() -> None:
    """The innermost module at work, and what torch said."""

    class Mixes(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            """Shapes that do not meet."""
            return torch.cat([inputs, inputs[:, :1]], dim=0)

    with pytest.raises(fs.DataError, match=r"layer '1' \(Mixes\) failed on float32 \(4, 3\): RuntimeError: Sizes of"):
        fs.summary(nn.Sequential(nn.Linear(3, 3), Mixes()), torch.zeros(4, 3))


def test_an_error_that_the_model_mends_itself_is_none() -> None:
    """What it catches does not confuse who is at work."""

    class Tries(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.wrong, self.right = nn.Linear(7, 3), nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            """Of the layer that fits."""
            try:
                outputs: Tensor = self.wrong(inputs)
            except RuntimeError:
                outputs = self.right(inputs)
            return outputs

    found = fs.summary(Tries(), torch.zeros(5, 4))
    assert {layer.name: layer.calls for layer in found.layers} == {"": 1, "right": 1, "wrong": 0}
    assert found.multiply_adds == 5 * 4 * 3
