"""Reading a data set's samples: how long one takes, whether each reading gives the same, and all of them at once."""

import random
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from fourstep.data.seeding import seeded
from fourstep.data.sources.pairs import Many, collate, fetch, tensors_in
from fourstep.errors import DataError
from fourstep.nesting import map_tensors
from fourstep.seed import derive_seed
from fourstep.show.bar import counting

PROBED = 16  # samples that are read twice
AT_ONCE = 256  # samples that are stacked at once


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What reading a few samples twice has shown.

    Attributes:
        seconds: for a sample.
        bytes: that all samples take in memory.
        is_same: both readings gave the same, and nothing was drawn from a global generator.
    """

    seconds: float
    bytes: int
    is_same: bool


def read(dataset: Any, indices: Many, seed: int) -> tuple[Many, float, bool]:
    """Some samples, the seconds that it took, and whether anything was drawn from a global generator.

    Args:
        dataset: samples by index.
        indices: of the samples.
        seed: of Python's, numpy's and torch's generators while it reads; afterwards they stand where they stood.
    """
    with seeded(seed):
        untouched = _draw()
    with seeded(seed):
        start = perf_counter()
        samples = fetch(dataset, indices)
        return samples, perf_counter() - start, _draw() != untouched


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: S311, NPY002 - what samples draw from


def probe(dataset: Any, seed: int) -> Probe:
    """Read some samples twice, from all over the data set.

    Raises:
        DataError: the samples are no pairs, or cannot be stacked.
    """
    count = min(PROBED, len(dataset))
    places = [number * len(dataset) // count for number in range(count)]
    first, _, _ = read(dataset, places, seed)
    second, seconds, drew = read(dataset, places, seed)
    tensors = tensors_in(collate(second))
    same = all(map(torch.equal, tensors_in(collate(first)), tensors))
    size = sum(tensor.nbytes for tensor in tensors) * len(dataset) // count
    return Probe(seconds=seconds / count, bytes=size, is_same=same and not drew)


def whole_tensors(dataset: Any) -> tuple[Tensor, ...] | None:
    """The tensors that a data set of torch's consists of, or a part of them; None for any other."""
    if type(dataset) is TensorDataset:
        return dataset.tensors
    whole = whole_tensors(dataset.dataset) if type(dataset) is Subset else None
    return None if whole is None else tuple(tensor[torch.as_tensor(dataset.indices)] for tensor in whole)


def gather(dataset: Any, what: str, seed: int) -> tuple[Any, Any, bool]:
    """All samples as a pair of whole tensors, or of nestings of them; a bar is shown meanwhile.

    Args:
        dataset: with `len`, and pairs by index.
        what: it is called on screen.
        seed: of what the samples draw at random.

    Returns:
        Inputs, targets, and whether anything was drawn.

    Raises:
        DataError: the samples are no pairs, or of different shapes or types.
    """
    whole, drew = None, False
    with counting(f"reading {what}", len(dataset)) as count:
        for start in range(0, len(dataset), AT_ONCE):
            stop = min(start + AT_ONCE, len(dataset))
            samples, _, drew_now = read(dataset, range(start, stop), derive_seed(seed, what, start))
            part, drew = collate(samples), drew or drew_now
            if whole is None:
                whole = map_tensors(lambda tensor: tensor.new_empty((len(dataset), *tensor.shape[1:])), part)
            _fill(whole, part, start, stop)
            count(stop - start)
    inputs, targets = whole or (None, None)
    return inputs, targets, drew


def _fill(whole: Any, part: Any, start: int, stop: int) -> None:
    slots, tensors = tensors_in(whole), tensors_in(part)
    kinds = [[(tensor.dtype, tuple(tensor.shape[1:])) for tensor in some] for some in (slots, tensors)]
    if kinds[0] != kinds[1]:
        said, expected = (
            ", ".join(f"{str(d).removeprefix('torch.')} {s}" for d, s in kind) for kind in reversed(kinds)
        )
        raise DataError(
            f"samples {start} to {stop - 1} are {said}, but the first ones {expected}: expected the same type and "
            "shape in every sample"
        )
    for slot, tensor in zip(slots, tensors, strict=True):
        slot[start:stop] = tensor
