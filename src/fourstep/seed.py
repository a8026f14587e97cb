"""Randomness that can be told apart and repeated: every generator is a function of a seed and of what it is for."""

import random
import zlib

import numpy as np
import torch

from fourstep.errors import ConfigError


def derive_seed(seed: int, purpose: str, *path: int) -> int:
    """A 63-bit seed for one purpose.

    Args:
        seed: the run's seed, 0 or more.
        purpose: what it is for, such as `"order"`.
        path: which one of these, each 0 or more, such as the epoch. Other purposes and paths give unrelated seeds.

    Returns:
        An integer in [0, 2**63).

    Raises:
        ConfigError: a number below 0.

    Source: `numpy.random.SeedSequence`, whose output numpy keeps the same in every version (NEP 19).
    """
    if min(seed, *path, 0) < 0:
        raise ConfigError(f"seed {seed} for {purpose} {path} is negative: expected 0 or more")
    sequence = np.random.SeedSequence(seed, spawn_key=(zlib.crc32(purpose.encode()), *path))
    return int(sequence.generate_state(1, np.uint64)[0] >> np.uint64(1))


def make_generator(seed: int, purpose: str, *path: int) -> torch.Generator:
    """A CPU generator for one purpose; see `derive_seed`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *path))


def seed_everything(seed: int) -> None:
    """Seed the global generators of Python, numpy and torch (every device), which initialise weights and draw dropout.

    Args:
        seed: 0 or more.

    Raises:
        ConfigError: a number below 0.
    """
    if seed < 0:
        raise ConfigError(f"seed {seed} is negative: expected 0 or more")
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy generator is the one that users' code draws from
    torch.manual_seed(seed)
