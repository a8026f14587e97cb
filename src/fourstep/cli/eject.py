"""`fourstep eject`."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import arg

from fourstep.cli.flags import RecipeFlags
from fourstep.data.copies import DIGITS, copy_dataset
from fourstep.errors import ConfigError, RunFolderError, one_line
from fourstep.files import atomic_write, make_folder
from fourstep.recipes import Recipe, from_settings, recipe_names, write_script
from fourstep.runs.record import load_run


@dataclass(frozen=True, kw_only=True)
class Eject:
    """Write a recipe, or what a run was trained from, as one plain PyTorch script, which needs no fourstep.

    It trains the same model on the same data and ends with the same weights, bit for bit.

    fourstep eject lenet --output train.py

    fourstep eject softmax --data fashion-mnist --lr 0.2 > train.py

    fourstep eject runs/lenet
    """

    flags: Annotated[RecipeFlags, arg(name="")]
    output: Annotated[
        str | None,
        arg(
            metavar="FILE",
            help="a new file for the script; the digits are written beside it",
            help_behavior_hint="(default: print the script)",
        ),
    ] = None

    def execute(self) -> None:
        """Write the script, say what it reads."""
        recipe = self.resolved()
        script = write_script(recipe)
        reads_digits = recipe.data == "digits"
        if self.output is None:
            sys.stdout.write(script)
            if reads_digits:
                print(f"fourstep: it reads {DIGITS} beside it: fourstep data get digits --to .", file=sys.stderr)
            return
        path = Path(self.output)
        if not path.name:
            raise ConfigError(f"--output {self.output!r} is no file's name: expected one such as train.py")
        if path.exists():
            raise ConfigError(
                f"--output {self.output} is there already: expected a new file, as a script is for changing"
            )
        make_folder(path.parent)
        with atomic_write(path) as part:
            part.write_text(script, encoding="utf-8")
        if reads_digits and not path.with_name(DIGITS).exists():
            copy_dataset("digits", path.parent)
        beside = f", and {one_line(str(path.with_name(DIGITS)))} beside it" if reads_digits else ""
        print(f"script: {one_line(str(path))}{beside}\nnext:   python {one_line(str(path))}")

    def resolved(self) -> Recipe:
        """The recipe that was asked for: by its name, in a file, or in a run's folder."""
        asked = Path(self.flags.recipe)
        if self.flags.recipe in recipe_names() or asked.suffix == ".toml" or not (asked.is_dir() or asked.parent.name):
            return self.flags.resolved()
        settings = load_run(asked).settings
        if "recipe" not in settings:
            raise RunFolderError(f"{asked} was trained from Python, not from a recipe: its script is plain already")
        return from_settings({**settings["recipe"], **self.flags.changes()})
