"""`Batches` under every size and setting: each sample once an epoch, in an order that (seed, epoch) alone fixes."""

import copy
import hashlib
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.data.batches import Batches, Seekable
from fourstep.data.dataset import Data, as_data, as_pair, num_batches
from fourstep.data.order import seeded_order

SIZES = {"num_items": st.integers(1, 60), "batch_size": st.integers(1, 70)}


def numbered(num_items: int, **settings: Any) -> Batches:
    """Samples whose target and only feature are their number."""
    return Batches(torch.arange(num_items)[:, None].float(), torch.arange(num_items), **settings)


def one_pass(batches: Batches) -> list[list[int]]:
    """The samples' numbers, batch by batch, of the next pass; inputs and targets belong together."""
    taken = []
    for inputs, targets in batches:
        assert torch.equal(inputs[:, 0].long(), targets)
        taken.append(targets.tolist())
    return taken


def flat(batches: list[list[int]]) -> list[int]:
    """The numbers of all batches."""
    return [number for batch in batches for number in batch]


@given(**SIZES, shuffle=st.booleans(), seed=st.integers(0, 5))
def test_an_epoch_is_every_sample_once(*, num_items: int, batch_size: int, shuffle: bool, seed: int) -> None:
    """In batches of the size asked for, only the last one shorter; `len` and `num_items` count them."""
    batches = numbered(num_items, batch_size=batch_size, shuffle=shuffle, seed=seed)

    for _ in range(2):
        taken = one_pass(batches)

        assert sorted(flat(taken)) == list(range(num_items))
        assert [len(batch) for batch in taken[:-1]] == [batch_size] * (len(taken) - 1)
        assert len(taken) == len(batches)
    assert batches.num_items == num_items


@given(**SIZES, shuffle=st.booleans())
def test_drop_last_leaves_out_the_short_batch_alone(*, num_items: int, batch_size: int, shuffle: bool) -> None:
    """What is left are the same batches, all full; where none is left it is an error."""
    whole = numbered(num_items, batch_size=batch_size, shuffle=shuffle)
    if num_items < batch_size:
        with pytest.raises(fs.DataError, match=f"no batch: {num_items} samples are fewer than batch_size {batch_size}"):
            numbered(num_items, batch_size=batch_size, drop_last=True)
        return
    dropped = numbered(num_items, batch_size=batch_size, shuffle=shuffle, drop_last=True)

    taken = one_pass(dropped)

    assert taken == [batch for batch in one_pass(whole) if len(batch) == batch_size]
    assert (len(dropped), dropped.num_items) == (len(taken), len(taken) * batch_size)


@given(**SIZES, seed=st.integers(0, 3), epoch=st.integers(0, 3), data=st.data())
def test_any_position_can_be_sought(
    num_items: int, batch_size: int, seed: int, epoch: int, data: st.DataObject
) -> None:
    """A pass that begins in the middle of an epoch gives exactly the rest of it, and the next epoch follows."""
    straight = numbered(num_items, batch_size=batch_size, seed=seed)
    epochs = [one_pass(straight) for _ in range(epoch + 2)]
    batch = data.draw(st.integers(0, len(straight)))
    sought = numbered(num_items, batch_size=batch_size, seed=seed)

    sought.seek(epoch, batch)

    assert one_pass(sought) == epochs[epoch][batch:]
    assert one_pass(sought) == epochs[epoch + 1]


@given(**SIZES, batch=st.integers(0, 100))
def test_a_position_is_sought_without_shuffling_too(num_items: int, batch_size: int, batch: int) -> None:
    """The rest of the pass in the order in which the samples lie, also after the last batch: nothing."""
    batches = numbered(num_items, batch_size=batch_size, shuffle=False)
    batch = min(batch, len(batches))
    batches.seek(0, batch)

    assert flat(one_pass(batches)) == list(range(num_items))[batch * batch_size :]


@pytest.mark.parametrize(("epoch", "batch"), [(-1, 0), (0, -1), (0, 4)])
def test_a_position_that_is_not_there_is_refused(epoch: int, batch: int) -> None:
    """The message says which, and what there is."""
    with pytest.raises(fs.ConfigError, match=f"epoch {epoch}, batch {batch}: expected .* a batch in 0..3"):
        numbered(5, batch_size=2).seek(epoch, batch)


