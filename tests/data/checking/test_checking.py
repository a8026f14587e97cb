"""What `data.check()` finds: each fault planted alone, beside the sound data without it."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor

import fourstep as fs
from fourstep.data.checking import Finding
from fourstep.data.checking.twins import hash_samples

CLASSES = ("cat", "dog", "eel")


def sound(num: int = 120) -> tuple[Tensor, Tensor]:
    """Rows about 0 and 1 in three classes of the same size."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(num, 5, generator=generator), torch.arange(num) % 3


def names(findings: list[Finding]) -> list[str]:
    """What was found, in order."""
    for finding in findings:
        assert len(str(finding).splitlines()) == 1
    return [finding.name for finding in findings]


def test_sound_data_has_no_finding() -> None:
    """Rows, digits and clothes that are as they should be."""
    assert fs.data.from_arrays(*sound(), batch_size=10, val=0.2, test=0.2, classes=CLASSES).check() == []
    assert fs.data.digits(val=0.1).check() == []


def test_labels_out_of_range_are_counted() -> None:
    """`from_arrays` refuses them; batches that were made by hand are looked at here."""
    inputs, targets = sound()
    targets[7], targets[9] = 3, -1
    data = fs.Data(train=fs.Batches(inputs, targets, batch_size=10), classes=CLASSES)
    (found,) = data.check()

    assert found.name == "labels out of range"
    assert "2 of 120, the first is 3 of sample 7" in found.text


def test_labels_of_pixels_may_be_ignored() -> None:
    """By -100, as `from_arrays` takes them; of others it is told which sample they are in."""
    inputs, targets = sound()
    masks = targets[:, None, None].repeat(1, 2, 2)
    masks[:, 0, 0] = -100
    assert fs.data.from_arrays(inputs, masks, batch_size=10, classes=CLASSES).check() == []

    masks[7, 1, 0] = 3
    (found,) = fs.Data(train=fs.Batches(inputs, masks, batch_size=10), classes=CLASSES).check()
    assert "1 of 480, the first is 3 of sample 7" in found.text
    (found,) = fs.Data(train=fs.Batches(inputs, masks.to(torch.uint8), batch_size=10), classes=CLASSES).check()
    assert "121 of 480, the first is 156 of sample 0" in found.text  # a byte is no number below 0


def test_one_class_alone_and_missing_classes_are_told() -> None:
    """A validation split sorted by class, and a class that only it has."""
    inputs, targets = sound()
    dogs = inputs[targets == 1], targets[targets == 1]
    cats = inputs[targets == 0], targets[targets == 0]
    data = fs.data.from_arrays(*cats, batch_size=10, val=dogs, classes=CLASSES)
    found = data.check()

    assert names(found) == ["one class alone", "one class alone", "classes without training samples"]
    assert [one.where for one in found] == ["train", "val", "train"]
    assert found[0].text == "all 40 samples are 'cat'"
    assert found[2].text == "2 of 3: dog, eel; 40 samples are judged"


def test_unequal_classes_are_told_from_twenty_times_on() -> None:
    """With the largest and the smallest."""
    inputs, _ = sound()
    for few, expected in ((6, []), (5, ["unequal classes"])):
        targets = torch.zeros(120, dtype=torch.int64)
        targets[:few] = 1
        targets[few : 2 * few] = 2
        targets = targets[: 12 * few] if few == 6 else targets
        data = fs.data.from_arrays(inputs[: len(targets)], targets, batch_size=10, classes=CLASSES)
        assert names(data.check()) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_told_by_their_sample(value: float) -> None:
    """In inputs and in targets, in any split."""
    inputs, _ = sound()
    wrong = inputs.clone()
    wrong[3, 1] = wrong[5, 0] = value
    data = fs.data.from_arrays(inputs, inputs[:, :1], batch_size=10, test=(wrong, inputs[:, :1]))
    first = data.check()[0]
    assert (first.where, first.name) == ("test", "inputs that are not finite")
    assert "in 2 of 120 samples, the first is number 3" in first.text
    assert fs.data.from_arrays(inputs, wrong, batch_size=10).check()[0].name == "targets that are not finite"


