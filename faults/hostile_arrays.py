"""Hostile arrays and texts: numpy's files, and what is said to be a text."""

import io
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from faults.hostile_watch import CANARY, Case, sparse
from faults.hostile_weights import BOMB, ESCAPES, Evil, linked, queue, write

import fourstep as fs

Make = Callable[[Path], Path]


def npy(shape: Any, data: bytes = b"", kind: str = "|u1", version: bytes = b"\1\0") -> bytes:
    """An array's file, its header as told."""
    header = (f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape!r}}}").ljust(117) + "\n"
    size = struct.pack("<H" if version == b"\1\0" else "<I", len(header))
    return b"\x93NUMPY" + version + size + header.encode() + data


def _objects() -> bytes:
    return npy((1,), pickle.dumps(np.array([Evil()], object)), "|O")


def _zipped(arrays: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in arrays.items():
            archive.writestr(f"{name}.npy", content)
    return file.getvalue()


def _bomb(size: int, method: int = zipfile.ZIP_DEFLATED, names: str = "xy") -> Callable[[], bytes]:
    """Zeros, packed a thousand times."""

    def make() -> bytes:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", method) as archive:
            for name in names.split():
                with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                    member.write(npy((size,)))
                    for _ in range(size >> 20):
                        member.write(bytes(2**20))
        return file.getvalue()

    return make


def _lying() -> bytes:
    """An archive whose directory says that its arrays are small."""
    content = bytearray(_bomb(2**28, names="x y")())
    place = content.find(b"PK\1\2")
    while place >= 0:
        content[place + 24 : place + 28] = struct.pack("<I", 192)
        place = content.find(b"PK\1\2", place + 4)
    return bytes(content)


EXPRESSION = f"__import__('os').mkdir('{CANARY}')".encode()
ROWS = npy((64,), bytes(64))
SPLITS = " ".join(f"{name}_{split}" for name in "xy" for split in ("train", "val", "test"))
ARCHIVES: dict[str, Make] = {
    "objects": write(lambda: _zipped({"x": _objects(), "y": ROWS}), "a.npz"),
    "a pickle": write(lambda: pickle.dumps(Evil()), "a.npz"),
    "a pickle inside": write(lambda: _zipped({"x": pickle.dumps(Evil()), "y": ROWS}), "a.npz"),
    "an expression as header": write(
        lambda: _zipped({"x": b"\x93NUMPY\1\0\x40\0" + EXPRESSION.ljust(64), "y": ROWS}), "a.npz"
    ),
    "10 TB in a header": write(lambda: _zipped({"x": npy((10**13,), bytes(64)), "y": ROWS}), "a.npz"),
    "a shape that overflows": write(lambda: _zipped({"x": npy((2**62, 2**62), bytes(64)), "y": ROWS}), "a.npz"),
    "a shape below 0": write(lambda: _zipped({"x": npy((-1, 64), bytes(64)), "y": ROWS}), "a.npz"),
    "a header of 4 GB": write(
        lambda: _zipped({"x": b"\x93NUMPY\2\0" + struct.pack("<I", 2**32 - 1) + bytes(64), "y": ROWS}), "a.npz"
    ),
    "a bomb of its size": write(_bomb(BOMB, names="x y"), "a.npz"),
    "a bomb of many arrays": write(_bomb(2**26, names=SPLITS), "a.npz"),
    "a bomb by bzip2": write(_bomb(2**26, zipfile.ZIP_BZIP2, "x y"), "a.npz"),
    "a bomb that says it is small": write(_lying, "a.npz"),
    "names of codes": write(lambda: _zipped({ESCAPES: ROWS}), "a.npz"),
    "10 GB of nothing": lambda folder: _large(folder / "a.npz"),
    "a queue": queue("a.npz"),
}  # fmt: skip
ARRAYS: dict[str, Make] = {
    "objects": write(_objects, "a.npy"),
    "10 TB in a header": write(npy((10**13,), bytes(64)), "a.npy"),
    "10 GB of nothing": lambda folder: _large(folder / "a.npy"),
    "a queue": queue("a.npy"),
}
TEXTS: dict[str, Make] = {
    "10 GB of nothing": lambda folder: _large(folder / "a.txt"),
    "1 GB of nothing": lambda folder: _large(folder / "a.txt", 2**30),
    "a program": write(Path("/bin/sh").read_bytes, "a.txt"),
    "one that breaks off": write(b"abc\n\xe4\xb8" * 3, "a.txt"),
    "a queue": queue("a.txt"),
    "a device": linked("/dev/zero"),
    "a name of codes": write(b"\xff", f"{ESCAPES[:40]}.txt".replace("/", "")),
}


def _large(path: Path, size: int = 10**10) -> Path:
    sparse(path, size)
    return path


def _load(path: Path) -> Any:
    return fs.data.from_file(path, batch_size=4)


def _load_twice(path: Path) -> Any:
    return fs.data.from_file(path, path, batch_size=4)


def _read(path: Path) -> Any:
    return fs.data.from_text(path, num_steps=4, batch_size=4)


def array_cases() -> list[Case]:
    """All."""
    kinds = (("archive", ARCHIVES, _load), ("array", ARRAYS, _load_twice), ("text", TEXTS, _read))
    return [
        Case(name=f"{kind}: {name}", make=make, open=door)
        for kind, makes, door in kinds
        for name, make in makes.items()
    ]
