"""A recipe on the user's own data: the folder of images, or the table, that its `data` names."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from fourstep.data import augment
from fourstep.data.augment import Augment
from fourstep.data.dataset import Data
from fourstep.data.folder import from_images
from fourstep.data.folds import k_fold
from fourstep.data.table import from_table
from fourstep.errors import ConfigError, DataFileError, UnknownNameError, one_line
from fourstep.files import is_there
from fourstep.recipes.ladder import recipe_for
from fourstep.recipes.settings import TABLE, Recipe


def make_own(recipe: Recipe) -> Data:
    """The data set that a recipe's path names.

    Raises:
        ConfigError: a setting that it cannot have.
        DataError, DataFileError: a file is missing, damaged, or holds what cannot be trained on.
    """
    _check_is_there(recipe)
    if recipe.model == TABLE:
        shares: dict[str, Any] = {"val": recipe.val or None, "test": recipe.test or None}
        return from_table(recipe.data, time=recipe.time or None, **shares, **_of_table(recipe))
    return from_images(
        recipe.data,
        size=recipe.resize,
        **_choices(recipe),
        standardize=recipe.standardize,
        augment=make_augment(recipe.augment),
        batch_size=recipe.batch_size,
        val=recipe.val or None,
        test=recipe.test or None,
        seed=recipe.seed,
    )


_AUGMENT: dict[str, Callable[[], Augment]] = {
    "flip": augment.Flip,
    "crop": augment.Crop,
    "shift": augment.Shift,
    "rotate": augment.Rotate,
    "color": lambda: augment.Color(brightness=0.2, contrast=0.2, saturation=0.2),
    "erase": augment.Erase,
}


def make_augment(names: tuple[str, ...]) -> list[Augment]:
    """The augmentations of these names, as they are by default.

    Raises:
        UnknownNameError: there is no such one.
    """
    for name in names:
        if name not in _AUGMENT:
            raise UnknownNameError.of("augmentation", name, _AUGMENT)
    return [_AUGMENT[name]() for name in names]


def make_folds(recipe: Recipe, folds: int) -> Iterator[Data]:
    """The folds of a recipe's table: each is `val` once, what is learnt of the columns is learnt of the others.

    Raises:
        ConfigError: the recipe has no table, or a number of folds that it cannot have.
        DataError, DataFileError: a file is missing, damaged, or holds what cannot be trained on.
    """
    if recipe.model != TABLE:
        raise ConfigError(f"folds={folds}: expected the recipe 'table'; {recipe.model} trains on one split")
    for name in ("val", "test", "time"):
        if (value := getattr(recipe, name)) != getattr(recipe_for(TABLE, recipe.data), name):
            raise ConfigError(f"{name}={value} with folds={folds}: each fold is `val` once. Leave it out")
    _check_is_there(recipe)
    yield from k_fold(recipe.data, folds=folds, **_of_table(recipe))


def _check_is_there(recipe: Recipe) -> None:
    if not is_there(Path(recipe.data).expanduser()):
        where = "" if Path(recipe.data).is_absolute() else f" in the current folder, {Path.cwd()}"
        what = "table" if recipe.model == TABLE else "folder of images"
        raise DataFileError(
            f"{recipe.data} is not there: expected a {what}{where}. "
            "Correct the path, or go to the folder that it begins in"
        )


def _choices(recipe: Recipe) -> dict[str, Any]:
    """Texts that `from_images` looks at itself."""
    return {"color": recipe.color or None, "damaged": recipe.damaged}


def _of_table(recipe: Recipe) -> dict[str, Any]:
    if not recipe.target:
        raise ConfigError(f"no target: name the column of {recipe.data} that is to be predicted, as --target price")
    return {
        "target": recipe.target[0] if len(recipe.target) == 1 else list(recipe.target),
        "kinds": _kinds(recipe.kinds),
        "task": recipe.task or None,
        "stratify": recipe.stratify,
        "group": recipe.group or None,
        "batch_size": recipe.batch_size,
        "seed": recipe.seed,
    }


def left_out(data: Data) -> str:
    """What a table's model does not see, in a line; empty where it sees all, or the data is no table."""
    encoding: Any = data.encoding
    if encoding is None or encoding.kind != "table":
        return ""
    unused = [
        f"{column.name} ({column.kind}, {column.use.removeprefix('left out, ')})"
        for column in encoding.columns
        if not column.is_used
    ]
    return one_line(f"not used: {', '.join(unused)}") if unused else ""


def _kinds(given: tuple[str, ...]) -> Mapping[str, str]:
    """`NAME=KIND` texts as a dictionary."""
    pairs = [text.rpartition("=") for text in given]
    for text, (name, equals, kind) in zip(given, pairs, strict=True):
        if not (name and equals and kind):
            raise ConfigError(f"kinds={text}: expected NAME=KIND, such as zip=category")
    return {name.strip(): kind.strip() for name, _, kind in pairs}
