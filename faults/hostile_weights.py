"""Hostile weights files: pickles of every protocol in every wrapping, bombs, headers that lie, names that draw."""

import gzip
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from faults.hostile_watch import CANARY, Case

import fourstep as fs
from fourstep.cli import main

MAGIC = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]
BOMB = 3 * 2**29  # bytes that a bomb unpacks to: more than may be, less than would end the process
ESCAPES = "\x1b]52;c;aGE=\x07\x1b[2J\x9b31m\u202egnp.\r\nfourstep: all is well<script>alert(1)</script>$\\frac{$[bold]"


def command(*arguments: str) -> Callable[[Path], Any]:
    """The command with the file put in for `FILE`."""

    def run(path: Path) -> None:
        sys.exit(main([str(path) if argument == "FILE" else argument for argument in arguments]))

    return run


def load(path: Path) -> None:
    """As a script does."""
    from torch import nn  # noqa: PLC0415 - beside the only use

    fs.load_foreign_weights(nn.Linear(2, 2), path)


DOORS = (
    load,
    command("weights", "show", "FILE"),
    command("weights", "convert", "FILE", "new.safetensors"),
    command("weights", "compare", "FILE", "FILE"),
)


class Evil:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> Any:
        """What pickle calls on reading."""
        return os.system, (f"mkdir {CANARY}",)


def zipped(
    payload: bytes, *, packing: int = zipfile.ZIP_STORED, inside: str = "archive/", more: dict[str, bytes] | None = None
) -> bytes:
    """As `torch.save` writes, or nearly so."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", packing) as archive:
        for name, content in {"data.pkl": payload, "version": b"3\n", "byteorder": b"little", **(more or {})}.items():
            archive.writestr(inside + name, content)
    return made.getvalue()


def tarred(payload: bytes) -> bytes:
    """As torch wrote at its very beginning; with a name that leads out, and a link."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("storages", "tensors", "pickle", "../../outside/new"):
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            archive.addfile(info, io.BytesIO(payload))
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "../outside/victim"
        archive.addfile(link)
    return made.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "bare": lambda payload: payload,
    "garbage after": lambda payload: payload + b"\x00garbage" * 50,
    "twice": lambda payload: payload * 2,
    "legacy": lambda payload: b"".join(pickle.dumps(part, protocol=2) for part in MAGIC) + payload,
    "zip": zipped,
    "zip deflated": lambda payload: zipped(payload, packing=zipfile.ZIP_DEFLATED),
    "zip in zip": lambda payload: zipped(zipped(payload)),
    "zip with ways out": lambda payload: zipped(payload, inside="../../outside/"),
    "tar": tarred,
    "gzip": gzip.compress,
    "7z": lambda payload: b"7z\xbc\xaf\x27\x1c\x00\x04" + payload,
}

CALLS = {
    "os.system": b"cos\nsystem\n", "posix.system": b"cposix\nsystem\n", "subprocess": b"csubprocess\ncheck_call\n",
    "eval": b"cbuiltins\neval\n", "exec": b"c__builtin__\nexec\n", "getattr": b"cbuiltins\ngetattr\n",
    "import": b"cbuiltins\n__import__\n", "runpy": b"crunpy\nrun_path\n", "resolve_name": b"cpkgutil\nresolve_name\n",
    "operator": b"coperator\nmethodcaller\n", "importlib": b"cimportlib\nimport_module\n",
    "functools": b"cfunctools\npartial\n", "webbrowser": b"cwebbrowser\nopen\n", "timeit": b"ctimeit\ntimeit\n",
    "asyncio": b"casyncio.unix_events\n_UnixSubprocessTransport._start\n", "pty": b"cpty\nspawn\n",
    "torch.load": b"ctorch\nload\n", "torch.hub": b"ctorch.hub\nload\n", "numpy": b"cnumpy\nload\n",
    "socket": b"csocket\ncreate_connection\n", "a module of its own": f"c{CANARY}_module\nthing\n".encode(),
    "builtins, dotted": b"cbuiltins\nbytearray.fromhex\n", "storage from a file": b"ctorch\nUntypedStorage.from_file\n",
}  # fmt: skip


def call(function: bytes, *arguments: Any) -> bytes:
    """A pickle that calls a function which it names."""
    given = pickle.dumps(arguments, protocol=2)[2:-1]
    return b"\x80\x02" + function + given + b"R."


