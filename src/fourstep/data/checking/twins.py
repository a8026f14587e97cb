"""Samples that are in two splits: what is judged by them has been learnt by heart.

Shapes: N samples, P bytes of one.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fourstep.data.checking.finding import Finding
from fourstep.data.draws import mix_bits

RARE = 0.99  # share of a split's rows that differ, below which equal ones are no sign of a mistake
_PART = 2**24  # bytes that are hashed at once


def check_twins(inputs: Mapping[str, Tensor]) -> Iterator[Finding]:
    """Which splits share samples, equal in every byte.

    Args:
        inputs: split -> `(N, ...)`.
    """
    if len({(some.dtype, some.shape[1:]) for some in inputs.values()}) != 1 or any(
        not some[:1].numel() for some in inputs.values()
    ):
        return
    hashes = {name: hash_samples(some) for name, some in inputs.items()}
    if any(some.dim() <= 2 and len(np.unique(hashes[name])) < RARE * len(some) for name, some in inputs.items()):  # noqa: PLR2004 - rows
        return  # rows of few values are alike by nature
    for one, other in combinations(inputs, 2):
        shared = np.isin(hashes[other], hashes[one])
        twins = _confirmed(inputs[one], inputs[other], hashes[one], hashes[other], np.flatnonzero(shared))
        if len(twins):
            first, of = twins[0]
            yield Finding(
                name="the same samples in two splits",
                where=f"{one} and {other}",
                text=f"{len(twins):,} of {len(hashes[other]):,} in {other} are in {one} too: number {first} is {of}",
                mend="Remove what is there twice before the split, or split by group=",
            )


def hash_samples(values: Tensor) -> NDArray[np.uint64]:
    """A number per sample, the same for samples of the same bytes; others share one by chance of 2**-64 a pair or so.

    Source: multiply-add hashing with random odd factors, J. L. Carter and M. N. Wegman 1979, "Universal classes of hash
    functions", over words of eight bytes, with each word mixed first by the output function of SplitMix64.
    """
    raw = values.detach().cpu().contiguous().view(len(values), -1).view(torch.uint8).numpy()
    padded = -(-raw.shape[1] // 8) * 8
    factors = np.random.default_rng(0).integers(0, 2**63, padded // 8, dtype=np.uint64) * np.uint64(2) + np.uint64(1)
    hashes = np.empty(len(raw), np.uint64)
    step = max(1, _PART // padded)
    for start in range(0, len(raw), step):
        part = np.zeros((min(step, len(raw) - start), padded), np.uint8)
        part[:, : raw.shape[1]] = raw[start : start + step]
        mixed = mix_bits(torch.from_numpy(part.view(np.int64))).numpy()
        hashes[start : start + step] = (mixed.view(np.uint64) * factors).sum(1, dtype=np.uint64)
    return hashes


def _confirmed(
    one: Tensor,
    other: Tensor,
    hashes: NDArray[np.uint64],
    other_hashes: NDArray[np.uint64],
    found: NDArray[np.int64],
) -> list[tuple[int, int]]:
    """Pairs of places, in `other` and in `one`, whose samples are equal."""
    order = np.argsort(hashes, kind="stable")
    places = order[np.searchsorted(hashes, other_hashes[found], sorter=order)]
    same = [torch.equal(other[there], one[here]) for there, here in zip(found.tolist(), places.tolist(), strict=True)]
    return [pair for pair, equal in zip(zip(found.tolist(), places.tolist(), strict=True), same, strict=True) if equal]
