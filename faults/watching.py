"""What no reader of files may do: start programs, reach the network, run a file's content, write elsewhere."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NEVER = (
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "os.forkpty",
    "subprocess.Popen",
    "pickle.find_class",
    "pty.spawn",
)
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind")
CHANGES = {  # event -> how many paths of its arguments are changed
    "os.remove": 1,
    "os.rmdir": 1,
    "os.mkdir": 1,
    "os.chmod": 1,
    "os.rename": 2,
    "os.link": 2,
    "os.symlink": 2,
    "shutil.rmtree": 1,
}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Forbidden(BaseException):
    """It was about to do what it must not."""


@contextmanager
def watch(folder: Path, *, may_compile: bool = False) -> Iterator[list[str]]:
    """Yield a list that grows by whatever is done inside the block that must not be done; it is prevented, too.

    The network answers as one that is not there. A process keeps its hook until it ends. `may_compile`: the reader of
    the command line makes itself programs of its own texts.
    """
    seen: list[str] = []
    roots = (os.path.realpath(folder), "/dev/null", "/proc/self")
    active = [True]

    def hook(event: str, given: tuple[Any, ...]) -> None:
        if not active[0]:
            return
        if event in NETWORK:
            raise OSError(101, "Network is unreachable")
        if (
            event in NEVER
            or (event == "compile" and given[0] is not None and not may_compile)
            or _writes_elsewhere(event, given, roots)
        ):
            active[0] = False
            seen.append(f"{event} {given!r}"[:300])
            active[0] = True
            raise Forbidden(seen[-1])

    sys.dont_write_bytecode = True
    sys.addaudithook(hook)
    try:
        yield seen
    finally:
        active[0] = False


def _writes_elsewhere(event: str, given: tuple[Any, ...], roots: tuple[str, ...]) -> bool:
    """Does an event change something outside the folders?"""
    if event == "open":
        path, _, flags = given
        paths = [path] if flags & WRITES else []
    elif event == "shutil.rmtree" or (event in CHANGES and -1 in given[1:]):  # no name inside an open folder
        paths = list(given[: CHANGES[event]])
    else:
        return False
    names = [os.path.realpath(os.fsdecode(path)) for path in paths if not isinstance(path, int)]
    return not all(name.startswith(roots) for name in names)
