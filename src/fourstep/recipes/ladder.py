"""The recipes, up the book's ladder, each for the data sets that it can train on; and `table`, for one's own table."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from fourstep.data.catalog import DATASETS
from fourstep.errors import ConfigError, DataFileError, UnknownNameError
from fourstep.files import read_toml
from fourstep.recipes.settings import SYNTHETIC, TABLE, Recipe, is_own, with_settings

# digits: so that few small images show learning within seconds or a minute
_DIGITS = partial(Recipe, data="digits", batch_size=64, lr=0.001, optimizer="adam", standardize=True)
_BOOK = partial(Recipe, data="fashion-mnist", epochs=10)  # the book's own settings

_RECIPES = [
    Recipe(model="linear", data=SYNTHETIC, epochs=3, batch_size=10, lr=0.03),  # the book's too
    _DIGITS(model="softmax", epochs=20, lr=0.01, resize=8),
    _BOOK(model="softmax", batch_size=256, lr=0.1),
    _DIGITS(model="mlp", epochs=20, lr=0.005, resize=8),
    _BOOK(model="mlp", batch_size=256, lr=0.1),
    _DIGITS(model="dropout", epochs=20, lr=0.005, resize=8, hidden=(256, 256), dropout=(0.2, 0.5)),
    _BOOK(model="dropout", batch_size=256, lr=0.5, hidden=(256, 256), dropout=(0.2, 0.5)),
    _DIGITS(model="lenet", epochs=30, lr=0.005),
    _BOOK(model="lenet", batch_size=256, lr=0.9, log_every=47),
    _DIGITS(model="alexnet", epochs=10, resize=67),
    _BOOK(model="alexnet", batch_size=128, lr=0.01, resize=224, log_every=93),
    _DIGITS(model="vgg", epochs=10, resize=32, ratio=4),
    _BOOK(model="vgg", batch_size=128, lr=0.05, resize=224, ratio=4, log_every=93),
    _DIGITS(model="nin", epochs=15, resize=67),
    _BOOK(model="nin", batch_size=128, lr=0.1, resize=224, log_every=93),
    _DIGITS(model="googlenet", epochs=15, batch_size=32, resize=32),
    _BOOK(model="googlenet", batch_size=128, lr=0.1, resize=96, log_every=93),
    _DIGITS(model="batchnorm-lenet", epochs=10, lr=0.005),
    _BOOK(model="batchnorm-lenet", batch_size=256, lr=1.0, log_every=47),
    _DIGITS(model="resnet", epochs=8, resize=32),
    _BOOK(model="resnet", batch_size=256, lr=0.05, resize=96, log_every=47),
    _DIGITS(model="densenet", epochs=5, resize=32),
    _BOOK(model="densenet", batch_size=256, lr=0.1, resize=96, log_every=47),
]

_TABLE = Recipe(
    model=TABLE, data="", epochs=40, batch_size=64, lr=0.003, optimizer="adamw", hidden=(64, 32), dropout=(0.2,)
)


def recipe_names() -> list[str]:
    """The recipes that have data of their own, simplest first."""
    return list(dict.fromkeys(recipe.model for recipe in _RECIPES))


def recipe_for(name: str, data: str | None = None) -> Recipe:
    """The recipe of a name, with the settings that go with a data set.

    Args:
        name: one of `recipe_names()`, or `table`.
        data: the data set, or the path of one's own; None for the recipe's first, which needs no download.

    Raises:
        UnknownNameError: no such recipe or data set.
        ConfigError: the recipe cannot train on that data set.
    """
    if name == TABLE:
        return _for_table(data)
    fitting = {recipe.data: recipe for recipe in _RECIPES if recipe.model == name}
    if not fitting:
        raise UnknownNameError.of("recipe", name, [*recipe_names(), TABLE])
    if data is None:
        return next(iter(fitting.values()))
    if data in fitting:
        return fitting[data]
    if is_own(data) and _OWN_LIKE in fitting:
        return replace(fitting[_OWN_LIKE], data=data, resize=max(28, fitting[_OWN_LIKE].resize))
    known = {*DATASETS, SYNTHETIC}
    if data not in known and not is_own(data):
        raise UnknownNameError.of("data set", data, known)
    raise ConfigError(f"recipe {name!r} cannot train on {data!r}: it trains on {' or '.join(fitting)}")


_OWN_LIKE = "digits"  # settings by which some thousand images of one's own learn well too


def _for_table(data: str | None) -> Recipe:
    if data in (*DATASETS, SYNTHETIC):
        raise ConfigError(f"recipe 'table' cannot train on {data!r}: it trains on a file of your own, as houses.csv")
    if not data:
        raise ConfigError(
            "recipe 'table' has no data of its own: name a file and the column to predict, as in "
            "--data houses.csv --target price"
        )
    return replace(_TABLE, data=data)


def load_recipe(path: str | Path) -> dict[str, Any]:
    """The settings in a TOML file: a recipe's own, at the top or, as in a run's `run.toml`, under `[settings.recipe]`.

    Raises:
        DataFileError: the file is missing or is no TOML.
    """
    try:
        table = read_toml(path)
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise DataFileError(f"{path}: {reason}. Expected a TOML file with a recipe's settings") from error
    run = table.get("settings")
    inner = run.get("recipe") if isinstance(run, dict) else None
    return inner if isinstance(inner, dict) else table


def from_settings(settings: Mapping[str, Any]) -> Recipe:
    """The recipe that settings describe; what they leave out is as in the recipe of their model and data set.

    Raises:
        UnknownNameError, ConfigError: a setting that there is not, or a value that it cannot have.
    """
    if "model" not in settings:
        raise ConfigError(f"no model in the recipe's settings: expected model = one of {', '.join(recipe_names())}")
    return with_settings(recipe_for(str(settings["model"]), str(settings.get("data") or "") or None), settings)
