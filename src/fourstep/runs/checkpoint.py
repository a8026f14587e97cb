"""The checkpoint protocol: a folder that is there whole and sound, or not at all. No pickle anywhere.

step-00000470/
  model.json, model.safetensors    the model's state: JSON, and its tensors
  state.json, state.safetensors    everything else
  manifest.json                    step, and size and SHA-256 of every other file and of itself

It is written beside its place under a name that begins with a dot: every file, then the manifest, each on the disk
before the next thing happens; then it is renamed, and only then older ones may go. A process that dies on the way
leaves a name with a dot, which nobody reads.
"""

import errno
import hashlib
import json
import os
import secrets
import shutil
import warnings
from collections.abc import Collection, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from fourstep.errors import FourstepWarning, RunFolderError
from fourstep.files import make_folder, reason, sync_folder
from fourstep.runs.manifest import (
    LARGEST_JSON,
    MANIFEST,
    NAME,
    Checkpoint,
    damaged_error,
    list_checkpoints,
    read_json,
    to_manifest,
)
from fourstep.runs.packing import pack, unpack
from fourstep.runs.tensors import Tensors, read_safetensors, write_safetensors

LARGE = 2**20  # bytes from which a thread pays


def save_checkpoint(place: Path, step: int, parts: Mapping[str, Any]) -> Checkpoint:
    """Write a checkpoint, whole or not at all.

    Args:
        place: the folder of all checkpoints; made where it is not there.
        step: updates done.
        parts: name -> state, a tree as `pack` takes it; the name is the files'.

    Raises:
        RunFolderError: a part cannot be kept, or the disk is full or fails; what was there before is as it was.
    """
    packed = {name: pack(tree, name) for name, tree in parts.items()}
    part = place / f".part-{step}-{secrets.token_hex(4)}"
    try:
        make_folder(place)
        part.mkdir()
        files = {}
        for name, (tree, tensors) in packed.items():
            files[f"{name}.json"] = _write(part / f"{name}.json", _to_json(tree, name))
            if tensors:
                files[f"{name}.safetensors"] = _write_tensors(part / f"{name}.safetensors", tensors)
        taken = [checkpoint.serial for checkpoint in list_checkpoints(place)[0] if checkpoint.step == step]
        serial = max(taken, default=0) + 1
        _write(part / MANIFEST, to_manifest(step, serial, files))
        sync_folder(part)
        path = _free_name(place, step, serial)
        part.rename(path)
        sync_folder(place)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, RunFolderError):
            raise
        needed = sum(tensor.nbytes for _, tensors in packed.values() for tensor in tensors.values())
        raise RunFolderError(_cannot_write(place, error, needed)) from error
    return Checkpoint(path=path, step=step, serial=serial, files=files)


def _cannot_write(place: Path, error: OSError, needed: int) -> str:
    space = ""
    with suppress(OSError):
        free = shutil.disk_usage(place if place.exists() else place.parent).free
        space = f" (about {needed / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free)"
    mend = "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check the disk"
    return f"no checkpoint could be saved in {place}: {reason(error)}{space}; the earlier ones are whole. Mend: {mend}"


def _to_json(tree: Any, name: str) -> bytes:
    content = json.dumps(tree, allow_nan=False, separators=(",", ":")).encode()
    if len(content) > LARGEST_JSON:  # it could not be read again
        raise RunFolderError(
            f"{name} cannot be saved: it has {len(content):,} bytes as JSON, more than {LARGEST_JSON:,}. Keep long "
            "lists of numbers as tensors"
        )
    return content


def _write(path: Path, content: bytes) -> tuple[int, str]:
    path.write_bytes(content)
    return _seal(path)


def _write_tensors(path: Path, tensors: Tensors) -> tuple[int, str]:
    try:
        write_safetensors(tensors, path)
    except ValueError as error:
        raise RunFolderError(f"{path.name} cannot be saved: {error}") from error
    return _seal(path)


def _seal(path: Path) -> tuple[int, str]:
    """Bring a file onto the disk; its size, and the hash of what can be read of it now."""
    with path.open("rb+") as file:
        size = os.fstat(file.fileno()).st_size
        if size < LARGE:
            os.fsync(file.fileno())
            return size, hashlib.file_digest(file, "sha256").hexdigest()
        with ThreadPoolExecutor(1) as hasher:  # while the disk works
            digest = hasher.submit(hashlib.file_digest, file, "sha256")
            os.fsync(file.fileno())
            return size, digest.result().hexdigest()


