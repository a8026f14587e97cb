"""Where a data set's files are looked for, and what happens where they are damaged."""

import sys
import threading
from pathlib import Path
from typing import Protocol

import pytest

import fourstep as fs
from fourstep.data.places import FileSet, Location, cache_folder, locate_files, read_files


class Mirror(Protocol):
    """The server of conftest.py."""

    file: bytes
    unpacked: bytes
    sha256: str
    asked: list[tuple[str, str | None]]
    arrived: threading.Event

    def url(self, way: str) -> str:
        """The address of the file served that way."""


@pytest.fixture
def files(mirror: Mirror, no_cache: Path) -> FileSet:
    """One file, which is nowhere yet but on the last of three mirrors."""
    mirrors = tuple(mirror.url(way).removesuffix("images.gz") for way in ("missing", "wrong", "good"))
    return FileSet(
        name="set", sha256={"images.gz": mirror.sha256}, mirrors=mirrors, system_folder=no_cache.parent / "system"
    )


def put(folder: Path, content: bytes, name: str = "images.gz") -> Path:
    """Make the file."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


def test_downloads_what_is_nowhere(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """The first call fetches the right file into the cache, the second reads there."""
    assert locate_files(files) == Location(place="download", folder=no_cache / "set")

    folder, tensors = read_files(files)

    assert folder == no_cache / "set"
    assert tensors["images.gz"].shape == (50, 28, 28)
    assert bytes(tensors["images.gz"].flatten().tolist()) == mirror.unpacked[16:]
    assert locate_files(files) == Location(place="cache", folder=folder)
    asked = len(mirror.asked)
    read_files(files)
    assert len(mirror.asked) == asked


def test_the_systems_folder_saves_the_download(files: FileSet, mirror: Mirror) -> None:
    """Nobody is asked where an operating system's package has brought the file."""
    put(files.system_folder, mirror.file)

    assert locate_files(files) == Location(place="system", folder=files.system_folder)
    assert read_files(files)[0] == files.system_folder
    assert not mirror.asked


def test_the_cache_comes_first(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """A user's own copy goes before the system's."""
    put(files.system_folder, mirror.file)
    put(no_cache / "set", mirror.file)

    assert read_files(files)[0] == no_cache / "set"


def test_an_unpacked_twin_will_do(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """Other programs leave the files unpacked, without `.gz`."""
    put(no_cache / "set", mirror.unpacked, "images")

    assert read_files(files)[0] == no_cache / "set"
    assert not mirror.asked


def test_a_damaged_cache_is_named_and_passed_over(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """The next place is used, and the damaged file is left for its owner to look at."""
    put(files.system_folder, mirror.file)
    damaged = put(no_cache / "set", mirror.file[:-20])

    with pytest.warns(fs.FourstepWarning, match=f"not used: {damaged} is damaged"):
        folder, _ = read_files(files)

    assert folder == files.system_folder
    assert damaged.read_bytes() == mirror.file[:-20]


def test_a_damaged_cache_is_downloaded_anew(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """Where no other place has the file."""
    damaged = put(no_cache / "set", b"no longer an IDX file")

    with pytest.warns(fs.FourstepWarning, match=f"not used: {damaged} is no IDX file"):
        read_files(files)

    assert damaged.read_bytes() == mirror.file


def test_a_folder_of_the_callers_is_taken_at_its_word(files: FileSet, mirror: Mirror, no_cache: Path) -> None:
    """What is wrong there is an error, whatever the other places have; nobody is asked."""
    put(no_cache / "set", mirror.file)
    own = no_cache / "own"

    with pytest.raises(fs.DataFileError, match=f"{own / 'images.gz'} is not there"):
        read_files(files, own)
    put(own, mirror.file + b"!")
    with pytest.raises(fs.DataFileError, match=f"{own / 'images.gz'} is damaged"):
        read_files(files, str(own))
    put(own, mirror.file)
    assert read_files(files, str(own))[0] == own
    assert not mirror.asked


@pytest.mark.parametrize(
    ("platform", "variables", "expected"),
    [
        ("linux", {"FOURSTEP_CACHE": "/data/mine", "XDG_CACHE_HOME": "/data/cache"}, "/data/mine"),
        ("linux", {"FOURSTEP_CACHE": "~/mine"}, "/home/me/mine"),
        ("linux", {"XDG_CACHE_HOME": "/data/cache"}, "/data/cache/fourstep"),
        ("linux", {"LOCALAPPDATA": "/data/local"}, "/home/me/.cache/fourstep"),
        ("darwin", {}, "/home/me/.cache/fourstep"),
        ("win32", {"LOCALAPPDATA": "/data/local", "XDG_CACHE_HOME": "/data/cache"}, "/data/local/fourstep"),
    ],
)
def test_where_the_cache_is(
    monkeypatch: pytest.MonkeyPatch, platform: str, variables: dict[str, str], expected: str
) -> None:
    """The project's own variable first, then the platform's, then the home folder."""
    for name in ("FOURSTEP_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": "/home/me", "USERPROFILE": "/home/me", **variables}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)

    assert cache_folder() == Path(expected)
