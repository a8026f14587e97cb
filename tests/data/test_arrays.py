"""Data sets from whatever holds numbers, and what is said of what does not; arrays to practise on."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

import fourstep as fs
from fourstep.data import from_arrays, synthetic_blobs, synthetic_regression
from fourstep.data.batches import Batches
from fourstep.data.dataset import Data

VALUES = [[0.5, 1.0], [1.5, 2.0], [2.5, 3.0], [3.5, 4.0]]
LABELS = [0, 1, 1, 0]
TABLE = pd.DataFrame(VALUES, columns=["a", "b"], index=[9, 8, 7, 6])


def train_of(inputs: Any, targets: Any, **settings: Any) -> Batches:
    """The training split."""
    train = from_arrays(inputs, targets, batch_size=2, **settings).train
    assert isinstance(train, Batches)
    return train


def sizes_of(data: Data) -> dict[str, int]:
    """How many samples each split has."""
    return {name: split.num_items for name, split in data.splits().items() if isinstance(split, Batches)}


@pytest.mark.parametrize(
    ("inputs", "targets"),
    [
        (VALUES, LABELS),
        (tuple(map(tuple, VALUES)), tuple(LABELS)),
        (np.array(VALUES), np.array(LABELS)),
        (np.array(VALUES, np.float32), np.array(LABELS, np.uint8)),
        (np.array(VALUES, ">f8"), np.array(LABELS, ">i4")),
        (np.array(VALUES[::-1])[::-1], np.array(LABELS[::-1])[::-1]),
        (np.asfortranarray(VALUES), np.array(LABELS, np.uint16)),
        (torch.tensor(VALUES), torch.tensor(LABELS)),
        (torch.tensor(VALUES, dtype=torch.float64, requires_grad=True), torch.tensor(LABELS, dtype=torch.int8)),
        (torch.tensor(VALUES, dtype=torch.bfloat16), torch.tensor(LABELS, dtype=torch.bool)),
        ([torch.tensor(row) for row in VALUES], [torch.tensor(label) for label in LABELS]),
        ([np.array(row, np.float16) for row in VALUES], np.array(LABELS, np.uint64)),
        (TABLE, TABLE["a"].map({0.5: 0, 1.5: 1, 2.5: 1, 3.5: 0})),
        (TABLE.to_numpy(), pd.Series(LABELS, dtype="int32")),
    ],
)
def test_takes_what_holds_numbers(inputs: Any, targets: Any) -> None:
    """The same float32 inputs and int64 targets, whatever they came in; no gradient is taken along."""
    train = train_of(inputs, targets)

    assert torch.equal(train.inputs, torch.tensor(VALUES))
    assert torch.equal(train.targets, torch.tensor(LABELS))
    assert (train.inputs.dtype, train.targets.dtype) == (torch.float32, torch.int64)
    assert not train.inputs.requires_grad


@pytest.mark.parametrize(
    ("given_type", "kept"),
    [
        (np.uint8, torch.uint8),
        (np.int64, torch.int64),
        (np.int16, torch.int16),
        (np.bool_, torch.bool),
        (np.uint16, torch.int32),
        (np.uint32, torch.int64),
    ],
)
def test_whole_inputs_keep_their_type(given_type: type, kept: torch.dtype) -> None:
    """Bytes and indices stay what they are; unsigned ones that torch cannot gather become the next signed ones."""
    values: NDArray[Any] = np.array([0, 1, 1, 1], given_type)
    train = train_of(values, LABELS)

    assert train.inputs.dtype == kept
    assert train.inputs.tolist() == values.tolist()
    assert sum(len(targets) for _, targets in train) == 4


def test_values_to_predict_become_float32() -> None:
    """Of any shape."""
    train = train_of(VALUES, np.array(VALUES))

    assert (train.targets.dtype, train.targets.shape) == (torch.float32, (4, 2))


def test_a_read_only_array_is_not_written_to() -> None:
    """Tables and memory-mapped files give such; torch would warn."""
    values = np.array(VALUES, np.float32)
    values.flags.writeable = False
    train_of(values, LABELS).inputs.add_(1)

    assert values.tolist() == VALUES


@given(num_items=st.integers(10, 80), batch_size=st.integers(1, 90), seed=st.integers(0, 3), drop_last=st.booleans())
def test_a_pass_over_all_splits_is_every_sample_once(
    *, num_items: int, batch_size: int, seed: int, drop_last: bool
) -> None:
    """Whatever the sizes; evaluation leaves out nothing and keeps the order, also where training drops and shuffles."""
    numbers = torch.arange(num_items)
    settings: dict[str, Any] = {"batch_size": batch_size, "val": 0.2, "test": 0.3, "seed": seed}
    splits = from_arrays(numbers, numbers, **settings).splits()
    everything = [int(target) for split in splits.values() for _, targets in split for target in targets]

    assert sorted(everything) == list(range(num_items))
    if drop_last and batch_size <= num_items // 2:
        dropped = from_arrays(numbers, numbers, drop_last=True, **settings).splits()
        assert {len(targets) for _, targets in dropped["train"]} == {batch_size}
        for name in ("val", "test"):
            taken = [int(target) for _, targets in dropped[name] for target in targets]
            assert taken == sorted(taken) == sorted(int(target) for _, targets in splits[name] for target in targets)


def test_splits_of_its_own() -> None:
    """A pair of arrays is a split as it is; the training samples stay whole."""
    data = from_arrays(VALUES, LABELS, batch_size=2, val=([[9.0, 9.0]], [1]), test=[np.ones((3, 2)), [0, 0, 1]])

    assert sizes_of(data) == {"train": 4, "val": 1, "test": 3}


def test_a_fraction_beside_a_pair() -> None:
    """The fraction is of the training samples."""
    data = from_arrays(VALUES, LABELS, batch_size=2, val=0.25, test=(VALUES, LABELS))

    assert sizes_of(data) == {"train": 3, "val": 1, "test": 4}


def test_prepare_is_for_every_split() -> None:
    """What the model sees in training it sees in evaluation."""
    data = from_arrays(VALUES, LABELS, batch_size=4, test=(VALUES, LABELS), prepare=lambda inputs: inputs * 2)

    for split in data.splits().values():
        assert sum(float(inputs.sum()) for inputs, _ in split) == 2 * np.sum(VALUES)


def test_training_can_keep_the_order() -> None:
    """`shuffle=False` takes the samples as they lie, every epoch."""
    train = train_of(VALUES, range(4), shuffle=False)

    for _ in range(2):
        assert [targets.tolist() for _, targets in train] == [[0, 1], [2, 3]]


@pytest.mark.parametrize(
    ("inputs", "targets", "said"),
    [
        (VALUES, LABELS[:3], "train: 4 inputs but 3 targets: expected one target for each input"),
        ([[1], [1, 2]], [0, 1], "train inputs cannot become a tensor (setting an array element"),
        (["a", "b"], [0, 1], "train inputs are texts: expected numbers"),
        (
            [1.0, 2.0],
            ["cat", "dog"],
            "train targets are texts: expected numbers. Number them by classes, numbers = np.unique(texts, ",
        ),
        ("file.csv", [0], "train inputs are texts: expected numbers"),
        ([1.0, None], [0, 1], "train inputs cannot become a tensor (can't convert np.ndarray of type numpy.object_"),
        (pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), [0, 1], "train inputs cannot become a tensor"),
        (
            [torch.ones(2, requires_grad=True)],
            [0],
            "train inputs cannot become a tensor (Can't call numpy() on Tensor that",
        ),
        (3.0, [0], "train inputs are a single value: expected one entry per sample"),
        ([], [], "no samples: inputs and targets are empty. Expected at least one"),
    ],
    ids=["length", "ragged", "strings", "names", "path", "missing", "table", "gradients", "single", "empty"],
)
def test_what_holds_no_samples_is_explained(inputs: Any, targets: Any, said: str) -> None:
    """One line that says which part is wrong, and what was expected."""
    with pytest.raises(fs.DataError) as caught:
        from_arrays(inputs, targets, batch_size=2)

    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
    assert "xpected" in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "found"), [([0, 1, 2, 3], "0 to 3"), ([-1, 0, 1, 2], "-1 to 2"), ([1, 2, 3, 3], "1 to 3")]
)
@pytest.mark.parametrize("split", ["train", "val", "test"])
def test_labels_outside_the_classes_are_refused(labels: list[int], found: str, split: str) -> None:
    """In every split, before the first step, where the loss would fail or, on a GPU, take the process with it."""
    inside: dict[str, Any] = {"train": LABELS, split: labels}
    held: dict[str, Any] = {split: (VALUES, labels)} if split != "train" else {}

    with pytest.raises(fs.DataError) as caught:
        from_arrays(VALUES, inside["train"], batch_size=2, classes=("a", "b", "c"), **held)

    assert str(caught.value) == (
        f"{split} labels run from {found} but there are 3 classes: expected labels in 0..2. "
        "Renumber the labels, or name every class"
    )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"val": 1.5}, "val=1.5: expected a fraction between 0 and 1, or a pair of arrays"),
        ({"test": "0.2"}, "test='0.2': expected a fraction between 0 and 1, or a pair of arrays"),
        ({"test": (1, 2, 3)}, "test has 3 parts: expected a fraction, or a pair (inputs, targets)"),
        ({"val": 0.5, "test": 0.5}, "val + test = 1: expected less than 1, to leave some to train on"),
        ({"batch_size": 0}, "batch_size 0: expected a whole number of 1 or more"),
        ({"seed": -1}, "seed -1: expected a whole number in 0..2**63 - 1"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_a_setting_out_of_range_is_refused(settings: dict[str, Any], said: str) -> None:
    """With its name and value."""
    with pytest.raises(fs.ConfigError) as caught:
        from_arrays(VALUES, LABELS, **{"batch_size": 2, **settings})

    assert str(caught.value) == said


def test_a_split_of_unequal_length_is_named() -> None:
    """The user has four arrays in hand, and must know which two."""
    with pytest.raises(fs.DataError, match=r"^val: 4 inputs but 1 targets: expected one target for each input$"):
        from_arrays(VALUES, LABELS, batch_size=2, val=(VALUES, [0]))


@given(seed=st.integers(0, 20), num_examples=st.integers(1, 50), noise=st.sampled_from([0.0, 0.01, 1.0]))
def test_points_lie_on_the_plane_but_for_the_noise(seed: int, num_examples: int, noise: float) -> None:
    """`features @ weights + bias`, as float64 computes it, within 6 deviations of the noise and float32's rounding."""
    weights = torch.tensor([2, -3.4])
    features, labels = synthetic_regression(weights, 4.2, num_examples, noise=noise, seed=seed)
    plane = features.double() @ weights.double()[:, None] + 4.2

    assert (features.shape, labels.shape) == ((num_examples, 2), (num_examples, 1))
    assert (labels - plane).abs().max() <= 6 * noise + 1e-5


