"""IDX files, the format of the MNIST family: a header that says the shape, and the bytes of one array.

Source of the format: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", file formats: two zero
bytes, a byte for the type, one for the number of dimensions, each of these as a big-endian 32-bit integer, the values.
"""

import gzip
import hashlib
import math
import os
import struct
import zlib
from io import BufferedIOBase
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from fourstep.errors import DataFileError
from fourstep.files import open_plain

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTE = 0x08
_MAX_DIMENSIONS = 4  # images, channels, height, width
_MAX_RATIO = 1032  # deflate packs no tighter: zlib's technical details, "maximum compression factor"
HARMLESS = 1 << 26  # bytes: what unpacks to more must not be packed tighter than by
USUAL_RATIO = 20  # that of images is 2 to 10
_CHUNK = 1 << 20  # bytes: memory grows with what a file holds, not with what its header says
_AGAIN = "Delete the file and get it again"


def read_idx(path: str | Path, *, sha256: str | None = None) -> UInt8[Tensor, "..."]:
    """The array of bytes in an IDX file, plain or packed by gzip; the content says which, not the name.

    Args:
        path: the file.
        sha256: what the unpacked file must hash to, in hexadecimal; None asks for no particular content.

    Returns:
        A tensor of the shape that the header says.

    Raises:
        DataFileError: the file is missing, unreadable, no IDX file of bytes, damaged, shorter or longer than its header
            says, or has another content than `sha256`.
    """
    path = Path(path)
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            packed = file.read(len(_GZIP)) == _GZIP
            file.seek(0)
            if packed:
                with gzip.GzipFile(fileobj=file) as unpacked:
                    content, shape = _read(unpacked, path, size * _MAX_RATIO)
            else:
                content, shape = _read(file, path, size)
    except DataFileError:
        raise
    except FileNotFoundError as error:
        raise DataFileError(
            f"{path} is not there: expected an IDX file, plain or packed by gzip. Is the path right?"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataFileError(f"{path} is damaged ({error}): expected a whole gzip file. {_AGAIN}") from error
    except OSError as error:
        raise DataFileError(
            f"{path} cannot be read ({error.strerror}): expected an IDX file, plain or packed by gzip"
        ) from error
    if sha256 is not None:
        _check_content(content, sha256, path)
    values = np.frombuffer(content, np.uint8, offset=len(content) - math.prod(shape))
    return torch.from_numpy(values).reshape(shape)


def _read(file: BufferedIOBase, path: Path, limit: int) -> tuple[bytearray, tuple[int, ...]]:
    """The whole content and the shape; `limit` is how many bytes the file can hold at most."""
    head = file.read(4)
    _check_head(head, path)
    dimensions = file.read(4 * head[3])
    if len(dimensions) < 4 * head[3]:
        raise DataFileError(f"{path} is cut short: it ends within its header. {_AGAIN}")
    shape = struct.unpack(f">{head[3]}I", dimensions)
    length, claim = math.prod(shape), f"its header says {' x '.join(map(str, shape))} = {math.prod(shape):,} bytes"
    if length == 0:
        raise DataFileError(f"{path} is empty: {claim}. Expected at least one")
    if length > limit:
        raise DataFileError(f"{path} is cut short or not what it says: {claim}, more than it can hold. {_AGAIN}")
    if length > max(HARMLESS, limit // _MAX_RATIO * USUAL_RATIO) and limit != os.fstat(file.fileno()).st_size:
        raise DataFileError(
            f"{path} is packed more than {USUAL_RATIO} times: {claim}, and would fill the memory. If you trust it, "
            "unpack it by gunzip and read that"
        )
    content = bytearray(head + dimensions)
    end = len(content) + length
    while len(content) < end and (chunk := file.read(min(_CHUNK, end - len(content)))):
        content += chunk
    if len(content) < end:
        raise DataFileError(f"{path} is cut short: {claim}, but it holds {length - end + len(content):,}. {_AGAIN}")
    if file.read(1):  # at the end gzip also compares its own checksum
        raise DataFileError(f"{path} is too long: {claim}, but more follow. {_AGAIN}")
    return content, shape


def _check_head(head: bytes, path: Path) -> None:
    """Refuse what is no IDX file of unsigned bytes, by its first four bytes."""
    if len(head) < 4 or head[:2] != b"\0\0" or not 1 <= head[3] <= _MAX_DIMENSIONS:  # noqa: PLR2004 - the format's own
        found = f"starts with {head.hex(' ')}" if head else "is empty"
        raise DataFileError(
            f"{path} is no IDX file: it {found}, expected 00 00 {_UNSIGNED_BYTE:02x} and 1 to {_MAX_DIMENSIONS} "
            f"dimensions. {_AGAIN}"
        )
    if head[2] != _UNSIGNED_BYTE:
        raise DataFileError(
            f"{path} holds values of IDX type {head[2]:#04x}: expected unsigned bytes, {_UNSIGNED_BYTE:#04x}. "
            "Read it with numpy"
        )


def _check_content(content: bytearray, sha256: str, path: Path) -> None:
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise DataFileError(
            f"{path} has another content: its SHA-256 begins {found[:12]}, expected {sha256[:12]}. {_AGAIN}"
        )
