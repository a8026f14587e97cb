"""The tensors of a weights file that somebody else has made, read without running any code of it.

Two formats: safetensors, which holds no code, and what `torch.save` writes, a pickle, which may hold any. A pickle is
read by `torch.load(weights_only=True)` alone: where that refuses a file, the file is refused.
"""

import re
import tarfile
import warnings
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any, BinaryIO, TypeGuard

import torch
from torch import Tensor, nn

from fourstep.errors import ConfigError, DataFileError
from fourstep.files import reason
from fourstep.runs.tensors import read_safetensors
from fourstep.runs.weights import WEIGHTS

PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".tar")  # the last as in model_best.pth.tar
SAFE_TORCH = "2.10"  # an earlier weights_only=True can be made to run code: CVE-2026-24747, GHSA-63cw-57p8-fm3p
LONGEST_REASON = 160  # characters of another library's message
MEND = "Where it was made, write torch.save(model.state_dict(), ...) or safetensors' save_file"


def read_tensors(path: str | Path, *, key: str | None = None) -> dict[str, Tensor]:
    """Read the tensors of a weights file by name, on the CPU. No code of the file runs.

    Args:
        path: a .safetensors file, one that `torch.save` wrote (.pt, .pth, .bin, .ckpt, .tar), or a folder with a
            model.safetensors in it, such as a run's.
        key: where in a checkpoint the weights are, "model" or "ema.model"; not needed where a dictionary of tensors
            is all that the file holds, or the only one at its top.

    Raises:
        ConfigError: there are no weights under `key`, or it must be said which are meant.
        DataFileError: the file is missing, damaged, of another kind, or holds anything but plain data.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise DataFileError(f"{file} is not there: expected a .safetensors file, or a .pt that torch.save has written")
    if file.suffix.lower() == ".safetensors":
        tree = _read_safetensors(file)
    elif file.suffix.lower() in PICKLED:
        tree = _read_pickled(file)
    else:
        raise DataFileError(
            f"{file} ends in {file.suffix or 'nothing'!r}: expected .safetensors, or {', '.join(PICKLED)} as "
            "torch.save writes them. Rename it if it is one of these"
        )
    size = file.stat().st_size
    return {name: _plain(tensor, f"{file} holds {said(name)}", size) for name, tensor in _find(tree, key, file).items()}


def said(name: Any) -> str:
    """A name of a file's, fit for one line of a screen: no line breaks, no codes that move the cursor."""
    return name if isinstance(name, str) and name.isprintable() else ascii(name)


def _read_safetensors(file: Path) -> Any:
    try:
        return read_safetensors(file)
    except OSError as error:
        raise DataFileError(f"{file} cannot be read: {reason(error)}. Expected a file that may be read") from error
    except ValueError as error:
        raise DataFileError(
            f"{file} is damaged: {_short(str(error))}. Expected whole safetensors; fetch it again"
        ) from error


def _read_pickled(file: Path) -> Any:
    if torch.__version__ < SAFE_TORCH:
        raise DataFileError(
            f"{file} is not read with torch {torch.__version__}: in what is older than {SAFE_TORCH} such a file can "
            "run code even under weights_only=True. Update torch, or take a .safetensors file"
        )
    try:
        _check_content(file)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what torch finds unusual is refused or of no harm
            return torch.load(file, map_location="cpu", weights_only=True)
    except OSError as error:
        raise DataFileError(f"{file} cannot be read: {reason(error)}. Expected a file that may be read") from error
    except Exception as error:  # a file can make the reader fail in any way, and is refused for each
        raise DataFileError(_refusal(file, str(error))) from error


def _check_content(file: Path) -> None:
    """Refuse what would become far larger in memory than on the disk, or would have torch make folders elsewhere."""
    size = file.stat().st_size
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            inside = archive.infolist()
        if any(entry.filename.endswith("/constants.pkl") for entry in inside):
            raise ValueError("TorchScript")
        unpacked = sum(entry.file_size for entry in inside)
        if unpacked > size or any(entry.compress_type != zipfile.ZIP_STORED for entry in inside):
            raise ValueError(f"it is compressed: {size:,} bytes for {unpacked:,}")
    with file.open("rb") as content, mmap(content.fileno(), 0, access=ACCESS_READ) as mapped:
        # torch allows this one; called with a number, it takes that much memory
        if any(mapped.find(module + b"\nbytearray\n") >= 0 for module in (b"builtins", b"__builtin__")):
            raise ValueError("GLOBAL builtins.bytearray")
        if _is_tar(content):  # before torch refuses it, it makes a folder to unpack it into
            raise ValueError("it is a tar archive")