def test_the_noise_has_its_deviation() -> None:
    """Over 20,000 samples within 5 standard errors, and the features' mean and deviation are 0 and 1."""
    features, labels = synthetic_regression(torch.tensor([1.0]), 0.0, 20_000, noise=0.5)

    assert (labels - features).std().item() == pytest.approx(0.5, abs=5 * 0.5 / 40_000**0.5)
    assert features.mean().item() == pytest.approx(0, abs=5 / 20_000**0.5)
    assert features.std().item() == pytest.approx(1, abs=5 / 40_000**0.5)


def test_whole_and_double_weights_are_taken() -> None:
    """A beginner's `torch.tensor([2, -3])` is a plane like any other."""
    made = [synthetic_regression(torch.tensor([2, -3]).to(kind), 1.0, 5)[1] for kind in (torch.float32, torch.int64)]

    assert torch.equal(made[0], made[1])


def test_blobs_are_clouds_of_equal_size() -> None:
    """Counts differ by at most one; each cloud has the deviation asked for around a centre of its own."""
    features, labels = synthetic_blobs(3_001, num_classes=4, num_features=3, spread=0.1)
    counts = torch.bincount(labels)
    clouds = [features[labels == label] for label in range(4)]

    assert (features.shape, int(counts.max() - counts.min())) == ((3_001, 3), 1)
    for cloud in clouds:
        assert cloud.std(dim=0).mean().item() == pytest.approx(0.1, abs=5 * 0.1 / (2 * 2250) ** 0.5)
    centres = torch.stack([cloud.mean(dim=0) for cloud in clouds])
    assert torch.pdist(centres).min() > 0.2


