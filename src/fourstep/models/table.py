"""The network for tables: embeddings for categories, then fully connected layers.

Shapes: B samples, D values of a row, K outputs.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn


class TableNet(nn.Module):
    """A multilayer perceptron (多层感知机) over a row's numbers and the embeddings of its categories.

    It is a sound start and no more: on many tables, above all small ones with unrelated columns, boosted trees are as
    good or better and need less tuning (Grinsztajn, Oyallon and Varoquaux 2022, *Why do tree-based models still
    outperform deep learning on typical tabular data?*). Compare.

    Shapes: `(B, D)`, first the numbers, then a code for each category -> `(B, num_outputs)`.

    Args:
        num_numbers: of a row's D values, 0 or more.
        category_sizes: how many codes each category has, 1 or more; codes are whole numbers from 0.
        hidden: the hidden layers' widths, each 1 or more.
        num_outputs: K: classes, or values to predict, 1 or more.
        dropout: the probability with which a hidden value is set to 0 in training, from 0 to below 1.
        target_mean: is added to the outputs, one number or K: with it, a regression's outputs, loss and metrics are in
            the target's own units while the layers work with numbers about 1.
        target_std: multiplies the outputs before that; above 0.

    Raises:
        ValueError: a number out of range, or no input at all.

    Code 0, what training did not see, has the embedding 0, which stays so. Weights start as torch starts them.

    Source: the embeddings' widths, round(1.6 n**0.56) and at most 600 for n codes, are fastai's `emb_sz_rule` (Howard
    and Gugger 2020, *fastai: A Layered API for Deep Learning*).

    >>> TableNet(num_numbers=2, category_sizes=(4,))(torch.tensor([[0.3, -1.2, 3]])).shape
    torch.Size([1, 1])
    """

    target_mean: Tensor
    target_std: Tensor

    def __init__(
        self,
        num_numbers: int,
        category_sizes: Sequence[int] = (),
        hidden: Sequence[int] = (128, 64),
        num_outputs: int = 1,
        *,
        dropout: float = 0.0,
        target_mean: float | Sequence[float] = 0.0,
        target_std: float | Sequence[float] = 1.0,
    ) -> None:
        super().__init__()
        sizes = [*category_sizes, *hidden, num_outputs]
        if num_numbers < 0 or num_numbers + len(category_sizes) == 0 or min(sizes) < 1:
            raise ValueError(
                f"num_numbers {num_numbers}, category_sizes {tuple(category_sizes)}, hidden {tuple(hidden)}, "
                f"num_outputs {num_outputs}: expected a number or category, and every size 1 or more"
            )
        if not min([target_std] if isinstance(target_std, float | int) else target_std) > 0:
            raise ValueError(f"target_std {target_std}: expected above 0")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout {dropout}: expected a probability from 0 to below 1")
        self.num_numbers = num_numbers
        self.embeddings = nn.ModuleList(nn.Embedding(n, embedding_width(n), padding_idx=0) for n in category_sizes)
        widths = [num_numbers + sum(map(embedding_width, category_sizes)), *hidden]
        layers: list[nn.Module] = []
        for width, next_width in pairwise(widths):
            layers += [nn.Linear(width, next_width), nn.ReLU()]
            if dropout:
                layers.append(nn.Dropout(dropout))
        self.layers = nn.Sequential(*layers, nn.Linear(widths[-1], num_outputs))
        self.register_buffer(
            "target_mean", torch.as_tensor(target_mean, dtype=torch.float32).expand(num_outputs).clone()
        )
        self.register_buffer("target_std", torch.as_tensor(target_std, dtype=torch.float32).expand(num_outputs).clone())

    def forward(self, inputs: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """The logits, or the predicted values in the target's units."""
        if inputs.shape[1] != self.num_numbers + len(self.embeddings):
            raise ValueError(
                f"inputs have {inputs.shape[1]} values per row: expected {self.num_numbers} numbers and "
                f"{len(self.embeddings)} codes"
            )
        codes = inputs[:, self.num_numbers :].long()
        embedded = [embedding(codes[:, i]) for i, embedding in enumerate(self.embeddings)]
        outputs: Tensor = self.layers(torch.cat([inputs[:, : self.num_numbers], *embedded], dim=1))
        return outputs * self.target_std + self.target_mean


def embedding_width(num_codes: int) -> int:
    """How many numbers stand for one of so many codes; see `TableNet`."""
    return int(min(600, round(1.6 * num_codes**0.56)))
