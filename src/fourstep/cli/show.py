"""`fourstep show`: what a recipe's or a run's model is made of."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg

from fourstep.cli.flags import DATA_HELP, RECIPES, RecipeFlags, option
from fourstep.data.encoding import INPUTS, load_encoding
from fourstep.errors import RunFolderError
from fourstep.inside.printing import print_page
from fourstep.recipes import recipe_names, summarise
from fourstep.runs.folder import SETTINGS
from fourstep.runs.record import load_run


@dataclass(frozen=True, kw_only=True)
class Show:
    """Show a model's layers with shapes, parameters, multiply-adds and memory, for one batch of a recipe or a run.

    No data set is loaded, and nothing is computed.

    fourstep show lenet

    fourstep show resnet --data fashion-mnist --resize 64

    fourstep show runs/lenet
    """

    recipe: Positional[
        Annotated[str, arg(metavar="RECIPE_OR_RUN", help=f"{RECIPES}, a TOML file of settings, or a run's folder")]
    ]
    data: Annotated[str | None, option("NAME_OR_PATH", DATA_HELP)] = None
    batch_size: Annotated[str | None, option("N", "samples per batch")] = None
    resize: Annotated[str | None, option("N", "height and width that the images are given, in pixels")] = None
    set: Annotated[
        UseAppendAction[tuple[str, ...]],
        arg(metavar="NAME=VALUE", help="any other setting of the recipe, such as hidden=512,256; may be repeated"),
    ] = ()

    def execute(self) -> None:
        """Print the table."""
        recipe, encoding = self.recipe, None
        if recipe not in recipe_names() and Path(recipe).is_dir():
            if "recipe" not in load_run(recipe).settings:
                raise RunFolderError(
                    f"{recipe} was trained from Python, not from a recipe: use fourstep.summary there, with its model"
                )
            encoding = load_encoding(recipe) if (Path(recipe) / INPUTS).exists() else None
            recipe = str(Path(recipe) / SETTINGS)
        flags = RecipeFlags(recipe=recipe, data=self.data, batch_size=self.batch_size, resize=self.resize, set=self.set)
        print_page(summarise(flags.resolved(), encoding))
