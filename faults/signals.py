"""SIGTERM, SIGINT and SIGHUP at random instants, once and twice, to the process or its group; closed terminals."""

import os
import pty
import random
import re
import signal
import time
from pathlib import Path

from faults.subjects import SUBJECTS, Subject, train_and_tell
from faults.trial import Fault, Site, check_one_line
from faults.zygote import Child, Failure, start

SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
PATIENCE = 5.0  # seconds until it has to be over; two of the subjects' steps take hundredths
HANGUPS = 8  # every so many trials a terminal is closed


def signal_and_resume(site: Site, draw: random.Random, number: int) -> int:
    """Stop a run by a signal, then let it end."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    folder = site.fresh("run")
    site.reference(subject)
    if number % HANGUPS == HANGUPS - 1:
        _hang_up(site, draw, subject, folder)
    else:
        _send(site, draw, subject, folder)
    site.resume(subject, folder)
    return 1


def _linger(subject: Subject, folder: Path, parent: int | None = None) -> None:
    """Train, then do something else for longer than a signal may be left unanswered."""
    if parent is not None:
        os.close(parent)  # the other end of the terminal; held open here too, it would not hang up
    train_and_tell(subject, folder, show="none" if parent is None else "lines")
    time.sleep(2 * PATIENCE)


def _send(site: Site, draw: random.Random, subject: Subject, folder: Path) -> None:
    number, twice, to_group = draw.choice(SIGNALS), draw.random() < 0.4, draw.random() < 0.5  # noqa: PLR2004 - shares
    child = start(lambda: _linger(subject, folder))
    time.sleep(draw.uniform(0, site.reference(subject)["seconds"]))
    child.read()
    listened = any("start" in answer for answer in child.answers)
    child.kill(number, whole_group=to_group)
    if twice:
        time.sleep(draw.uniform(0, 0.02))
        child.kill(number, whole_group=to_group)
    code = child.wait(PATIENCE)
    how = f"{signal.Signals(number).name}{' twice' if twice else ''}{' to the group' if to_group else ''}"
    ended = _had_ended(site, subject, child)
    is_sure = listened and not ended and not twice  # the second may come when nobody listens any more
    expected = {128 + number} if is_sure else {128 + number, -number}
    if code not in expected:
        raise Failure(f"{how}, {subject}: ended with {code}, not {expected}: {child.said()[-2500:]}")
    if code > 0 and not twice and "Traceback" in child.said():
        raise Failure(f"{how}, {subject}: a traceback: {child.said()[:9000]}")
    if code > 0 and not twice:
        _check_saved(child, folder, how)


def _had_ended(site: Site, subject: Subject, child: Child) -> bool:
    """Had it done all of its steps? From then on nobody listens for signals, at some instant or other."""
    return any(answer.get("end") == site.reference(subject)["end"] for answer in child.answers)


def _check_saved(child: Child, folder: Path, how: str) -> None:
    """Where it says that it has saved, it has."""
    said = re.search(r"stopped at step ([\d,]+)", child.said())
    if said is None:
        return
    step = int(said[1].replace(",", ""))
    newest = max((int(path.name.split("-")[1]) for path in (folder / "checkpoints").glob("step-*")), default=0)
    if newest != step:
        raise Failure(f"{how}: said that step {step} was saved, and the newest checkpoint is of step {newest}")
    check_one_line(child, 0)


def _hang_up(site: Site, draw: random.Random, subject: Subject, folder: Path) -> None:
    """Close the terminal that a run prints to."""
    parent, terminal = pty.openpty()
    child = start(lambda: _linger(subject, folder, parent), terminal=terminal)
    os.close(terminal)
    time.sleep(draw.uniform(0, site.reference(subject)["seconds"]))
    child.read()
    listened = any("start" in answer for answer in child.answers)
    os.close(parent)
    code = child.wait(PATIENCE)
    ended = _had_ended(site, subject, child)
    number = signal.SIGHUP
    if code not in ({128 + number} if listened and not ended else {128 + number, -number}):
        raise Failure(f"the terminal was closed, {subject}: ended with {code}, not {128 + number}")


SIGNALLED = Fault(
    name="signals",
    what="SIGTERM, SIGINT or SIGHUP, once or twice, to the process or its group, or a closed terminal",
    short=80,
    long=320,
    body=signal_and_resume,
)
