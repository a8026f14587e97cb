"""Batches for the book's loops, in the very order that its `DataLoader` would take under `torch.manual_seed`.

Source: *Dive into Deep Learning*, sections 3.3 and 3.5.
"""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, overload

from jaxtyping import Shaped
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from fourstep.data.batches import Batches
from fourstep.data.catalog import DATASETS, fashion_mnist
from fourstep.data.dataset import Data
from fourstep.data.order import loader_order
from fourstep.errors import ConfigError, DataError, DataFileError, FourstepWarning, check_count

BOOKS_FOLDER = Path("..", "data", "FashionMNIST", "raw")  # where the book's own cells let torchvision put the files


@overload
def load_array(data_arrays: tuple[Tensor, Tensor], batch_size: int, is_train: bool = True) -> Batches: ...  # noqa: FBT001, FBT002 - the book's signature


@overload
def load_array(
    data_arrays: Any,
    batch_size: int,
    is_train: bool = True,  # noqa: FBT001, FBT002 - as above
) -> "Batches | DataLoader[tuple[Tensor, ...]]": ...


def load_array(
    data_arrays: Any,
    batch_size: int,
    is_train: bool = True,  # noqa: FBT001, FBT002 - the book's signature
) -> "Batches | DataLoader[tuple[Tensor, ...]]":
    """Batches of tensors: those of `DataLoader(TensorDataset(*data_arrays), batch_size, shuffle=is_train)`.

    Args:
        data_arrays: tensors of N samples each. The pair `(features, labels)` gives `Batches`, which are faster; another
            number of them that `DataLoader` itself.
        batch_size: samples per batch, 1 or more; the last batch is shorter where it does not divide N.
        is_train: take the samples in a new random order each pass, drawn from torch's global generator; else in order.

    Returns:
        An iterable of `(X, y)`, or of as many tensors as were given, with a length.

    Raises:
        ConfigError: `batch_size` is below 1.
        DataError: something else than tensors, tensors of different length, or no samples.

    >>> import torch
    >>> features, labels = torch.arange(6.0).reshape(3, 2), torch.arange(3)
    >>> [y.tolist() for X, y in load_array((features, labels), 2, is_train=False)]
    [[0, 1], [2]]
    """
    if isinstance(data_arrays, Tensor):
        raise DataError(
            "data_arrays is one tensor: expected the pair in brackets, load_array((features, labels), batch_size)"
        )
    check_count("batch_size", batch_size)
    arrays = tuple(data_arrays)
    kinds = ", ".join(type(array).__name__ for array in arrays)
    if not arrays or not all(isinstance(array, Tensor) for array in arrays):
        raise DataError(
            f"data_arrays holds {len(arrays)} ({kinds}): expected tensors, such as (features, labels). "
            "An array becomes one by torch.tensor(array, dtype=torch.float32)"
        )
    if len(arrays) == 2:  # noqa: PLR2004 - a pair
        return pair_batches(*arrays, batch_size=batch_size, is_train=is_train)
    lengths = [array.shape[0] if array.dim() else 0 for array in arrays]
    if 0 in lengths or len(set(lengths)) > 1:
        raise DataError(f"data_arrays holds tensors of {lengths} samples: expected as many in each, and at least one")
    return DataLoader(TensorDataset(*arrays), int(batch_size), shuffle=is_train)


def pair_batches(
    features: Shaped[Tensor, "N ..."], labels: Shaped[Tensor, "M ..."], *, batch_size: int, is_train: bool = True
) -> Batches:
    """`load_array` of two tensors; see there."""
    order = loader_order(len(features) if features.dim() else 0, shuffle=is_train)
    return Batches(features, labels, batch_size=batch_size, order=order, prepare=_as_it_is)


def _as_it_is(inputs: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
    return inputs


def load_data_fashion_mnist(batch_size: int, resize: int | None = None) -> tuple[Batches, Batches]:
    """Fashion-MNIST's 60,000 training and 10,000 test images.

    The files are taken from `../data/FashionMNIST/raw` where the book's own code has left them there; else
    `fourstep.data.fashion_mnist` says where from.

    Args:
        batch_size: samples per batch, 1 or more.
        resize: height and width in pixels; None for 28. All images are resized at once and kept as bytes while they are
            1 GiB at most; larger ones (124 and more) batch by batch.

    Returns:
        The training batches, in a new random order each pass, and the test batches, in order: images `(B, 1, H, W)`,
        float32 in 0..1, and labels `(B,)`, int64.

    Raises:
        ConfigError: a number below 1.
        DataFileError: the files are missing or damaged, or cannot be downloaded.

    Warns:
        FourstepWarning: a file in the book's folder is missing or damaged; the next place is tried.
    """
    if resize is not None:
        check_count("resize", resize)
    data = _fashion_mnist(batch_size, 28 if resize is None else resize)

    def batches(split: Any, *, shuffle: bool) -> Batches:
        order = loader_order(split.num_items, shuffle=shuffle)
        return Batches(split.inputs, split.targets, batch_size=batch_size, order=order, prepare=split.prepare)

    return batches(data.train, shuffle=True), batches(data.test, shuffle=False)


def _fashion_mnist(batch_size: int, size: int) -> Data:
    if BOOKS_FOLDER.is_dir():
        try:
            return fashion_mnist(batch_size=batch_size, size=size, folder=BOOKS_FOLDER)
        except DataFileError as error:
            warnings.warn(f"not used: {error}", FourstepWarning, stacklevel=3)
    return fashion_mnist(batch_size=batch_size, size=size)


def get_fashion_mnist_labels(labels: Iterable[int] | Tensor) -> list[str]:
    """The classes' names.

    Args:
        labels: class indices, each 0..9.

    Raises:
        ConfigError: an index that is no class.

    >>> get_fashion_mnist_labels([0, 9])
    ['t-shirt', 'ankle boot']
    """
    classes = DATASETS["fashion-mnist"].classes
    indices = [int(label) for label in labels]
    wrong = [index for index in indices if not 0 <= index < len(classes)]
    if wrong:
        raise ConfigError(f"label {wrong[0]} is no class of Fashion-MNIST: expected 0..{len(classes) - 1}")
    return [classes[index] for index in indices]


def get_dataloader_workers() -> int:
    """How many processes should read for a `DataLoader`: none.

    The book says 4. Data in memory is read faster without, and on Windows and macOS they need a guarded `__main__`.
    """
    return 0
