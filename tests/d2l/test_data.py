"""Batches in the order of the article's `DataLoader`."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep import d2l
from fourstep.data.images import resize_images
from fourstep.errors import ConfigError, DataError

FASHION_MNIST = Path("/usr/share/datasets/fashion-mnist")  # Debian's package dataset-fashion-mnist


@given(num=st.integers(1, 40), batch_size=st.integers(1, 50), is_train=st.booleans(), seed=st.integers(0, 2**31))
def test_load_array_is_the_articles(num: int, batch_size: int, *, is_train: bool, seed: int) -> None:
    """Two passes equal those of `DataLoader(TensorDataset)` under one seed, and leave torch's generator as it does."""
    arrays = torch.arange(2.0 * num).reshape(num, 2), torch.arange(num, dtype=torch.uint8)
    passes, states = [], []
    for batches in (
        d2l.load_array(arrays, batch_size, is_train),
        DataLoader(TensorDataset(*arrays), batch_size, shuffle=is_train),
    ):
        torch.manual_seed(seed)
        passes.append([[tensor.tolist() for tensor in batch] for _ in range(2) for batch in batches])
        states.append(torch.get_rng_state())
        assert len(batches) == -(-num // batch_size)

    assert passes[0] == passes[1]
    assert torch.equal(*states)


def test_load_array_keeps_values_as_they_are() -> None:
    """Bytes stay bytes, as in a TensorDataset; nothing is scaled."""
    features = torch.tensor([[200], [255]], dtype=torch.uint8)
    inputs, _ = next(iter(d2l.load_array((features, torch.tensor([0, 1])), 2, is_train=False)))
    assert torch.equal(inputs, features)


@pytest.mark.parametrize("number", [1, 3, 4])
def test_any_number_of_arrays_makes_batches(number: int) -> None:
    """The batches of the book's `TensorDataset`, in the same order under a seed."""
    arrays = tuple(torch.randn(7, 2) for _ in range(number))
    torch.manual_seed(3)
    ours = list(d2l.load_array(arrays, 3))
    torch.manual_seed(3)
    expected = list(DataLoader(TensorDataset(*arrays), 3, shuffle=True))

    assert len(ours) == len(expected) == 3
    for batch, other in zip(ours, expected, strict=True):
        assert all(torch.equal(one, its) for one, its in zip(batch, other, strict=True))


@pytest.mark.usefixtures("unchecked_types")
def test_a_batch_size_of_numpy_s_cuts_batches() -> None:
    """As `len(y) // np.int64(2)` gives one."""
    size: Any = np.int64(3)
    assert [len(y) for _, y in d2l.load_array((torch.zeros(5, 2), torch.zeros(5)), size)] == [3, 2]


def test_load_array_refuses_what_is_no_pair_of_tensors() -> None:
    """The tuple forgotten, nothing, numpy arrays, other lengths, batch size 0."""
    features, labels = torch.zeros(4, 2), torch.zeros(4)
    with pytest.raises(
        DataError, match=r"data_arrays is one tensor: expected .* load_array\(\(features, labels\), batch_size\)"
    ):
        d2l.load_array(features, 2)
    with pytest.raises(DataError, match=r"data_arrays holds 0 \(\): expected tensors"):
        d2l.load_array((), 2)
    with pytest.raises(DataError, match=r"holds tensors of \[4, 4, 3\] samples: expected as many in each"):
        d2l.load_array((features, labels, labels[:3]), 2)
    with pytest.raises(
        DataError, match=r"data_arrays holds 2 \(ndarray, Tensor\): .* torch\.tensor\(array, dtype=torch\.float32\)"
    ):
        d2l.load_array((features.numpy(), labels), 2)
    with pytest.raises(DataError, match="4 inputs but 3 targets"):
        d2l.load_array((features, labels[:3]), 2)
    with pytest.raises(ConfigError, match="batch_size 0: expected"):
        d2l.load_array((features, labels), 0)


def test_labels_have_the_books_names() -> None:
    """Indices, floats or a tensor of them; what is no class is said."""
    names = ["t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"]
    assert [name.replace(" ", "-") for name in d2l.get_fashion_mnist_labels(torch.arange(10))] == names
    for wrong in (10, -1):
        with pytest.raises(ConfigError, match=rf"label {wrong} is no class of Fashion-MNIST: expected 0\.\.9"):
            d2l.get_fashion_mnist_labels([0, wrong])


def test_no_workers_are_needed() -> None:
    """Processes that read are a trap where they start by spawning."""
    assert d2l.get_dataloader_workers() == 0


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_load_data_fashion_mnist_gives_the_books_batches() -> None:
    """Real images as `ToTensor` makes them: the training split in a shuffling loader's order, the test in its own."""
    whole = fs.data.fashion_mnist(batch_size=256)
    train_set: Any = whole.train
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    torch.manual_seed(5)
    inputs, targets = next(iter(train_iter))
    torch.manual_seed(5)
    expected = next(iter(DataLoader(TensorDataset(torch.arange(60_000)), 256, shuffle=True)))[0]

    assert (len(train_iter), len(test_iter)) == (235, 40)
    assert torch.equal(targets, train_set.targets[expected])
    assert torch.equal(inputs, train_set.inputs[expected].float().div(255))
    assert (inputs.shape, inputs.dtype, targets.dtype) == ((256, 1, 28, 28), torch.float32, torch.int64)
    assert 0 == inputs.min() < inputs.max() == 1
    with gzip.open(FASHION_MNIST / "t10k-labels-idx1-ubyte.gz") as file:
        assert bytes(next(iter(test_iter))[1].tolist()) == file.read()[8:264]


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
@pytest.mark.parametrize(("size", "is_kept"), [(12, True), (130, False)])
def test_images_are_resized_once_or_batch_by_batch(size: int, *, is_kept: bool) -> None:
    """As bytes, so that both ways give the same pixels; what would take more than 1 GiB is not kept."""
    test_iter = d2l.load_data_fashion_mnist(8, resize=size)[1]
    images = next(iter(test_iter))[0]
    first = d2l.load_data_fashion_mnist(8)[1].inputs[:8]
    assert (test_iter.inputs.shape[-1] == size) is is_kept
    assert torch.equal(images, resize_images(first, size).float().div(255))


@pytest.mark.skipif(not FASHION_MNIST.is_dir(), reason="needs Debian's package dataset-fashion-mnist")
def test_resize_is_checked() -> None:
    """Before anything is read."""
    with pytest.raises(ConfigError, match="resize 0: expected a whole number of 1 or more"):
        d2l.load_data_fashion_mnist(8, resize=0)
