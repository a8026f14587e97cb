"""numpy's files: one array, or several by name, none of them unpacked or trusted further than it holds.

Source of the formats: numpy's `lib/format.py`, "Format Version 1.0"; `.npz` is a ZIP archive of `.npy` files.
"""

import math
import os
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from fourstep.data.idx import HARMLESS, USUAL_RATIO
from fourstep.errors import DataError, DataFileError
from fourstep.files import open_plain, reason

_LARGEST_HEADER = 2**16  # bytes; numpy's own limit is 10,000
_NUMBERS = "biuf"  # numpy's kinds: truth values, whole numbers, fractions
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # that numpy writes
_ENCRYPTED = 1  # a bit of ZIP's flags


def map_npy(path: str | Path) -> NDArray[Any]:
    """The array in a `.npy` file, memory-mapped: only what is looked at is read, and nothing can be written.

    Raises:
        DataError: it holds objects, texts or other things that are no numbers, or nothing.
        DataFileError: the file is missing, no `.npy` file, or of another length than its header says.
    """
    with _readable(path, "a .npy file"), open_plain(path) as file:
        _check_header(file.read(_LARGEST_HEADER), os.fstat(file.fileno()).st_size, str(path))
        mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def list_npz(path: str | Path) -> list[str]:
    """The names of the arrays in a `.npz` file, in their order.

    Raises:
        DataFileError: the file is missing, or no `.npz` file.
    """
    with _readable(path, "a .npz file"), open_plain(path) as file, zipfile.ZipFile(file) as archive:
        return list(_members(archive))


def read_npz(path: str | Path, names: Iterable[str]) -> dict[str, NDArray[Any]]:
    """Some of the arrays in a `.npz` file.

    Args:
        path: the file.
        names: of these arrays, as `list_npz` has them.

    Raises:
        DataError: one of them holds objects, texts or other things that are no numbers, or nothing.
        DataFileError: the file is damaged; an array has another length than its header says, or would fill the memory.
    """
    with _readable(path, "a .npz file"), open_plain(path) as file, zipfile.ZipFile(file) as archive:
        members = _members(archive)
        chosen = {name: members[name] for name in names}
        _check_packing(chosen, os.fstat(file.fileno()).st_size, path)
        return {name: _read_member(archive, info, f"{name!r} in {path}") for name, info in chosen.items()}


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {info.filename.removesuffix(".npy"): info for info in archive.infolist()}


def _check_packing(members: Mapping[str, zipfile.ZipInfo], size: int, path: str | Path) -> None:
    """Refuse what numpy does not write, and what would fill the memory; `size` is the archive's, in bytes."""
    for name, info in members.items():
        if info.compress_type not in _METHODS or info.compress_size > size or info.flag_bits & _ENCRYPTED:
            raise DataFileError(
                f"{name!r} in {path} is packed as numpy does not pack: expected what numpy.savez writes"
            )
    unpacked = sum(info.file_size for info in members.values())
    if unpacked > max(HARMLESS, sum(info.compress_size for info in members.values()) * USUAL_RATIO):
        raise DataFileError(
            f"{', '.join(map(repr, members))} in {path}: packed more than {USUAL_RATIO} times, expected less. Unpacked "
            f"they would take {unpacked:,} bytes, and fill the memory. If you trust the file, unpack it by unzip, and "
            "read its .npy files"
        )


def _read_member(archive: zipfile.ZipFile, info: zipfile.ZipInfo, where: str) -> NDArray[Any]:
    with archive.open(info) as member:
        _check_header(member.read(_LARGEST_HEADER), info.file_size, where)
    with archive.open(info) as member:
        array: NDArray[Any] = npy.read_array(member, allow_pickle=False)
        member.read(1)  # at the end zip compares its own checksum
    return array


def _check_header(start: bytes, size: int, where: str) -> None:
    """Refuse what holds no numbers, or another number of bytes than its header says; nothing is allocated for it.

    Args:
        start: of the `.npy` file, its header among it.
        size: of the file, bytes.
        where: the file, for the message.
    """
    head = BytesIO(start)
    version = npy.read_magic(head)
    read_header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
    shape, _, dtype = read_header(head)
    if dtype.hasobject or dtype.kind not in _NUMBERS:
        what = "Python objects" if dtype.hasobject else f"values of type {dtype}"
        raise DataError(
            f"{where} holds {what}: expected numbers. Save them by numpy.save as an array of numbers, every row as "
            "long as the first"
        )
    claim, held = math.prod(shape) * dtype.itemsize, size - head.tell()
    said = f"its header says {' x '.join(map(str, shape)) or 1} {dtype} = {claim:,} bytes"
    if claim != held:
        raise DataFileError(f"{where} is cut short or not what it says: {said}, but it holds {held:,}. Get it again")
    if claim == 0:
        raise DataError(f"{where} is empty: {said}. Expected at least one value")


@contextmanager
def _readable(path: str | Path, kind: str) -> Iterator[None]:
    """What goes wrong while a file is read, in one line."""
    try:
        yield
    except (DataError, DataFileError):
        raise
    except FileNotFoundError as error:
        raise DataFileError(f"{path} is not there: expected {kind}. Is the path right?") from error
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({reason(error)}): expected {kind}") from error
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError) as error:
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataFileError(f"{path} is damaged or not {kind} ({said}): expected what numpy wrote") from error
