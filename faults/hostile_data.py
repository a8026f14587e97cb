"""Hostile data: IDX files, pictures, recipes, and their names."""

import gzip
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.hostile_runs import changed
from faults.hostile_watch import CANARY, Case, sparse
from faults.hostile_weights import BOMB, ESCAPES, command, linked, queue, write

import fourstep as fs
from fourstep.cli import main
from fourstep.data.idx import read_idx
from fourstep.recipes import from_settings, load_recipe

Make = Callable[[Path], Path]


def idx(*shape: int, data: bytes = b"", kind: int = 8, dimensions: int | None = None) -> bytes:
    """An IDX file, its header as told."""
    head = bytes([0, 0, kind, len(shape) if dimensions is None else dimensions])
    return head + struct.pack(f">{len(shape)}I", *shape) + data


def _bomb(size: int, head: bytes = b"", name: str = "a.gz") -> Make:
    """Zeros, packed a thousand times."""

    def make(folder: Path) -> Path:
        with gzip.open(folder / name, "wb", compresslevel=9) as file:
            file.write(head)
            for _ in range(size >> 24):
                file.write(bytes(1 << 24))
        return folder / name

    return make


def _twice(folder: Path) -> Path:
    path = _bomb(BOMB, idx(BOMB))(folder)
    path.write_bytes(gzip.compress(path.read_bytes()))
    return path


def _large(folder: Path) -> Path:
    sparse(folder / "a", 10**10)
    return folder / "a"


IDX: dict[str, Make] = {
    "dimensions that overflow": write(idx(2**32 - 1, 2**32 - 1, 2**32 - 1, 2**32 - 1, data=bytes(64))),
    "10 GB in a header": write(idx(10**5, 10**5, data=bytes(64))),
    "10 GB in a packed header": write(gzip.compress(idx(10**5, 10**5, data=bytes(64)))),
    "255 dimensions": write(idx(1, dimensions=255)),
    "no dimension": write(idx()),
    "a dimension of 0": write(idx(0, 5)),
    "objects": write(idx(2, data=bytes(64), kind=0x0E)),
    "a bomb of its size": _bomb(BOMB, idx(BOMB)),
    "a bomb after its end": _bomb(BOMB, idx(4)),
    "a bomb in a bomb": _twice,
    "a bomb of members": write(gzip.compress(idx(2**24)) + gzip.compress(bytes(2**20)) * 20),
    "a broken checksum": write(gzip.compress(idx(64, data=bytes(64)))[:-8] + bytes(8)),
    "10 GB of nothing": _large,
    "a queue": queue("a"),
    "a device": linked("/dev/zero"),
    "a name of codes": write(b"\0", f"{ESCAPES[:40]}.gz".replace("/", "")),
}


def png(width: int, height: int, *, rows: bytes | None = None, chunks: bytes = b"", kind: int = 2) -> bytes:
    """A picture, its header as told; of zeros, packed."""
    row = {0: 1, 2: 3, 6: 4}[kind] * width + 1
    if rows is None:
        packer = zlib.compressobj(9)
        rows = b"".join(packer.compress(bytes(row)) for _ in range(height)) + packer.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + chunks + _chunk(b"IDAT", rows) + _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


EPS = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n({CANARY}) (w) file\nshowpage\n%%EOF\n".encode()


def profile() -> bytes:
    """A gigabyte of colours, packed."""
    return b"a\0\0" + zlib.compress(bytes(10**9))


