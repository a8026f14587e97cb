"""`fourstep verify-resume`: your own run is killed, started again, and compared with one that was left alone."""

import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from fourstep.errors import ConfigError, RunFolderError, check_count
from fourstep.history import History
from fourstep.runs.checkpoint import load_latest
from fourstep.runs.folder import CHECKPOINTS, ROWS, SETTINGS
from fourstep.runs.packing import digest

CLOCK = ("seconds", "examples_per_second")  # of a row
BEGUN = 0.2  # of the whole run's seconds: before that it is mostly imports


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
            begun = time.monotonic()
            self._start(Path(whole))
            seconds = time.monotonic() - begun
            print(f"left alone: done in {seconds:.1f} s")
            for number in range(1, self.kills + 1):
                moment = seconds * draw.uniform(BEGUN, 1.0)
                if self._start(Path(killed), moment):
                    print(f"start {number}: done before it could be killed")
                    break
                print(f"start {number}: killed after {moment:.1f} s, {_where(Path(killed))}")
            self._start(Path(killed))
            differing = [name for name, end in _end(Path(whole)).items() if end != _end(Path(killed))[name]]
        if differing:
            raise RunFolderError(
                f"{self.what} does not continue exactly: another {', '.join(differing)} at the end. Is its seed fixed, "
                "and all that changes in training registered by run.register(name, thing)?"
            )
        print("equal in every bit: model, optimizer and numbers")

    def _start(self, folder: Path, seconds: float | None = None) -> bool:
        """Start it in a folder, and kill it after some seconds; was it done before?"""
        script = Path(self.what)
        if script.suffix == ".py":
            command = [sys.executable, str(script.resolve())]
        else:
            recipe = str(script.resolve()) if script.suffix == ".toml" else self.what
            command = [sys.executable, "-m", "fourstep", "train", recipe, "--run", "run"]
        try:
            done = subprocess.run(  # noqa: S603 - it is the user's own
                command,
                cwd=folder,
                timeout=seconds,
                capture_output=True,
                text=True,
                check=False,
                env=_environment(script),
            )
        except subprocess.TimeoutExpired:  # killed by SIGKILL
            return False
        if done.returncode != 0:
            last = (done.stderr.strip() or done.stdout.strip() or "nothing was printed").splitlines()[-1]
            raise ConfigError(f"{self.what} failed with {done.returncode}: {last}")
        return True


def _environment(script: Path) -> dict[str, str]:
    """This process's, with the script's own folder to import from."""
    path = os.pathsep.join(filter(None, (str(script.resolve().parent), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path} if script.suffix == ".py" else dict(os.environ)


def _run_folder(folder: Path) -> Path | None:
    return next((path.parent for path in sorted(folder.rglob(SETTINGS))), None)


def _where(folder: Path) -> str:
    run = _run_folder(folder)
    found = None if run is None else load_latest(run / CHECKPOINTS)
    return "nothing saved yet" if found is None else f"saved at step {found[0].step:,}"


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
