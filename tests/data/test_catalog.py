"""The data sets that are known by name, compared with scikit-learn's copy and with the files read by numpy alone."""

import gzip
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

import fourstep as fs
from fourstep.data import Batches, Data
from fourstep.data.catalog import DATASETS, FASHION_MNIST, fetch_dataset, load_dataset, locate_dataset

NEEDS_FASHION_MNIST = pytest.mark.skipif(
    not FASHION_MNIST.system_folder.exists(), reason="needs Debian's dataset-fashion-mnist"
)


def splits(data: Data) -> dict[str, Batches]:
    """The splits, which a data set of the catalogue has as `Batches`."""
    found = {name: split for name, split in data.splits().items() if isinstance(split, Batches)}
    assert found.keys() == data.splits().keys()
    return found


def sorted_samples(data: Data) -> list[bytes]:
    """Every sample of every split with its label, as bytes, in an order of their own."""
    return sorted(
        bytes([*image.flatten().tolist(), int(label)])
        for split in splits(data).values()
        for image, label in zip(split.inputs, split.targets, strict=True)
    )


def test_digits_are_scikit_learns() -> None:
    """All 1,797 with their labels, in order, the values 0..16 scaled to 0..255 and rounded, which loses none."""
    oracle = load_digits()
    whole = splits(fs.data.digits(test=None))["train"]

    assert np.array_equal(whole.inputs[:, 0].numpy(), np.rint(oracle.images * 255 / 16))
    assert np.array_equal(np.rint(whole.inputs[:, 0].numpy() / 255 * 16), oracle.images)
    assert np.array_equal(whole.targets.numpy(), oracle.target)


def test_digits_as_a_data_set() -> None:
    """Bytes of shape (N, 1, 8, 8) in memory, floats in 0..1 by the batch, ten classes, a test split of a fifth."""
    data = fs.data.digits()
    parts = splits(data)
    inputs, targets = next(iter(parts["train"]))

    assert (data.name, data.classes) == ("digits", tuple("0123456789"))
    assert {name: part.num_items for name, part in parts.items()} == {"train": 1438, "test": 359}
    assert parts["train"].inputs.dtype == torch.uint8
    assert (inputs.shape, inputs.dtype, targets.dtype) == ((64, 1, 8, 8), torch.float32, torch.int64)
    assert (float(inputs.min()), float(inputs.max())) == (0, 1)


def test_digits_are_split_by_seed_and_class() -> None:
    """Each sample is in exactly one split, each class has the same shares, another seed splits otherwise."""
    whole, first, again, other = (
        fs.data.digits(test=None),
        fs.data.digits(val=0.1, seed=3),
        fs.data.digits(val=0.1, seed=3),
        fs.data.digits(val=0.1, seed=4),
    )
    counts = {name: torch.bincount(part.targets) for name, part in splits(first).items()}
    total = torch.bincount(splits(whole)["train"].targets)

    assert sorted_samples(first) == sorted_samples(whole) == sorted_samples(other)
    assert torch.equal(counts["val"], (total * 0.1).round().long())
    assert torch.equal(counts["test"], (total * 0.2).round().long())
    for name, part in splits(first).items():
        assert part.fingerprint() == splits(again)[name].fingerprint()
        assert part.fingerprint() != splits(other)[name].fingerprint()


def test_standardising_learns_from_the_training_split_alone() -> None:
    """Every split is shifted and scaled by the training split's own mean and deviation over its resized pixels."""
    data = fs.data.digits(size=28, standardize=True, val=0.1, batch_size=2000)
    pixels = splits(data)["train"].inputs.double() / 255
    mean, std = pixels.mean(), pixels.std(correction=0)

    for part in splits(data).values():
        part.seek(0)
        order = part.order(0)
        outputs, _ = next(iter(part))
        raw = part.inputs if order is None else part.inputs[order]
        torch.testing.assert_close(outputs, ((raw.double() / 255 - mean) / std).float())
    assert part.inputs.shape[1:] == (1, 28, 28)


def test_the_digits_come_with_their_attribution() -> None:
    """CC BY 4.0 asks for authors, source, licence and changes; all of it is small."""
    location = locate_dataset("digits")
    text = (location.folder / "digits.txt").read_text(encoding="utf-8")

    assert location.place == "package"
    assert fetch_dataset("digits") == location.folder
    for said in ("E. Alpaydin, C. Kaynak", "CC BY 4.0", "10.24432/C50P49", "Changes:"):
        assert said in text
    assert sum(path.stat().st_size for path in location.folder.iterdir()) <= 100_000


@pytest.fixture(scope="module")
def clothes() -> Data:
    """Fashion-MNIST as Debian brings it."""
    return fs.data.fashion_mnist(folder=FASHION_MNIST.system_folder)


def by_numpy(name: str, offset: int) -> Tensor:
    """The values in one of Debian's files."""
    content = gzip.decompress((FASHION_MNIST.system_folder / name).read_bytes())
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=offset).copy())


