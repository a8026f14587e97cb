"""Inputs and targets that no training takes well: not finite, constant, or far from 0 and 1.

Shapes: N samples, B of a batch.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from fourstep.data.batches import Batches
from fourstep.data.checking.finding import Finding

LARGE = 20.0  # a deviation, or a mean over the deviation, by which inputs count as unscaled
LOOKED_AT = 4096  # samples whose values say whether they are scaled


def check_values(name: str, split: Batches) -> Iterator[Finding]:
    """What is wrong with the values of a split."""
    for what, values in (("inputs", split.inputs), ("targets", split.targets)):
        bad = _not_finite(values)
        if len(bad):
            yield Finding(
                name=f"{what} that are not finite",
                where=name,
                text=f"NaN or infinite in {len(bad):,} of {len(values):,} samples, the first is number {int(bad[0])}",
                mend="Fill or leave out what is missing; fourstep.data.from_table fills it by a stated rule",
            )
            return
    if name == "train":
        yield from _check_scale(split)
        yield from _check_empty(split)


def _not_finite(values: Tensor) -> Tensor:
    """The numbers of the samples that hold a NaN or an infinite value."""
    if not (values.is_floating_point() or values.is_complex()):
        return torch.empty(0, dtype=torch.int64)
    per_sample = [
        part.isfinite().flatten(1).all(1) if part.dim() > 1 else part.isfinite() for part in values.split(65_536)
    ]
    return (~torch.cat(per_sample)).nonzero().flatten()


def _check_scale(split: Batches) -> Iterator[Finding]:
    """As the model sees them; token indices and the like are whole numbers and are not looked at."""
    step = max(1, len(split.inputs) // LOOKED_AT)
    seen = split.prepare(split.inputs[::step][:LOOKED_AT].clone())
    if not seen.is_floating_point():
        return
    mean, std = float(seen.mean()), float(seen.std()) if seen.numel() > 1 else 0.0
    if std > LARGE or abs(mean) > LARGE * max(1.0, std):
        yield Finding(
            name="unscaled inputs",
            where="train",
            text=f"the model sees values from {float(seen.min()):.4g} to {float(seen.max()):.4g}, mean {mean:.4g}",
            mend="Subtract the training mean and divide by the deviation, as standardize=True and from_table do",
        )


def _check_empty(split: Batches) -> Iterator[Finding]:
    """Images, or other samples of many values, that are of one value alone."""
    if split.inputs.dim() < 3:  # noqa: PLR2004 - a row of few values may well be of one
        return
    constant = [(flat == flat[:, :1]).all(1) for flat in (part.flatten(1) for part in split.inputs.split(16_384))]
    found = torch.cat(constant).nonzero().flatten()
    if len(found):
        yield Finding(
            name="empty samples",
            where="train",
            text=f"{len(found):,} of {len(split.inputs):,} are of one value alone, the first is number {int(found[0])}",
            mend="Look at them with data.show(), and leave them out if nothing is on them",
        )
