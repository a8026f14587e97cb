"""The recipe that a command line asks for: a name or a file, and flags."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from tyro.conf import FlagCreatePairsOff, Positional, UseAppendAction, arg

from fourstep.errors import ConfigError
from fourstep.recipes import FLAGS, TABLE, Recipe, from_settings, load_recipe, recipe_for, recipe_names, with_settings

RECIPES = ", ".join([*recipe_names(), TABLE])
DATA_HELP = "the data set (`fourstep data list`), or a folder of your images; for table your CSV, TSV or Parquet file"


def option(metavar: str, text: str) -> Any:
    """A flag's help that does not show `None` for what the recipe decides."""
    return arg(metavar=metavar, help=text, help_behavior_hint="(default: the recipe's)")


@dataclass(frozen=True, kw_only=True)
class RecipeFlags:
    """What `train` and `eject` are asked for."""

    recipe: Positional[Annotated[str, arg(metavar="RECIPE", help=f"{RECIPES}, or a TOML file of settings")]]
    data: Annotated[str | None, option("NAME_OR_PATH", DATA_HELP)] = None
    target: Annotated[
        str | None,
        arg(metavar="COLUMN", help="what to predict of a table; several with commas", help_behavior_hint=""),
    ] = None
    epochs: Annotated[str | None, option("N", "passes over the training data")] = None
    batch_size: Annotated[str | None, option("N", "samples per batch")] = None
    lr: Annotated[str | None, option("X", "learning rate")] = None
    resize: Annotated[str | None, option("N", "height and width that the images are given, in pixels")] = None
    device: Annotated[str | None, option("NAME", "auto, cpu, cuda, cuda:1, mps, xpu")] = None
    seed: Annotated[str | None, option("N", "fixes weights, split and order")] = None
    clean_train_metrics: Annotated[
        FlagCreatePairsOff[bool],
        arg(help="after each epoch measure the training data again, by weights that stand still"),
    ] = False
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="NAME=VALUE", help="any other setting of the recipe, such as optimizer=adam; may be repeated"),
    ] = ()

    def resolved(self) -> Recipe:
        """The recipe with the flags' settings; a flag wins over `--set`, and `--set` over a file."""
        changes = self.changes()
        if Path(self.recipe).suffix == ".toml":
            return from_settings({**load_recipe(self.recipe), **changes})
        return with_settings(recipe_for(self.recipe, changes.get("data")), changes)

    def changes(self) -> dict[str, str]:
        """What was asked for otherwise than the recipe has it: name -> value."""
        flags = {name: getattr(self, name) for name in FLAGS}
        flags["clean_train_metrics"] = "true" if self.clean_train_metrics else None
        return {**pairs_of(self.set), **{name: value for name, value in flags.items() if value is not None}}


def pairs_of(settings: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as a dictionary."""
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ConfigError(f"--set {setting}: expected NAME=VALUE, such as --set optimizer=adam")
        pairs[name.strip()] = value.strip()
    return pairs
