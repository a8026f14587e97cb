"""Writing files so that a reader, a crash or a full disk never sees half of one."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from fourstep.errors import DataFileError


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


def reason(error: OSError) -> str:
    """The operating system's own words for an error, without number and file name."""
    return error.strerror or str(error) or type(error).__name__
