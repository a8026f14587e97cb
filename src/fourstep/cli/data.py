"""`fourstep data list`, `get`, `show` and `check`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, UseAppendAction, arg, subcommand

from fourstep.cli.flags import pairs_of
from fourstep.data.batches import Batches
from fourstep.data.catalog import DATASETS, fetch_dataset, load_dataset, locate_dataset
from fourstep.data.copies import copy_dataset
from fourstep.data.dataset import Data
from fourstep.errors import ConfigError, DataError, DataFileError, check_count, one_line
from fourstep.recipes import TABLE, is_own, make_data, recipe_for, with_settings

NAME_HELP = arg(metavar="NAME", help=", ".join(DATASETS))
OWN_HELP = arg(metavar="NAME_OR_PATH", help=f"{', '.join(DATASETS)}, a folder of images, or a table")
TARGET_HELP = arg(metavar="COLUMN", help="what to predict of a table; several with commas", help_behavior_hint="")
SET_HELP = arg(metavar="NAME=VALUE", help="a setting, as `fourstep train` has it, such as resize=64; may be repeated")


@dataclass(frozen=True)
class ListData:
    """List the data sets, and where each is now."""

    def execute(self) -> None:
        """Print a table."""
        from rich.console import Console  # noqa: PLC0415 - slow to import
        from rich.table import Table  # noqa: PLC0415 - slow to import

        table = Table("name", "what", "classes", "pixels", "licence", "where now", "source", box=None)
        for info in DATASETS.values():
            pixels = f"{info.image_size} x {info.image_size}"
            place = locate_dataset(info.name)
            table.add_row(info.name, info.title, str(len(info.classes)), pixels, info.licence, place.place, info.source)
        Console().print(table)


@dataclass(frozen=True, kw_only=True)
class GetData:
    """Download a data set, or verify the one that is there.

    fourstep data get fashion-mnist

    fourstep data get digits --to .
    """

    name: Positional[Annotated[str, NAME_HELP]]
    to: Annotated[
        str | None,
        arg(metavar="FOLDER", help="copy it there, for other programs", help_behavior_hint="(default: no copy)"),
    ] = None

    def execute(self) -> None:
        """Print where it is."""
        if self.to is not None:
            print("\n".join(one_line(str(path)) for path in copy_dataset(self.name, self.to)))
            return
        print(f"{self.name} is in {fetch_dataset(self.name)}, and its content is right")


@dataclass(frozen=True, kw_only=True)
class ShowData:
    """Look at a data set, or at your own: samples with their labels, how many are of each class, a table's columns.

    fourstep data show fashion-mnist

    fourstep data show pictures/ --set augment=flip,rotate

    fourstep data show houses.csv --target price
    """

    name: Positional[Annotated[str, OWN_HELP]]
    target: Annotated[str | None, TARGET_HELP] = None
    set: Annotated[UseAppendAction[tuple[str, ...]], SET_HELP] = ()
    count: Annotated[int, arg(metavar="N", help="how many samples to draw")] = 40
    output: Annotated[str | None, arg(metavar="FILE", help="the picture", help_behavior_hint="(default: NAME.png)")] = (
        None
    )

    def execute(self) -> None:
        """Print the counts, draw the picture."""
        from fourstep.show.samples import are_drawable, save_samples  # noqa: PLC0415 - matplotlib is slow to import

        check_count("count", self.count)
        data = open_data(self.name, self.target, self.set)
        data.show(count=self.count)
        if are_drawable(data):
            path = Path(self.output or f"{data.name}.png")
            save_samples(data, path, self.count)
            print(f"picture: {one_line(str(path))}")


@dataclass(frozen=True, kw_only=True)
class CheckData:
    """Look for what is wrong with a data set, or with your own, before anything is trained on it; a line each.

    fourstep data check pictures/

    fourstep data check houses.csv --target price
    """

    name: Positional[Annotated[str, OWN_HELP]]
    target: Annotated[str | None, TARGET_HELP] = None
    set: Annotated[UseAppendAction[tuple[str, ...]], SET_HELP] = ()

    def execute(self) -> None:
        """Print the findings."""
        data = open_data(self.name, self.target, self.set)
        findings = data.check()
        samples = sum(split.num_items for split in data.splits().values() if isinstance(split, Batches))
        print("\n".join(map(str, findings)) if findings else f"{data.name}: {samples:,} samples, and nothing is wrong")


def open_data(name: str, target: str | None, settings: tuple[str, ...]) -> Data:
    """The data set of that name, or the user's own as a recipe would have it.

    Raises:
        FourstepError: there is none, or it cannot be trained on.
    """
    changes = pairs_of(settings)
    if not is_own(name):
        for setting in changes:
            raise ConfigError(f"--set {setting}: it is for data of your own; {name} is as it is")
        return load_dataset(name)
    is_table = target is not None
    changes |= {"target": target} if target is not None else {}
    try:
        return make_data(with_settings(recipe_for(TABLE if is_table else "lenet", name), changes))
    except (DataError, DataFileError) as error:
        if is_table or not Path(name).is_file():
            raise
        raise DataError(f"{error}. Of a table say what is to be predicted: --target COLUMN") from error


@dataclass(frozen=True, kw_only=True)
class DataCommand:
    """The data sets, and your own: list them, get one, look at one, check one."""

    what: (
        Annotated[ListData, subcommand("list")]
        | Annotated[GetData, subcommand("get")]
        | Annotated[ShowData, subcommand("show")]
        | Annotated[CheckData, subcommand("check")]
    )

    def execute(self) -> None:
        """Do what was asked."""
        self.what.execute()
