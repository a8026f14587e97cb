"""`fourstep data list`, `get` and `show`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from tyro.conf import Positional, arg, subcommand

from fourstep.data.batches import Batches
from fourstep.data.catalog import DATASETS, fetch_dataset, load_dataset, locate_dataset
from fourstep.data.copies import copy_dataset
from fourstep.data.dataset import Data
from fourstep.errors import ConfigError, check_count, one_line

NAME_HELP = arg(metavar="NAME", help=", ".join(DATASETS))


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
    """Draw labelled samples of a data set, and count its classes.

    fourstep data show fashion-mnist
    """

    name: Positional[Annotated[str, NAME_HELP]]
    count: Annotated[int, arg(metavar="N", help="how many samples to draw")] = 40
    output: Annotated[str | None, arg(metavar="FILE", help="the picture", help_behavior_hint="(default: NAME.png)")] = (
        None
    )

    def execute(self) -> None:
        """Print the counts, draw the picture."""
        from fourstep.show.grid import MOST_IMAGES, save_image_grid  # noqa: PLC0415 - matplotlib is slow to import

        check_count("count", self.count)
        if self.count > MOST_IMAGES:
            raise ConfigError(f"count {self.count}: expected at most {MOST_IMAGES}, as many as one picture holds")
        data = load_dataset(self.name)
        print("\n".join(class_counts(data)))
        path = Path(self.output or f"{self.name}.png")
        train = data.train
        assert isinstance(train, Batches), "the catalog makes Batches"  # noqa: S101 - our own bug
        titles = [data.classes[int(target)] for target in train.targets[: self.count]]
        save_image_grid(train.inputs[: self.count], titles, path)
        print(f"picture: {path}")


def class_counts(data: Data) -> list[str]:
    """A line per split, and a line per class with its count in each."""
    splits = {name: split for name, split in data.splits().items() if isinstance(split, Batches)}
    counts = {
        name: torch.bincount(split.targets, minlength=len(data.classes)).tolist() for name, split in splits.items()
    }
    width = max(map(len, data.classes))
    lines = [f"{name}: {split.num_items:,} samples" for name, split in splits.items()]
    lines.append(" " * width + "".join(f"{name:>8}" for name in splits))
    for index, name in enumerate(data.classes):
        lines.append(f"{name:<{width}}" + "".join(f"{counts[split][index]:>8}" for split in splits))
    return lines


@dataclass(frozen=True, kw_only=True)
class DataCommand:
    """The data sets: list them, get one, look at one."""

    what: (
        Annotated[ListData, subcommand("list")]
        | Annotated[GetData, subcommand("get")]
        | Annotated[ShowData, subcommand("show")]
    )

    def execute(self) -> None:
        """Do what was asked."""
        self.what.execute()