GIF = b"GIF89a\xff\xff\xff\xff\xf0\0\0" + bytes(6) + b",\0\0\0\0\xff\xff\xff\xff\0\x02\x02L\x01\0;"
PICTURES: dict[str, Make] = {
    "a bomb of 50,000 x 50,000": write(lambda: png(50_000, 50_000, rows=zlib.compress(bytes(10**7))), "a.png"),
    "49,000,000 pixels of four": write(lambda: png(7000, 7000, kind=6), "a.png"),
    "49,000,000 pixels in a row": write(lambda: png(49_000_000, 1, kind=6), "a.png"),
    "no pixels": write(png(0, 0, rows=b""), "a.png"),
    "cut short": write(png(64, 64)[:-40], "a.png"),
    "a comment that is a bomb": write(
        lambda: png(8, 8, chunks=_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(10**8))) * 10), "a.png"
    ),
    "a profile that is a bomb": write(lambda: png(8, 8, chunks=_chunk(b"iCCP", profile())), "a"),
    "SVG": write(b"<svg xmlns='http://www.w3.org/2000/svg' onload='f()'><image href='/etc/passwd'/></svg>", "a.png"),
    "PostScript": write(EPS, "a.png"),
    "PDF": write(b"%PDF-1.4\n", "a.png"),
    "a pickle": write(b"\x80\x04\x95cos\nsystem\n", "a.png"),
    "a TIFF in itself": write(b"II*\0\x08\0\0\0" + b"\0\0" + struct.pack("<I", 8), "a.tif"),
    "a GIF of 65,535 x 65,535": write(GIF, "a.gif"),
    "a PPM of 10 GB": write(b"P6 100000 40000 255\n" + bytes(64), "a.ppm"),
    "a queue": queue("a.png"),
    "a device": linked("/dev/zero"),
    "a name of codes": write(b"\0", f"{ESCAPES[:40]}.png".replace("/", "")),
}  # fmt: skip
NAMED = {"a sound picture, its name of codes": write(png(8, 8), f"{ESCAPES}.png".replace("/", ""))}

RECIPES = {
    "deep": "a = " + "[" * 100_000,
    "deep tables": "a = " + "{a=" * 50_000,
    "a number of 100,000 digits": "model = " + "9" * 100_000,
    "a date that is none": "model = 2024-99-99",
    "a name of codes": 'model = "\\u001b]52;c;aGE=\\u0007\\u202e\\u009b"',
    "a setting of codes": 'model = "lenet"\n"\\u001b[2J\\n" = 1',
    "a value of codes": 'model = "lenet"\nlr = "\\u001b[2J"',
    "YAML": "!!python/object/apply:os.system ['mkdir canary']",
    "Python": f"__import__('os').mkdir('{CANARY}')",
    "an expression": f"model = \"lenet\"\nlr = \"__import__('os').mkdir('{CANARY}')\"",
    "5 MB": "a = 1\n" * 800_000,
}


def _recipe(path: Path) -> None:
    from_settings(load_recipe(path))


def _predict(path: Path) -> None:
    """A picture beside a run."""
    run = path.parent / "run"
    sys.exit(main(["predict", str(run), str(path)]))


def _beside(make: Make) -> Make:
    """The file, and a sound run."""

    def both(folder: Path) -> Path:
        changed(lambda _: None)(folder)
        return make(folder)

    return both


def _cached(content: bytes) -> Make:
    """A data set's file in the cache that is another."""

    def make(folder: Path) -> Path:
        (folder / "cache").mkdir()
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (folder / "cache" / f"{name}-ubyte.gz").write_bytes(content)
        return folder / "cache"

    return make


def _load_cached(path: Path) -> Any:
    return fs.data.load_dataset("fashion-mnist", folder=path)


def data_cases() -> list[Case]:
    """All."""
    cases = [Case(name=f"IDX: {name}", make=make, open=read_idx) for name, make in IDX.items()]
    cases += [
        Case(name=f"picture: {name}", make=_beside(make), open=_predict, shown="pixels of" in name or "bomb" in name)
        for name, make in PICTURES.items()
    ]
    cases += [
        Case(name=f"picture: {name}", make=_beside(make), open=_predict, shown=True) for name, make in NAMED.items()
    ]
    for number, (name, text) in enumerate(RECIPES.items()):
        door = command("train", "FILE", "--run", "new") if number % 2 else _recipe
        cases.append(Case(name=f"recipe: {name}", make=write(text.encode(), "a.toml"), open=door))
    cases.append(
        Case(name="data set: another content", make=_cached(gzip.compress(idx(4, data=b"1234"))), open=_load_cached)
    )
    cases.append(Case(name="recipe: a queue", make=queue("a.toml"), open=_recipe))
    os_named = write(b"model = 1", f"{ESCAPES}.toml".replace("/", ""))
    cases.append(Case(name="recipe: a file's name of codes", make=os_named, open=_recipe))
    return cases
