"""A recipe is a flat table of settings.

`recipe_for` gives the one of a name, `load_recipe` reads a file, `with_settings` changes some.
"""

import operator
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from fourstep.data.catalog import DATASETS
from fourstep.errors import ConfigError, DataFileError, UnknownNameError
from fourstep.files import read_toml

SYNTHETIC = "synthetic"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a training run is made from.

    Attributes:
        model: `linear`, `softmax`, `mlp` or `lenet`.
        data: `synthetic` for the linear model; else a data set's name.
        epochs: passes over the training data.
        batch_size: samples per batch.
        lr: learning rate.
        optimizer: `sgd`, `adam` or `adamw`.
        momentum: of sgd.
        weight_decay: of the optimizer.
        size: side of the images in pixels.
        standardize: subtract the training split's mean from the inputs and divide by its deviation.
        val: share of the training samples to hold out for validation; 0 for none.
        hidden: widths of the mlp's hidden layers.
        accumulate: batches per update.
        max_grad_norm: clip the gradients to this norm; 0 for no clipping.
        precision: `off`, `bf16` or `fp16`.
        log_every: add running numbers to the curves every so many updates; 0 for epochs' ends alone.
        device: where to train.
        seed: fixes the weights' start, the split and the order.
        data_folder: where the data set's files are; empty to look in the usual places.
    """

    model: str
    data: str
    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    size: int = 28
    standardize: bool = False
    val: float = 0.0
    hidden: tuple[int, ...] = (256,)
    accumulate: int = 1
    max_grad_norm: float = 0.0
    precision: str = "off"
    log_every: int = 0
    device: str = "auto"
    seed: int = 0
    data_folder: str = ""


# Fashion-MNIST and synthetic: the book's own settings. digits: so that few small images show learning within seconds.
_RECIPES = [
    Recipe(model="linear", data=SYNTHETIC, epochs=3, batch_size=10, lr=0.03),
    Recipe(
        model="softmax", data="digits", epochs=20, batch_size=64, lr=0.01, optimizer="adam", size=8, standardize=True
    ),
    Recipe(model="softmax", data="fashion-mnist", epochs=10, batch_size=256, lr=0.1),
    Recipe(model="mlp", data="digits", epochs=20, batch_size=64, lr=0.005, optimizer="adam", size=8, standardize=True),
    Recipe(model="mlp", data="fashion-mnist", epochs=10, batch_size=256, lr=0.1),
    Recipe(model="lenet", data="digits", epochs=30, batch_size=64, lr=0.005, optimizer="adam", standardize=True),
    Recipe(model="lenet", data="fashion-mnist", epochs=10, batch_size=256, lr=0.9, log_every=47),
]


def recipe_names() -> list[str]:
    """The recipes there are, simplest first."""
    return list(dict.fromkeys(recipe.model for recipe in _RECIPES))


def recipe_for(name: str, data: str | None = None) -> Recipe:
    """The recipe of a name, with the settings that go with a data set.

    Args:
        name: one of `recipe_names()`.
        data: the data set; None for the recipe's first, which needs no download.

    Raises:
        UnknownNameError: no such recipe or data set.
        ConfigError: the recipe cannot train on that data set.
    """
    fitting = {recipe.data: recipe for recipe in _RECIPES if recipe.model == name}
    if not fitting:
        raise UnknownNameError.of("recipe", name, recipe_names())
    if data is None:
        return next(iter(fitting.values()))
    if data in fitting:
        return fitting[data]
    known = {*DATASETS, SYNTHETIC}
    if data not in known:
        raise UnknownNameError.of("data set", data, known)
    raise ConfigError(f"recipe {name!r} cannot train on {data!r}: it trains on {' or '.join(fitting)}")


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


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed.

    Args:
        recipe: what to change.
        settings: name -> value; text, as from a command line, is read as the setting's type.

    Raises:
        UnknownNameError: there is no such setting.
        ConfigError: the value is not of the setting's type.
    """
    kinds = {field.name: field.type for field in fields(Recipe)}
    for name in settings:
        if name not in kinds:
            raise UnknownNameError.of("setting", name, kinds)
    return replace(recipe, **{name: _read(name, value, kinds[name]) for name, value in settings.items()})


_EXPECTED = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _read(name: str, value: Any, kind: Any) -> Any:
    """A setting's value as its type."""
    try:
        if get_args(kind):  # a tuple of widths
            parts = value.split(",") if isinstance(value, str) else value
            return tuple(operator.index(int(part) if isinstance(part, str) else part) for part in parts)
        if kind is bool and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(value, bool) != (kind is bool) or (kind is int and isinstance(value, float)):
            raise ValueError(value)  # noqa: TRY301 - caught three lines down, with the other wrong values
        return kind(value)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        expected = "whole numbers, like 256,128" if get_args(kind) else _EXPECTED[kind]
        raise ConfigError(f"{name}={value!r}: expected {expected}") from error
