"""In which order a pass takes the samples: a function of the epoch to indices, or to None for the order they lie in."""

from collections.abc import Callable
from typing import TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from fourstep.seed import derive_seed, make_generator

Order: TypeAlias = Callable[[int], Tensor | None]


def in_order(epoch: int) -> None:
    """Every pass in the order in which the samples lie."""


def seeded_order(num_items: int, seed: int) -> Order:
    """A new random order for every epoch, a function of `(seed, epoch)` alone.

    Args:
        num_items: how many samples.
        seed: 0 or more.

    Returns:
        A function of the epoch, 0 or more, to a permutation of `0..num_items - 1`.

    Raises:
        ConfigError: `seed` is below 0.
    """
    derive_seed(seed, "order")  # a bad seed is refused here, not in the first pass

    def order(epoch: int) -> Int64[Tensor, " N"]:
        return torch.randperm(num_items, generator=make_generator(seed, "order", epoch))

    return order


def loader_order(num_items: int, *, shuffle: bool) -> Order:
    """The order in which `DataLoader(dataset, shuffle=shuffle)` takes the samples, from torch's global generator.

    Each pass draws what `DataLoader` draws, so that code written for one gives the same numbers with the other under
    `torch.manual_seed`: first a 64-bit base seed for workers, which goes unused; then, where it shuffles, the seed of a
    fresh generator that makes the permutation. `DataLoader` draws the second with the first batch, this with `iter()`:
    the same in a `for` loop, not for passes that begin side by side in a `zip`.

    Source: torch's `utils/data/dataloader.py`, `_BaseDataLoaderIter.__init__`, and `sampler.py`,
    `RandomSampler.__iter__`.
    """

    def order(epoch: int) -> Int64[Tensor, " N"] | None:  # noqa: ARG001 - the generator's state says which pass it is
        _draw_seed()
        if not shuffle:
            return None
        return torch.randperm(num_items, generator=torch.Generator().manual_seed(_draw_seed()))

    return order


def _draw_seed() -> int:
    return int(torch.empty((), dtype=torch.int64).random_().item())
