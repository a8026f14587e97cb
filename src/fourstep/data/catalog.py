"""Data sets that are known by name.

Shapes: N images, S height and width, K classes.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from torch import Tensor

from fourstep.data.arrays import from_arrays
from fourstep.data.dataset import Data
from fourstep.data.idx import read_idx
from fourstep.data.images import resize_splits
from fourstep.data.places import FileSet, Location, locate_files, read_files
from fourstep.data.split import hold_out
from fourstep.errors import UnknownNameError

Pair: TypeAlias = tuple[Tensor, Tensor]

_ASSETS = Path(__file__).with_name("assets")
_DIGITS = tuple("0123456789")
_CLOTHES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")

FASHION_MNIST = FileSet(
    name="fashion-mnist",
    sha256={
        "train-images-idx3-ubyte.gz": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte.gz": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte.gz": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte.gz": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
    mirrors=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",  # the authors' own; it has no https
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    system_folder=Path("/usr/share/datasets/fashion-mnist"),  # Debian: dataset-fashion-mnist
)


def digits(
    *,
    batch_size: int = 64,
    size: int = 8,
    test: float | None = 0.2,
    val: float | None = None,
    standardize: bool = False,
    seed: int = 0,
) -> Data:
    """1,797 handwritten digits of 13 people, grey; they come with the package.

    Args:
        batch_size: samples per batch, 1 or more.
        size: S, height and width in pixels, 1 or more; 8 as they are.
        test: share of the images to judge by, in (0, 1); every class has the same share. None holds nothing out.
        val: share to choose by while training: likewise.
        standardize: shift and scale inputs to mean 0 and deviation 1 over the training split; else they are in 0..1.
        seed: fixes the split and the order of every epoch; 0 or more.

    Returns:
        Inputs `(N, 1, S, S)`, bytes until the batch; targets 0..9.

    Raises:
        ConfigError: a number out of range.
        DataError: too few images of a class for the shares.

    Source: E. Alpaydin and C. Kaynak, "Optical Recognition of Handwritten Digits", UCI Machine Learning Repository,
    1998, doi 10.24432/C50P49, CC BY 4.0: its test set. Each value counts the dark ones among 4 x 4 pixels, 0..16; here
    it is scaled to 0..255 and rounded.
    """
    images = read_idx(_ASSETS / "digits-images-idx3-ubyte.gz")
    labels = read_idx(_ASSETS / "digits-labels-idx1-ubyte.gz").long()
    images = ((images.int() * 255 + 8) // 16).byte()
    held = {split: share for split, share in (("val", val), ("test", test)) if share is not None}
    parts = _hold_out(images[:, None], labels, held, seed)
    return _make_data(parts, batch_size, size, seed, standardize=standardize, classes=_DIGITS, name="digits")


def fashion_mnist(
    *,
    batch_size: int = 256,
    size: int = 28,
    val: float | None = None,
    standardize: bool = False,
    seed: int = 0,
    folder: str | Path | None = None,
) -> Data:
    """60,000 images of clothes to train on and 10,000 to test, grey, in ten classes.

    The four files are looked for in the cache (`FOURSTEP_CACHE`, else the user's cache folder), then where Debian's
    package `dataset-fashion-mnist` puts them, then downloaded into the cache (31 MB). Their content is verified always.

    Args:
        batch_size: samples per batch, 1 or more.
        size: S, height and width in pixels, 1 or more; 28 as they are.
        val: share of the training images to choose by, in (0, 1), the same of each class. None holds nothing out.
        standardize: shift and scale inputs to mean 0 and deviation 1 over the training split; else they are in 0..1.
        seed: fixes the split and the order of every epoch; 0 or more.
        folder: read the files there and nowhere else.

    Returns:
        Inputs `(N, 1, S, S)`, bytes until the batch; targets 0..9. Where all images would take more than 1 GiB in
        that size (S above 123), they stay 28 x 28 in memory and each batch is resized.

    Raises:
        ConfigError: a number out of range.
        DataFileError: a file is missing or damaged, or cannot be downloaded.

    Source: H. Xiao, K. Rasul and R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms", 2017, arXiv:1708.07747, MIT licence.
    """
    _, files = read_files(FASHION_MNIST, folder)
    images, labels, test_images, test_labels = files.values()
    parts = _hold_out(images[:, None], labels.long(), {} if val is None else {"val": val}, seed)
    parts["test"] = test_images[:, None], test_labels.long()
    return _make_data(parts, batch_size, size, seed, standardize=standardize, classes=_CLOTHES, name="fashion-mnist")


def _hold_out(images: Tensor, labels: Tensor, shares: Mapping[str, float], seed: int) -> dict[str, Pair]:
    return hold_out(images, labels, shares, seed=seed, stratify=True) if shares else {"train": (images, labels)}


def _make_data(
    parts: Mapping[str, Pair],
    batch_size: int,
    size: int,
    seed: int,
    *,
    standardize: bool,
    classes: tuple[str, ...],
    name: str,
) -> Data:
    resized, prepare = resize_splits(parts, size, standardize=standardize)
    train = resized.pop("train")
    return from_arrays(
        *train,
        batch_size=batch_size,
        val=resized.get("val"),
        test=resized.get("test"),
        seed=seed,
        classes=classes,
        prepare=prepare,
        name=name,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class DatasetInfo:
    """What is known about a data set without loading it.

    Attributes:
        name: as `load_dataset` and the command know it.
        title: in a few words.
        make: builds the `Data`; keyword settings with defaults.
        source: whom to cite, and where it is described.
        licence: its short name.
        image_size: height and width in pixels, as `make` gives them unless asked for another `size`.
        channels: per image.
        classes: their names, in the order of their indices.
        files: what must be had first; None where it is in the package.
    """

    name: str
    title: str
    make: Callable[..., Data]
    source: str
    licence: str
    image_size: int
    channels: int
    classes: tuple[str, ...]
    files: FileSet | None = None


DATASETS: dict[str, DatasetInfo] = {
    "digits": DatasetInfo(
        name="digits",
        title="1,797 handwritten digits",
        make=digits,
        source="E. Alpaydin, C. Kaynak 1998, doi.org/10.24432/C50P49",
        licence="CC BY 4.0",
        image_size=8,
        channels=1,
        classes=_DIGITS,
    ),
    "fashion-mnist": DatasetInfo(
        name="fashion-mnist",
        title="70,000 images of clothes",
        make=fashion_mnist,
        source="H. Xiao, K. Rasul, R. Vollgraf 2017, arXiv:1708.07747",
        licence="MIT",
        image_size=28,
        channels=1,
        classes=_CLOTHES,
        files=FASHION_MNIST,
    ),
}


def load_dataset(name: str, **settings: Any) -> Data:
    """The data set of that name.

    Args:
        name: one of `DATASETS`.
        settings: what its function takes, such as `batch_size`, `size`, `val`, `standardize`, `seed`.

    Raises:
        UnknownNameError: there is no such data set, or it takes no such setting.
        FourstepError: what its function raises.

    >>> load_dataset("digits", batch_size=100).train
    Batches(1438 samples of uint8 1x8x8, 15 batches of 100)
    """
    make = find_dataset(name).make
    known = inspect.signature(make).parameters
    for setting in settings:
        if setting not in known:
            raise UnknownNameError.of(f"setting of the data set {name}", setting, known)
    return make(**settings)


def locate_dataset(name: str) -> Location:
    """Where a data set is now; looks at names, not into files.

    Raises:
        UnknownNameError: there is no such data set.
    """
    files = find_dataset(name).files
    return Location(place="package", folder=_ASSETS) if files is None else locate_files(files)


def fetch_dataset(name: str) -> Path:
    """Download a data set, or verify what is there; the folder where it is.

    Raises:
        UnknownNameError: there is no such data set.
        DataFileError: a download failed.
    """
    files = find_dataset(name).files
    return _ASSETS if files is None else read_files(files)[0]


def find_dataset(name: str) -> DatasetInfo:
    """What is known of a data set; an `UnknownNameError` where there is none of that name."""
    if name not in DATASETS:
        raise UnknownNameError.of("data set", name, DATASETS)
    return DATASETS[name]
