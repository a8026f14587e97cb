"""A checkpoint's manifest: what the folder holds, hashed, and the order of checkpoints by it."""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fourstep.errors import FourstepError, RunFolderError
from fourstep.files import open_plain, reason

FORMAT = 1  # of what is written; all up to this are read
MANIFEST = "manifest.json"
NAME = re.compile(r"step-\d{8,}(-\d+)?")  # of a checkpoint's folder
LARGEST_MANIFEST = 2**20  # bytes: the names of some 9,000 files, where a run has a dozen; to hash more takes seconds
LARGEST_JSON = 2**26  # bytes; none of ours comes near, and a stranger's must not fill the memory


class NewerFormatError(RunFolderError):
    """A checkpoint of a fourstep to come: it is sound, so that an older one must not be taken in its place."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """One that was written, by its manifest.

    Attributes:
        path: its folder.
        step: updates done.
        serial: which one of this step, from 1.
        files: name -> size in bytes and SHA-256 in hexadecimal.
    """

    path: Path
    step: int
    serial: int
    files: Mapping[str, tuple[int, str]]

    @property
    def age(self) -> tuple[int, int]:
        """The larger, the later: no clock is asked."""
        return self.step, self.serial


def to_manifest(step: int, serial: int, files: Mapping[str, tuple[int, str]]) -> bytes:
    """The manifest's bytes; the arguments are as in `Checkpoint`."""
    content = {
        "format": FORMAT,
        "step": step,
        "serial": serial,
        "files": {name: {"size": size, "sha256": digest} for name, (size, digest) in files.items()},
    }
    return _signed(content)


def _signed(content: Mapping[str, Any]) -> bytes:
    """The manifest's bytes: its content, and the content's own hash."""
    digest = hashlib.sha256(json.dumps(content, indent=1).encode()).hexdigest()
    return (json.dumps({**content, "sha256": digest}, indent=1) + "\n").encode()


def list_checkpoints(place: Path) -> tuple[list[Checkpoint], list[str]]:
    """The checkpoints in a folder, latest first, by their manifests alone; and what is wrong with the other ones.

    Raises:
        NewerFormatError: one of them was written by a newer fourstep.
    """
    found, damaged = [], []
    try:
        paths = sorted(path for path in place.iterdir() if NAME.fullmatch(path.name))
    except FileNotFoundError:
        paths = []
    except OSError as error:
        raise RunFolderError(f"{place} cannot be read: {reason(error)}. Expected a folder with checkpoints") from error
    for path in paths:
        try:
            found.append(read_manifest(path))
        except NewerFormatError:
            raise
        except RunFolderError as error:
            damaged.append(str(error))
    return sorted(found, key=lambda checkpoint: checkpoint.age, reverse=True), damaged


def read_manifest(path: Path) -> Checkpoint:
    """What a checkpoint's manifest says, if every bit of it is as it was written.

    Raises:
        NewerFormatError: it was written by a newer fourstep.
        RunFolderError: it is missing or damaged.
    """
    try:
        content = read_json(path / MANIFEST, LARGEST_MANIFEST)
        content.pop("sha256")
        if (path / MANIFEST).read_bytes() != _signed(
            content
        ):  # first of all: a flipped bit must not look like a format
            raise ValueError("its own SHA-256 differs")  # noqa: TRY301 - one message for all
        if int(content["format"]) > FORMAT:
            raise NewerFormatError(
                f"{path} has format {content['format']}, and this fourstep reads up to {FORMAT}: "
                "pip install --upgrade fourstep"
            )
        if not path.name.startswith(f"step-{content['step']:08}"):
            raise ValueError(f"it is that of step {content['step']}")  # noqa: TRY301 - one message for all
        files = {_plain(name): (int(mark["size"]), str(mark["sha256"])) for name, mark in content["files"].items()}
        return Checkpoint(path=path, step=int(content["step"]), serial=int(content["serial"]), files=files)
    except FourstepError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise damaged_error(path / MANIFEST, error) from error


def _plain(name: str) -> str:
    """A file's name that leads nowhere else."""
    if name != Path(name).name or not name.endswith((".json", ".safetensors")):
        raise ValueError(f"{name!r} is no name of a checkpoint's file")
    return name


def read_json(path: Path, most: int = LARGEST_JSON) -> Any:
    """A file's JSON; refuses with a `ValueError` what has more bytes than any of ours."""
    with open_plain(path) as file:
        if path.stat().st_size > most:
            raise ValueError(f"it has {path.stat().st_size:,} bytes, more than {most:,}")
        return json.loads(file.read())


def damaged_error(path: Path, error: Exception) -> RunFolderError:
    """The one line for a file that is not what it was."""
    what = reason(error) if isinstance(error, OSError) else str(error).strip().split("\n", maxsplit=1)[0]
    return RunFolderError(f"{path} is damaged: {what or type(error).__name__}")


def to_keep(saved: Checkpoint, latest: int, steps: Collection[int | None]) -> list[Path]:
    """The folders that stay when a checkpoint was saved: its own, so many of the latest, and the last of some steps."""
    sound = [checkpoint for checkpoint in list_checkpoints(saved.path.parent)[0] if checkpoint.age <= saved.age]
    named = [next((one for one in sound if one.step == step), saved) for step in steps]
    return [checkpoint.path for checkpoint in (saved, *sound[:latest], *named)]
