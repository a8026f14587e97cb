"""Writing files so that a reader, a crash or a full disk never sees half of one."""

import errno
import os
import secrets
import stat
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from typing import Any

from fourstep.errors import DataFileError

DEEPEST_TOML = 10_000  # parts of a key's name: reading takes by their square
LARGEST_TOML = 2**22  # bytes; none of ours comes near, and a stranger's must not take the time or the memory


@contextmanager
def atomic_write(path: str | Path) -> Iterator[Path]:
    """Write a whole file or none: what stood at `path` stays until the new content is on the disk.

    Args:
        path: the file to write; its folder must be there.

    Yields:
        Where to write the content: a name beside `path`, moved there when the block ends without an error, else
            deleted.

    Raises:
        DataFileError: the file cannot be written; also for an `OSError` that leaves the block.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
    try:
        part.touch()
        mode = part.stat().st_mode
        yield part
        part.chmod(mode)  # a writer that makes the file anew may have closed it to others
        with part.open("rb+") as file:
            os.fsync(file.fileno())  # the content before the name: a power cut in between must not leave an empty file
        part.replace(target)
        sync_folder(target.parent)
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(
            f"{target} cannot be written: {reason(error)}. Expected a folder that is there, may be written "
            "and has space left"
        ) from error
    finally:
        with suppress(OSError):  # it was moved, or never made
            part.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, and bring their names onto the disk."""
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for path in reversed(missing):
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring a folder's names onto the disk; Windows has no such call."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def is_there(path: str | Path) -> bool:
    """Is there a file or folder of this name? No for a name that none can have, where `Path.exists` raises."""
    return os.path.exists(path)  # noqa: PTH110 - as above


def is_folder(path: str | Path) -> bool:
    """Is there a folder of this name? No for a name that none can have, where `Path.is_dir` raises."""
    return os.path.isdir(path)  # noqa: PTH112 - as above


def open_plain(path: str | Path) -> BufferedReader:
    """Open a file to read it, and nothing else that bears a file's name: a queue makes wait, a device has no end.

    Raises:
        OSError: it is not there, is no file, or may not be read.
    """
    try:
        mode = Path(path).stat().st_mode
    except ValueError as error:  # a zero byte
        raise OSError(errno.EINVAL, f"no file can have this name, {error}", str(path)) from error
    if not stat.S_ISREG(mode):
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        raise OSError(errno.EINVAL, "it is no plain file", str(path))
    return Path(path).open("rb")


def read_toml(path: str | Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        OSError: it is not there, is no file, or may not be read.
        ValueError: it is no TOML, too large, or too deep.
    """
    with open_plain(path) as file:
        content = file.read(LARGEST_TOML + 1)
    if len(content) > LARGEST_TOML:
        raise ValueError(f"it has more than {LARGEST_TOML:,} bytes")
    if max(line.partition(b"=")[0].count(b".") for line in content.split(b"\n")) >= DEEPEST_TOML:
        raise ValueError("it is nested too deeply")
    try:
        return tomllib.loads(content.decode().removeprefix("\ufeff"))  # no codec that a failing disk may not give
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def reason(error: OSError) -> str:
    """The operating system's own words for an error, without number and file name."""
    return error.strerror or str(error) or type(error).__name__
