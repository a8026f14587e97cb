"""`fourstep resume` and `verify`: a run that was interrupted goes on, and what is on the disk is checked."""

from dataclasses import dataclass
from typing import Annotated

from tyro.conf import Positional, arg

from fourstep.cli.replay import replay
from fourstep.cli.train import closing_lines, train_in
from fourstep.cli.use import RUN_HELP
from fourstep.errors import RunFolderError, one_line
from fourstep.recipes import from_settings, with_settings
from fourstep.runs.checkpoint import verify_checkpoint
from fourstep.runs.folder import CHECKPOINTS
from fourstep.runs.manifest import list_checkpoints
from fourstep.runs.record import load_run


@dataclass(frozen=True, kw_only=True)
class Resume:
    """Continue a run after a stop, a crash or a power cut: the end is bit for bit that of a run that was never stopped.

    fourstep resume runs/lenet

    fourstep resume runs/lenet --epochs 20
    """

    run: Positional[Annotated[str, RUN_HELP]]
    epochs: Annotated[
        str | None,
        arg(metavar="N", help="in all, to make a run longer", help_behavior_hint="(default: what it was begun with)"),
    ] = None

    def execute(self) -> None:
        """Train on, then say how it went."""
        record = load_run(self.run)
        if "recipe" not in record.settings:
            raise RunFolderError(
                f"{self.run} was trained from Python, not from a recipe: run its script again, and it continues"
            )
        recipe = from_settings(record.settings["recipe"])
        if self.epochs is not None:
            recipe = with_settings(recipe, {"epochs": self.epochs})
        print(closing_lines(train_in(recipe, record.path), recipe, record.path))


@dataclass(frozen=True, kw_only=True)
class Verify:
    """Check every file of a run's checkpoints against the SHA-256 that was written down when it was saved.

    fourstep verify runs/lenet

    fourstep verify runs/lenet --replay 200
    """

    run: Positional[Annotated[str, RUN_HELP]]
    replay: Annotated[
        int | None,
        arg(metavar="N", help="do up to N steps from the last checkpoint but one on again, and compare the bits"),
    ] = None

    def execute(self) -> None:
        """Print a line per checkpoint."""
        record = load_run(self.run)
        place = record.path / CHECKPOINTS
        checkpoints, damaged = list_checkpoints(place)
        if not checkpoints and not damaged:
            raise RunFolderError(f"{place} holds no checkpoint: expected a run that was saved at least once")
        for checkpoint in checkpoints:
            try:
                verify_checkpoint(checkpoint)
            except RunFolderError as error:
                damaged.append(str(error))
            else:
                size = sum(size for size, _ in checkpoint.files.values())
                print(f"{one_line(str(checkpoint.path))}: sound, step {checkpoint.step:,}, {size / 1e6:.1f} MB")
        if damaged:
            raise RunFolderError(f"{'; '.join(damaged)}. A run continues from the latest sound checkpoint")
        if self.replay is not None:
            print(replay(record, self.replay))
