"""Columns of rows that say nothing, or too much: constant ones, and those that give the target away.

Shapes: N rows, D columns, L targets.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from fourstep.data.checking.finding import Finding

GIVES_AWAY = 0.999  # share of the target's variance that one column explains alone
LOOKED_AT = 20_000  # rows, evenly taken, that say whether a column explains the target
FEW_ROWS = 20  # below which a column may well explain a target by chance


def check_columns(
    inputs: Tensor, targets: Tensor, names: tuple[str, ...], num_codes: int, *, has_classes: bool
) -> Iterator[Finding]:
    """What is wrong with the columns of the training rows.

    Args:
        inputs: `(N, D)`; other shapes are not looked at.
        targets: class indices `(N,)`, or values.
        names: D names; columns are numbered where there are none.
        num_codes: how many columns, the last ones, are codes of categories.
        has_classes: targets are class indices.
    """
    if inputs.dim() != 2 or not inputs.is_floating_point() or len(inputs) < 2:  # noqa: PLR2004 - rows
        return
    called = [names[index] if names else f"column {index}" for index in range(inputs.shape[1])]
    spread = inputs.amax(0) - inputs.amin(0)
    constant = (spread == 0).nonzero().flatten().tolist()
    if constant:
        yield Finding(
            name="constant columns",
            where="train",
            text=f"{len(constant)} of {len(called)}: {', '.join(called[index] for index in constant[:3])}",
            mend="Leave them out: they say nothing",
        )
    if len(inputs) < FEW_ROWS:
        return
    step = max(1, len(inputs) // LOOKED_AT)
    inputs, targets = inputs[::step], targets[::step]
    is_class = has_classes and targets.dim() == 1
    wanted = (targets[:, None] == targets.unique()).double() if is_class else targets.double().reshape(len(targets), -1)
    wanted = wanted - wanted.mean(0)
    num_numbers = inputs.shape[1] - num_codes
    codes = [_explained_by_groups(column.long(), wanted) for column in inputs[:, num_numbers:].T]
    shares = torch.cat([_explained(inputs[:, :num_numbers], wanted), torch.tensor(codes, dtype=torch.float64)])
    for index in (shares > GIVES_AWAY).nonzero().flatten().tolist():
        yield Finding(
            name="a column that gives the target away",
            where=called[index],
            text=f"alone it explains {float(shares[index]):.2%} of what is to be predicted",
            mend="Leave it out if it is not known yet when a prediction is made",
        )


def _explained(inputs: Float[Tensor, "N D"], wanted: Float64[Tensor, "N L"]) -> Float64[Tensor, " D"]:
    """For each column of numbers the squared correlation with the target that it explains best."""
    rows = inputs.double()
    rows = rows - rows.mean(0)
    products = (rows.T @ wanted) ** 2
    sizes = rows.square().sum(0)[:, None] * wanted.square().sum(0)[None]
    return torch.where(sizes > 0, products / sizes.clamp(min=1e-300), 0.0).amax(1)


def _explained_by_groups(codes: Int64[Tensor, " N"], wanted: Float64[Tensor, "N L"]) -> float:
    """The share of the targets' variance that lies between the groups of a code (the correlation ratio, squared).

    Groups of few rows explain by chance: a column that has more than one for every five rows is not looked at.
    """
    groups, places = codes.unique(return_inverse=True)
    if len(groups) * 5 > len(codes):
        return 0.0
    sums = torch.zeros(len(groups), wanted.shape[1], dtype=torch.float64).index_add_(0, places, wanted)
    between = (sums.square() / places.bincount()[:, None]).sum(0)
    whole = wanted.square().sum(0)
    return float(torch.where(whole > 0, between / whole.clamp(min=1e-300), 0.0).amax())
