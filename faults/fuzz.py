"""Odd input for every reader of files and the command line: it is read, or refused in one line.

Each input is made from the block's number and its own: `--only fuzz --seed SEED --trial NUMBER` gives the whole block
again. What is a failure: an exception that is not ours, a message of several lines, more than two seconds, more memory
than 256 MB, and what no reader of files may do (see `faults.watching`).
"""

import faulthandler
import mmap
import random
import resource
import shutil
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from faults.subjects import SUBJECTS
from faults.targets import TARGETS, Target
from faults.trial import Fault, Site
from faults.watching import watch
from faults.zygote import CRASHED, Child, Failure, answer, start

import fourstep as fs
from fourstep.recipes import recipe_for, train, with_settings

AT_ONCE = 500  # inputs in a trial
SECONDS = 2.0  # for one of them
MEMORY = 256 * 2**20  # bytes, on top of what there was
TOLD = 12  # failures of a block that are told
LIKE = " <- "  # behind it is what failures of one kind have in common
HANGS = 120.0  # seconds; no block takes so long


def give_odd_input(site: Site, draw: random.Random, number: int) -> int:
    """A block of inputs for one of the targets, in a process of its own; after its death another one goes on."""
    target = TARGETS[(number + number // len(TARGETS)) % len(TARGETS)]  # so that every shard has some of each
    made = prepare(site)
    seed = draw.getrandbits(64)
    place = mmap.mmap(-1, 8)  # the input that it is at
    wrong: list[str] = []
    first, before = 0, -1
    while first < AT_ONCE:
        folder = site.fresh(target.name)
        shutil.copytree(made, folder)
        child = start(lambda at=first, folder=folder: _work(target, folder, seed, at, place))  # type: ignore[misc]
        code = child.wait(HANGS)
        wrong += [f"input {index} of {target.name}: {what}" for index, what in child.answers]
        shutil.rmtree(folder, ignore_errors=True)
        if code in (0, CRASHED):  # the latter by what stands around the inputs
            wrong += [child.said()[-1500:]] * (code == CRASHED)
            break
        index = int.from_bytes(place[:], "little")
        if index == before:  # twice: no other work of the machine is the reason
            wrong.append(f"input {index} of {target.name}: {_end_of(child, code)}")
            first, before = index + 1, -1
        else:
            first = before = index
    if wrong:
        more = f"\n  and {len(wrong) - TOLD} more" if len(wrong) > TOLD else ""
        raise Failure("\n  ".join(wrong[:TOLD]) + more)
    return AT_ONCE


def _end_of(child: Child, code: int) -> str:
    return f"ended with {code}, or did not within {SECONDS:g} s: {child.said()[-1500:]}"


def prepare(site: Site) -> Path:
    """A folder with two finished runs, made once: `run` is a recipe's, `own` a script's."""
    made = site.root / "prepared-fuzz"
    if not made.exists():
        made.mkdir()
        site.finished(site.train(SUBJECTS[2], made / "own"))
        site.finished(start(lambda: _train_recipe(made / "run")))
    return made


def _train_recipe(folder: Path) -> None:
    torch.set_num_threads(1)
    recipe = with_settings(recipe_for("softmax"), {"epochs": 2, "batch_size": 256, "device": "cpu"})
    train(recipe, folder=folder, show="none")


def _work(target: Target, folder: Path, seed: int, first: int, place: mmap.mmap) -> None:
    """Try the inputs from one on; answers those that were not met as promised."""
    torch.set_num_threads(1)
    attempt = target.prepare(folder)
    size = memory_in_use()
    told: set[str] = set()
    with watch(folder, may_compile=target.name == "command") as seen:
        for index in range(first, AT_ONCE):
            place[:] = index.to_bytes(8, "little")
            work = attempt(random.Random(f"{seed}/{index}"))
            faulthandler.dump_traceback_later(SECONDS, exit=True)  # also where it never comes back to Python
            with memory_up_to(size + MEMORY):
                wrong = judge(work)
            faulthandler.cancel_dump_traceback_later()
            wrong = f"did what it must not: {seen.pop()}" if seen else wrong
            seen.clear()
            if wrong and len(told) < TOLD and wrong.split(LIKE)[-1] not in told:  # a failure of each kind
                answer((index, wrong))
                told.add(wrong.split(LIKE)[-1])


def memory_in_use() -> int:
    """Bytes of this process's addresses."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


@contextmanager
def memory_up_to(size: int) -> Iterator[None]:
    """Let the process's memory grow to so many bytes and no further; the mutators may take what they need."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def judge(work: Callable[[], Any]) -> str:
    """What is wrong with how an input was met; nothing where it was read, or refused in one line."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        try:
            work()
        except fs.FourstepError as error:
            said = [str(error)]
        except BaseException as error:  # noqa: BLE001 - a finding
            places = [f"{Path(at.filename).name}:{at.lineno}" for at in traceback.extract_tb(error.__traceback__)]
            return f"{str(error)[:300]!r}{LIKE}{type(error).__name__} at {' '.join(places[-8:])}"
        else:
            said = []
    said += [str(one.message) for one in told]
    for text in said:
        if len(text.splitlines()) != 1:
            return f"{text[:400]!r}{LIKE}not one line"
        if "allocate memory" in text:
            return f"{text[:400]!r}{LIKE}too much memory"
    return ""


FUZZ = Fault(
    name="fuzz",
    what=f"odd input for {', '.join(target.name for target in TARGETS)}; an injury is an input",
    short=4 * len(TARGETS),
    long=200 * len(TARGETS),
    body=give_odd_input,
)
