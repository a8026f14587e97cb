"""A full disk, by a limit on a file's size and by small file systems: nothing saved is lost, and training goes on."""

import os
import random
import resource
import subprocess
from pathlib import Path

from faults.subjects import IN_STEPS, SUBJECTS, Subject, train_and_tell
from faults.trial import Fault, Site, check_one_line, soundness
from faults.zygote import Child, Failure, answer, start

import fourstep as fs

LARGEST = {"mlp": 24_000, "cnn": 40_000}  # bytes, a little more than the largest file of a run
SPACE = {"mlp": 320_000, "cnn": 320_000}  # bytes, a little more than a run needs


def limit_and_resume(site: Site, draw: random.Random, number: int) -> int:
    """Fill the disk, look, make room, and let the run end."""
    subject = SUBJECTS[number % 4]
    site.reference(subject)
    if number % 2 and os.geteuid() == 0:
        return _small_disk(site, draw, subject)
    folder = site.fresh("run")
    limit, after = int(LARGEST[subject.kind] ** draw.uniform(0.3, 1)), draw.randrange(IN_STEPS[subject.kind])
    child = start(lambda: _train_limited(subject, folder, limit, after if draw.random() < 0.7 else 0))  # noqa: PLR2004 - a share
    code = child.wait()
    _check(child, code, folder, IN_STEPS[subject.kind])
    site.resume(subject, folder)
    return 1


def _train_limited(subject: Subject, folder: Path, limit: int, after: int) -> None:
    """Train, no file growing beyond a limit any more after some steps."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]

    def set_limit(event: fs.Event) -> None:
        if event.step >= after and resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit:
            answer({"sound": [step for step, is_sound in soundness(folder) if is_sound]})
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))

    if after == 0:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    train_and_tell(subject, folder, hooks=(set_limit,))


def _check(child: Child, code: int, folder: Path, last: int) -> None:
    """One line for each failure, nothing lost, and no success without the last checkpoint."""
    check_one_line(child, code)
    found = soundness(folder)
    torn = [step for step, is_sound in found if not is_sound]
    if torn:
        raise Failure(f"torn checkpoints of steps {torn}: {child.said()[-500:]}")
    newest = max((step for step, _ in found), default=0)
    before = [step for answered in child.answers if isinstance(answered, dict) for step in answered.get("sound", ())]
    if newest < max(before, default=0):
        raise Failure(f"the checkpoint of step {max(before)} was lost: {found}, {child.said()[-500:]}")
    if code == 0 and newest != last:
        raise Failure(f"ended with 0 without the last checkpoint: {found}, {child.said()[-500:]}")
    for line in child.said().splitlines():
        if "no checkpoint could be saved" in line and not ("MB needed" in line and "MB free" in line):
            raise Failure(f"does not say how much is needed and free: {line}")


def _small_disk(site: Site, draw: random.Random, subject: Subject) -> int:
    """Train on a file system that is too small, make it larger, and go on."""
    disk = site.fresh("disk")
    disk.mkdir()
    few = f"nr_inodes={draw.randrange(4, 24)}"
    size = f"size={draw.randrange(4096, SPACE[subject.kind], 4096)}"
    options = draw.choice([size, size, f"size=64m,{few}"])
    _mount("-t", "tmpfs", "-o", options, "tmpfs", str(disk))
    try:
        folder = disk / "run"
        child = site.train(subject, folder)
        code = child.wait()
        _check(child, code, folder, IN_STEPS[subject.kind])
        _mount("-o", "remount,size=64m,nr_inodes=10000", str(disk))
        site.resume(subject, folder)
    except Failure as failure:
        raise Failure(f"a disk of {options}: {failure}") from failure
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)  # noqa: S607 - the system's own
    return 1


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)  # noqa: S607 - the system's own


FULL = Fault(
    name="disk",
    what="a full disk: files limited in size from a random step on, or a tmpfs with too little space or too few inodes",
    short=80,
    long=600,
    body=limit_and_resume,
)
