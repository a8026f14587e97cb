"""The speed benchmark: `python benchmarks/speed.py`, about a quarter of an hour on two cores.

Every measurement is a fresh process; contenders take turns; what other work on the machine disturbed is measured again,
and refused where it stays disturbed. Tables go to standard output, progress to standard error. Exit code 1 where a
table was refused, the work was not equal, or a contender failed.
"""

import argparse
import json
import os
import platform
import sys
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `benchmarks` is

from benchmarks.bars import bar_table, make_bars
from benchmarks.equal import find_unequal
from benchmarks.measure import STAT, WorkerError, measure
from benchmarks.plan import OURS, PARTS, PEERS, WORKS, make_plan, rounds
from benchmarks.sample import Measurement, Sample
from benchmarks.tables import make_tables
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

AGAIN = 3  # times that a disturbed run is repeated

LEGEND = """\
Medians, each run in a fresh process with its output on a terminal. Seconds and microseconds are those of training
and of the evaluations after each epoch; imports, reading and set-up are left out. `limit` has neither metrics nor
evaluations. fit's speed-up says how many times as fast as the contender `fit` is, by medians; a bar is the median of
the ratios of each round, as the machine may be a third slower in the next one."""


def parts_of(text: str) -> list[str]:
    """The parts that `--only` names, in the benchmark's order."""
    given = text.split(",")
    for part in given:
        if part not in PARTS:
            raise argparse.ArgumentTypeError(f"there is no part {part!r}: expected some of {','.join(PARTS)}")
    return [part for part in PARTS if part in given]


def count(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of 1 or more")
    return int(text)


def read_arguments() -> argparse.Namespace:
    """What to measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=count, default=3, metavar="N", help="default: 3")
    parser.add_argument("--only", type=parts_of, default=PARTS, metavar="PARTS", help=f"some of {','.join(PARTS)}")
    parser.add_argument("--work", nargs="+", choices=WORKS, default=WORKS, help="default: all")
    parser.add_argument("--contender", nargs="+", choices=(*OURS, *PEERS), help="default: all of ours")
    parser.add_argument("--peers", action="store_true", help="measure the peers too; they must be installed")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every raw measurement")
    return parser.parse_args()


def machine() -> str:
    """Versions and hardware in a line."""
    packages = ", ".join(f"{name} {version(name).partition('+')[0]}" for name in ("fourstep", "torch"))
    cpuinfo = Path("/proc/cpuinfo")
    models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    processor = models[0].partition(":")[2].strip() if models else platform.processor()
    libc = " ".join(platform.libc_ver()).strip()
    system = ", ".join(part for part in (platform.system(), platform.machine(), libc, processor) if part)
    return f"{packages}, Python {platform.python_version()}, {system}, {os.cpu_count()} cores"


def measure_undisturbed(measurement: Measurement) -> Sample:
    """Run a measurement until nothing disturbs it, but at most four times; then the last."""
    sample = measure(measurement)
    for _ in range(AGAIN):
        if not sample.disturbed:
            break
        sample = measure(measurement)
    return sample


def measure_all(plan: dict[Measurement, int]) -> tuple[dict[Measurement, list[Sample]], list[str]]:
    """Run the plan; the runs, and how some failed. What failed or stayed disturbed once is not run again."""
    samples: dict[Measurement, list[Sample]] = {}
    failures: list[str] = []
    lost: set[Measurement] = set()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    # without a thread of its own: it draws between the runs alone
    with Progress(*columns, TimeRemainingColumn(), console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("", total=sum(plan.values()))
        for measurement in rounds(plan):
            progress.update(task, description=str(measurement), refresh=True)
            if measurement not in lost:
                try:
                    sample = measure_undisturbed(measurement)
                except WorkerError as error:
                    failures.append(f"{measurement}: {error}")
                    lost.add(measurement)
                    samples.pop(measurement, None)
                else:
                    samples.setdefault(measurement, []).append(sample)
                    lost |= {measurement} if sample.disturbed else set()
            progress.advance(task)
            progress.refresh()
    return samples, failures


def main() -> None:
    """Measure, then print."""
    arguments = read_arguments()
    contenders = arguments.contender or (*OURS, *(PEERS if arguments.peers else ()))
    plan = make_plan(arguments.only, arguments.work, contenders, arguments.repetitions)
    print(f"{len(plan)} measurements, {sum(plan.values())} processes one after the other", file=sys.stderr)
    if not STAT.exists():
        print(f"{STAT} is not there: other work on this machine cannot be seen", file=sys.stderr)
    samples, failures = measure_all(plan)
    if arguments.json is not None:
        every = [asdict(sample) for runs in samples.values() for sample in runs]
        arguments.json.write_text(json.dumps({"machine": machine(), "samples": every}, indent=1))
    print(machine(), "", LEGEND, "", *make_tables(samples), sep="\n")
    print("## Bars", "", *bar_table(make_bars(samples)), sep="\n")
    unequal = find_unequal(samples)
    for title, lines in (("The work was not equal", unequal), ("Failed", failures)):
        if lines:
            print("", f"## {title}", "", *lines, sep="\n")
    if unequal or failures or any(sample.disturbed for runs in samples.values() for sample in runs):
        sys.exit(1)


if __name__ == "__main__":
    main()
