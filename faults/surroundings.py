"""Odd surroundings: time zones, languages, clocks, names, rights, closed outputs. It goes on, or ends by one line."""

import locale
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from faults.subjects import SUBJECTS, Subject, train_and_tell
from faults.trial import Fault, Site
from faults.zygote import REFUSED, Failure, start

NAMES = (
    "数据 и данные",
    "a b\tc",
    "n" * 200,
    "-rf",
    "%s{0}",
    "ünï\u202ecode",
    "x'\"$(id)`",
    ".hidden",
    "step-00000001",
)
ZONES = ("Pacific/Kiritimati", "Asia/Kathmandu", "America/St_Johns", ":nowhere", "XYZ-99:99:99")


def surround_and_resume(site: Site, draw: random.Random, number: int) -> int:
    """Train in one odd place, kill, and go on in it."""
    subject = SUBJECTS[number % 4]
    kind = KINDS[number % len(KINDS)]
    site.reference(subject)
    try:
        if kind == "read-only":
            _read_only(site, subject)
        else:
            _surround(site, draw, subject, kind)
    except Failure as failure:
        raise Failure(f"{kind}: {failure}") from failure
    return 1


def _surround(site: Site, draw: random.Random, subject: Subject, kind: str) -> None:
    folder = site.fresh("run")
    if kind == "name":
        folder = folder / draw.choice(NAMES)
    seed = draw.random()
    child = start(lambda: _train(subject, folder, kind, seed))
    time.sleep(draw.uniform(0, site.reference(subject)["seconds"]))
    child.kill()
    child.wait()
    if folder.is_dir():
        _disturb(folder, kind, draw)
    again = draw.random()
    child = start(lambda: _train(subject, folder, kind, again))
    code = child.wait()
    if kind == "unread output" and code != 0:
        site.resume(subject, folder)  # it may stop where nobody reads it, but nothing is lost
    elif site.finished(child)["digest"] != site.reference(subject)["digest"]:
        raise Failure(f"differs from the undisturbed run: {child.said()[-500:]}")


def _train(subject: Subject, folder: Path, kind: str, seed: float) -> None:
    change = CHANGES.get(kind)
    if change is not None:
        change(random.Random(seed))
    train_and_tell(subject, folder, show="lines")


def _move_zone(draw: random.Random) -> None:
    os.environ["TZ"] = draw.choice(ZONES)
    time.tzset()


def _speak(draw: random.Random) -> None:
    installed = subprocess.run(["locale", "-a"], capture_output=True, text=True, check=True).stdout.split()  # noqa: S607 - the system's own
    name = draw.choice(installed)
    os.environ |= {"LC_ALL": name, "LANG": name}
    with suppress(locale.Error):
        locale.setlocale(locale.LC_ALL, name)


def _shift_clock(draw: random.Random) -> None:
    """Let the wall's clock stand elsewhere, in what Python reads of it."""
    real, seconds = time.time, draw.uniform(-4e7, 4e7)
    time.time = lambda: real() + seconds


def _leave_home(_: random.Random) -> None:
    for name in ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "TMPDIR"):
        os.environ.pop(name, None)


def _close_outputs(_: random.Random) -> None:
    sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None  # type: ignore[misc] # as Python leaves them
    for handle in (0, 1, 2):
        os.close(handle)


def _close_reader(_: random.Random) -> None:
    reader, writer = os.pipe()
    os.dup2(writer, 1)
    os.close(reader)
    os.close(writer)


def _mask_rights(_: random.Random) -> None:
    os.umask(0o777 if os.geteuid() == 0 else 0o077)


def _lose_place(_: random.Random) -> None:
    place = Path(tempfile.mkdtemp())
    os.chdir(place)
    place.rmdir()


CHANGES = {
    "zone": _move_zone,
    "language": _speak,
    "clock": _shift_clock,
    "no home": _leave_home,
    "closed outputs": _close_outputs,
    "unread output": _close_reader,
    "masked rights": _mask_rights,
    "lost place": _lose_place,
}
KINDS = (*CHANGES, "times", "name", "read-only", "files of others")


def _disturb(folder: Path, kind: str, draw: random.Random) -> None:
    """Do something to the folder of a run that was killed."""
    if kind == "times":
        for path in [folder, *folder.rglob("*")]:
            when = draw.uniform(0, 4e9)
            os.utime(path, (when, when))
    elif kind == "files of others":
        for place in (folder, folder / "checkpoints"):
            if place.is_dir():
                (place / "notes.txt").write_text("mine")
                (place / "mine").mkdir(exist_ok=True)


def _read_only(site: Site, subject: Subject) -> None:
    """A file system that may not be written, with and without a finished run: one line."""
    if os.geteuid() != 0:
        return
    disk = site.fresh("disk")
    disk.mkdir()
    finished = site.fresh("run")
    site.resume(subject, finished)
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(disk)], check=True)  # noqa: S607 - the system's own
    try:
        shutil.copytree(finished, disk / "run")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)  # noqa: S607 - as above
        for folder in (disk / "run", disk / "new"):
            child = site.train(subject, folder)
            code = child.wait()
            if code != REFUSED or len(child.said().splitlines()) != 1:
                raise Failure(f"ended with {code}: {child.said()[-1500:]}")
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607 - as above


SURROUNDED = Fault(
    name="surroundings",
    what="odd time zones, languages, clocks, file times, names, rights, outputs, strangers' files; killed, continued",
    short=24,
    long=120,
    body=surround_and_resume,
)
