"""`fourstep evaluate` and `plot`: what a finished run is good for."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from torch import nn
from tyro.conf import FlagCreatePairsOff, Positional, arg

from fourstep.data.encoding import Encoding, load_encoding
from fourstep.errors import RunFolderError, one_line
from fourstep.evaluation import evaluate
from fourstep.recipes import Parts, Recipe, from_settings, is_own, make_metrics, make_model, make_parts
from fourstep.runs.record import load_run
from fourstep.runs.settings import describe_data, refuse_other_data
from fourstep.runs.weights import load_weights
from fourstep.show import save_curves

RUN_HELP = arg(metavar="RUN", help="a run's folder, such as runs/lenet")


def recipe_of(run: str) -> Recipe:
    """The recipe that a run was trained from.

    Raises:
        RunFolderError: there is no such run, or it was not made from a recipe.
    """
    record = load_run(run, with_rows=False)
    if "recipe" not in record.settings:
        raise RunFolderError(
            f"{run} was trained from Python, not from a recipe: build its model there and use fourstep.load_weights"
        )
    return from_settings(record.settings["recipe"])


def load_trained(run: str) -> tuple[Recipe, Parts]:
    """The recipe of a finished run, and its parts, data and all, with the trained weights.

    Raises:
        RunFolderError: there is no such run, it was not made from a recipe, or its data has changed since.
    """
    recipe = recipe_of(run)
    parts = make_parts(recipe)
    if is_own(recipe.data):
        record = load_run(run, with_rows=False)
        refuse_other_data(record.path, {"settings": record.settings, "data": record.data}, describe_data(parts.data))
    load_weights(parts.model, run)
    return recipe, parts


def load_for_new(run: str, recipe: Recipe) -> tuple[nn.Module, Encoding]:
    """The trained model of a run on the user's own data, and how new inputs are read; without that data.

    Raises:
        DataFileError, RunFolderError: a file of the run is missing or damaged.
    """
    encoding = load_encoding(run)
    model = make_model(recipe, len(encoding.classes), encoding)
    load_weights(model, run)
    return model, encoding


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Measure a finished run on its splits.

    fourstep evaluate runs/lenet
    """

    run: Positional[Annotated[str, RUN_HELP]]

    def execute(self) -> None:
        """Print one line per split."""
        recipe, parts = load_trained(self.run)
        metrics = make_metrics(parts.data, recipe.metrics)
        for name, split in parts.data.splits().items():
            numbers = evaluate(parts.model, split, parts.loss_fn, metrics=metrics)
            print(f"{name:<5} " + "  ".join(f"{metric} {value:.4g}" for metric, value in numbers.items()))


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Draw a run's curves into a file.

    fourstep plot runs/lenet

    fourstep plot runs/lenet --output lenet.pdf
    """

    run: Positional[Annotated[str, RUN_HELP]]
    output: Annotated[
        str | None,
        arg(metavar="FILE", help="ends in .svg, .png or .pdf", help_behavior_hint="(default: RUN/curves.svg)"),
    ] = None
    lr: Annotated[FlagCreatePairsOff[bool], arg(help="draw the learning rate too")] = False

    def execute(self) -> None:
        """Write the file, say where."""
        path = Path(self.output) if self.output else Path(self.run) / "curves.svg"
        save_curves(load_run(self.run).history, path, lr=self.lr)
        print(one_line(str(path)))