def _free_name(place: Path, step: int, serial: int) -> Path:
    """`step-00000470`, and `step-00000470-2` for a second one, or where something damaged bears the name."""
    path = place / f"step-{step:08}"
    while path.exists():
        path = place / f"step-{step:08}-{serial}"
        serial += 1
    return path


def verify_checkpoint(checkpoint: Checkpoint) -> None:
    """Hash every file of a checkpoint again.

    Raises:
        RunFolderError: a file is missing, or any bit of it differs from what was written.
    """
    for name, (size, digest) in checkpoint.files.items():
        path = checkpoint.path / name
        try:
            if path.is_symlink() or not path.is_file():
                raise ValueError("it is not there")  # noqa: TRY301 - one message for all
            with path.open("rb") as file:
                if os.fstat(file.fileno()).st_size != size:
                    raise ValueError(f"it has {os.fstat(file.fileno()).st_size:,} bytes, not {size:,}")  # noqa: TRY301
                if hashlib.file_digest(file, "sha256").hexdigest() != digest:
                    raise ValueError("its SHA-256 differs")  # noqa: TRY301
        except (OSError, ValueError) as error:
            raise damaged_error(path, error) from error


def load_checkpoint(checkpoint: Checkpoint) -> dict[str, Any]:
    """Read a checkpoint back: name -> state, its tensors on the CPU. Runs no code of the files.

    Raises:
        RunFolderError: it is damaged, or not what `save_checkpoint` has made.
    """
    verify_checkpoint(checkpoint)
    parts = {}
    for name in checkpoint.files:
        if name.endswith(".json"):
            path = checkpoint.path / name
            try:
                parts[path.stem] = unpack(read_json(path), _read_tensors(path.with_suffix(".safetensors")))
            except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, RuntimeError) as error:
                raise damaged_error(path, error) from error
    return parts


def load_step(place: Path, step: int) -> dict[str, Any]:
    """The checkpoint of a step, as `load_checkpoint`; the last one, where there are several.

    Raises:
        RunFolderError: it is gone or damaged.
    """
    for checkpoint in list_checkpoints(place)[0]:
        if checkpoint.step == step:
            return load_checkpoint(checkpoint)
    raise RunFolderError(f"{place} holds no sound checkpoint of step {step:,} any more")


def load_latest(place: Path) -> tuple[Checkpoint, dict[str, Any]] | None:
    """The latest sound checkpoint and what it holds; what is damaged is said and passed over.

    Returns:
        None where there is no checkpoint.

    Raises:
        RunFolderError: all are damaged, or one was written by a newer fourstep.
    """
    checkpoints, damaged = list_checkpoints(place)
    for checkpoint in checkpoints:
        try:
            found = checkpoint, load_checkpoint(checkpoint)
        except RunFolderError as error:
            damaged.append(str(error))
            continue
        if damaged:
            warnings.warn(f"{'; '.join(damaged)}. Continued from {checkpoint.path.name}", FourstepWarning, stacklevel=2)
        return found
    if damaged:
        raise RunFolderError(f"{'; '.join(damaged)}. No sound checkpoint is left: train again into another folder")
    return None


def _read_tensors(path: Path) -> Tensors:
    if not path.exists():
        return {}
    # each a tensor of its own: a part of a file begins anywhere in memory, and sums round by where a tensor begins
    return {name: tensor.clone() for name, tensor in read_safetensors(path).items()}


def prune_checkpoints(place: Path, keep: Collection[Path]) -> None:
    """Remove every checkpoint but some, and what processes that died have left.

    Args:
        place: the folder of all checkpoints.
        keep: their folders.
    """
    kept = {path.name for path in keep}
    for path in place.iterdir():
        is_checkpoint = NAME.fullmatch(path.name) is not None  # and no copy of somebody's, such as step-00000008-mine
        if path.name in kept or not (is_checkpoint or path.name.startswith((".part-", ".old-"))):
            continue
        if is_checkpoint:  # at once no checkpoint any more: half of one must not look like one
            path = path.rename(place / f".old-{secrets.token_hex(4)}")  # noqa: PLW2901 - the same folder
        shutil.rmtree(path, ignore_errors=True)