@pytest.mark.parametrize("change", [lambda x: x * 1000, lambda x: x + 500])
def test_unscaled_inputs_are_told(change: object) -> None:
    """As the model sees them: far from 0, or wide."""
    assert callable(change)
    inputs, targets = sound()
    data = fs.data.from_arrays(change(inputs), targets, batch_size=10, classes=CLASSES)
    assert names(data.check()) == ["unscaled inputs"]


def test_bytes_are_scaled_by_their_batches() -> None:
    """0..255 in memory is 0..1 for the model."""
    images = torch.randint(256, (60, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    data = fs.data.from_arrays(images, torch.arange(60) % 3, batch_size=10, classes=CLASSES)
    assert data.check() == []
    images[4] = 7
    assert names(data.check()) == ["empty samples"]


def test_samples_in_two_splits_are_found_by_every_byte() -> None:
    """Also among bytes whose number is no multiple of eight; one that differs in a single bit is another."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (90, 1, 3, 5), dtype=torch.uint8, generator=generator)
    targets = torch.arange(90) % 3
    test = images[[4, 9, 11]].clone()
    test[2, 0, 2, 4] ^= 1
    data = fs.data.from_arrays(images, targets, batch_size=10, test=(test, targets[[4, 9, 11]]), classes=CLASSES)
    (found,) = [one for one in data.check() if one.name != "unequal classes"]

    assert found.where == "train and test"
    assert found.text == "2 of 3 in test are in train too: number 0 is 4"


def test_rows_that_are_alike_by_nature_are_no_finding() -> None:
    """A table of few values repeats itself within a split too."""
    rows = torch.randint(2, (200, 3), generator=torch.Generator().manual_seed(0)).float()
    data = fs.data.from_arrays(rows, torch.arange(200) % 2, batch_size=10, test=0.5, classes=("no", "yes"))
    assert names(data.check()) == []


def test_hashes_are_equal_for_equal_bytes_alone() -> None:
    """100,000 rows that differ in one bit or more have as many hashes."""
    rows = torch.arange(100_000).view(-1, 1)
    assert len(np.unique(hash_samples(rows))) == 100_000
    assert (hash_samples(rows.flip(0))[::-1] == hash_samples(rows)).all()


def test_constant_columns_and_those_that_give_the_target_away_are_named() -> None:
    """A number, a class by a number of its own, and a category that says the class."""
    inputs, targets = sound()
    inputs[:, 2] = 4.0
    inputs[:, 3] = (targets == 2) * 2.0 - 1
    data = fs.data.from_arrays(inputs, targets, batch_size=10, classes=CLASSES)
    constant, away = data.check()

    assert (constant.name, constant.text) == ("constant columns", "1 of 5: column 2")
    assert (away.name, away.where) == ("a column that gives the target away", "column 3")


def test_the_columns_of_a_table_are_called_by_their_names() -> None:
    """Also the code of a category that says the class."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 3, 300)
    frame = pl.DataFrame(
        {
            "size": draw.standard_normal(300),
            "town": draw.choice(["a", "b", "c"], 300),
            "verdict": np.array(["no", "yes", "maybe"])[labels],
            "label": np.array(CLASSES)[labels],
        }
    )
    found = fs.data.from_table(frame, target="label").check()

    assert [(one.name, one.where) for one in found] == [("a column that gives the target away", "verdict")]
    assert fs.data.from_table(frame.drop("verdict"), target="label").check() == []


def test_what_is_no_batches_is_left_out() -> None:
    """A loader of one's own is not gone through."""
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*sound()), batch_size=10)
    assert fs.Data(train=loader, classes=CLASSES).check() == []
