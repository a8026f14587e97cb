"""Files of arrays to a data set: numpy's, and those of the MNIST family.

Shapes: N samples, H and W height and width.
"""

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from fourstep.data.arrays import from_arrays
from fourstep.data.builders import check_builder
from fourstep.data.dataset import Data
from fourstep.data.idx import read_idx
from fourstep.data.places import find_file
from fourstep.data.sources.names import Names, find_pairs
from fourstep.data.sources.numpy_files import list_npz, map_npy, read_npz
from fourstep.errors import ConfigError
from fourstep.files import is_folder

HeldOutFiles: TypeAlias = float | tuple[str | Path, str | Path] | None
Pair: TypeAlias = tuple[Any, Any]

MNIST = {"train": "train", "test": "t10k"}  # how the names of the family's files begin
_KNOWN = ".npz, .npy, and IDX files (their names end in -ubyte or .gz, or have .idx in them)"


def from_file(
    path: str | Path,
    targets: str | Path | None = None,
    *,
    batch_size: int,
    names: Names = None,
    val: HeldOutFiles = None,
    test: HeldOutFiles = None,
    **settings: Any,
) -> Data:
    """A data set from files of arrays; no file is trusted further than it holds, and none is unpickled.

    - `from_file("data.npz", ...)`: an archive of numpy's. Found are the names `x` and `y`, `inputs` and `targets`,
      `images` and `labels`, `features`, `data` or `target`, also with a split, as in Keras's `mnist.npz`: `x_train`,
      `y_train`, `x_test`, `y_test`.
    - `from_file("inputs.npy", "targets.npy", ...)`: memory-mapped.
    - `from_file("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", ...)`: IDX files, plain or packed.
    - `from_file("folder", ...)`: a folder with the four files of MNIST under their names.

    Args:
        path: the file, or a folder.
        targets: the file of the targets, where they are not in `path`.
        batch_size: samples per batch, 1 or more.
        names: of a `.npz` file's arrays: `("inputs", "targets")`, or a pair for each split,
            `{"train": ("a", "b"), "test": ("c", "d")}`.
        val: the share of the samples to choose by, in (0, 1); or a pair of files.
        test: the share to judge by, likewise; None takes what is there.
        settings: others of `from_arrays`, such as `stratify`, `seed`, `classes` and `name`.

    Returns:
        `Data`. Bytes `(N, H, W)` are grey images and become `(N, 1, H, W)`; all else is as it lies in the file.

    Raises:
        ConfigError: a number out of range, a file that another function reads, or a split that is asked for twice.
        DataError: arrays without names to go by, of different length, empty, or no numbers.
        DataFileError: a file is missing, damaged, or would fill the memory.
    """
    pairs = _read(Path(path), None if targets is None else Path(targets), names)
    for split, held in (("val", val), ("test", test)):
        if held is not None and split in pairs:
            raise ConfigError(f"{split}={str(held)[:60]}, but {path} has a {split} split of its own. Leave {split} out")
        if isinstance(held, tuple | list):
            if len(held) != 2:  # noqa: PLR2004 - a pair
                raise ConfigError(f"{split} has {len(held)} parts: expected a fraction, or a pair of files")
            pairs[split] = _read_pair(Path(held[0]), Path(held[1]))
    val, test = pairs.get("val", val), pairs.get("test", test)
    settings = {"name": Path(path).name.split(".")[0], **settings}
    return from_arrays(*pairs["train"], batch_size=batch_size, val=val, test=test, **settings)


def _read(path: Path, targets: Path | None, names: Names) -> dict[str, Pair]:
    """The arrays by split."""
    is_archive = path.suffix.lower() == ".npz"
    if names is not None and not is_archive:
        raise ConfigError(f"names are given, but {path} is no .npz file: expected names for such a file alone")
    if targets is not None:
        if is_archive:
            raise ConfigError(
                f"{path} holds several arrays: expected no second file. Choose by names=(inputs, targets)"
            )
        return {"train": _read_pair(path, targets)}
    if is_archive:
        pairs = find_pairs(list_npz(path), names, str(path))
        arrays = read_npz(path, {name for pair in pairs.values() for name in pair})
        return {split: (_grey(arrays[first]), arrays[second]) for split, (first, second) in pairs.items()}
    if is_folder(path) and (found := _mnist_files(path)):
        return {split: _read_pair(*pair) for split, pair in found.items()}
    _check_ending(path)
    raise ConfigError(
        f"{path} holds one array: expected two files. Mend: fourstep.data.from_file(inputs, targets, ...)"
    )


def _mnist_files(folder: Path) -> dict[str, tuple[Path, Path]]:
    """The files of the MNIST family that are there, plain or packed, by split."""
    found = {
        split: (find_file(folder, f"{start}-images-idx3-ubyte.gz"), find_file(folder, f"{start}-labels-idx1-ubyte.gz"))
        for split, start in MNIST.items()
    }
    return found if found["train"][0].exists() else {}


def _read_pair(inputs: Path, targets: Path) -> Pair:
    return _grey(_read_one(inputs)), _read_one(targets)


def _read_one(path: Path) -> Any:
    _check_ending(path)
    return map_npy(path) if path.suffix.lower() == ".npy" else read_idx(path)


def _check_ending(path: Path) -> None:
    """Refuse what is no file of one array, by its name.

    Raises:
        ConfigError: it is not.
    """
    check_builder(path, "from_file")
    name = path.name.lower()
    if path.suffix.lower() in (".pt", ".pth", ".pkl", ".pickle"):
        raise ConfigError(
            f"{path} is pickled, and would run what is in it: expected {_KNOWN}. If you trust it, load it with its own "
            "library and pass the arrays to fourstep.data.from_arrays"
        )
    if not name.endswith((".npy", "-ubyte", ".gz")) and ".idx" not in name:
        raise ConfigError(
            f"{path} has an ending that is not known: expected {_KNOWN}. Read it with the library that wrote it, and "
            "pass the arrays to fourstep.data.from_arrays"
        )


def _grey(array: Any) -> Any:
    """Images of bytes without a dimension for channels get one."""
    return array[:, None] if array.dtype in (np.uint8, torch.uint8) and array.ndim == 3 else array  # noqa: PLR2004 - N, H, W
