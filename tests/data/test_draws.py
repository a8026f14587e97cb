"""The numbers of augmentations: SplitMix64's, uniform, and a function of (seed, epoch, sample) alone."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fourstep as fs
from fourstep.data.augment import Draws
from fourstep.seed import derive_seed

BITS = 2**64 - 1
MANY = 200_000


def draw(indices: list[int] | range, count: int = 1, *, seed: int = 0, epoch: int = 0, place: int = 0) -> torch.Tensor:
    """Rows of draws for these samples."""
    return Draws(seed=seed, epoch=epoch, indices=torch.tensor(list(indices)), place=place).uniform(count)


def splitmix64(state: int, steps: int) -> int:
    """The generator's output after some steps, in Python's whole numbers, as Steele, Lea and Flood give it."""
    mixed = (state + steps * 0x9E3779B97F4A7C15) & BITS
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & BITS
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & BITS
    return mixed ^ (mixed >> 31)


@given(
    seed=st.integers(0, 2**63 - 1), epoch=st.integers(0, 10**6), index=st.integers(0, 2**40), place=st.integers(0, 9)
)
def test_they_are_splitmix64(seed: int, epoch: int, index: int, place: int) -> None:
    """Bit for bit what whole numbers of any size give, as far as a float32 holds them."""
    state = derive_seed(seed, "augment", epoch, place)
    found = draw([index], 3, seed=seed, epoch=epoch, place=place)[:, 0].tolist()

    assert found == [(splitmix64(state, index * 1024 + number + 1) >> 40) / 2**24 for number in range(3)]


def test_the_first_output_is_the_published_one() -> None:
    """Of seed 0 as Vigna's splitmix64.c gives it, so that the test's own oracle is right."""
    assert splitmix64(0, 1) == 0xE220A8397B1DCDAF


@pytest.mark.parametrize("way", ["indices", "draws", "epochs", "places", "seeds"])
def test_they_are_uniform(way: str) -> None:
    """Along samples, draws, epochs, augmentations and seeds: mean, variance, the largest distance from uniform."""
    if way == "indices":
        found = draw(range(MANY))[0]
    elif way == "draws":
        found = torch.cat([draw(range(200), 1000, epoch=epoch).flatten() for epoch in range(1)])
    else:
        name = way.removesuffix("s")
        found = torch.cat([draw(range(500), **{name: number}).flatten() for number in range(100)])
    values, size = found.double().sort().values, len(found)
    distance = (values - (torch.arange(size) + 0.5) / size).abs().max()

    assert float(distance) < 1.95 / size**0.5  # Kolmogorov and Smirnov, one in a thousand
    assert abs(float(found.double().mean()) - 0.5) < 4 * (1 / 12 / size) ** 0.5
    assert abs(float(found.double().var()) - 1 / 12) < 4 * (1 / 180 / size) ** 0.5
    assert float(found.min()) >= 0
    assert float(found.max()) < 1


@pytest.mark.parametrize("lag", [1, 2, 1024])
def test_neighbours_have_nothing_to_do_with_each_other(lag: int) -> None:
    """No correlation between samples, between draws, between epochs, between augmentations."""
    first = draw(range(MANY), 2)
    others = [
        draw(range(lag, MANY + lag))[0],
        first[1],
        draw(range(MANY), epoch=lag)[0],
        draw(range(MANY), place=lag)[0],
    ]
    for other in others:
        correlation = np.corrcoef(first[0].numpy(), other.numpy())[0, 1]
        assert abs(correlation) < 4 / MANY**0.5


def test_a_sample_draws_the_same_in_every_batch() -> None:
    """Wherever it stands, and however many are drawn."""
    whole = draw(range(100), 4)

    assert torch.equal(draw([17, 3, 99], 4), whole[:, [17, 3, 99]])
    assert torch.equal(draw(range(100), 2), whole[:2])
    assert not torch.equal(draw(range(100), 4, epoch=1), whole)


@pytest.mark.gpu
def test_every_device_draws_the_same() -> None:
    """Bit for bit."""
    indices = torch.arange(10_000)
    device = torch.device(torch.accelerator.current_accelerator() or "cpu")
    here = Draws(seed=3, epoch=5, indices=indices).uniform(4)

    assert torch.equal(Draws(seed=3, epoch=5, indices=indices.to(device)).uniform(4).cpu(), here)


@pytest.mark.parametrize("count", [0, 1025])
def test_a_number_of_draws_out_of_range_is_refused(count: int) -> None:
    """Beyond it samples would share their numbers."""
    with pytest.raises(fs.ConfigError, match=f"{count} draws: expected 1 to 1,024 for each sample"):
        draw([0], count)
