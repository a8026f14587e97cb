"""IDX files: what is read, and what is said of files that cannot be."""

import gzip
import hashlib
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

import fourstep as fs
from fourstep.data.idx import read_idx

ToIdx = Callable[[NDArray[np.uint8]], bytes]
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)
HEADER = 4 + 4 * 3


@given(
    values=arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=4, max_side=5)),
    packed=st.booleans(),
    level=st.integers(0, 9),
)
def test_reads_what_was_written(
    *, tmp_path_factory: pytest.TempPathFactory, values: NDArray[np.uint8], packed: bool, level: int
) -> None:
    """Any array of bytes comes back as it was, plain or packed at any level."""
    content = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path = tmp_path_factory.mktemp("idx") / "values"
    path.write_bytes(gzip.compress(content, level) if packed else content)

    read = read_idx(path, sha256=hashlib.sha256(content).hexdigest())

    assert torch.equal(read, torch.from_numpy(values))


def test_content_decides_not_the_name(tmp_path: Path, to_idx: ToIdx) -> None:
    """A browser may have unpacked a file and kept its name, or the other way round."""
    (tmp_path / "plain.gz").write_bytes(to_idx(IMAGES))
    (tmp_path / "packed").write_bytes(gzip.compress(to_idx(IMAGES)))

    assert torch.equal(read_idx(tmp_path / "plain.gz"), read_idx(str(tmp_path / "packed")))


def test_the_tensor_may_be_written_to(tmp_path: Path, to_idx: ToIdx) -> None:
    """The caller owns what it got."""
    (tmp_path / "file").write_bytes(to_idx(IMAGES))
    read = read_idx(tmp_path / "file")

    read[0, 0, 0] = 200

    assert read[0, 0, 0] == 200


def damaged(content: bytes) -> dict[str, bytes]:
    """Files that are wrong, by what is to be said of them."""
    packed = gzip.compress(content, mtime=0)
    flipped = bytearray(packed)
    flipped[len(packed) // 2] ^= 0xFF
    return {
        "no IDX file: it is empty": b"",
        "no IDX file: it starts with 00 00": b"\0\0",
        "no IDX file: it starts with 3c 21 44 4f, expected 00 00 08 and 1 to 4 dimensions": b"<!DOCTYPE html>",
        "no IDX file: it starts with 00 00 08 00": b"\0\0\x08\0",
        "no IDX file: it starts with 00 00 08 05": b"\0\0\x08\5" + bytes(40),
        "holds values of IDX type 0x0d: expected unsigned bytes, 0x08": b"\0\0\x0d\1\0\0\0\1" + bytes(4),
        "cut short: it ends within its header": content[:10],
        "is empty: its header says 0 x 3 = 0 bytes": b"\0\0\x08\2" + struct.pack(">2I", 0, 3),
        "cut short: its header says 2 x 3 x 4 = 24 bytes, but it holds 23": content[:-1],
        "too long: its header says 2 x 3 x 4 = 24 bytes, but more follow": content + b"\0",
        "or not what it says: its header says 4294967295 x 28 x 28 = 3,367,254,359,280 bytes, more than it can hold": (
            b"\0\0\x08\3" + struct.pack(">3I", 2**32 - 1, 28, 28)
        ),
        "damaged (Compressed file ended before": packed[:-9],
        "damaged (": bytes(flipped),
        "damaged (CRC check failed": packed[:-8] + bytes(4) + packed[-4:],
        "damaged (Not a gzipped file": packed + b"more",
    }


@pytest.mark.parametrize("said", damaged(b""))
def test_a_wrong_file_is_named_with_its_fault(tmp_path: Path, to_idx: ToIdx, said: str) -> None:
    """One line names the file, what is wrong with it, and how to mend it."""
    path = tmp_path / "images"
    path.write_bytes(damaged(to_idx(IMAGES))[said])

    with pytest.raises(fs.DataFileError) as caught:
        read_idx(path)

    message = str(caught.value)
    assert message.startswith(str(path))
    assert said in message
    assert "\n" not in message
    assert message.endswith(("get it again", "numpy", "at least one"))


@given(where=st.integers(0), bit=st.integers(0, 7))
def test_no_damage_goes_unseen(tmp_path_factory: pytest.TempPathFactory, where: int, bit: int) -> None:
    """One flipped bit anywhere gives the right content or a DataFileError, never another content or another error."""
    content = bytes([0, 0, 8, 2]) + struct.pack(">2I", 30, 7) + bytes(range(210))
    packed = bytearray(gzip.compress(content, mtime=0))
    packed[where % len(packed)] ^= 1 << bit
    path = tmp_path_factory.mktemp("flipped") / "images"
    path.write_bytes(packed)

    try:
        read = read_idx(path)
    except fs.DataFileError:
        return

    assert read.flatten().tolist() == list(range(210))


def test_a_lying_header_costs_no_memory(tmp_path: Path) -> None:
    """A small packed file that claims gigabytes is refused before it is unpacked."""
    path = tmp_path / "bomb"
    path.write_bytes(gzip.compress(b"\0\0\x08\1" + struct.pack(">I", 2**31) + bytes(2**22)))
    tracemalloc.start()

    with pytest.raises(fs.DataFileError, match="more than it can hold"):
        read_idx(path)

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


def test_another_content_is_refused(tmp_path: Path, to_idx: ToIdx) -> None:
    """A whole file with other values than asked for is not taken; both hashes are named."""
    path = tmp_path / "images"
    path.write_bytes(to_idx(IMAGES))
    found, expected = hashlib.sha256(to_idx(IMAGES)).hexdigest(), hashlib.sha256(to_idx(IMAGES + 1)).hexdigest()

    with pytest.raises(fs.DataFileError, match=f"begins {found[:12]}, expected {expected[:12]}. Delete the file"):
        read_idx(path, sha256=expected)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    """Neither ends in a traceback of Python's own."""
    with pytest.raises(fs.DataFileError, match="nowhere is not there: expected an IDX file"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(fs.DataFileError, match="cannot be read \\(Is a directory\\)"):
        read_idx(tmp_path)


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """A file that is packed a thousand times, as no images are, would fill the memory."""
    size = 2**27
    with gzip.open(tmp_path / "a.gz", "wb") as file:
        file.write(bytes([0, 0, 8, 1]) + struct.pack(">I", size))
        for _ in range(size >> 20):
            file.write(bytes(1 << 20))
    with pytest.raises(
        fs.DataFileError, match=r"is packed more than 20 times: .* If you trust it, unpack it by gunzip"
    ):
        read_idx(tmp_path / "a.gz")
