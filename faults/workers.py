"""Any number of workers, any prefetch: the same bits; also where a killed run goes on with another number of them."""

import random
import time
from dataclasses import replace

from faults.subjects import Subject
from faults.trial import Fault, Site

BASE = (Subject("cnn", "loop"), Subject("cnn", "fit"))
MATRIX = [
    replace(base, workers=workers, prefetch=prefetch, persistent=persistent)
    for base in BASE
    for workers in (1, 2, 4)
    for prefetch in (1, 2, 8)
    for persistent in (False, True)
] + list(BASE)


def vary_workers(site: Site, draw: random.Random, number: int) -> int:
    """One of all combinations; then one is killed, and continued by another."""
    subject = MATRIX[number % len(MATRIX)]
    site.resume(subject, site.fresh("run"))
    others = [other for other in MATRIX if (other.way, other.persistent) == (subject.way, subject.persistent)]
    folder = site.fresh("run")
    child = site.train(subject, folder)
    time.sleep(draw.uniform(0, 2 * site.reference(subject)["seconds"]))
    child.kill()
    child.wait()
    site.resume(draw.choice(others), folder)
    return 1


WORKERS = Fault(
    name="workers",
    what="0, 1, 2, 4 workers x prefetch 1, 2, 8 x persistent or not; killed, and continued with other ones",
    short=len(MATRIX),
    long=2 * len(MATRIX),
    body=vary_workers,
)
