"""One run, one process: a lock on a run's folder that the operating system gives back when its holder dies."""

import errno
import os
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from fourstep.errors import RunFolderError
from fourstep.files import open_plain, reason

LOCK = "run.lock"

_held: "dict[Path, RunLock]" = {}  # by this process


class RunLock:
    """Holds a folder until `release`, or until this process is gone in whatever way.

    Args:
        folder: is there.

    Raises:
        RunFolderError: another run, here or in another process, holds it.

    A worker process that was forked from this one does not hold it on.
    """

    def __init__(self, folder: Path) -> None:
        self._key = folder.resolve()
        self._file: IO[str] | None = None
        if self._key in _held:
            raise RunFolderError(f"{folder} is in use by another run of this process: choose another folder")
        file = _locked(folder)
        with suppress(OSError):  # the lock holds also where the disk is full
            file.truncate(0)
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
        self._file = file
        _held[self._key] = self

    def close_only(self) -> None:
        """Close the file without giving the folder back, in a process that shares it with its parent."""
        if self._file is not None:
            with suppress(OSError):  # it is let go all the same
                self._file.close()
            self._file = None

    def release(self) -> None:
        """Give the folder back."""
        if self._file is not None:
            self.close_only()
            _held.pop(self._key, None)


def is_held(folder: Path) -> bool:
    """Does a process train in this folder now? Asks, and leaves everything as it is."""
    if folder.resolve() in _held:
        return True
    try:
        with open_plain(folder / LOCK) as file:
            _lock(file)  # given back when it is closed
    except FileNotFoundError:
        return False
    except OSError as error:
        return error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
    return False


def _locked(folder: Path) -> IO[str]:
    """The lock's file, locked by this process."""
    path = folder / LOCK
    while True:
        try:
            # the name itself: a stranger's run must not have another file written by a link
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
            file = os.fdopen(os.open(path, flags, 0o666), "a+", encoding="utf-8")
        except OSError as error:
            raise RunFolderError(
                f"{path} cannot be opened: {reason(error)}. Expected a folder that may be written"
            ) from error
        try:
            _lock(file)
        except OSError as error:
            holder = _holder(file)
            file.close()
            raise RunFolderError(
                f"{folder} is in use by {holder}: wait until it is done, stop it, or choose another folder"
            ) from error
        with suppress(OSError):
            if path.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()  # its last holder took it away between the two calls


def _holder(file: IO[str]) -> str:
    """Who wrote itself into the lock's file."""
    try:
        file.seek(0)
        written = file.read(200)
    except (OSError, ValueError):
        written = ""
    # it may have locked the file this instant and not written yet; a stranger's text must not reach the terminal
    return written if written and written.isprintable() else "another process"


if sys.platform == "win32":
    import msvcrt

    def _lock(file: IO[Any]) -> None:
        file.seek(2**20)  # past the text, which others want to read
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        file.seek(0)

else:
    import fcntl

    def _lock(file: IO[Any]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _let_go() -> None:
        """In a forked child: a worker that outlives its killed run must not hold the folder on."""
        for lock in _held.values():
            lock.close_only()

    os.register_at_fork(after_in_child=_let_go)
