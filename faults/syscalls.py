"""Every call to the file system of a save fails once, or is the last thing that the process does: with strace.

A process waits before the save until strace holds it; strace lets the k-th call of one kind fail, or kills there. The
calls are counted beforehand, so that all of them have their turn.
"""

import functools
import os
import random
import re
import select
import shutil
import signal
import subprocess
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults import subjects
from faults.subjects import IN_STEPS, Subject, train_and_tell
from faults.trial import Fault, Site, check_one_line, soundness
from faults.zygote import Child, Failure, answer, start

from fourstep import keeping
from fourstep.runs.folder import RunFolder

SUBJECT = Subject("cnn", "loop")
SAVES = {"first": 1, "later": 3}  # which save it is; the later one removes another
POINTS = ("begin", *SAVES, "finish", "load")
CHANGING = (
    "openat",
    "write",
    "fsync",
    "rename",
    "mkdir",
    "unlink",
    "unlinkat",
    "rmdir",
    "chmod",
    "fchmod",
    "ftruncate",
)
LOOKING = ("read", "close", "newfstatat", "fstat", "getdents64", "fcntl", "statfs")
ERRORS = {"ENOSPC": CHANGING[:6], "EDQUOT": CHANGING[:6], "EIO": CHANGING + LOOKING, "SIGKILL": CHANGING + LOOKING}
END = "/end-of-window"
Injection = tuple[str, str, int, str]  # where, call, which one, what


def fail_and_resume(site: Site, draw: random.Random, number: int) -> int:  # noqa: ARG001 - nothing is drawn
    """Let one call fail, or kill at it, then let the run end."""
    point, call, which, what = plan(site)[number]
    folder = site.fresh("run")
    site.reference(SUBJECT)
    try:
        how = f"signal={what}" if what == "SIGKILL" else f"error={what}"
        traced = f"--trace={call}", f"--inject={call}:{how}:when={which}", "-o", "/dev/null"
        child, code = _run_traced(site, folder, point, traced)
        _check(child, code, folder, is_killed=what == "SIGKILL")
        site.resume(SUBJECT, folder)
    except Failure as failure:
        raise Failure(f"{point}, {call} number {which}, {what}: {failure}") from failure
    return 1


def _check(child: Child, code: int, folder: Path, *, is_killed: bool) -> None:
    if not is_killed:
        check_one_line(child, code)
    elif code != -signal.SIGKILL:
        raise Failure(f"was not killed but ended with {code}")
    found = soundness(folder)
    if not all(is_sound for _, is_sound in found):
        raise Failure(f"torn checkpoints: {found}")
    if code == 0 and max(step for step, _ in found) != IN_STEPS[SUBJECT.kind]:
        raise Failure(f"ended with 0 without the last checkpoint: {found}")


@functools.cache
def plan(site: Site) -> list[Injection]:
    """All calls at all points, each with all that can happen to it; counted in a run that nothing happens to."""
    if shutil.which("strace") is None:
        print("strace is not installed: no system call is made to fail")
        return []
    return [
        (point, call, which, what)
        for point in POINTS
        for call, numbers in sorted(_list_calls(site, point).items())
        for which in numbers
        for what, calls in ERRORS.items()
        if call in calls
    ]


def _list_calls(site: Site, point: str) -> dict[str, list[int]]:
    """Of each kind of call, which ones concern the run's folder; counted from 1."""
    log = site.fresh("log")
    folder = site.fresh("counted")
    options = ("-y", "-s", "4096", f"--trace={','.join(CHANGING + LOOKING)},access", "-o", str(log))
    child, code = _run_traced(site, folder, point, options)
    if code != 0:
        raise Failure(f"cannot be traced: {child.said()}")
    numbers: dict[str, int] = defaultdict(int)
    found: dict[str, list[int]] = defaultdict(list)
    for line in log.read_text(errors="replace").split(f'access("{END}')[0].splitlines():
        match = re.match(r"(\w+)\(", line)
        if match and match[1] != "access":
            numbers[match[1]] += 1
            if str(folder) in line:
                found[match[1]].append(numbers[match[1]])
    return found


def _run_traced(site: Site, folder: Path, point: str, options: tuple[str, ...]) -> tuple[Child, int]:
    """Train, and let strace take hold of the process when it comes to the point."""
    if point == "load":
        child = site.train(SUBJECT, folder, hooks=(_die_late,))
        child.wait()
    go, release = os.pipe()
    child = start(lambda: _train_until(point, go, folder))
    while child.is_alive() and "waits" not in child.answers:
        time.sleep(0.001)
        child.read()
    command = ("strace", "-qq", "-p", str(child.pid), *options)
    strace = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while child.is_alive() and "TracerPid:\t0\n" in Path(f"/proc/{child.pid}/status").read_text():
        time.sleep(0.001)
    os.write(release, b".")
    try:
        code = child.wait()
        child.answers = [found for found in child.answers if found != "waits"]
    finally:
        strace.terminate()
        strace.wait()
        os.close(go)
        os.close(release)
    return child, code


def _die_late(event: Any) -> None:
    if event.kind == "epoch" and event.step == 18:  # noqa: PLR2004 - the third epoch's end
        os.kill(os.getpid(), 9)


def _train_until(point: str, go: int, folder: Path) -> None:
    """Train, waiting once for strace, and marking for it where the window ends."""

    def wait() -> None:
        answer("waits")
        select.select([go], [], [])

    if point in ("begin", "load"):
        _wrap(keeping, "save_checkpoint", {1: _mark_end})
        wait()
    elif point == "finish":
        _wrap(RunFolder, "finish", {1: wait})
        _wrap(subjects, "digest", {1: _mark_end})  # what comes now reads the files of the run that is over
    else:
        _wrap(keeping, "save_checkpoint", {SAVES[point]: wait, SAVES[point] + 1: _mark_end})
    train_and_tell(SUBJECT, folder)


def _mark_end() -> None:
    os.access(END, os.F_OK)


def _wrap(owner: Any, name: str, before: dict[int, Callable[[], None]]) -> None:
    """Do something before some of the calls of a function, counted from 1."""
    original, calls = getattr(owner, name), iter(range(1, 10**6))

    @functools.wraps(original)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        before.get(next(calls), lambda: None)()
        return original(*args, **kwargs)

    setattr(owner, name, wrapped)


SYSCALLS = Fault(
    name="syscalls",
    what="kill, ENOSPC, EDQUOT, EIO at a file system call of the begin, first save, later save with removal, end, load",
    short=150,
    long=0,
    body=fail_and_resume,
    plan=lambda site: len(plan(site)),
)
