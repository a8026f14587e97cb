"""Odd input that is guided by coverage: `python faults/guided.py`, where atheris (libFuzzer) is installed.

The same readers and the same mutators as in `faults.fuzz`, but what a mutator draws comes from libFuzzer's bytes. An
input that reaches a line, or a branch, that none has reached before is kept and changed further. Inputs differ from run
to run of another version; a failure is repeated by the command that is printed with it.
"""

import argparse
import base64
import faulthandler
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve()
if __name__ == "__main__":
    sys.path[0] = str(HERE.parents[1])  # where the package `faults` is
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # no threads to fork

LONGEST = 256  # bytes that steer an input; some eighty decisions, after which chance goes on
NAMES = ("checkpoint", "manifest", "weights", "idx", "recipe", "settings", "metrics", "report", "command")
FOUND = "found.jsonl"


class Steered(random.Random):
    """A generator whose numbers are bytes that somebody else has chosen, as long as there are some.

    >>> Steered(bytes([0, 0, 255, 255])).choice("abc"), Steered(bytes([255, 255])).choice("abc")
    ('a', 'c')
    """

    def __init__(self, steer: bytes) -> None:
        super().__init__(steer)
        self._steer, self._place = steer, 0

    def random(self) -> float:
        """The next two bytes as a number in [0, 1)."""
        if self._place >= len(self._steer):
            return super().random()
        taken = self._steer[self._place : self._place + 2].ljust(2, b"\0")
        self._place += 2
        return int.from_bytes(taken, "little") / 2**16

    def getrandbits(self, count: int) -> int:
        """`count` bits, of which the first sixteen are the bytes'; a choice among few needs no more."""
        if self._place >= len(self._steer):
            return super().getrandbits(count)
        return int(self.random() * 2 ** min(count, 16)) << max(count - 16, 0)


def read_arguments() -> argparse.Namespace:
    """What to try, and how often."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="TARGET", help=", ".join(NAMES))
    parser.add_argument("--runs", type=int, default=100_000, metavar="N", help="inputs for each; default: 100,000")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="libFuzzer's; default: 1")
    parser.add_argument("--input", metavar="BASE64", help="this one alone, of the one target that --only names")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # in a process that does the work
    return parser.parse_args()


def work(name: str, arguments: argparse.Namespace) -> None:
    """Try inputs for one target, in this process, which ends with it; findings go into a file."""
    import atheris  # noqa: PLC0415 - where it is installed

    with atheris.instrument_imports(include=["fourstep"]):
        from faults.fuzz import MEMORY, judge, memory_in_use, memory_up_to  # noqa: PLC0415 - under instruments
        from faults.targets import TARGETS  # noqa: PLC0415 - as above
        from faults.watching import watch  # noqa: PLC0415 - as above

    attempt = next(target for target in TARGETS if target.name == name).prepare(arguments.folder)
    most = memory_in_use() + MEMORY
    told: set[str] = set()
    with Path(FOUND).open("a") as found, watch(arguments.folder, may_compile=name == "command") as seen:

        def try_input(steer: bytes) -> None:
            read = attempt(Steered(steer))
            begun = perf_counter()
            with memory_up_to(most):
                wrong = judge(read)
            wrong = f"did what it must not: {seen.pop()}" if seen else wrong or too_long(perf_counter() - begun)
            seen.clear()
            if wrong and (kind := kind_of(wrong)) not in told:
                told.add(kind)
                found.write(json.dumps({"input": base64.b64encode(steer).decode(), "wrong": wrong}) + "\n")
                found.flush()

        if arguments.input is not None:
            try_input(base64.b64decode(arguments.input))
            return
        options = (f"-runs={arguments.runs}", f"-seed={arguments.seed}", f"-max_len={LONGEST}", "-timeout=20")
        atheris.Setup(
            [sys.argv[0], *options, "-len_control=0", "-rss_limit_mb=8192", "-print_final_stats=1"], try_input
        )
        faulthandler.enable()
        atheris.Fuzz()  # never returns


def too_long(seconds: float) -> str:
    """What is wrong with the time that an input took; nothing where it was short."""
    from faults.fuzz import SECONDS  # noqa: PLC0415 - under instruments

    return f"took {seconds:.1f} s <- too long" if seconds > SECONDS else ""


def kind_of(wrong: str) -> str:
    """What failures of one kind have in common."""
    from faults.fuzz import LIKE  # noqa: PLC0415 - under instruments

    return wrong.rsplit(LIKE, maxsplit=1)[-1]


def try_target(name: str, made: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Let a process try one target; its inputs, what they have reached, what it has found."""
    with tempfile.TemporaryDirectory(prefix=f"guided-{name}-") as scratch:
        folder = Path(scratch) / "place"
        subprocess.run(["cp", "-a", str(made), str(folder)], check=True)  # noqa: S607 - of the system
        command = [sys.executable, str(HERE), "--only", name, "--folder", str(folder), "--runs", str(arguments.runs)]
        command += ["--seed", str(arguments.seed)]
        command += [] if arguments.input is None else ["--input", arguments.input]
        begun = perf_counter()
        done = subprocess.run(command, cwd=scratch, capture_output=True, check=False)
        said = done.stderr.decode(errors="replace")
        lines = (Path(scratch) / FOUND).read_text().splitlines() if (Path(scratch) / FOUND).exists() else []
        found = [json.loads(line) for line in lines]
        if done.returncode != 0:
            found.append({"input": "", "wrong": f"ended with {done.returncode}: {said[-2000:]}"})
    return {
        "inputs": 1 if arguments.input is not None else _number(said, "stat::number_of_executed_units:"),
        "reached": _number(said, "cov:"),
        "seconds": round(perf_counter() - begun),
        "found": found,
    }


def _number(said: str, name: str) -> int:
    """The last number that libFuzzer has printed behind a name; 0 where there is none."""
    words = said.split()
    places = [place for place, word in enumerate(words[:-1]) if word == name]
    return int(words[places[-1] + 1]) if places else 0


def main() -> None:
    """Try all targets, one after the other."""
    arguments = read_arguments()
    if importlib.util.find_spec("atheris") is None:
        sys.exit("atheris is not installed here: pip install atheris (Linux, Python 3.11 to 3.13), or faults/run.py")
    if arguments.folder is not None:
        work(arguments.only[0], arguments)
        return
    from faults.fuzz import prepare  # noqa: PLC0415 - a worker imports it under instruments
    from faults.trial import Site  # noqa: PLC0415 - as above

    print("| reader | inputs | edges reached | s | failures |", "|---|---:|---:|---:|---:|", sep="\n", flush=True)
    failures = []
    with tempfile.TemporaryDirectory(prefix="guided-") as scratch:
        made = prepare(Site(Path(scratch)))
        for name in arguments.only:
            result = try_target(name, made, arguments)
            numbers = (result["inputs"], result["reached"], result["seconds"], len(result["found"]))
            print(f"| {name} | " + " | ".join(f"{number:,}" for number in numbers) + " |", flush=True)
            failures += [(name, one) for one in result["found"]]
    for name, one in failures:
        print(f"FAILED --only {name} --input {one['input']}\n  {one['wrong']}")
    if failures:
        sys.exit(1)


if __name__ == "__main__":
    main()
