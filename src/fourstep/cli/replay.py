"""`fourstep verify --replay`: steps that a run has done are done again, and every bit is compared."""

import functools
import shutil
import tempfile
from pathlib import Path
from typing import Any

from fourstep.errors import RunFolderError, check_count
from fourstep.recipes import from_settings, train
from fourstep.runs.checkpoint import load_checkpoint
from fourstep.runs.folder import CHECKPOINTS, ROWS, SETTINGS
from fourstep.runs.manifest import MANIFEST, Checkpoint, list_checkpoints
from fourstep.runs.packing import digest
from fourstep.runs.record import RunRecord
from fourstep.step import train_step


class _Enough(BaseException):
    """So many steps were done again."""


def replay(record: RunRecord, most: int) -> str:
    """Do steps from a run's last checkpoint but one on again, elsewhere, and compare model and optimizer.

    Args:
        record: of the run.
        most: steps, 1 or more. Where the last checkpoint is further away, so many are done twice and compared with
            each other.

    Returns:
        A line that says how many steps were equal.

    Raises:
        ConfigError: `most` is below 1.
        RunFolderError: there are no two checkpoints, or a bit differs.
    """
    check_count("replay", most)
    if "recipe" not in record.settings:
        raise RunFolderError(f"{record.path} was trained from Python: `fourstep verify-resume SCRIPT` tries its script")
    found = list_checkpoints(record.path / CHECKPOINTS)[0]
    earlier = next((checkpoint for checkpoint in found if checkpoint.step < found[0].step), None)
    if earlier is None:
        raise RunFolderError(
            f"{record.path} has no two checkpoints of different steps: expected one to begin at and one to compare with"
        )
    later, steps = found[0], min(most, found[0].step - earlier.step)
    if earlier.step + steps == later.step:
        parts, other = load_checkpoint(later), later.path.name
        before = {"model": digest(parts["model"]), "optimizer": digest(parts["state"]["optimizer"])}
    else:
        before, other = _train_on(record, earlier, steps), "the first time"
    again = _train_on(record, earlier, steps)
    differing = [name for name in before if before[name] != again[name]]
    if differing:
        raise RunFolderError(
            f"{record.path}: {steps:,} steps from {earlier.path.name} on gave another {' and '.join(differing)} than "
            f"{other}. With the same machine, versions and threads, suspect the machine's memory"
        )
    done = "again" if other == later.path.name else "twice"
    return f"{steps:,} steps from {earlier.path.name} on, done {done}: equal to {other} in every bit"


def _train_on(record: RunRecord, checkpoint: Checkpoint, steps: int) -> dict[str, str]:
    """What model and optimizer are so many steps after a checkpoint, in a folder of their own."""
    done = 0
    reached: dict[str, str] = {}

    @functools.wraps(train_step)
    def counted(model: Any, loss_fn: Any, optimizer: Any, *given: Any, **named: Any) -> Any:
        nonlocal done
        result = train_step(model, loss_fn, optimizer, *given, **named)
        done += 1
        if done == steps:
            reached["model"], reached["optimizer"] = digest(model.state_dict()), digest(optimizer.state_dict())
            raise _Enough
        return result

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "run"
        (folder / CHECKPOINTS).mkdir(parents=True)
        for file in (SETTINGS, ROWS):
            shutil.copy(record.path / file, folder / file)
        place = folder / CHECKPOINTS / checkpoint.path.name
        place.mkdir()
        for file in (MANIFEST, *checkpoint.files):  # and nothing else that lies there
            shutil.copy(checkpoint.path / file, place / file)
        try:
            train(from_settings(record.settings["recipe"]), folder=folder, show="none", step=counted)
        except _Enough:
            return reached
    raise RunFolderError(f"{record.path}: the run ended before {steps:,} steps were done again")
