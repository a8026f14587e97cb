"""A seed for each sample, and the global generators seeded for one of them."""

import random
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.utils.data import get_worker_info

_BITS = 2**64 - 1


def mix(seed: int, epoch: int, index: Any) -> int:
    """A seed of 64 bits, unrelated for other epochs and indices, in a microsecond.

    Source: the output function of SplitMix64 (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195), over a number that
    is another for each (epoch, index) below 2**32.
    """
    number = index if isinstance(index, int) else zlib.crc32(repr(index).encode())  # a sampler may give other keys
    mixed = (seed + ((epoch << 32) + number + 1) * 0x9E3779B97F4A7C15) & _BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & _BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & _BITS
    return mixed ^ (mixed >> 31)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the CPU's global generators for a block; in the training process they stand afterwards where they stood."""
    is_worker = get_worker_info() is not None
    before = None if is_worker else (random.getstate(), np.random.get_state(), torch.get_rng_state())  # noqa: NPY002 - users draw from it
    random.seed(seed)
    np.random.seed(seed & 0xFFFFFFFF)  # noqa: NPY002 - as above
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        if before is not None:
            python, numpy, own = before
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002 - as above
            torch.set_rng_state(own)