def write(content: bytes | Callable[[], bytes], name: str = "a.pt") -> Callable[[Path], Path]:
    """Puts a file of this content into the folder; what is long to make is made then."""

    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content())
        return folder / name

    return make


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A file as the format says, the header's length as told."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> dict[str, Any]:
    """A tensor in the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


HEADERS = {
    "overlap": safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
    "the same place twice": safetensors({"a": entry(0, 8), "b": entry(0, 8)}, bytes(8)),
    "a product that overflows": safetensors({"a": entry(0, 0, (2**32, 2**32))}),
    "a product that overflows to its size": safetensors({"a": entry(0, 8, (2**63 + 1, 2))}, bytes(8)),
    "offsets beyond": safetensors({"a": entry(0, 2**40, (2**38,))}, bytes(8)),
    "offsets reversed": safetensors({"a": entry(8, 0)}, bytes(8)),
    "a negative offset": safetensors({"a": entry(-8, 0)}, bytes(8)),
    "a length of 2**63": safetensors({"a": entry(0, 8)}, bytes(8), length=2**63),
    "a length of 10 GB": safetensors({"a": entry(0, 8)}, bytes(8), length=10**10),
    "a deep header": safetensors(b'{"a":' * 100_000),
    "a deep list": safetensors(b"[" * 1_000_000),
    "a name twice": safetensors(
        b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"a":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}',
        bytes(16),
    ),
    "no known type": safetensors({"a": entry(0, 8, dtype="O")}, bytes(8)),
    "a pickle": pickle.dumps(Evil()),
    "a large number": safetensors(b'{"a":' + b"9" * 1_000_000 + b"}"),
}


def many_tensors(folder: Path) -> Path:
    """100,000 tensors of no number, each with a long name."""
    path = folder / "a.safetensors"
    header = {f"{'x' * 40}{number}": entry(0, 0, (0,)) for number in range(100_000)}
    path.write_bytes(safetensors(header))
    return path


def objects(folder: Path, *, archive: bool) -> Path:
    """An array of objects of numpy's, which is a pickle."""
    import numpy as np  # noqa: PLC0415 - beside the only use

    (np.savez if archive else np.save)(folder / "a", np.array([Evil()], dtype=object), allow_pickle=True)
    return next(folder.iterdir()).rename(folder / "a.pt")


def program(folder: Path) -> Path:
    """A TorchScript archive, by its names."""
    path = folder / "a.pt"
    path.write_bytes(zipped(b"\x80\x02}.", more={"constants.pkl": b"\x80\x02).", "code/a.py": b"def f():1"}))
    return path


def deflated_bomb(folder: Path) -> Path:
    """A zip whose numbers unpack to a thousand times their size."""
    path = folder / "a.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/version", b"3\n")
        with archive.open("archive/data.pkl", "w", force_zip64=True) as file:
            for _ in range(BOMB >> 24):
                file.write(bytes(1 << 24))
    return path


def linked(target: str) -> Callable[[Path], Path]:
    """A name that leads elsewhere."""

    def make(folder: Path) -> Path:
        (folder / "a.pt").symlink_to(target)
        return folder / "a.pt"

    return make


def queue(name: str) -> Callable[[Path], Path]:
    """A name that nobody writes to, so that who reads it waits."""

    def make(folder: Path) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    return make


def _payloads() -> Iterator[tuple[str, Callable[[Path], Path]]]:
    for how, wrap in WRAPPINGS.items():
        for protocol in range(6):
            payload = pickle.dumps({"weight": [1.0], "x": Evil()}, protocol=protocol)
            yield f"pickle of protocol {protocol}, {how}", write(wrap(payload))
    for what, function in CALLS.items():
        yield f"a call of {what}", write(zipped(call(function, f"mkdir {CANARY}")))
    yield "a shared object in two lists", write(zipped(b"\x80\x02]q\x00h\x00a."))  # a list in itself
    yield "an array of objects, npy", lambda folder: objects(folder, archive=False)
    yield "an array of objects, npz", lambda folder: objects(folder, archive=True)
    yield "TorchScript", program
    yield "zip bomb", deflated_bomb
    yield "bytearray of 1.5 GB", write(zipped(call(b"cbuiltins\nbytearray\n", BOMB)))
    yield "tensor of 1.5 GB", write(zipped(call(b"ctorch\nFloatTensor\n", BOMB // 4)))
    yield "a link to a device", linked("/dev/zero")
    yield "a link to itself", linked("a.pt")
    yield "a queue", queue("a.pt")
    yield "safetensors, a queue", queue("a.safetensors")
    yield "names that are codes", write(zipped(call(b"cevil\x1b[2J\x07\n\xc2\x9bthing\n")))
    for lie, content in HEADERS.items():
        yield f"safetensors, {lie}", write(content, "a.safetensors")


def weights_cases() -> list[Case]:
    """All, the doors in turn."""
    cases = [
        Case(name=f"weights: {name}", make=make, open=DOORS[number % len(DOORS)])
        for number, (name, make) in enumerate(_payloads())
    ]
    named = safetensors({ESCAPES: entry(0, 8), "b" * 5000: entry(8, 16)}, bytes(16))
    for number, door in enumerate(DOORS):
        made = write(named, "a.safetensors")
        cases.append(Case(name=f"weights: names that are codes, {number}", make=made, open=door, shown=True))
    flat = write(safetensors({"a": entry(0, 4, (1,) * 10_000)}, bytes(4)), "a.safetensors")
    cases.append(Case(name="weights: 10,000 dimensions", make=flat, open=load, shown=True))
    cases.append(Case(name="weights: 100,000 tensors", make=many_tensors, open=load))
    return cases
