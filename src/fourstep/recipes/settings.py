"""A recipe is a flat table of settings.

`recipe_for` gives the one of a name, `load_recipe` reads a file, `with_settings` changes some.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, get_args

from fourstep.data.catalog import DATASETS
from fourstep.errors import ConfigError, DataFileError, UnknownNameError
from fourstep.files import read_toml

SYNTHETIC = "synthetic"
FLAGS = ("data", "epochs", "batch_size", "lr", "resize", "device", "seed")  # that the command has; others go by --set


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a training run is made from.

    Attributes:
        model: one of `recipe_names()`.
        data: `synthetic` for the linear model; else a data set's name.
        epochs: passes over the training data.
        batch_size: samples per batch.
        lr: learning rate.
        optimizer: `sgd`, `adam` or `adamw`.
        momentum: of sgd.
        weight_decay: of the optimizer.
        resize: height and width that the images are given, in pixels.
        standardize: subtract the training split's mean from the inputs and divide by its deviation.
        val: share of the training samples to hold out for validation; 0 for none.
        hidden: widths of a perceptron's hidden layers.
        dropout: after each of them the probability with which a value is dropped in training; empty for none.
        ratio: divides the channels of vgg.
        scratch: normalise batchnorm-lenet by the layer that is written out, in place of torch's.
        accumulate: batches per update.
        max_grad_norm: clip the gradients to this norm; 0 for no clipping.
        precision: `off`, `bf16` or `fp16`.
        log_every: add running numbers to the curves every so many updates; 0 for epochs' ends alone.
        clean_train_metrics: after each epoch measure the training data again, by weights that stand still.
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
    resize: int = 28
    standardize: bool = False
    val: float = 0.0
    hidden: tuple[int, ...] = (256,)
    dropout: tuple[float, ...] = ()
    ratio: int = 1
    scratch: bool = False
    accumulate: int = 1
    max_grad_norm: float = 0.0
    precision: str = "off"
    log_every: int = 0
    clean_train_metrics: bool = False
    device: str = "auto"
    seed: int = 0
    data_folder: str = ""


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
        ConfigError: the value is not of the setting's type, or the recipe does not use the setting.
    """
    kinds = {field.name: field.type for field in fields(Recipe)}
    for name in settings:
        if name not in kinds:
            raise UnknownNameError.of("setting", name, kinds)
    changed = replace(recipe, **{name: _read(name, value, kinds[name]) for name, value in settings.items()})
    _check_used(changed)
    return changed


_ONLY_FOR = {
    "hidden": ("mlp", "dropout"),
    "dropout": ("mlp", "dropout"),
    "ratio": ("vgg",),
    "scratch": ("batchnorm-lenet",),
}
_OF_IMAGES = ("resize", "standardize")


def _check_used(recipe: Recipe) -> None:
    """Refuse a setting that the recipe would not use.

    Raises:
        ConfigError: there is one, and it is not what it is where it is left out.
    """
    for field in fields(Recipe):
        value, models = getattr(recipe, field.name), _ONLY_FOR.get(field.name)
        if value == field.default:
            continue
        if models is not None and recipe.model not in models:
            raise ConfigError(f"{field.name}={value}: {recipe.model} does not use it, but {' and '.join(models)}")
        if field.name in _OF_IMAGES and recipe.data == SYNTHETIC:
            raise ConfigError(f"{field.name}={value}: the data is {SYNTHETIC}, which has no images")


_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[int, ...]: "whole numbers, like 256,128",
    tuple[float, ...]: "numbers, like 0.2,0.5",
}


def _read(name: str, value: Any, kind: Any) -> Any:
    """A setting's value as its type."""
    try:
        if get_args(kind):  # a tuple of numbers
            parts = (value.split(",") if value else ()) if isinstance(value, str) else value
            return tuple(_read(name, part, get_args(kind)[0]) for part in parts)
        if kind is bool and isinstance(value, str):
            return {"true": True, "false": False}[value.lower()]
        if isinstance(value, bool) != (kind is bool) or (kind is int and isinstance(value, float)):
            raise ValueError(value)  # noqa: TRY301 - caught three lines down, with the other wrong values
        return kind(value)
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        expected = _EXPECTED[kind]
        raise ConfigError(f"{name}={value!r}: expected {expected}") from error
