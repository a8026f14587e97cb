"""A few of the hostile files, and harm that is done on purpose: what the watch must see where nobody refuses it."""

import os
import pickle
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `faults` is
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}  # no threads to fork

from faults.hostile import HOSTILE, all_cases, import_doors
from faults.hostile_data import data_cases
from faults.hostile_watch import GROWTH, Case, try_case
from faults.hostile_weights import Evil, weights_cases, write
from faults.trial import Site
from faults.zygote import Failure

EVERY = 7  # of so many cases one
SLOW = re.compile(r"picture|bomb|100,000|deep")


def _unpickle(path: Path) -> Any:
    return pickle.loads(path.read_bytes())  # noqa: S301 - what has to be seen


def _fill(_: Path) -> None:
    assert len(bytearray(GROWTH + 2**24)) > GROWTH


def _write_outside(path: Path) -> None:
    (path.parents[1] / "outside" / "victim").write_text("x")


def _draw(_: Path) -> None:
    print("\x1b[2J")


def _fail(_: Path) -> None:
    raise ValueError("not of ours")


# what is done, and the words of the failure
CONTROLS = {
    _unpickle: ("pickle.find_class", "os.system", "the canary is there", "ended with 0"),
    _fill: ("filled 2", "ended with 0"),
    _write_outside: ("open ", "files outside were touched"),
    _draw: ("it reached the terminal",),
    _fail: ("a traceback", "ended with 70"),
}


def main() -> None:
    """Say what was not as it must be; nothing where all was."""
    import_doors()
    cases = [case for case in (*weights_cases(), *data_cases()) if not SLOW.search(case.name)][::EVERY]
    wrong = []
    with tempfile.TemporaryDirectory(prefix="hostile-") as scratch:
        if HOSTILE.trials(Site(Path(scratch)), is_long=False) != list(range(len(all_cases()))):
            wrong.append("`make faults` leaves some of the set out, or does some twice")
        for number, case in enumerate(cases):
            try:
                try_case(case, Path(scratch) / str(number))
            except Failure as failure:
                wrong.append(str(failure))
        for harm, words in CONTROLS.items():
            control = Case(name=harm.__name__, make=write(pickle.dumps(Evil())), open=harm)
            try:
                try_case(control, Path(scratch) / harm.__name__)
                wrong.append(f"{harm.__name__}: nothing was seen")
            except Failure as failure:
                wrong += [f"{harm.__name__}: no {word!r} in {failure}" for word in words if word not in str(failure)]
    print(f"{len(cases)} hostile files, {len(CONTROLS)} controls")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
