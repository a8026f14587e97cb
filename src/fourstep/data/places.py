"""The files of a data set that is not in the package: where they may be, and how they are had and verified."""

import os
import sys
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal, TypeAlias

from torch import Tensor

from fourstep.data.download import download_file
from fourstep.data.idx import read_idx
from fourstep.errors import DataFileError, FourstepWarning

Place: TypeAlias = Literal["package", "cache", "system", "download"]


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSet:
    """IDX files that belong together.

    Attributes:
        name: of their folder in the cache.
        sha256: file name, ending in `.gz` -> SHA-256 of the unpacked content. Packers differ, contents do not.
        mirrors: addresses that a file's name is appended to, in the order in which they are tried.
        system_folder: where an operating system's package puts them.
    """

    name: str
    sha256: Mapping[str, str]
    mirrors: tuple[str, ...]
    system_folder: Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """Where a data set is.

    Attributes:
        place: in the `package`, in the `cache`, in a folder of the operating `system`, or still to `download`.
        folder: that folder; for `download` the one where it will be.
    """

    place: Place
    folder: Path


def cache_folder() -> Path:
    """Where downloaded files are kept.

    `FOURSTEP_CACHE` where it is set; else `fourstep` in `XDG_CACHE_HOME` (Windows: `LOCALAPPDATA`), else in `~/.cache`.
    """
    own = os.environ.get("FOURSTEP_CACHE")
    if own:
        return Path(own).expanduser()
    base = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "fourstep"


def locate_files(files: FileSet) -> Location:
    """Where the files are now; looks at names, not into files."""
    for location in _locations(files):
        if _are_there(files, location.folder):
            return location
    return Location(place="download", folder=cache_folder() / files.name)


def read_files(files: FileSet, folder: str | Path | None = None) -> tuple[Path, dict[str, Tensor]]:
    """Read every file and verify its content; download the files where they are nowhere.

    Args:
        files: which.
        folder: read them there and nowhere else; None looks in the cache, then in the system's folder, then downloads.

    Returns:
        The folder where they are, and file name -> tensor of bytes.

    Raises:
        DataFileError: a file in `folder` is missing or damaged, or a download failed.

    Warns:
        FourstepWarning: a file in the cache or the system's folder is damaged; the next place is tried.
    """
    if folder is not None:
        return Path(folder), _read_all(files, Path(folder))
    for location in _locations(files):
        if _are_there(files, location.folder):
            try:
                return location.folder, _read_all(files, location.folder)
            except DataFileError as error:
                warnings.warn(f"not used: {error}", FourstepWarning, stacklevel=3)
    cache = cache_folder() / files.name
    for name, sha256 in files.sha256.items():
        download_file(
            [mirror + name for mirror in files.mirrors], cache / name, verify=partial(read_idx, sha256=sha256)
        )
    return cache, _read_all(files, cache)


def _locations(files: FileSet) -> tuple[Location, Location]:
    cache, system = cache_folder() / files.name, files.system_folder
    return Location(place="cache", folder=cache), Location(place="system", folder=system)


def _are_there(files: FileSet, folder: Path) -> bool:
    return all(find_file(folder, name).exists() for name in files.sha256)


def find_file(folder: Path, name: str) -> Path:
    """The file, or where it is not there its unpacked twin, which other programs leave behind."""
    unpacked = folder / name.removesuffix(".gz")
    return unpacked if unpacked.exists() and not (folder / name).exists() else folder / name


def _read_all(files: FileSet, folder: Path) -> dict[str, Tensor]:
    return {name: read_idx(find_file(folder, name), sha256=sha256) for name, sha256 in files.sha256.items()}
