"""Orders: the toolkit's own as a function of (seed, epoch), and torch's `DataLoader`'s, bit for bit."""

from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.data.batches import Batches
from fourstep.data.order import Order, in_order, loader_order, seeded_order


@given(num_items=st.integers(1, 200), seed=st.integers(0, 2**40), epoch=st.integers(0, 1000))
def test_an_order_is_a_permutation_fixed_by_seed_and_epoch(num_items: int, seed: int, epoch: int) -> None:
    """Asked again, and of another object, it is the same; the global generator is not touched."""
    state = torch.get_rng_state()
    order, again = seeded_order(num_items, seed)(epoch), seeded_order(num_items, seed)(epoch)

    assert order is not None
    assert again is not None
    assert torch.equal(order.sort().values, torch.arange(num_items))
    assert torch.equal(order, again)
    assert torch.equal(torch.get_rng_state(), state)


def test_seeds_and_epochs_give_orders_of_their_own() -> None:
    """No two of 5 seeds and 5 epochs are alike, and seed 1 in epoch 0 is not seed 0 in epoch 1."""
    orders = {str(seeded_order(30, seed)(epoch)) for seed, epoch in product(range(5), range(5))}

    assert len(orders) == 25


def test_every_place_is_equally_likely() -> None:
    """Over 2,000 epochs each of 5 samples comes first about 400 times: within 5 standard deviations."""
    order = seeded_order(5, 0)
    firsts = torch.tensor([int(indices[0]) for epoch in range(2000) if (indices := order(epoch)) is not None])

    assert (torch.bincount(firsts, minlength=5) - 400).abs().max() < 5 * (2000 * 0.2 * 0.8) ** 0.5


def test_in_order_has_no_indices() -> None:
    """The samples need not be gathered."""
    order: Order = in_order

    assert order(0) is None
    assert order(5) is None


def test_a_seed_below_zero_is_refused() -> None:
    """Where it enters."""
    with pytest.raises(fs.ConfigError, match="seed -2: expected a whole number in"):
        seeded_order(3, -2)


@given(
    num_items=st.integers(1, 40),
    batch_size=st.integers(1, 15),
    seed=st.integers(0, 2**31),
    passes=st.lists(st.sampled_from(["train", "test", "peek"]), min_size=1, max_size=8),
    drop_last=st.booleans(),
)
def test_a_loader_and_ours_take_the_same_numbers(
    *, num_items: int, batch_size: int, seed: int, passes: list[str], drop_last: bool
) -> None:
    """Batches and global generator are torch's `DataLoader`'s, bit for bit.

    After shuffled and plain passes in any sequence, some broken off, with draws of the user's own between them.
    """
    samples = torch.arange(num_items)
    drop_last = drop_last and num_items >= batch_size
    loaders = {
        shuffle: DataLoader(TensorDataset(samples), batch_size, shuffle=shuffle, drop_last=drop_last)
        for shuffle in (True, False)
    }
    ours = {
        shuffle: Batches(
            samples,
            samples,
            batch_size=batch_size,
            drop_last=drop_last,
            order=loader_order(num_items, shuffle=shuffle),
        )
        for shuffle in (True, False)
    }

    def run(sources: dict[bool, DataLoader[tuple[Tensor, ...]]] | dict[bool, Batches]) -> list[list[int]]:
        torch.manual_seed(seed)
        taken = []
        for kind in passes:
            taken.append(torch.randint(1000, (2,)).tolist())
            for batch in sources[kind != "test"]:
                taken.append(batch[0].tolist())
                if kind == "peek":
                    break
        return taken

    theirs, state = run(loaders), torch.get_rng_state()

    assert run(ours) == theirs
    assert torch.equal(torch.get_rng_state(), state)


def test_a_test_pass_within_a_training_pass_draws_the_same() -> None:
    """Evaluating in the middle of an epoch, as the book's `train_ch6` may, disturbs neither."""
    samples = torch.arange(20)

    def run(*, ours: bool) -> list[list[int]]:
        torch.manual_seed(5)
        sources = [
            Batches(samples, samples, batch_size=6, order=loader_order(20, shuffle=shuffle))
            if ours
            else DataLoader(TensorDataset(samples, samples), 6, shuffle=shuffle)
            for shuffle in (True, False)
        ]
        taken = []
        for _ in range(3):
            for batch, _ in sources[0]:
                taken.append(batch.tolist())
                taken += [batch.tolist() for batch, _ in sources[1]]
                taken.append(torch.randint(1000, (1,)).tolist())
        return taken

    assert run(ours=True) == run(ours=False)
