"""A data set's files in a folder of one's own, for programs that know nothing of fourstep."""

import gzip
import shutil
from pathlib import Path

import numpy as np

from fourstep.data.batches import Batches
from fourstep.data.catalog import DATASETS, digits, fetch_dataset
from fourstep.data.places import find_file
from fourstep.errors import UnknownNameError
from fourstep.files import atomic_write, make_folder

DIGITS = "digits.npz"


def copy_dataset(name: str, folder: str | Path) -> list[Path]:
    """Write a data set's files into a folder, which is made where it is not there.

    Args:
        name: `digits` becomes one file of numpy's, with `images` `(1797, 1, 8, 8)` in bytes and `labels` 0 to 9; others
            are the files that their authors published, packed by gzip.
        folder: what it holds of the same names is written over.

    Returns:
        The files.

    Raises:
        UnknownNameError: there is no such data set.
        DataFileError: it cannot be had, or the folder cannot be written to.
    """
    if name not in DATASETS:
        raise UnknownNameError.of("data set", name, DATASETS)
    folder = Path(folder)
    make_folder(folder)
    files = DATASETS[name].files
    if files is None:
        whole = digits(test=None).train
        assert isinstance(whole, Batches), "the catalog makes Batches"  # noqa: S101 - our own bug
        with atomic_write(folder / DIGITS) as part, part.open("wb") as file:
            np.savez(file, images=whole.inputs.numpy(), labels=whole.targets.numpy())
        return [folder / DIGITS]
    source = fetch_dataset(name)
    for file_name in files.sha256:
        found = find_file(source, file_name)
        with atomic_write(folder / file_name) as part:
            if found.suffix == ".gz":
                shutil.copyfile(found, part)
            else:
                part.write_bytes(gzip.compress(found.read_bytes()))
    return [folder / file_name for file_name in files.sha256]