@pytest.mark.parametrize(
    "make",
    [
        lambda seed: synthetic_regression(torch.ones(2), 0.0, 9, seed=seed),
        lambda seed: synthetic_blobs(9, seed=seed),
    ],
    ids=["regression", "blobs"],
)
def test_made_data_are_fixed_by_the_seed(make: Any) -> None:
    """The same twice, others for another seed; the global generator stays where it was."""
    state = torch.get_rng_state()
    first, again, other = make(1), make(1), make(2)

    assert all(map(torch.equal, first, again))
    assert not torch.equal(first[0], other[0])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: synthetic_regression(torch.ones(1), 0.0, 0), "num_examples 0, noise 0.01: expected 1 or more"),
        (
            lambda: synthetic_regression(torch.ones(1), 0.0, 5, noise=-1.0),
            "num_examples 5, noise -1.0: expected 1 or more",
        ),
        (lambda: synthetic_blobs(0), "num_examples 0, num_classes 3"),
        (lambda: synthetic_blobs(5, num_classes=0), "num_examples 5, num_classes 0"),
        (
            lambda: synthetic_blobs(5, spread=-0.1),
            "num_examples 5, num_classes 3, num_features 2, spread -0.1: expected",
        ),
    ],
)
def test_made_data_need_numbers_in_range(make: Any, said: str) -> None:
    """The message holds the values and the ranges."""
    with pytest.raises(fs.ConfigError) as caught:
        make()

    assert str(caught.value).startswith(said)


def test_what_is_made_can_be_trained_on() -> None:
    """Closed form: least squares over the batches' own samples finds the plane, without noise exactly."""
    weights = torch.tensor([2, -3.4])
    features, labels = synthetic_regression(weights, 4.2, 100, noise=0.0)
    batches: list[tuple[Tensor, Tensor]] = list(train_of(features, labels))
    inputs, targets = (torch.cat(part) for part in zip(*batches, strict=True))
    solution = torch.linalg.lstsq(torch.cat([inputs, torch.ones(100, 1)], dim=1), targets).solution

    torch.testing.assert_close(solution.flatten(), torch.tensor([2, -3.4, 4.2]), rtol=0, atol=1e-4)
