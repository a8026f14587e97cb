"""A file from the first of several mirrors that has it: resumed where it broke off, verified, whole or not there."""

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TypeAlias
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

from fourstep.errors import DataFileError

if sys.platform != "win32":
    import fcntl

Verify: TypeAlias = Callable[[Path], object]
ShowBytes: TypeAlias = Callable[[int, int | None], object]

_CHUNK = 1 << 16  # bytes


def download_file(urls: Sequence[str], path: Path, *, verify: Verify, timeout: float = 20.0) -> None:
    """Fetch a file, unless it is there already.

    What has arrived is kept beside it as `.part`, so that the next mirror, or the next call, goes on from there.
    Processes that download into one folder wait for each other (not on Windows; verification alone stands guard there).

    Args:
        urls: mirrors of the file, tried in this order.
        path: where it is to be; its folder is made. Nothing but a whole, verified file ever comes to this name.
        verify: raises `DataFileError` for a file whose content is wrong.
        timeout: seconds without a byte after which a connection is given up.

    Raises:
        DataFileError: no mirror gave the right file, or it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path.parent, "downloads into"):
            if _fault(path, verify):
                _try_mirrors(urls, path, verify, timeout)
    except DataFileError:
        raise
    except OSError as error:
        raise DataFileError(
            f"{path} cannot be written ({error.strerror}): free some space, or choose a folder that you may write "
            "to (for data sets FOURSTEP_CACHE names it)"
        ) from error


def _fault(path: Path, verify: Verify) -> str:
    """What is wrong with the file; empty where nothing is."""
    try:
        verify(path)
    except DataFileError as error:
        return str(error)
    return ""


def _try_mirrors(urls: Sequence[str], path: Path, verify: Verify, timeout: float) -> None:
    part = path.with_name(f"{path.name}.part")
    failures = []
    for url in urls:
        host = urlsplit(url).netloc
        try:
            with _progress(path.name, host) as show:
                _fetch(url, part, verify, timeout, show)
        except ConnectionError as error:
            failures.append(f"{host}: {error}")
        else:
            part.replace(path)
            _sync_folder(path.parent)
            return
    raise DataFileError(
        f"{path.name} could not be downloaded ({'; '.join(failures)}): try again with a connection, or put the file "
        f"into {path.parent} by hand, from {' or '.join(urls)}"
    )


def _fetch(url: str, part: Path, verify: Verify, timeout: float, show: ShowBytes) -> None:
    """Complete `part` from one mirror and verify it.

    Raises:
        ConnectionError: the mirror failed, in any way, or its file is not the right one.
    """
    while True:
        had = _size(part)
        try:
            _append(url, part, timeout, show)
        except ConnectionError:
            if _size(part) > had:  # it broke off, but gave something: go on from there
                continue
            raise
        fault = _fault(part, verify)
        if not fault:
            return
        part.unlink(missing_ok=True)
        if had == 0:
            raise ConnectionError(f"the file it gave is not the right one: {fault}")
        # the beginning may have come from elsewhere: once more from the start


def _append(url: str, part: Path, timeout: float, show: ShowBytes) -> None:
    """Fetch what `part` lacks, or all of it where the server cannot begin in the middle."""
    response = _open(url, _size(part), timeout)
    if response is None:
        return
    with response:
        begin = _size(part) if response.status == HTTPStatus.PARTIAL_CONTENT else 0
        total = None if response.length is None else begin + response.length
        with part.open("ab" if begin else "wb") as file:
            for chunk in _chunks(response):
                file.write(chunk)
                show(file.tell(), total)
            file.flush()
            os.fsync(file.fileno())
    if total is not None and _size(part) < total:
        raise ConnectionError(f"cut off after {_size(part):,} of {total:,} bytes")


def _open(url: str, begin: int, timeout: float) -> HTTPResponse | None:
    """Ask for the bytes from `begin` on; None where there are no more."""
    headers = {"User-Agent": "fourstep"} | ({"Range": f"bytes={begin}-"} if begin else {})
    try:
        response: HTTPResponse = urlopen(Request(url, headers=headers), timeout=timeout)  # noqa: S310 - the catalogue's own addresses
    except HTTPError as error:
        with error:  # it holds the connection
            if error.code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                return None
            raise ConnectionError(f"HTTP {error.code} {error.reason}") from error
    except (OSError, HTTPException) as error:
        raise ConnectionError(_reason(error)) from error
    return response


def _chunks(response: HTTPResponse) -> Iterator[bytes]:
    """What arrives; a failure of the network is a `ConnectionError`, so that it is not taken for the disk's."""
    while True:
        try:
            chunk = response.read1(_CHUNK)  # what is there, without waiting for a whole chunk
        except (OSError, HTTPException) as error:
            raise ConnectionError(_reason(error)) from error
        if not chunk:
            return
        yield chunk


def _reason(error: Exception) -> str:
    return " ".join(str(getattr(error, "reason", error)).split()) or type(error).__name__


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _sync_folder(folder: Path) -> None:
    """Make a new name in `folder` outlast a power cut; Windows has no such call."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def alone(folder: Path, doing: str) -> Iterator[None]:
    """Let other processes wait until this one is done with `folder`; a process that dies lets go of the lock.

    Args:
        folder: which is there.
        doing: what the others are told that it does with the folder.
    """
    with (folder / ".lock").open("ab") as lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                sys.stderr.write(f"waiting for another process that {doing} {folder}\n")
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError:  # a file system without locks
                pass
        yield


@contextmanager
def _progress(name: str, host: str) -> Iterator[ShowBytes]:
    """A progress bar on a terminal, else one line; yields a function of the bytes so far and the bytes in all."""
    if not sys.stderr.isatty():
        sys.stderr.write(f"downloading {name} from {host}\n")
        yield lambda done, total: None  # noqa: ARG005 - nothing is drawn
        return
    from rich import progress as bars  # noqa: PLC0415 - slow to import, and needed for downloads on a terminal alone
    from rich.console import Console  # noqa: PLC0415 - likewise

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
    )
    with bars.Progress(*columns, bars.TimeRemainingColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(f"{name} from {host}", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
