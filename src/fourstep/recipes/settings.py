"""A recipe is a flat table of settings; `with_settings` changes some."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, get_args

from fourstep.data.catalog import DATASETS
from fourstep.errors import ConfigError, UnknownNameError
from fourstep.files import is_there

SYNTHETIC, TABLE = "synthetic", "table"
FLAGS = ("data", "target", "epochs", "batch_size", "lr", "resize", "device", "seed")  # of the command; others by --set


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that a training run is made from.

    Attributes:
        model: one of `recipe_names()`, or `table`.
        data: `synthetic` for the linear model; a data set's name; or the path of the user's own: a folder of images,
            or a CSV file that lists them; for `table` a CSV, TSV or Parquet file.
        target: the columns of a table that are to be predicted.
        epochs: passes over the training data.
        batch_size: samples per batch.
        lr: learning rate.
        optimizer: `sgd`, `adam` or `adamw`.
        momentum: of sgd.
        weight_decay: of the optimizer.
        resize: height and width that the images are given, in pixels.
        standardize: subtract the training split's mean from the inputs and divide by its deviation.
        val: share of the training samples to hold out for validation; 0 for none.
        test: share of the user's own samples to judge by, where they come in no splits; 0 for none.
        task: of a table: `regression`, `classes` or `labels`; empty to look at the target.
        stratify: give every split each class's share of a table's rows.
        group: a column of a table of which no value is in two splits.
        time: a column of a table by which the latest rows are the test.
        metrics: what else is measured of a regression: `log_rmse`.
        kinds: `NAME=KIND` for columns of a table that are of another kind than is found.
        color: of the user's own images: `grey` or `color`; empty to look.
        augment: how the user's own training images are changed at random: `flip`, `crop`, `shift`, `rotate`, `color`,
            `erase`.
        damaged: what to do about a picture that cannot be read: `stop`, or `skip` it.
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
    target: tuple[str, ...] = ()
    epochs: int
    batch_size: int
    lr: float
    optimizer: str = "sgd"
    momentum: float = 0.0
    weight_decay: float = 0.0
    resize: int = 28
    standardize: bool = False
    val: float = 0.0
    test: float = 0.2
    task: str = ""
    stratify: bool = False
    group: str = ""
    time: str = ""
    metrics: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    color: str = ""
    damaged: str = "stop"
    augment: tuple[str, ...] = ()
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


def is_own(data: str) -> bool:
    """Is it the path of a user's own data, there or not, and no data set's name?"""
    return data not in (*DATASETS, SYNTHETIC) and (bool(Path(data).suffix) or Path(data).name != data or is_there(data))


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
    "hidden": ("mlp", "dropout", TABLE),
    "dropout": ("mlp", "dropout", TABLE),
    "target": (TABLE,),
    "kinds": (TABLE,),
    "task": (TABLE,),
    "stratify": (TABLE,),
    "group": (TABLE,),
    "time": (TABLE,),
    "metrics": (TABLE, "linear"),
    "ratio": ("vgg",),
    "scratch": ("batchnorm-lenet",),
}
_OF_IMAGES = ("resize", "standardize", "color", "damaged", "augment")
_OF_OWN = ("test", "color", "damaged", "augment")


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
            others = f"{', '.join(models[:-1])} and {models[-1]}" if models[1:] else models[0]
            raise ConfigError(f"{field.name}={value}: {recipe.model} does not use it, but {others}")
        if field.name in _OF_IMAGES and (recipe.data == SYNTHETIC or recipe.model == TABLE):
            raise ConfigError(f"{field.name}={value}: the data is {recipe.data}, which has no images")
        if field.name in _OF_OWN and not is_own(recipe.data):
            raise ConfigError(f"{field.name}={value}: {recipe.data} does not use it, but data of your own")


_EXPECTED = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    tuple[int, ...]: "whole numbers, like 256,128",
    tuple[float, ...]: "numbers, like 0.2,0.5",
    tuple[str, ...]: "names, like price,size",
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
