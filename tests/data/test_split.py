"""Splits: disjoint, complete, of the size asked for, the same for the same seed."""

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fourstep as fs
from fourstep.data.split import hold_out


@given(
    counts=st.lists(st.integers(4, 30), min_size=1, max_size=5),
    val=st.sampled_from([0.15, 0.25, 0.3]),
    test=st.sampled_from([0.15, 0.2, 0.4]),
    seed=st.integers(0, 3),
    stratify=st.booleans(),
)
def test_splits_are_disjoint_and_complete(
    *, counts: list[int], val: float, test: float, seed: int, stratify: bool
) -> None:
    """Every sample with its own target is in exactly one split, in the old order.

    Sizes are the shares, rounded: of all samples, or of each class where it is stratified.
    """
    labels = torch.arange(len(counts)).repeat_interleave(torch.tensor(counts))
    labels = labels[torch.randperm(len(labels), generator=torch.Generator().manual_seed(seed))]
    numbers = torch.arange(len(labels))

    parts = hold_out(numbers, labels, {"val": val, "test": test}, seed=seed, stratify=stratify)

    assert list(parts) == ["train", "val", "test"]
    assert torch.equal(torch.cat([inputs for inputs, _ in parts.values()]).sort().values, numbers)
    for inputs, targets in parts.values():
        assert torch.equal(inputs, inputs.sort().values)
        assert torch.equal(targets, labels[inputs])
    for name, share in (("val", val), ("test", test)):
        sizes = torch.bincount(parts[name][1], minlength=len(counts)).tolist()
        if stratify:
            assert sizes == [round(count * share) for count in counts]
        else:
            assert sum(sizes) == round(len(labels) * share)


def test_the_split_is_fixed_by_the_seed() -> None:
    """The same twice, another for another seed, whatever the global generator did."""
    numbers = torch.arange(100)

    def test_numbers(seed: int) -> list[int]:
        chosen: list[int] = hold_out(numbers, numbers, {"test": 0.3}, seed=seed)["test"][0].tolist()
        return chosen

    first = test_numbers(1)
    torch.manual_seed(77)
    state = torch.get_rng_state()

    assert test_numbers(1) == first
    assert test_numbers(2) != first
    assert torch.equal(torch.get_rng_state(), state)


def test_every_sample_is_held_out_alike() -> None:
    """Over 1,000 seeds each of 10 samples is in a 30 % split about 300 times: within 5 standard deviations."""
    numbers = torch.arange(10)
    chosen = torch.cat([hold_out(numbers, numbers, {"test": 0.3}, seed=seed)["test"][0] for seed in range(1000)])

    assert (torch.bincount(chosen, minlength=10) - 300).abs().max() < 5 * (1000 * 0.3 * 0.7) ** 0.5


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.1, 1.5, float("nan"), "0.2", True, [0.2]])
def test_a_share_that_is_none_is_refused(fraction: Any) -> None:
    """With its name and value."""
    with pytest.raises(fs.ConfigError) as caught:
        hold_out(torch.zeros(10), torch.zeros(10), {"val": fraction}, seed=0)

    assert str(caught.value) == f"val={fraction!r}: expected a fraction between 0 and 1, or a pair of arrays"


def test_something_must_be_left_to_train_on() -> None:
    """Shares that add up to everything are refused with their sum."""
    with pytest.raises(fs.ConfigError, match="val \\+ test = 1: expected less than 1, to leave some to train on"):
        hold_out(torch.zeros(10), torch.zeros(10), {"val": 0.5, "test": 0.5}, seed=0)


def test_a_split_without_samples_is_refused() -> None:
    """A share too small for a sample, or one that leaves none, says how many there are."""
    with pytest.raises(
        fs.DataError, match=r"val=0.01 cannot be split off: there are 10 samples. Use another fraction$"
    ):
        hold_out(torch.zeros(10), torch.zeros(10), {"val": 0.01}, seed=0)
    with pytest.raises(fs.DataError, match=r"val=0.9 cannot be split off: there are 3 samples"):
        hold_out(torch.zeros(3), torch.zeros(3), {"val": 0.9}, seed=0)


def test_a_class_too_small_to_stratify_is_named() -> None:
    """With its count and the way out."""
    labels = torch.tensor([0] * 20 + [7])

    with pytest.raises(
        fs.DataError, match=r"val=0.2 .*: class 7 has 1 samples. Use another fraction, or stratify=False"
    ):
        hold_out(labels, labels, {"val": 0.2}, seed=0, stratify=True)


@pytest.mark.parametrize("targets", [torch.zeros(10), torch.zeros(10, 1, dtype=torch.int64)])
def test_only_class_indices_can_be_stratified(targets: torch.Tensor) -> None:
    """Values, and indices in a column, are refused with their shape and type."""
    with pytest.raises(fs.ConfigError) as caught:
        hold_out(torch.zeros(10), targets, {"val": 0.5}, seed=0, stratify=True)

    assert str(caught.value) == (
        f"stratify=True with targets of shape {tuple(targets.shape)}, {targets.dtype}: expected class indices"
    )
