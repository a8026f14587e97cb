"""Several processes in one folder, also by other names for it, and the lock of one that was killed."""

import random
import re
import time
from pathlib import Path

from faults.subjects import SUBJECTS, Subject
from faults.trial import Fault, Site
from faults.zygote import REFUSED, Child, Failure

import fourstep as fs

HELD = 1.5  # seconds that a run is held up, so that it cannot be over before the others come
PATIENCE = 1.0  # seconds until the others have to be refused


def crowd_and_resume(site: Site, draw: random.Random, number: int) -> int:
    """Start two to four at once in a folder, where a killed one may have left its lock; one proceeds."""
    subject = SUBJECTS[number % 4]
    folder = site.fresh("run")
    site.reference(subject)
    if draw.random() < 0.5:  # noqa: PLR2004 - half of them
        _leave_stale(site, draw, subject, folder)
    folder.mkdir(exist_ok=True)
    names = [folder, site.fresh("link"), folder.parent / "." / ".." / folder.parent.name / folder.name]
    names[1].symlink_to(folder)
    begun = time.perf_counter()
    children = [site.train(subject, draw.choice(names), hooks=(_hold_up,)) for _ in range(draw.randint(2, 4))]
    ended = _watch(children, begun)
    _check(children, ended)
    site.resume(subject, folder)
    return len(children) - 1


def _hold_up(event: fs.Event) -> None:
    if event.kind == "start":
        time.sleep(HELD)


def _leave_stale(site: Site, draw: random.Random, subject: Subject, folder: Path) -> None:
    child = site.train(subject, folder)
    time.sleep(draw.uniform(0, site.reference(subject)["seconds"]))
    child.kill()
    child.wait()


def _watch(children: list[Child], begun: float) -> dict[int, float]:
    """When each has ended, in seconds."""
    ended: dict[int, float] = {}
    while len(ended) < len(children) and time.perf_counter() - begun < 60:  # noqa: PLR2004 - the watchdog
        for child in children:
            if child.pid not in ended and not child.is_alive():
                ended[child.pid] = time.perf_counter() - begun
        time.sleep(0.005)
    return ended


def _check(children: list[Child], ended: dict[int, float]) -> None:
    codes = [child.wait() for child in children]
    told = "; ".join(f"{code}: {child.said().strip()[-300:]}" for code, child in zip(codes, children, strict=True))
    if sorted(codes) != [0, *[REFUSED] * (len(codes) - 1)]:
        raise Failure(f"not one alone proceeded: {told}")
    winner = children[codes.index(0)].pid
    for code, child in zip(codes, children, strict=True):
        named = re.search(r"in use by (?:process (\d+) on|another process)", child.said())
        if code == REFUSED and (named is None or int(named[1] or winner) != winner):
            raise Failure(f"did not name process {winner}: {told}")
        if code == REFUSED and ended[child.pid] > PATIENCE:
            raise Failure(f"was refused after {ended[child.pid]:.1f} s: {told}")


LOCKS = Fault(
    name="locks",
    what="two to four processes at once in one folder, by its name, a symbolic link or a detour, over a stale lock",
    short=20,
    long=200,
    body=crowd_and_resume,
)
