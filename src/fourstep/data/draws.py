"""What an augmentation draws: numbers that are a function of (seed, epoch, sample), computed where the batch is.

No generator has a state here, so that a batch is augmented alike in whatever order batches are made, on every device,
and nothing has to be kept to go on. Shapes: B samples in a batch, D draws for each.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, TypeAlias

import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from fourstep.errors import ConfigError
from fourstep.seed import derive_seed

MOST = 2**10  # draws of one augmentation for a sample
_GAMMA, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True, kw_only=True, eq=False)
class Draws:
    """The random numbers of a batch for one augmentation.

    Attributes:
        seed: of the data, 0 or more.
        epoch: from 0.
        indices: which samples are in the batch, `(B,)`, on the batch's device.
        place: of the augmentation among the others, from 0; each draws other numbers.

    >>> draws = Draws(seed=0, epoch=0, indices=torch.arange(4))
    >>> alone = Draws(seed=0, epoch=0, indices=torch.tensor([3]))
    >>> torch.equal(draws.uniform(2)[:, 3], alone.uniform(2)[:, 0])
    True
    """

    seed: int
    epoch: int
    indices: Int64[Tensor, " B"]
    place: int = 0

    def at(self, place: int) -> "Draws":
        """Those of another augmentation."""
        return replace(self, place=place)

    def uniform(self, count: int) -> Float32[Tensor, "D B"]:
        """Uniform numbers in [0, 1), multiples of 2**-24; the same ones in every call.

        Args:
            count: D, for each sample; 1 to 1,024.

        Returns:
            One row per draw, on the batch's device, with the same bits on each.

        Raises:
            ConfigError: `count` is out of range.

        Source: the output function of SplitMix64 (Steele, Lea, Flood 2014, doi 10.1145/2660193.2660195), the numbers
        being those of one of its streams: (index, draw) says at which place, (seed, epoch, augmentation) of which one.
        """
        if not 1 <= count <= MOST:
            raise ConfigError(f"{count} draws: expected 1 to {MOST:,} for each sample")
        start = _signed(_stream(self.seed, self.epoch, self.place) + _GAMMA)
        places = self.indices * MOST + torch.arange(count, device=self.indices.device)[:, None]
        mixed = places.mul_(_signed(_GAMMA)).add_(start)  # which wraps around, as 64 bits do
        return (mix_bits(mixed) >> 40).bitwise_and_(0xFFFFFF).float().mul_(2**-24)


Augment: TypeAlias = Callable[[Any, Any, Draws], tuple[Any, Any]]


@lru_cache(maxsize=64)
def _stream(seed: int, epoch: int, place: int) -> int:
    return derive_seed(seed, "augment", epoch, place)


def mix_bits(numbers: Int64[Tensor, "..."]) -> Int64[Tensor, "..."]:
    """The output function of SplitMix64, on 64 bits each: one bit that differs changes about half of them."""
    mixed = _fold(numbers, 30).mul_(_signed(_FIRST))
    mixed = _fold(mixed, 27).mul_(_signed(_SECOND))
    return _fold(mixed, 31)


def _fold(mixed: Int64[Tensor, "..."], bits: int) -> Int64[Tensor, "..."]:
    """`mixed ^ (mixed >> bits)`, of numbers without a sign."""
    return (mixed >> bits).bitwise_and_(2 ** (64 - bits) - 1).bitwise_xor_(mixed)


def _signed(number: int) -> int:
    """The 64 bits of a number as torch's int64 reads them."""
    return (number + 2**63) % 2**64 - 2**63
