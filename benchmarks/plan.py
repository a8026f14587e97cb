"""What the speed benchmark runs: which contenders at which works, and how often each."""

import os
import sys
from collections.abc import Collection, Iterator
from importlib.util import find_spec
from pathlib import Path

from benchmarks.sample import Measurement

HERE = Path(__file__).resolve().parent
PARTS = ("main", "sizes", "batches", "startup", "showing")
WORKS = ("linear", "softmax", "mlp", "lenet", "resnet")
OURS = ("limit", "fit", "fit-own", "run", "d2l", "hand", "article")
PEERS = ("lightning", "keras", "skorch", "ignite", "accelerate", "fastai")

# The softmax regression's own batch size is in the main part already, and that measurement serves both; its own size is
# measured once more, next to the others, as this machine may be a third slower some minutes later.
SIZES, OWN_SIZE = (6_000, 60_000, 240_000), 60_000
BATCHES, OWN_BATCH = (32, 256, 2_048), 256
SLOW = {"article": 2, "fit-kept": 2}  # most repetitions of who takes long and is far from every bar
CONVOLUTIONS = ("lenet", "resnet")
GROWING = ("limit", "fit", "hand")

SHOWING = ("fit-silent", "fit-shown", "fit-kept")
PAIRS = {"linear": 7, "lenet": 4}  # a bar of 1 % needs more than three
LONGER = {"linear": 40}  # epochs: else the last frame, drawn once, is most of what is measured
STARTS = 5

STARTUP = {
    "import torch": ["-c", "import torch"],
    "import fourstep": ["-c", "import fourstep"],
    "fourstep --help": ["-m", "fourstep", "--help"],
    "fourstep train": ["-m", "fourstep", "train", "lenet", "--data", "digits", "--epochs", "1", "--run", "run"],
    "plain script": [str(HERE / "plain_script.py")],
}


def at_size(contender: str, samples: int) -> Measurement:
    """The softmax regression with that many samples per epoch."""
    return Measurement(contender=contender, work="softmax", samples=samples)


def at_batch(contender: str, batch_size: int) -> Measurement:
    """The softmax regression with that batch size."""
    return Measurement(contender=contender, work="softmax", batch_size=None if batch_size == OWN_BATCH else batch_size)


def at_showing(contender: str, work: str) -> Measurement:
    """What is measured of display, rows and files."""
    return Measurement(contender=contender, work=work, epochs=LONGER.get(work))


def make_plan(
    parts: Collection[str], works: Collection[str], contenders: Collection[str], repetitions: int
) -> dict[Measurement, int]:
    """What to run, and how often each.

    Args:
        parts: of `PARTS`.
        works: of `WORKS`; sizes and batches are measured on softmax alone.
        contenders: of `OURS` and `PEERS`, for the parts `main`, `sizes` and `batches`.
        repetitions: of these three parts, the article's functions at most twice; the others have their own.
    """
    measured = {
        "main": [Measurement(contender=contender, work=work) for work in works for contender in of_work(work)],
        "sizes": [at_size(contender, samples) for contender in GROWING for samples in SIZES],
        "batches": [at_batch(contender, size) for size in BATCHES for contender in GROWING],
    }
    plan = {
        measurement: min(repetitions, SLOW.get(measurement.contender, repetitions))
        for part in parts
        for measurement in measured.get(part, ())
        if measurement.contender in contenders and measurement.work in works
    }
    if "startup" in parts:
        plan |= {Measurement(contender=name, work="startup"): STARTS for name in STARTUP}
    if "showing" in parts:
        shown = [work for work in works if work in PAIRS]
        plan |= {
            at_showing(name, work): min(PAIRS[work], SLOW.get(name, PAIRS[work])) for work in shown for name in SHOWING
        }
    return plan


def of_work(work: str) -> list[str]:
    """Who is measured at a work; a plain model as it comes only where its memory format makes a difference."""
    return [name for name in (*OURS, *PEERS) if name != "fit-own" or work in CONVOLUTIONS]


def rounds(plan: dict[Measurement, int]) -> Iterator[Measurement]:
    """Every measurement once, then every one again, and so on; every other round backwards, so that drift cancels."""
    for number in range(max(plan.values(), default=0)):
        due = [measurement for measurement, times in plan.items() if number < times]
        yield from due[:: -1 if number % 2 else 1]


def command_of(measurement: Measurement, out: Path) -> list[str]:
    """The command line that runs a measurement; a worker writes its result into `out`."""
    if measurement.work == "startup":
        return [sys.executable, *STARTUP[measurement.contender]]
    command = [sys.executable, str(HERE / "worker.py"), measurement.contender, measurement.work, "--out", str(out)]
    command += [] if measurement.samples is None else ["--samples", str(measurement.samples)]
    command += [] if measurement.batch_size is None else ["--batch-size", str(measurement.batch_size)]
    return command + ([] if measurement.epochs is None else ["--epochs", str(measurement.epochs)])


def environment() -> dict[str, str]:
    """The variables of every process: as they are, but for a known terminal, drawing without a window, and the CPU.

    `DIGITS` is where the plain script finds the package's digits without importing the package.
    """
    package = find_spec("fourstep")
    assert package is not None
    assert package.origin is not None
    known = {
        "TERM": "xterm-256color",
        "MPLBACKEND": "agg",
        "CUDA_VISIBLE_DEVICES": "",
        "DIGITS": str(Path(package.origin).parent / "data" / "assets"),
    }
    return {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | known
