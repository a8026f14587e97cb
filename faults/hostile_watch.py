"""A hostile file is opened in a process that is watched: what it did, how long it took, how much memory it filled."""

import os
import re
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from faults.zygote import REFUSED, Failure, answer, start

SECONDS, GROWTH = 2.0, 256 * 2**20  # for one file: of the processor, which others may share; bytes
BACKSTOP = 3 * 2**30  # bytes: a file that fills the memory must not fill the machine's
PATIENCE = 12.0  # seconds until what hangs is killed
CANARY = "canary"  # what a payload makes, or imports
VICTIM = b"nobody may write here\n"

UNSAFE = {
    "pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.fork", "os.forkpty", "os.startfile",
    "subprocess.Popen", "socket.connect", "socket.bind", "socket.getaddrinfo", "ctypes.dlopen", "webbrowser.open",
    "os.putenv", "os.kill", "code.__new__",
}  # fmt: skip
CHANGING = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass(frozen=True, kw_only=True)
class Case:
    """One hostile file, and the door that it is brought to.

    Attributes:
        name: says what is hostile.
        make: puts it into a folder; gives the path to open.
        open: opens it, as a user would.
        shown: it may also be read, where nothing of it harms; else it has to be refused.
        look: what must be true afterwards; gets the folder, says what is wrong.
    """

    name: str
    make: Callable[[Path], Path]
    open: Callable[[Path], Any]
    shown: bool = False
    look: Callable[[Path], str] | None = None


@dataclass
class Watch:
    """Notes what Python does in this process, from `begin` on; a hook cannot be taken off, but it can be told to end.

    Attributes:
        allowed: the only folder that may be written.
        seen: what was not to be done.
    """

    allowed: str
    is_on: bool = False
    seen: list[str] = field(default_factory=list)

    def begin(self) -> None:
        """From now on."""
        sys.addaudithook(self._note)
        self.is_on = True

    def _note(self, event: str, given: tuple[Any, ...]) -> None:
        if not self.is_on or len(self.seen) > 20:  # noqa: PLR2004 - enough to know
            return
        self.is_on = False  # what is done here is not to be noted
        try:
            if self._is_unsafe(event, given):
                self.seen.append(f"{event} {given!r}"[:200])
        finally:
            self.is_on = True

    def _is_unsafe(self, event: str, given: tuple[Any, ...]) -> bool:
        if event == "import":
            return str(given[0]).startswith(CANARY)
        if event == "open":
            path, mode, flags = given
            is_writing = flags & WRITING if mode is None else not str(mode).startswith("r") or "+" in mode
            return bool(is_writing) and not self._is_own(path, by_name=bool(flags & os.O_NOFOLLOW))
        if event in CHANGING:
            return not self._is_own(given[0], by_name=event not in ("os.truncate", "os.chmod"))
        return event in UNSAFE and (event, given[0]) != ("ctypes.dlopen", None)  # the last is this program itself

    def _is_own(self, path: Any, *, by_name: bool) -> bool:
        """Is it in the only folder that may be written? By name, what a link leads to is not meant."""
        if isinstance(path, int):
            return True
        name = os.fsdecode(path)
        place = os.path.realpath(Path(name).parent if by_name else name)
        return place == os.devnull or f"{place}{os.sep}".startswith(self.allowed + os.sep)


def sparse(path: Path, size: int) -> None:
    """A file that says it is large, and takes no room."""
    with path.open("wb") as file:
        file.truncate(size)


def watched(work: Callable[[], Any], allowed: Path) -> None:
    """Do something under watch, and answer what was seen; for a child."""
    own = os.path.realpath(allowed)
    tempfile.tempdir = own
    os.environ |= {"FOURSTEP_CACHE": f"{own}/cache", "XDG_CACHE_HOME": f"{own}/cache", "COLUMNS": "200"}
    os.chdir(own)
    room = _memory("VmSize") + BACKSTOP
    resource.setrlimit(resource.RLIMIT_AS, (room, room))
    Path("/proc/self/clear_refs").write_text("5")  # from here on the largest memory is counted anew
    before = _memory("VmRSS")
    sys.dont_write_bytecode = True  # what is imported late is not of the file's doing
    watch = Watch(own)
    watch.begin()
    begun = time.process_time()
    try:
        work()
    finally:
        seconds = time.process_time() - begun
        watch.is_on = False
        answer({"seconds": seconds, "grown": _memory("VmHWM") - before, "seen": watch.seen})


def _memory(name: str) -> int:
    """A line of the kernel's about this process, in bytes."""
    found = re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def try_case(case: Case, place: Path) -> dict[str, Any]:
    """Make a hostile file, open it in a process of its own, and look what came of it.

    Args:
        case: what and how.
        place: an empty folder.

    Returns:
        The seconds that it took, and by how many bytes the memory grew.

    Raises:
        Failure: it was not refused, something of it ran, or it was too slow or too large.
    """
    given, outside = place / "given", place / "outside"
    for folder in (given, outside):
        folder.mkdir(parents=True)
    (outside / "victim").write_bytes(VICTIM)
    path = case.make(given)
    child = start(lambda: watched(lambda: case.open(path), given))
    try:
        code = child.wait(PATIENCE)
    except Failure as failure:
        raise Failure(f"{case.name}: {failure}") from failure
    said = child.said()
    wrong = _what_is_wrong(case, code, said, child.answers)
    left = sorted(path.name for path in outside.iterdir())
    if left != ["victim"] or (outside / "victim").read_bytes() != VICTIM:
        wrong.append(f"files outside were touched: {left}")
    if any(CANARY in path.name for path in given.rglob("*")):
        wrong.append("it ran: the canary is there")
    if case.look is not None and (found := case.look(given)):
        wrong.append(found)
    if wrong:
        raise Failure(f"{case.name}: {'; '.join(wrong)}. It said: {said[-900:]!r}")
    found_out: dict[str, Any] = child.answers[-1]
    return found_out


def _what_is_wrong(case: Case, code: int, said: str, answers: list[Any]) -> list[str]:
    ours = [line for line in said.splitlines() if line.startswith("fourstep: ")]
    found: dict[str, Any] = answers[-1] if answers else {"seen": ["it was killed"], "seconds": 0, "grown": 0}
    is_refused = code == REFUSED and bool(ours) and said.rstrip().splitlines()[-1] == ours[-1]
    judged = {
        f"ended with {code}": not is_refused and not (case.shown and code == 0),
        "a traceback": "Traceback" in said,
        "it reached the terminal": not all(line.isprintable() for line in said.split("\n")),
        f"seen: {found['seen']}": bool(found["seen"]),
        f"took {found['seconds']:.1f} s": found["seconds"] > SECONDS,
        f"filled {found['grown'] / 1e6:.0f} MB": found["grown"] > GROWTH,
    }
    return [what for what, is_so in judged.items() if is_so]