def test_the_order_depends_on_seed_and_epoch_alone() -> None:
    """Not on the batch size, the global generator, or what was done before."""
    one = numbered(50, batch_size=7, seed=1)
    one_pass(one)
    torch.manual_seed(99)
    second = flat(one_pass(one))
    other = numbered(50, batch_size=50, seed=1)
    other.seek(1)

    assert flat(one_pass(other)) == second
    assert flat(one_pass(numbered(50, batch_size=7, seed=1))) != second
    assert flat(one_pass(numbered(50, batch_size=7, seed=2))) != second


@given(num_items=st.integers(1, 40), batch_size=st.integers(1, 50), shuffle=st.booleans())
def test_batches_are_those_of_the_plain_loader(*, num_items: int, batch_size: int, shuffle: bool) -> None:
    """`DataLoader` over the permuted samples gives the same tensors, bit for bit, types too."""
    inputs, targets = torch.rand(num_items, 2, 3), torch.randint(9, (num_items,))
    batches = Batches(inputs, targets, batch_size=batch_size, shuffle=shuffle, seed=3)
    order = batches.order(0)
    oracle = TensorDataset(inputs if order is None else inputs[order], targets if order is None else targets[order])

    for ours, theirs in zip(batches, DataLoader(oracle, batch_size), strict=True):
        assert torch.equal(ours[0], theirs[0])
        assert torch.equal(ours[1], theirs[1])


@pytest.mark.parametrize("shuffle", [True, False])
def test_bytes_stay_bytes_until_the_batch(*, shuffle: bool) -> None:
    """In memory uint8; in the batch float32 over 255, or what `prepare` makes of them."""
    images = torch.arange(256, dtype=torch.uint8).reshape(16, 1, 4, 4)
    scaled = Batches(images, torch.arange(16), batch_size=16, shuffle=shuffle)
    doubled = Batches(images, torch.arange(16), batch_size=16, shuffle=shuffle, prepare=lambda x: x.double() * 2)
    (inputs, targets), (twice, _) = next(iter(scaled)), next(iter(doubled))

    assert scaled.inputs is images
    assert torch.equal(inputs, images.float().div(255)[targets])
    assert torch.equal(twice, images.double()[targets] * 2)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_model_that_works_in_place_cannot_change_the_data(*, shuffle: bool) -> None:
    """A batch is a copy, shuffled or not: `targets.add_(1)` and `nn.ReLU(inplace=True)` reach no further."""
    inputs, targets = -torch.rand(10, 3), torch.zeros(10, 1)
    batches = Batches(inputs, targets, batch_size=4, shuffle=shuffle)
    before = batches.fingerprint()

    for batch, labels in batches:
        nn.ReLU(inplace=True)(batch)
        labels.add_(1)

    assert batches.fingerprint() == before


@pytest.mark.parametrize("at_once", [1, 3, 1024])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
@pytest.mark.parametrize("first", [0, 3])
def test_how_many_are_gathered_at_once_makes_no_difference(
    at_once: int, dtype: torch.dtype, first: int, monkeypatch: pytest.MonkeyPatch, *, shuffle: bool
) -> None:
    """Each batch is the one that a gather of its own gives."""
    monkeypatch.setattr("fourstep.data.batches.MOST_AT_ONCE", at_once)
    inputs, targets = torch.arange(46, dtype=dtype).reshape(23, 2), torch.arange(23)
    batches = Batches(inputs, targets, batch_size=4, shuffle=shuffle, seed=3)
    batches.seek(2, first)
    order = seeded_order(23, 3)(2) if shuffle else torch.arange(23)

    assert order is not None
    for (found, truth), chosen in zip(batches, order.split(4)[first:], strict=True):
        assert torch.equal(found, inputs[chosen] / 255 if dtype is torch.uint8 else inputs[chosen])
        assert torch.equal(truth, targets[chosen])


@pytest.mark.parametrize("shape", [(10, 2), (5, 7), (33, 17), (25, 33)])
@pytest.mark.parametrize("shuffle", [True, False])
def test_every_batch_begins_where_a_tensor_begins(shape: tuple[int, int], *, shuffle: bool) -> None:
    """Matrix kernels round by where in memory a tensor begins: a part of a larger one would train to other bits."""
    batch_size, width = shape
    batches = Batches(torch.rand(400, width), torch.rand(400, 3), batch_size=batch_size, shuffle=shuffle)
    for inputs, targets in batches:
        assert inputs.data_ptr() % 64 == targets.data_ptr() % 64 == 0
        assert inputs.untyped_storage().nbytes() == inputs.nbytes
        assert targets.untyped_storage().nbytes() == targets.nbytes


