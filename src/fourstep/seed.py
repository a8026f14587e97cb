"""Randomness that can be told apart and repeated: every generator is a function of a seed and of what it is for."""

import random
import zlib
from typing import Any, SupportsIndex

import numpy as np
import torch

from fourstep.errors import ConfigError


def derive_seed(seed: int, purpose: str, *path: int) -> int:
    """A 63-bit seed for one purpose.

    Args:
        seed: the run's seed, in 0..2**63 - 1.
        purpose: what it is for, such as `"order"`.
        path: which one of these, each 0 or more, such as the epoch. Other purposes and paths give unrelated seeds.

    Returns:
        An integer in [0, 2**63).

    Raises:
        ConfigError: the seed is out of range.

    Source: `numpy.random.SeedSequence`, whose output numpy keeps the same in every version (NEP 19).
    """
    _check_seed(seed)
    sequence = np.random.SeedSequence(int(seed), spawn_key=(zlib.crc32(purpose.encode()), *path))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def make_generator(seed: int, purpose: str, *path: int) -> torch.Generator:
    """A CPU generator for one purpose; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *path))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (every device), which initialise weights and draw dropout.

    Args:
        seed: in 0..2**63 - 1.

    Raises:
        ConfigError: it is out of range.
    """
    seed = _check_seed(seed)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy generator is the one that users' code draws from
    torch.manual_seed(seed)


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, SupportsIndex) or not 0 <= seed.__index__() < 2**63:
        raise ConfigError(f"seed {seed!r}: expected a whole number in 0..2**63 - 1")
    return seed.__index__()
