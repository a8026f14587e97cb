"""A recipe before it trains: its settings checked as training checks them, its model and a batch as shapes alone."""

import math
from dataclasses import asdict
from typing import Any

import torch
from torch import Tensor, nn

from fourstep.data.catalog import find_dataset
from fourstep.data.split import hold_out
from fourstep.errors import ConfigError, DeviceError, check_count
from fourstep.recipes.build import LARGEST, make_optimizer
from fourstep.recipes.networks import TRUE_WEIGHTS, make_model
from fourstep.recipes.settings import SYNTHETIC, Recipe
from fourstep.scale.precision import mixed_precision
from fourstep.seed import derive_seed

_NUM_TRAINING = {"digits": (1_797, 10), "fashion-mnist": (60_000, 10), SYNTHETIC: (1_000, 1)}  # samples and classes


def make_outline(recipe: Recipe, samples: int, encoding: Any = None) -> tuple[nn.Module, Tensor]:
    """A recipe's model and inputs for it on torch's device `"meta"`, where nothing is drawn, computed or weighs.

    Args:
        recipe: refused where training would refuse it.
        samples: of the inputs.
        encoding: of the user's own data, a table's or a folder's; it says how wide the inputs are.

    Raises:
        ConfigError, UnknownNameError, DataError, DeviceError: a setting that cannot be used.
    """
    _check_numbers(recipe)
    classes: tuple[str, ...] = ()
    sizes: tuple[int, ...] = (len(TRUE_WEIGHTS),)
    if encoding is not None:
        classes, sizes = encoding.classes, encoding.input_shape
    elif recipe.data != SYNTHETIC:
        known = find_dataset(recipe.data)
        classes, sizes = known.classes, (known.channels, recipe.resize, recipe.resize)
    with torch.device("meta"):
        model = make_model(recipe, len(classes), encoding)
        inputs = torch.empty(samples, *sizes)
    _check_choices(recipe, model)
    return model, inputs


def _check_numbers(recipe: Recipe) -> None:
    """Refuse numbers that no training takes, or that Python cannot write.

    Raises:
        ConfigError: there is one.
    """
    for name, value in asdict(recipe).items():
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{name}={value}: expected a finite number")
    counts = ("epochs", "batch_size", "accumulate")
    for name in counts if recipe.data == SYNTHETIC else (*counts, "resize"):
        check_count(name, getattr(recipe, name))
    for name in ("log_every", "max_grad_norm"):
        if getattr(recipe, name) < 0:
            raise ConfigError(f"{name}={getattr(recipe, name)}: expected 0 for none, or more")
    if recipe.resize > LARGEST:
        raise ConfigError(
            f"resize={recipe.resize}: expected at most {LARGEST:,}, so that the images fit into the memory"
        )


def _check_choices(recipe: Recipe, model: nn.Module) -> None:
    """Refuse what optimizer, precision, seed, split and device cannot be.

    Raises:
        ConfigError, UnknownNameError, DataError, DeviceError: there is one.
    """
    make_optimizer(recipe, model)
    mixed_precision(recipe.precision)
    derive_seed(recipe.seed, "order")
    if recipe.data_folder and recipe.data != "fashion-mnist":
        raise ConfigError(f"data_folder={recipe.data_folder}: {recipe.data} is not read from there. Leave it out")
    if recipe.val and recipe.data in _NUM_TRAINING:
        count, classes = _NUM_TRAINING[recipe.data]
        labels = torch.arange(count) % classes  # as many of each class, more or less
        shares = {"val": recipe.val, **({"test": 0.2} if recipe.data == "digits" else {})}
        hold_out(labels, labels, shares, seed=recipe.seed, stratify=classes > 1)
    if recipe.device != "auto":
        try:
            torch.device(recipe.device)
        except RuntimeError as error:
            raise DeviceError(
                f"{recipe.device!r} is no device: expected auto, cpu, cuda, cuda:1, mps or xpu"
            ) from error
