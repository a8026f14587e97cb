"""kill -9 of the whole process group at a random instant, half of them aimed into a save; then it goes on."""

import os
import random
import time
from pathlib import Path

from faults.subjects import SUBJECTS
from faults.trial import Fault, Site
from faults.zygote import Child

MOST_KILLS = 5
IN_SAVE = 0.006  # seconds that a save takes, about


def kill_and_resume(site: Site, draw: random.Random, number: int) -> int:
    """Kill a run up to five times, then let it end."""
    subject = SUBJECTS[number % len(SUBJECTS)]
    folder = site.fresh("run")
    span = site.reference(subject)["seconds"]
    kills = 0
    for _ in range(draw.randint(1, MOST_KILLS)):
        child = site.train(subject, folder)
        kills += _kill(child, folder, draw, span)
    site.resume(subject, folder)
    return kills


def _kill(child: Child, folder: Path, draw: random.Random, span: float) -> int:
    """Kill it once; 0 where it was done before."""
    aims = draw.random() < 0.5  # noqa: PLR2004 - half of them
    after, into = draw.uniform(0, span), draw.uniform(0, IN_SAVE)
    time.sleep(after)
    if aims:
        wait_for_save(child, folder)
        time.sleep(into)
    alive = child.is_alive()
    child.kill()
    child.wait()
    return int(alive)


def wait_for_save(child: Child, folder: Path) -> None:
    """Wait until a checkpoint is being written, or removed, or the process has ended."""
    place = folder / "checkpoints"
    while child.is_alive():
        try:
            if any(name.startswith(".") for name in os.listdir(place)):  # noqa: PTH208 - the fastest
                return
        except FileNotFoundError:
            pass
        time.sleep(0.0002)


KILLS = Fault(
    name="kills",
    what="kill -9 of the process group at a random instant, half of them inside a save, up to 5 a run",
    short=120,
    long=1000,
    body=kill_and_resume,
)