def test_an_autoencoder_cannot_change_the_data() -> None:
    """Inputs that are targets, too: bytes become another tensor as inputs alone."""
    images = torch.full((8, 3), 7, dtype=torch.uint8)
    for inputs, targets in Batches(images, images, batch_size=4, shuffle=False):
        inputs.zero_()
        targets.zero_()

    assert torch.equal(images, torch.full((8, 3), 7, dtype=torch.uint8))


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_do_not_hang_together(*, shuffle: bool) -> None:
    """A batch that is changed in place, after it was used in a graph or before, leaves the next one alone."""
    batches = Batches(torch.ones(12, 3), torch.zeros(12, 1), batch_size=4, shuffle=shuffle)
    layer = torch.nn.Linear(3, 1)
    (first, _), (second, _), (third, _) = batches
    loss = layer(first).pow(2).sum()
    second.mul_(5)
    third.add_(layer.weight.sum())
    loss.backward()

    assert torch.equal(first, torch.ones(4, 3))
    assert layer.weight.grad is not None


def test_the_fingerprint_is_of_types_shapes_and_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Equal data have equal ones, and every change of value, shape or type makes another."""
    inputs, targets = torch.rand(6, 4), torch.arange(6)
    hashed = hashlib.sha256()
    for tensor, name in ((inputs, "torch.float32 (6, 4);"), (targets, "torch.int64 (6,);")):
        hashed.update(name.encode() + tensor.numpy().tobytes())
    changed = inputs.clone()
    changed[5, 3] += 1e-6

    def fingerprint(inputs: Tensor, targets: Tensor) -> str:
        return Batches(inputs, targets, batch_size=2).fingerprint()

    assert fingerprint(inputs, targets) == hashed.hexdigest()
    assert fingerprint(inputs.t().contiguous().t(), targets) == hashed.hexdigest()
    monkeypatch.setattr("fourstep.data.samples._COPIED", 1)  # a sample at a time
    assert fingerprint(inputs.t().contiguous().t(), targets) == hashed.hexdigest()
    others = [(changed, targets), (inputs.reshape(6, 2, 2), targets), (inputs.double(), targets), (inputs, targets + 1)]
    assert len({fingerprint(*pair) for pair in others} | {hashed.hexdigest()}) == 5


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.bool, torch.uint8, torch.complex64])
def test_every_type_has_a_fingerprint(dtype: torch.dtype) -> None:
    """Also those that numpy lacks, and samples without a value."""
    for shape in ((3, 2), (3, 0)):
        assert len(Batches(torch.zeros(shape, dtype=dtype), torch.arange(3), batch_size=2).fingerprint()) == 64


def test_where_the_tensors_are() -> None:
    """`to` moves inputs and targets and nothing else; where they are already it is the same object."""
    batches = numbered(5, batch_size=2, seed=4)
    batches.seek(7)
    moved = batches.to(torch.device("meta"))

    assert (moved.inputs.device.type, moved.targets.device.type) == ("meta", "meta")
    assert batches.to(torch.device("cpu")) is batches
    assert (len(moved), moved.batch_size, moved.order) == (len(batches), batches.batch_size, batches.order)
    assert batches.inputs.device.type == "cpu"


@pytest.mark.gpu
def test_batches_on_an_accelerator_are_the_same() -> None:
    """Order and values do not depend on where the tensors are."""
    here = Batches(torch.arange(50, dtype=torch.uint8)[:, None], torch.arange(50), batch_size=8, seed=2)
    there = copy.copy(here).to(torch.device(torch.accelerator.current_accelerator() or "cpu"))

    for ours, theirs in zip(here, there, strict=True):
        assert torch.equal(ours[0], theirs[0].cpu())
        assert torch.equal(ours[1], theirs[1].cpu())


@pytest.mark.parametrize("batch_size", [0, -3, 2.0, True, "8"])
@pytest.mark.usefixtures("unchecked_types")
def test_a_batch_size_that_is_none_is_refused(batch_size: Any) -> None:
    """With its value."""
    with pytest.raises(fs.ConfigError, match=f"batch_size {batch_size!r}: expected a whole number of 1 or more"):
        numbered(5, batch_size=batch_size)


@pytest.mark.parametrize(
    ("inputs", "targets", "said"),
    [
        (torch.zeros(3), torch.zeros(4), "3 inputs but 4 targets: expected one target for each input"),
        (torch.zeros(0, 2), torch.zeros(0), "no samples: inputs and targets are empty. Expected at least one"),
        (torch.zeros(3), torch.zeros(3, device="meta"), "inputs are on cpu but targets on meta: expected both on one"),
        (
            [1.0, 2.0],
            torch.zeros(2),
            "inputs[0] are float: expected a tensor with one entry per sample, or several in a tuple, list or ",
        ),
        (torch.zeros(2), torch.tensor(1), "targets are a single number: expected a tensor with one entry per sample"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_cannot_be_batched_is_explained(inputs: Any, targets: Any, said: str) -> None:
    """One line: what is wrong, and what was expected."""
    with pytest.raises(fs.DataError) as caught:
        Batches(inputs, targets, batch_size=2)

    assert str(caught.value).startswith(said)


def test_a_seed_below_zero_is_refused_at_once() -> None:
    """Not in the first pass."""
    with pytest.raises(fs.ConfigError, match="seed -1: expected a whole number in"):
        numbered(5, batch_size=2, seed=-1)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_samples_one_by_one_are_those_of_the_batches(dtype: torch.dtype) -> None:
    """As `DataLoader.dataset` has them: with a length, from either end, prepared, and with an end."""
    batches = Batches(torch.arange(10).reshape(5, 2).to(dtype), torch.arange(5), batch_size=2, shuffle=False)
    whole = torch.cat([inputs for inputs, _ in batches])
    samples = batches.dataset
    assert len(samples) == 5
    assert all(torch.equal(samples[number][0], whole[number]) for number in range(5))
    assert torch.equal(samples[-1][0], whole[-1])
    with pytest.raises(IndexError, match=r"sample 5 of 5: expected 0\.\.4"):
        _ = samples[5]


def test_it_says_what_it_is() -> None:
    """For a reader at the prompt."""
    images = Batches(torch.zeros(10, 1, 8, 8, dtype=torch.uint8), torch.zeros(10), batch_size=4)

    assert repr(images) == "Batches(10 samples of uint8 1x8x8, 3 batches of 4)"
    assert repr(Batches(torch.zeros(2), torch.zeros(2), batch_size=1)) == (
        "Batches(2 samples of float32 scalar, 2 batches of 1)"
    )
    assert isinstance(images, Seekable)
    assert not isinstance(DataLoader(TensorDataset(images.inputs)), Seekable)


def test_data_has_the_splits_that_are_there() -> None:
    """By name, in the order train, val, test; `to` moves `Batches` and leaves another's iterables."""
    batches, loader = numbered(4, batch_size=2), DataLoader(TensorDataset(torch.zeros(3)))
    data = Data(train=batches, test=loader)
    moved = data.to(torch.device("meta"))

    assert data.splits() == {"train": batches, "test": loader}
    assert moved.test is loader
    assert moved.val is None
    assert isinstance(moved.train, Batches)
    assert moved.train.inputs.device.type == "meta"
    assert (moved.name, moved.classes) == (data.name, data.classes)


def test_any_iterable_of_batches_is_data() -> None:
    """`Data` is itself, a loader is its training split, and what yields no batches is refused."""
    loader = DataLoader(TensorDataset(torch.zeros(3)))
    data = Data(train=loader)

    assert as_data(data) is data
    assert as_data(loader).train is loader
    for wrong in (torch.zeros(3), "file.csv", 7, None):
        with pytest.raises(
            fs.DataError, match=f"data is a {type(wrong).__name__}: expected fourstep.Data, or an iterable"
        ):
            as_data(wrong)


def test_a_batch_is_a_pair() -> None:
    """A tuple or a list of two; anything else is named."""
    assert as_pair((1, 2)) == as_pair([1, 2]) == (1, 2)
    for wrong, said in (((1, 2, 3), "tuple of 3"), (torch.zeros(2), "Tensor"), ([1], "list of 1"), ({}, "dict")):
        with pytest.raises(fs.DataError, match=f"a batch is a {said}: expected a pair \\(inputs, targets\\)"):
            as_pair(wrong)


def test_how_many_batches_a_source_has() -> None:
    """None where it cannot say."""
    assert num_batches(numbered(5, batch_size=2)) == 3
    assert num_batches(iter([1])) is None
