"""`fourstep verify-resume`: your own run is killed, started again, and compared with one that was left alone."""

import os
import random
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from fourstep.errors import ConfigError, RunFolderError, check_count
from fourstep.history import History
from fourstep.runs.checkpoint import load_latest
from fourstep.runs.folder import CHECKPOINTS, ROWS, SETTINGS
from fourstep.runs.packing import digest
from fourstep.runs.saving import SAVE_EVERY

CLOCK = ("seconds", "examples_per_second")  # of a row
OUTPUT = "output.txt"  # what a started run prints
SAVES = 20  # in a run that is to be killed


@dataclass(frozen=True, kw_only=True)
class VerifyResume:
    """Kill a run at random moments, start it again until it is done, and compare its end with that of a run left alone.

    Script or recipe are started in empty folders: a script needs absolute paths to its data, and a run with a folder.

    fourstep verify-resume train.py

    fourstep verify-resume lenet --kills 5
    """

    what: Positional[Annotated[str, arg(metavar="SCRIPT_OR_RECIPE", help="a Python script, or what `train` takes")]]
    kills: Annotated[int, arg(metavar="N", help="how often to kill it")] = 3
    seed: Annotated[int, arg(metavar="N", help="of the moments")] = 0

    def execute(self) -> None:
        """Print a line per start, and whether the ends are equal."""
        check_count("kills", self.kills)
        draw = random.Random(self.seed)  # noqa: S311 - no secret
        with tempfile.TemporaryDirectory() as whole, tempfile.TemporaryDirectory() as killed:
            self._start(Path(whole))
            last = _saved_step(Path(whole))
            print(f"left alone: {last:,} steps", flush=True)
            every, saved, tried = str(max(1, last // SAVES)), 0, 0
            for number in range(1, self.kills + 1):
                target = draw.randint(saved + 1, max(saved + 1, last - last // SAVES - 1))
                if self._start(Path(killed), every, target):
                    print(f"start {number}: done before it could be killed", flush=True)
                    break
                saved = _saved_step(Path(killed))
                tried += 0 < saved < last
                print(f"start {number}: killed, saved at step {saved:,}", flush=True)
            self._start(Path(killed), every)
            differing = [name for name, end in _end(Path(whole)).items() if end != _end(Path(killed))[name]]
        if differing:
            raise RunFolderError(
                f"{self.what} does not continue exactly: another {', '.join(differing)} at the end. Is its seed fixed, "
                "and all that changes in training registered by run.register(name, thing)?"
            )
        if not tried:
            raise ConfigError(
                f"no kill came between the first save and the end of {self.what}: try --seed, or more epochs"
            )
        print(f"equal in every bit after {tried} of {number} kills: model, optimizer and numbers")

    def _start(self, folder: Path, save_every: str = "", target: int | None = None) -> bool:
        """Start it in a folder, and kill it when it has saved that step; was it done before?"""
        script = Path(self.what)
        if script.suffix == ".py":
            command = [sys.executable, str(script.resolve())]
        else:
            recipe = str(script.resolve()) if script.suffix == ".toml" else self.what
            command = [sys.executable, "-m", "fourstep", "train", recipe, "--run", "run"]
        with (folder / OUTPUT).open("w+") as output:
            process = subprocess.Popen(  # noqa: S603 - it is the user's own
                command, cwd=folder, stdout=output, stderr=output, env=_environment(script, save_every)
            )
            try:
                while process.poll() is None:
                    if target is not None and _named_step(folder) >= target:
                        return False
                    time.sleep(0.005)
            finally:
                process.kill()  # also where Ctrl-C ends the wait; what has ended is left as it is
                process.wait()
            output.seek(0)
            lines = output.read().strip().splitlines()
        if process.returncode != 0:
            raise ConfigError(f"{self.what} failed with {process.returncode}: {(lines or ['nothing was printed'])[-1]}")
        return True


def _environment(script: Path, save_every: str) -> dict[str, str]:
    """This process's, with the script's own folder to import from, and how often to save."""
    path = os.pathsep.join(filter(None, (str(script.resolve().parent), os.environ.get("PYTHONPATH"))))
    own = {"PYTHONPATH": path} if script.suffix == ".py" else {}
    return {**os.environ, **own, **({SAVE_EVERY: save_every} if save_every else {})}


def _named_step(folder: Path) -> int:
    """The largest step in a checkpoint's name, without looking into it."""
    steps = [0]
    with suppress(OSError):  # the run moves what it looks through
        steps += [int(path.name.split("-")[1]) for path in folder.rglob("step-*")]
    return max(steps)


def _run_folder(folder: Path) -> Path | None:
    return next((path.parent for path in sorted(folder.rglob(SETTINGS))), None)


def _saved_step(folder: Path) -> int:
    """The step of the latest checkpoint; 0 where there is none."""
    run = _run_folder(folder)
    found = None if run is None else load_latest(run / CHECKPOINTS)
    return 0 if found is None else found[0].step


def _end(folder: Path) -> dict[str, str]:
    """What a run ended with."""
    run = _run_folder(folder)
    found = None if run is None else load_latest(run / CHECKPOINTS)
    if run is None or found is None:
        raise ConfigError("the run left no checkpoint: give it a folder, as fourstep.Run(..., folder='run')")
    rows = [{name: value for name, value in row.items() if name not in CLOCK} for row in History.load_jsonl(run / ROWS)]
    parts = found[1]
    return {
        "model": digest(parts["model"]),
        "optimizer": digest(parts["state"]["optimizer"]),
        "metrics.jsonl": digest(rows),
    }
