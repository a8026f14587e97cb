"""Reading a data set's samples: how long one takes, whether each reading gives the same, and all of them at once."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset, TensorDataset

from fourstep.data.loader import seeded
from fourstep.data.sources.pairs import collate, fetch, tensors_in
from fourstep.errors import DataError
from fourstep.nesting import map_tensors
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


class Drawn:
    """Whether anything was drawn from Python's, numpy's or torch's global generator; known when the block ends."""

    happened = False


@contextmanager
def watching(seed: int) -> Iterator[Drawn]:
    """Seed the global generators for a block, see whether it draws from them, and put them back."""
    with seeded(seed):
        untouched = _draw()
    drawn = Drawn()
    with seeded(seed):
        yield drawn
        drawn.happened = _draw() != untouched


def _draw() -> tuple[float, float, float]:
    return random.random(), float(np.random.random()), float(torch.rand(()))  # noqa: S311, NPY002 - what samples draw from


def probe(dataset: Any, seed: int) -> Probe:
    """Read some samples twice, from all over the data set.

    Raises:
        DataError: the samples are no pairs, or cannot be stacked.
    """
    count = min(PROBED, len(dataset))
    places = [number * len(dataset) // count for number in range(count)]
    with watching(seed) as drawn:
        first = collate(fetch(dataset, places))
        start = perf_counter()
        samples = fetch(dataset, places)
        seconds = (perf_counter() - start) / count
        second = collate(samples)
    same = all(map(torch.equal, tensors_in(first), tensors_in(second)))
    size = sum(tensor.nbytes for tensor in tensors_in(second)) * len(dataset) // count
    return Probe(seconds=seconds, bytes=size, is_same=same and not drawn.happened)


def whole_tensors(dataset: Any) -> tuple[Tensor, ...] | None:
    """The tensors that a data set of torch's consists of, or a part of them; None for any other."""
    if type(dataset) is TensorDataset:
        return dataset.tensors
    whole = whole_tensors(dataset.dataset) if type(dataset) is Subset else None
    return None if whole is None else tuple(tensor[torch.as_tensor(dataset.indices)] for tensor in whole)


def gather(dataset: Any, what: str) -> tuple[Any, Any]:
    """All samples as a pair of whole tensors, or of nestings of them; a bar is shown meanwhile.

    Args:
        dataset: with `len`, and pairs by index.
        what: it is called on screen.

    Raises:
        DataError: the samples are no pairs, or of different shapes or types.
    """
    whole: Any = None
    with counting(f"reading {what}", len(dataset)) as count:
        for start in range(0, len(dataset), AT_ONCE):
            stop = min(start + AT_ONCE, len(dataset))
            part = collate(fetch(dataset, range(start, stop)))
            if whole is None:
                whole = map_tensors(lambda tensor: tensor.new_empty((len(dataset), *tensor.shape[1:])), part)
            _fill(whole, part, start, stop)
            count(stop - start)
    inputs, targets = whole
    return inputs, targets


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
