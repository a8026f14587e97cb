"""`fourstep train`."""

import shutil
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fourstep.cli.flags import RecipeFlags
from fourstep.errors import ConfigError, one_line
from fourstep.inside.printing import print_page
from fourstep.recipes import Recipe, fold_line, mean_line, trace_first_step, train, train_folds
from fourstep.run import Run
from fourstep.runs.folder import CHECKPOINTS, CURVES, next_free

PROGRAM = "fourstep" if shutil.which("fourstep") else sys.argv[0]  # .venv/bin/fourstep, as the Makefile calls it


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a recipe, draw its curves while it learns, and keep the run in a folder.

    fourstep train lenet

    fourstep train mlp --data fashion-mnist --epochs 20 --lr 0.2

    fourstep train resnet --data fashion-mnist --resize 64

    fourstep train mlp --set hidden=512,256 --set optimizer=adam --lr 0.001

    fourstep train recipe.toml --seed 1

    fourstep train lenet --trace

    fourstep train lenet --data pictures/

    fourstep train table --data houses.csv --target price
    """

    flags: Annotated[RecipeFlags, arg(name="")]
    run: Annotated[
        str | None,
        arg(metavar="FOLDER", help="where to keep the run", help_behavior_hint="(default: the next free runs/RECIPE)"),
    ] = None
    folds: Annotated[
        int | None,
        arg(metavar="K", help="train on a table K times, each time judged by another part of it; nothing is kept"),
    ] = None
    trace: Annotated[bool, arg(help="show the first step in slow motion before it trains; LANG=zh_CN for Chinese")] = (
        False
    )

    def execute(self) -> None:
        """Train, then say how it went and where everything is."""
        recipe = self.flags.resolved()
        if self.run == "":
            raise ConfigError("--run is empty: expected a folder's name, such as runs/mine")
        folder = next_free(Path("runs") / recipe.model) if self.run is None else Path(self.run)
        epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
        print(f"{recipe.model} on {recipe.data}: {epochs}, batch size {recipe.batch_size}, lr {recipe.lr:g}")
        if self.folds is not None:
            if self.run is not None or self.trace:
                raise ConfigError(
                    f"--folds {self.folds} with {'--trace' if self.run is None else '--run'}: leave one out"
                )
            print_folds(recipe, self.folds)
            return
        if self.trace:
            print_page(trace_first_step(recipe))
            print(flush=True)
        print(closing_lines(train_in(recipe, folder), recipe, folder))


def print_folds(recipe: Recipe, folds: int) -> None:
    """A line per fold as soon as it is trained, then their mean."""
    rows = []
    for row in train_folds(recipe, folds):
        rows.append(row)
        print(fold_line(len(rows), row), flush=True)
    print(
        f"{mean_line(rows)}\nnext:   the same without --folds, to train on all rows but the test split and keep the run"
    )


def train_in(recipe: Recipe, folder: Path) -> Run:
    """Train, or go on, in a folder; a stop says how to continue."""
    try:
        return train(recipe, folder=folder, say=partial(print, flush=True))
    except (KeyboardInterrupt, SystemExit):
        if (folder / CHECKPOINTS).exists():
            print(f"to continue: {PROGRAM} resume {folder}", file=sys.stderr)
        raise


def closing_lines(run: Run, recipe: Recipe, folder: Path) -> str:
    """The book's two closing lines, where the run is, and where to go next.

    Unlike the book's, the speed counts loading the data too.
    """
    last = run.history.rows[-1]
    names = {
        "train/loss": "loss",
        "train/accuracy": "train acc",
        "val/accuracy": "val acc",
        "test/accuracy": "test acc",
    }
    numbers = ", ".join(f"{short} {last[name]:{_digits(last[name])}}" for name, short in names.items() if name in last)
    if "train/accuracy" not in last:  # a regression's loss has no natural size
        numbers = ", ".join(
            f"{name.replace('/', ' ')} {last[name]:.3g}" for name in ("train/loss", "test/loss") if name in last
        )
    ends = [row for row in run.history if float(row["epoch"]).is_integer()]
    speed = len(ends) / sum(1 / row["examples_per_second"] for row in ends)
    shown = one_line(str(folder))
    go_on = f"train {recipe.model} --data fashion-mnist" if recipe.data == "digits" else f"predict {shown}"
    return (
        f"{numbers}\n{speed:.1f} examples/sec on {run.device}, data loading included\n"
        f"curves: {shown}/{CURVES}\nrun:    {shown}\nnext:   {PROGRAM} {go_on}"
    )


def _digits(value: float) -> str:
    """The book's three decimals, unless the number is too long for them."""
    return ".3f" if abs(value) < 10_000 else ".3g"  # noqa: PLR2004 - where decimals say nothing any more
