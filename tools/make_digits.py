# ruff: noqa: INP001 - a program, not a package
"""Make the digits that the package carries, from scikit-learn's copy: `python tools/make_digits.py`.

The two files hold the values as they are, 0..16; `fourstep.data.digits` scales them.
"""

import gzip
import io
import struct
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

FOLDER = Path(__file__).parents[1] / "src" / "fourstep" / "data" / "assets"


def pack_idx(values: np.ndarray) -> bytes:
    """An IDX file of unsigned bytes, packed; the same bytes at any time."""
    header = bytes([0, 0, 0x08, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=buffer, mtime=0) as file:
        file.write(header + values.astype(np.uint8).tobytes())
    return buffer.getvalue()


if __name__ == "__main__":
    digits = load_digits()
    (FOLDER / "digits-images-idx3-ubyte.gz").write_bytes(pack_idx(digits.images))
    (FOLDER / "digits-labels-idx1-ubyte.gz").write_bytes(pack_idx(digits.target))