@NEEDS_FASHION_MNIST
def test_fashion_mnist_is_what_is_in_the_files(clothes: Data) -> None:
    """60,000 and 10,000 images with their labels, byte by byte, as numpy alone reads them."""
    for split, prefix, count in (("train", "train", 60_000), ("test", "t10k", 10_000)):
        part = splits(clothes)[split]

        assert part.inputs.shape == (count, 1, 28, 28)
        assert torch.equal(part.inputs.flatten(), by_numpy(f"{prefix}-images-idx3-ubyte.gz", 16))
        assert torch.equal(part.targets, by_numpy(f"{prefix}-labels-idx1-ubyte.gz", 8).long())
    assert clothes.name == "fashion-mnist"
    assert clothes.classes[0] == "t-shirt"
    assert clothes.classes[9] == "ankle boot"
    assert clothes.val is None


@NEEDS_FASHION_MNIST
def test_fashion_mnist_batches_are_the_plain_division(clothes: Data) -> None:
    """A batch is its bytes over 255, as torchvision's ToTensor divides them, bit for bit."""
    test = splits(clothes)["test"]
    inputs, targets = next(iter(test))

    assert torch.equal(inputs, test.inputs[:256].float().div(255))
    assert torch.equal(targets, test.targets[:256])


@NEEDS_FASHION_MNIST
def test_fashion_mnist_gives_a_share_to_val(no_cache: Path) -> None:
    """A tenth of each class's 6,000, out of the training images; the test split stays whole."""
    parts = splits(fs.data.fashion_mnist(val=0.1))

    assert torch.bincount(parts["train"].targets).tolist() == [5400] * 10
    assert torch.bincount(parts["val"].targets).tolist() == [600] * 10
    assert parts["test"].num_items == 10_000
    assert not no_cache.exists()


@NEEDS_FASHION_MNIST
def test_a_damaged_label_file_in_the_cache_is_passed_over(no_cache: Path) -> None:
    """One changed label is seen by the checksum, named, and the system's files are used."""
    folder = no_cache / "fashion-mnist"
    shutil.copytree(FASHION_MNIST.system_folder, folder)
    labels = folder / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[-1] ^= 1
    labels.write_bytes(gzip.compress(content, 1))

    with pytest.warns(fs.FourstepWarning, match=f"not used: {labels} has another content: its SHA-256 begins"):
        assert fetch_dataset("fashion-mnist") == FASHION_MNIST.system_folder


@NEEDS_FASHION_MNIST
def test_the_checksums_are_those_of_the_files() -> None:
    """They are of the unpacked content, so that another packer's files pass too."""
    for name, expected in FASHION_MNIST.sha256.items():
        content = gzip.decompress((FASHION_MNIST.system_folder / name).read_bytes())
        assert hashlib.sha256(content).hexdigest() == expected


@pytest.mark.usefixtures("no_cache")
def test_the_catalogue_says_what_is_so() -> None:
    """Name, image size, channels and classes of an entry are those of what it makes."""
    for name, info in DATASETS.items():
        if info.files is not None and not info.files.system_folder.exists():
            continue
        data = load_dataset(name)
        shape = splits(data)["train"].inputs.shape[1:]

        assert name == info.name == data.name
        assert shape == (info.channels, info.image_size, info.image_size)
        assert info.classes == data.classes
        assert len(info.classes) == splits(data)["train"].targets.max() + 1


def test_load_dataset_passes_settings_on() -> None:
    """The same as calling the function."""
    named, called = load_dataset("digits", size=12, seed=5, batch_size=100), fs.data.digits(size=12, seed=5)

    assert splits(named)["train"].fingerprint() == splits(called)["train"].fingerprint()
    assert splits(named)["train"].batch_size == 100


@pytest.mark.parametrize(
    ("name", "settings", "said"),
    [
        ("digit", {}, "unknown data set 'digit': did you mean 'digits'?"),
        ("imagenet", {}, "unknown data set 'imagenet': there are: digits, fashion-mnist"),
        ("digits", {"batchsize": 3}, "unknown setting of the data set digits 'batchsize': did you mean 'batch_size'?"),
        ("digits", {"batch_size": 0}, "batch_size 0: expected a whole number of 1 or more"),
        ("digits", {"size": 0}, "size 0: expected a whole number of 1 or more"),
        ("digits", {"test": 1.5}, "test=1.5: expected a fraction between 0 and 1"),
        ("digits", {"test": 0.6, "val": 0.5}, "val + test = 1.1: expected less than 1"),
        ("digits", {"seed": -1}, "seed -1: expected a whole number in 0..2**63 - 1"),
    ],
)
def test_a_wrong_name_or_setting_is_explained(name: str, settings: dict[str, Any], said: str) -> None:
    """One line, with the nearest name where there is one."""
    with pytest.raises(fs.ConfigError) as caught:
        load_dataset(name, **settings)

    assert str(caught.value).startswith(said)


def test_unknown_names_everywhere() -> None:
    """Looking for a data set and fetching it say the same."""
    for function in (locate_dataset, fetch_dataset):
        with pytest.raises(fs.UnknownNameError, match="unknown data set 'mnist'"):
            function("mnist")
