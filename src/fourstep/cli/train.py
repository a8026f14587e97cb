"""`fourstep train`."""

import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import Positional, UseAppendAction, arg

from fourstep.errors import ConfigError, one_line
from fourstep.recipes import Recipe, from_settings, load_recipe, recipe_for, recipe_names, train, with_settings
from fourstep.run import Run
from fourstep.runs.folder import CHECKPOINTS, CURVES, next_free

PROGRAM = "fourstep" if shutil.which("fourstep") else sys.argv[0]  # .venv/bin/fourstep, as the Makefile calls it
RECIPES = ", ".join(recipe_names())


def option(metavar: str, text: str) -> Any:
    """A flag's help that does not show `None` for what the recipe decides."""
    return arg(metavar=metavar, help=text, help_behavior_hint="(default: the recipe's)")


@dataclass(frozen=True, kw_only=True)
class Train:
    """Train a recipe, draw its curves while it learns, and keep the run in a folder.

    fourstep train lenet

    fourstep train mlp --data fashion-mnist --epochs 20 --lr 0.2

    fourstep train resnet --data fashion-mnist --resize 64

    fourstep train mlp --set hidden=512,256 --set optimizer=adam --lr 0.001

    fourstep train recipe.toml --seed 1
    """

    recipe: Positional[Annotated[str, arg(metavar="RECIPE", help=f"{RECIPES}, or a TOML file of settings")]]
    data: Annotated[str | None, option("NAME", "the data set; `fourstep data list` shows them")] = None
    epochs: Annotated[str | None, option("N", "passes over the training data")] = None
    batch_size: Annotated[str | None, option("N", "samples per batch")] = None
    lr: Annotated[str | None, option("X", "learning rate")] = None
    resize: Annotated[str | None, option("N", "height and width that the images are given, in pixels")] = None
    device: Annotated[str | None, option("NAME", "auto, cpu, cuda, cuda:1, mps, xpu")] = None
    seed: Annotated[str | None, option("N", "fixes weights, split and order")] = None
    run: Annotated[
        str | None,
        arg(metavar="FOLDER", help="where to keep the run", help_behavior_hint="(default: the next free runs/RECIPE)"),
    ] = None
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="NAME=VALUE", help="any other setting of the recipe, such as optimizer=adam; may be repeated"),
    ] = ()

    def execute(self) -> None:
        """Train, then say how it went and where everything is."""
        recipe = self.resolved()
        if self.run == "":
            raise ConfigError("--run is empty: expected a folder's name, such as runs/mine")
        folder = next_free(Path("runs") / recipe.model) if self.run is None else Path(self.run)
        epochs = "1 epoch" if recipe.epochs == 1 else f"{recipe.epochs} epochs"
        print(f"{recipe.model} on {recipe.data}: {epochs}, batch size {recipe.batch_size}, lr {recipe.lr:g}")
        print(closing_lines(train_in(recipe, folder), recipe, folder))

    def resolved(self) -> Recipe:
        """The recipe with the flags' settings; a flag wins over `--set`, and `--set` over a file."""
        flags = {
            name: getattr(self, name) for name in ("data", "epochs", "batch_size", "lr", "resize", "device", "seed")
        }
        changes = {**_pairs(self.set), **{name: value for name, value in flags.items() if value is not None}}
        if Path(self.recipe).suffix == ".toml":
            return from_settings({**load_recipe(self.recipe), **changes})
        return with_settings(recipe_for(self.recipe, changes.get("data")), changes)


def train_in(recipe: Recipe, folder: Path) -> Run:
    """Train, or go on, in a folder; a stop says how to continue."""
    try:
        return train(recipe, folder=folder, say=partial(print, flush=True))
    except (KeyboardInterrupt, SystemExit):
        if (folder / CHECKPOINTS).exists():
            print(f"to continue: {PROGRAM} resume {folder}", file=sys.stderr)
        raise


def _pairs(settings: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as a dictionary."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: expected NAME=VALUE, such as --set optimizer=adam")
        pairs[name.strip()] = value.strip()
    return pairs


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
