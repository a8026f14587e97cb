"""Break runs in every way that can be thought of, and look whether they go on: `python faults/run.py`.

Every trial is repeated by `--only FAULT --seed SEED --trial NUMBER`; what was drawn at random is the same again, the
moment at which a signal finds the process is not. Exit code 3 where a trial failed.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `faults` is
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # no threads to fork

from faults.catalog import FAULTS
from faults.side_by_side import TRIALS_FAILED, run_shards
from faults.trial import Fault, Site
from faults.zygote import Failure
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

Job = tuple[Fault, int]
Result = dict[str, Any]


def names_of(text: str) -> list[str]:
    """The faults that `--only` names."""
    for name in text.split(","):
        if name not in FAULTS:
            raise argparse.ArgumentTypeError(f"there is no fault {name!r}: expected some of {','.join(FAULTS)}")
    return text.split(",")


def shard_of(text: str) -> tuple[int, int]:
    """`2/5` as the second of five, counted from 1."""
    part, _, parts = text.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts)):
        raise argparse.ArgumentTypeError(f"{text!r}: expected as 1/4, the first of four")
    return int(part), int(parts)


def jobs_of(text: str) -> int:
    """A whole number of 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a whole number of 1 or more")
    return int(text)


def read_arguments() -> argparse.Namespace:
    """What to break."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=names_of, default=list(FAULTS), metavar="FAULTS", help=",".join(FAULTS))
    parser.add_argument("--long", action="store_true", help="as many trials as the report has")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: 0")
    parser.add_argument("--trial", type=int, metavar="N", help="this one alone")
    parser.add_argument("--shard", type=shard_of, default=(1, 1), metavar="I/N", help="every N-th trial alone")
    parser.add_argument("--jobs", type=jobs_of, default=1, metavar="N", help="shards to do side by side; default: 1")
    parser.add_argument("--out", type=Path, metavar="FILE", help="append results as JSON lines; what is in it is done")
    parser.add_argument("--scratch", type=Path, metavar="FOLDER", help="where to train; default: the system's own")
    parser.add_argument("--markdown", action="store_true", help="print the report as docs/reliability.md has it")
    return parser.parse_args()


def make_jobs(site: Site, arguments: argparse.Namespace) -> list[Job]:
    """All trials that are asked for."""
    if arguments.trial is not None:
        return [(FAULTS[name], arguments.trial) for name in arguments.only]
    faults = [FAULTS[name] for name in arguments.only]
    jobs = [(fault, number) for fault in faults for number in fault.trials(site, is_long=arguments.long)]
    part, parts = arguments.shard
    return jobs[part - 1 :: parts]


def read_results(path: Path | None, seed: int) -> dict[tuple[str, int], Result]:
    """What was done before, by fault and number; a torn last line is none."""
    done: dict[tuple[str, int], Result] = {}
    if path is not None and path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                result = json.loads(line)
            except ValueError:
                continue
            if result["seed"] == seed:
                done[result["fault"], result["trial"]] = result
    return done


def do_trial(site: Site, fault: Fault, number: int, seed: int) -> Result:
    """One trial, and what came of it."""
    site.clear()
    begun = time.perf_counter()
    draw = random.Random(f"{seed}/{fault.name}/{number}")
    injuries, failure = 0, None
    try:
        injuries = fault.body(site, draw, number)
    except Failure as broken:
        failure = str(broken)
    seconds = round(time.perf_counter() - begun, 3)
    named = {"fault": fault.name, "trial": number, "seed": seed}
    return {**named, "injuries": injuries, "failure": failure, "seconds": seconds}


def do_all(arguments: argparse.Namespace) -> Iterator[Result]:
    """Do what is not done yet; yields all results, also those of before."""
    done = read_results(arguments.out, arguments.seed)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    # without a thread of its own, which a fork would lose
    with (
        tempfile.TemporaryDirectory(prefix="faults-", dir=arguments.scratch) as scratch,
        Progress(*columns, TimeRemainingColumn(), console=console, auto_refresh=False) as progress,
    ):
        site = Site(Path(scratch))
        site.warm_up()
        jobs = make_jobs(site, arguments)
        task = progress.add_task("", total=len(jobs))
        for fault, number in jobs:
            progress.update(task, description=fault.name, refresh=True)
            result = done.get((fault.name, number))
            if result is None:
                result = do_trial(site, fault, number, arguments.seed)
                if arguments.out is not None:
                    with arguments.out.open("a", encoding="utf-8") as file:
                        file.write(json.dumps(result) + "\n")
            if result["failure"]:
                console.print(tell_failure(result), markup=False, highlight=False, soft_wrap=True)
            progress.advance(task)
            yield result


def do_side_by_side(arguments: argparse.Namespace) -> list[Result]:
    """All trials, in several processes; failures are told at the end."""
    own = (arguments.out, arguments.trial, arguments.scratch)
    if any(given is not None for given in own) or arguments.shard[1] > 1:
        sys.exit("--jobs goes with none of --out, --shard, --trial and --scratch: start each shard yourself")
    given = ["--only", ",".join(arguments.only), "--seed", str(arguments.seed), *["--long"] * arguments.long]
    try:
        results: list[Result] = [json.loads(line) for line in run_shards(Path(__file__), given, arguments.jobs)]
    except Failure as broken:
        sys.exit(str(broken))
    for result in results:
        if result["failure"]:
            print(tell_failure(result), file=sys.stderr)
    return results


def tell_failure(result: Result) -> str:
    """A failed trial, and the command that repeats it."""
    repeat = f"--only {result['fault']} --seed {result['seed']} --trial {result['trial']}"
    return f"FAILED {repeat}\n  {result['failure']}"


HEAD = ("fault", "what is done", "runs", "injuries", "as promised", "failed", "s")


def make_rows(results: list[Result]) -> list[tuple[str, ...]]:
    """The report, a row for each fault that there were trials of."""
    rows = []
    for name, fault in FAULTS.items():
        own = [result for result in results if result["fault"] == name]
        failed = sum(result["failure"] is not None for result in own)
        injuries = sum(result["injuries"] for result in own)
        seconds = round(sum(result["seconds"] for result in own))
        numbers = (len(own), injuries, len(own) - failed, failed, seconds)
        if own:
            rows.append((name, fault.what, *(f"{number:,}" for number in numbers)))
    return rows


def print_report(rows: list[tuple[str, ...]], *, is_markdown: bool) -> None:
    """The table, for people or for a file."""
    if is_markdown:
        aligned = ("---", "---", *["---:"] * 5)
        print(*("| " + " | ".join(row) + " |" for row in (HEAD, aligned, *rows)), sep="\n")
        return
    table = Table(*HEAD)
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def main() -> None:
    """Break, look, report."""
    arguments = read_arguments()
    results = list(do_all(arguments)) if arguments.jobs <= 1 else do_side_by_side(arguments)
    print_report(make_rows(results), is_markdown=arguments.markdown)
    if any(result["failure"] for result in results):
        sys.exit(TRIALS_FAILED)


if __name__ == "__main__":
    main()
