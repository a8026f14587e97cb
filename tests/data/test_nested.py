"""Batches of several tensors: each nesting comes out as it went in, its tensors cut as one alone would be."""

from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

import fourstep as fs
from fourstep.data import from_arrays
from fourstep.data.batches import Batches
from fourstep.nesting import map_tensors

NUMBERS = torch.arange(23)
IMAGES = torch.arange(23 * 4, dtype=torch.uint8).reshape(23, 1, 2, 2)
AGES = torch.arange(23.0)


class Pair(NamedTuple):
    """Two inputs by name."""

    image: Tensor
    age: Tensor


def leaves(value: Any) -> list[Tensor]:
    """All tensors of a nesting."""
    found: list[Tensor] = []
    map_tensors(found.append, value)
    return found


class TwoInputs(nn.Module):
    """A model that takes one dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 2)

    def forward(self, inputs: dict[str, Tensor]) -> Tensor:
        """`image` and `age` side by side."""
        return self.layer(torch.cat([inputs["image"].flatten(1), inputs["age"][:, None]], 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    "inputs", [(IMAGES, AGES), [IMAGES, AGES], {"image": IMAGES, "age": AGES}, Pair(IMAGES, AGES), {"both": (AGES,)}]
)
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("batch_size", "first"), [(1, 0), (4, 1), (30, 0)])
def test_every_tensor_is_cut_as_it_would_be_alone(inputs: Any, batch_size: int, first: int, *, shuffle: bool) -> None:
    """In the same order, bytes scaled, in a nesting of the same kind; from any batch on."""
    batches = Batches(inputs, (NUMBERS, NUMBERS), batch_size=batch_size, shuffle=shuffle, seed=3)
    alone = [Batches(leaf, NUMBERS, batch_size=batch_size, shuffle=shuffle, seed=3) for leaf in leaves(inputs)]
    for one in (batches, *alone):
        one.seek(2, min(first, len(one)))

    for (found, targets), *pairs in zip(batches, *alone, strict=True):
        assert type(found) is type(inputs)
        assert list(found) == list(inputs) if isinstance(inputs, dict) else True
        for leaf, (expected, numbers) in zip(leaves(found), pairs, strict=True):
            assert torch.equal(leaf, expected)
            assert leaf.dtype == expected.dtype
            assert torch.equal(numbers, targets[0])


def test_a_batch_and_a_sample_can_be_found() -> None:
    """`find` gives the batch of the pass, `dataset` the samples, `take` them as they are kept."""
    batches = Batches({"image": IMAGES, "age": AGES}, NUMBERS, batch_size=4, seed=1)
    passed = list(batches)
    found = batches.find(0, 2)
    assert found is not None
    raw, targets = batches.take(slice(3, 5))
    sample, target = batches.dataset[-1]

    assert all(map(torch.equal, leaves(found), leaves(passed[2])))
    assert batches.indices(0, 2) == passed[2][1].tolist()
    assert torch.equal(raw["image"], IMAGES[3:5])
    assert targets.tolist() == [3, 4]
    assert (int(target), float(sample["age"])) == (22, 22.0)
    assert torch.equal(sample["image"], IMAGES[22] / 255)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_batch_is_a_copy(*, shuffle: bool) -> None:
    """What is done to it in place reaches no sample."""
    batches = Batches((AGES.clone(), AGES.clone()), AGES.clone(), batch_size=4, shuffle=shuffle)
    before = batches.fingerprint()
    for inputs, targets in batches:
        map_tensors(Tensor.zero_, (inputs, targets))
    _ = map_tensors(Tensor.zero_, batches.dataset[0])

    assert batches.fingerprint() == before


def test_the_fingerprint_is_of_all_tensors_and_of_their_places() -> None:
    """Another value, another key, another order: another fingerprint."""
    kept: list[Any] = [
        (AGES, AGES + 1), (AGES + 1, AGES), [AGES, AGES], {"a": AGES, "b": AGES}, {"a": AGES, "c": AGES}, AGES
    ]  # fmt: skip
    prints = [Batches(inputs, NUMBERS, batch_size=4).fingerprint() for inputs in kept]

    assert len(set(prints)) == len(prints)


def test_they_move_together() -> None:
    """Every tensor is on the device, and so are the batches."""
    batches = Batches({"a": AGES, "b": (AGES,)}, NUMBERS, batch_size=4)
    moved = batches.to(torch.device("meta"))

    assert {leaf.device.type for leaf in leaves((moved.inputs, moved.targets))} == {"meta"}
    assert (moved.device.type, batches.device.type) == ("meta", "cpu")
    assert batches.to(torch.device("cpu")) is batches


def test_it_says_what_it_is() -> None:
    """Each tensor with its place."""
    batches = Batches({"image": IMAGES, "more": (AGES,)}, NUMBERS, batch_size=4)

    assert repr(batches) == "Batches(23 samples of {image: uint8 1x2x2, more: (float32 scalar)}, 6 batches of 4)"


def test_a_model_is_given_the_nesting_as_its_one_argument() -> None:
    """`fit`, `evaluate` and `predict`; the weights are those of the four steps by hand."""
    torch.manual_seed(0)
    model, twin, loss_fn = TwoInputs(), TwoInputs(), nn.CrossEntropyLoss()
    twin.load_state_dict(model.state_dict())
    inputs = {"image": IMAGES, "age": AGES / 23}
    data = from_arrays(inputs, NUMBERS % 2, batch_size=4, test=0.2)
    by_hand = torch.optim.SGD(twin.parameters(), lr=0.1)
    for batch, targets in data.train:
        fs.four_steps(twin, loss_fn, by_hand, batch, targets)
    assert isinstance(data.train, Batches)
    data.train.seek(0)
    run = fs.fit(model, data, loss_fn, torch.optim.SGD(model.parameters(), lr=0.1), epochs=1, show="none",
                 metrics={"accuracy": fs.accuracy})  # fmt: skip
    outputs = fs.predict(model, inputs, batch_size=5)

    assert all(map(torch.equal, model.state_dict().values(), twin.state_dict().values()))
    assert 0 <= run.history.rows[-1]["test/accuracy"] <= 1
    with torch.no_grad():
        assert torch.allclose(outputs, model({"image": IMAGES / 255, "age": AGES / 23}), atol=1e-6)


def test_arrays_in_a_tuple_or_a_dictionary_are_several_inputs() -> None:
    """Each converted as one alone; a list is rows, and numbers in a tuple are too."""
    wide: NDArray[Any] = np.arange(12.0).reshape(4, 3)
    labels = [0, 1, 0, 1]
    several = from_arrays((wide, {"more": wide.astype(np.uint8)}), labels, batch_size=2, val=0.5).train
    rows = from_arrays([torch.tensor(row) for row in wide], labels, batch_size=2).train
    also_rows = from_arrays(((1.0, 2.0),) * 4, tuple(np.array(labels)), batch_size=2).train
    assert isinstance(several, Batches)
    assert isinstance(rows, Batches)
    assert isinstance(also_rows, Batches)

    assert [(leaf.dtype, leaf.shape) for leaf in leaves(several.inputs)] == [
        (torch.float32, (2, 3)),
        (torch.uint8, (2, 3)),
    ]
    assert torch.equal(several.inputs[0].to(torch.uint8), several.inputs[1]["more"])
    assert rows.inputs.shape == (4, 3)
    assert (also_rows.inputs.shape, also_rows.targets.tolist()) == ((4, 2), labels)


@pytest.mark.parametrize(
    ("inputs", "targets", "said"),
    [
        ((AGES, AGES[:5]), NUMBERS, "train: 23 inputs[0] but 5 inputs[1]: expected as many of each"),
        ({"a": AGES}, NUMBERS[:5], "train: 23 inputs['a'] but 5 targets: expected one target for each input"),
        ({"a": AGES, "b": 3.0}, NUMBERS, "train inputs 'b' are a single value: expected one entry per sample"),
        ({}, NUMBERS, "train: inputs are dict: expected a tensor with one entry per sample, or several in a tuple"),
        ([AGES, AGES], NUMBERS, "train: 2 inputs but 23 targets: expected one target for each input. A list is rows: "),
    ],
)
def test_what_does_not_fit_is_named(inputs: Any, targets: Any, said: str) -> None:
    """One line, with the place in the nesting."""
    with pytest.raises(fs.DataError) as caught:
        from_arrays(inputs, targets, batch_size=2)

    assert str(caught.value).startswith(said)


def test_inputs_to_predict_are_of_one_length() -> None:
    """And there is at least one."""
    with pytest.raises(fs.DataError, match=r"23 inputs\['image'\] but 5 inputs\['age'\]: expected as many of each"):
        fs.predict(TwoInputs(), {"image": IMAGES, "age": AGES[:5]})
    with pytest.raises(fs.DataError, match="nothing to predict"):
        fs.predict(TwoInputs(), {"image": IMAGES[:0], "age": AGES[:0]})