def _is_tar(content: BinaryIO) -> bool:
    """Whether torch would take it for one: it looks for no packed ones."""
    with suppress(tarfile.TarError), tarfile.open(fileobj=content, mode="r:"):
        return True
    return False


def _refusal(file: Path, message: str) -> str:
    """What torch.load has against a file, without its advice to trust it."""
    asked = re.search(r"GLOBAL (\S+)", message)
    if asked:
        return f"{file} is refused: it asks for {said(asked[1])}, and may run code. Expected tensors alone. {MEND}"
    if "TorchScript" in message:
        return f"{file} is refused: it is a TorchScript archive, a program. Expected tensors alone. {MEND}"
    lines = [line for line in message.splitlines() if line and not line.startswith(("Weights only", "Please", "Check"))]
    return (
        f"{file} is damaged or no weights: {_short(lines[0]) if lines else 'it ends too early'}. Expected what "
        "torch.save writes. Fetch it again, or write it anew where it was made, by torch.save(model.state_dict(), ...)"
    )


def _short(message: str) -> str:
    line = " ".join(message.split()).split(". ")[0].rstrip(".")
    return said(line if len(line) <= LONGEST_REASON else line[:LONGEST_REASON] + "...")


def _find(tree: Any, key: str | None, file: Path) -> Mapping[str, Tensor]:
    """The dictionary of tensors in what a file holds."""
    if key is not None:
        return _under(tree, key, file)
    if _is_weights(tree):
        return tree
    if not isinstance(tree, Mapping):
        raise DataFileError(f"{file} holds a {type(tree).__name__}: expected a dictionary of names and tensors. {MEND}")
    inside = {name: value for name, value in tree.items() if _is_weights(value)}
    if len(inside) > 1:
        raise ConfigError(
            f"{file} holds weights under {_listed(inside)}: say which, as key={said(next(iter(inside)))!r}"
        )
    if not inside:
        raise DataFileError(
            f"{file} holds {_listed(tree)}: expected a dictionary of tensors alone, or one such in it. If it is deeper "
            f"inside, name it by key='outer.inner'. {MEND}"
        )
    return next(iter(inside.values()))


def _under(tree: Any, key: str, file: Path) -> Mapping[str, Tensor]:
    found = tree
    for part in key.split("."):
        if not isinstance(found, Mapping) or part not in found:
            there = f"there are {_listed(found)}" if isinstance(found, Mapping) else "nothing more is inside"
            raise ConfigError(f"{file} holds no {part!r} of key={key!r}: {there}")
        found = found[part]
    if not _is_weights(found):
        held = _listed(found) if isinstance(found, Mapping) else f"a {type(found).__name__}"
        raise ConfigError(f"{file} holds {held} under key={key!r}: expected a dictionary of tensors alone")
    return found


def _is_weights(value: Any) -> TypeGuard[Mapping[str, Tensor]]:
    return (
        isinstance(value, Mapping)
        and len(value) > 0
        and all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in value.items())
    )


def _listed(tree: Mapping[Any, Any], most: int = 6) -> str:
    """What a dictionary holds: its names, and the type of each that is no dictionary of tensors."""
    items = [
        said(name) if _is_weights(value) else f"{said(name)} ({type(value).__name__})" for name, value in tree.items()
    ]
    return ", ".join(items[:most]) + (f" and {len(items) - most} more" if len(items) > most else "") or "nothing"


def _plain(tensor: Tensor, what: str, size: int) -> Tensor:
    """The tensor by itself: no gradient, hook or view that is read in another way than it lies in memory."""
    tensor_type = type(tensor)
    tensor = Tensor.detach(tensor)  # by the class: a file may give a tensor attributes of its own
    kind = next(
        (
            word
            for word, is_so in {
                tensor_type.__name__: tensor_type not in (Tensor, nn.Parameter),
                str(tensor.layout).removeprefix("torch."): tensor.layout is not torch.strided,
                "quantized": tensor.is_quantized,
                "meta": tensor.is_meta,
            }.items()
            if is_so
        ),
        "",
    )
    if kind:
        raise DataFileError(f"{what}, a tensor of the kind {kind}: expected plain ones. {MEND}")
    if tensor.nbytes > size:
        raise DataFileError(
            f"{what}, which says that it has {tensor.nbytes:,} bytes, more than the file's {size:,}: expected a tensor "
            "that is stored whole. Where it was made, save its .contiguous()"
        )
    return tensor.resolve_conj().resolve_neg()
