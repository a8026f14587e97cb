"""Randomness that can be told apart and repeated: every generator is a function of a seed and of what it is for."""

import random
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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


def generator_states(device: torch.device, others: Sequence[torch.Generator] = ()) -> dict[str, Any]:
    """Where the generators of Python, numpy, torch and the device stand, and some others: numbers and tensors."""
    states = {"python": random.getstate(), "numpy": np.random.get_state(legacy=False), "torch": torch.get_rng_state()}  # noqa: NPY002 - as above
    if device.type in _ON_DEVICE:
        states[device.type] = _ON_DEVICE[device.type][0]()
    return {**states, "others": [generator.get_state() for generator in others]}


def set_generator_states(states: Mapping[str, Any], others: Sequence[torch.Generator] = ()) -> None:
    """Put the generators to where `generator_states` found them; a device that is not here now is left out."""
    random.setstate(states["python"])
    np.random.set_state(states["numpy"])  # noqa: NPY002 - as above
    torch.set_rng_state(states["torch"])
    for kind, (_, put) in _ON_DEVICE.items():
        if kind in states and torch.get_device_module(kind).is_available():
            put(states[kind])
    for generator, state in zip(others, states["others"], strict=True):
        generator.set_state(state)


@contextmanager
def standing(device: torch.device, others: Sequence[torch.Generator] = ()) -> Iterator[None]:
    """Leave the generators where they stand, whatever a block draws from them."""
    before = generator_states(device, others)
    try:
        yield
    finally:
        set_generator_states(before, others)


_ON_DEVICE: dict[str, tuple[Callable[[], Any], Callable[[Any], None]]] = {
    "cuda": (torch.cuda.get_rng_state_all, torch.cuda.set_rng_state_all),
    "xpu": (torch.xpu.get_rng_state_all, torch.xpu.set_rng_state_all),
    "mps": (torch.mps.get_rng_state, torch.mps.set_rng_state),
}


def _check_seed(seed: Any) -> int:
    if isinstance(seed, bool) or not isinstance(seed, SupportsIndex) or not 0 <= seed.__index__() < 2**63:
        raise ConfigError(f"seed {seed!r}: expected a whole number in 0..2**63 - 1")
    return seed.__index__()
