"""From a recipe's settings to the objects that train."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep import models
from fourstep.data.arrays import from_arrays, synthetic_regression
from fourstep.data.catalog import load_dataset
from fourstep.data.dataset import Data
from fourstep.device import pick_device
from fourstep.errors import ConfigError, FourstepError, UnknownNameError
from fourstep.events import Hook
from fourstep.loop import fit
from fourstep.metrics import accuracy
from fourstep.recipes.settings import SYNTHETIC, Recipe
from fourstep.run import Run
from fourstep.scale.precision import mixed_precision
from fourstep.seed import seed_everything
from fourstep.show import Show
from fourstep.step import StepResult, train_step

USUAL = 4096  # pixels a side; torch's errors beyond are of memory
TRUE_WEIGHTS, TRUE_BIAS = (2.0, -3.4), 4.2  # the plane that the linear recipe has to find


class Parts(NamedTuple):
    """What a recipe makes: all that `fit` takes."""

    model: nn.Module
    data: Data
    loss_fn: nn.Module
    optimizer: Optimizer


_OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
}


def make_parts(recipe: Recipe) -> Parts:
    """The model, data, loss and optimizer of a recipe; the same recipe gives the same bits.

    Seeds the global generators, from which the weights are drawn.

    Raises:
        ConfigError, UnknownNameError: a setting that cannot be used.
        DataFileError: the data set's files are missing or damaged.
    """
    data = make_data(recipe)
    seed_everything(recipe.seed)
    model = make_model(recipe, len(data.classes))
    if pick_device(recipe.device).type == "cpu":  # there convolutions are faster so; results change by rounding alone
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types know it with a tensor only
    return Parts(model, data, make_loss(recipe), make_optimizer(recipe, model))


def make_data(recipe: Recipe) -> Data:
    """The recipe's data set."""
    val = recipe.val or None
    if recipe.data == SYNTHETIC:
        weights = torch.tensor(TRUE_WEIGHTS)
        features, labels = synthetic_regression(weights, TRUE_BIAS, 1000, seed=recipe.seed)
        test = synthetic_regression(weights, TRUE_BIAS, 1000, seed=recipe.seed + 1)
        return from_arrays(
            features, labels, batch_size=recipe.batch_size, val=val, test=test, seed=recipe.seed, name=SYNTHETIC
        )
    settings: dict[str, Any] = {"folder": recipe.data_folder} if recipe.data_folder else {}
    try:
        return load_dataset(
            recipe.data,
            batch_size=recipe.batch_size,
            size=recipe.size,
            standardize=recipe.standardize,
            val=val,
            seed=recipe.seed,
            **settings,
        )
    except (RuntimeError, TypeError, MemoryError) as error:  # torch's, by how far they are too large
        if isinstance(error, FourstepError) or recipe.size <= USUAL:
            raise
        raise ConfigError(f"size {recipe.size:,}: images of this size do not fit into the memory") from error


def make_model(recipe: Recipe, num_classes: int) -> nn.Module:
    """The recipe's model, its weights drawn from torch's global generator."""
    pixels = recipe.size * recipe.size
    make: dict[str, Callable[[], nn.Module]] = {
        "linear": lambda: models.LinearRegression(len(TRUE_WEIGHTS)),
        "softmax": lambda: models.SoftmaxRegression(pixels, num_classes),
        "mlp": lambda: models.MLP(pixels, recipe.hidden, num_classes),
        "lenet": lambda: models.LeNet(num_classes, image_size=recipe.size),
    }
    if recipe.model not in make:
        raise UnknownNameError.of("recipe", recipe.model, make)
    try:
        return make[recipe.model]()
    except ValueError as error:  # the model says which of its settings is out of range
        raise ConfigError(str(error)) from error
    except (RuntimeError, TypeError, MemoryError) as error:  # torch's, by how far it is too large
        raise ConfigError(
            f"a {recipe.model} with size={recipe.size} and hidden={recipe.hidden} does not fit into the memory: "
            "choose smaller ones"
        ) from error


def make_loss(recipe: Recipe) -> nn.Module:
    """Squared error for values, cross-entropy for classes."""
    return nn.MSELoss() if recipe.data == SYNTHETIC else nn.CrossEntropyLoss()


def make_optimizer(recipe: Recipe, model: nn.Module) -> Optimizer:
    """The recipe's optimizer over all of the model's parameters."""
    if recipe.optimizer not in _OPTIMIZERS:
        raise UnknownNameError.of("optimizer", recipe.optimizer, _OPTIMIZERS)
    if recipe.momentum and recipe.optimizer != "sgd":
        raise ConfigError(f"momentum {recipe.momentum:g} with {recipe.optimizer}: only sgd has it. Set momentum=0")
    extra = {"momentum": recipe.momentum} if recipe.optimizer == "sgd" else {}
    try:
        return _OPTIMIZERS[recipe.optimizer](
            model.parameters(), lr=recipe.lr, weight_decay=recipe.weight_decay, **extra
        )
    except ValueError as error:  # torch says which of its settings is out of range
        raise ConfigError(
            f"{recipe.optimizer} refused its settings ({error}): change lr, momentum or weight_decay"
        ) from error


def train(
    recipe: Recipe,
    *,
    folder: str | Path | None = None,
    show: Show = "auto",
    hooks: Sequence[Hook] = (),
    step: Callable[..., StepResult] = train_step,
) -> Run:
    """Train a recipe: `fit` with its parts.

    Args:
        recipe: what to train.
        folder: where to keep the run; None keeps nothing.
        show: as `Run` has it.
        hooks: as `Run` has them.
        step: as `fit` has it.

    Raises:
        FourstepError: what the parts and `fit` raise.
    """
    device = pick_device(recipe.device)
    model, data, loss_fn, optimizer = make_parts(recipe)
    return fit(
        model,
        data,
        loss_fn,
        optimizer,
        epochs=recipe.epochs,
        metrics={"accuracy": accuracy} if data.classes else None,
        step=step,
        accumulate=recipe.accumulate,
        max_grad_norm=recipe.max_grad_norm or None,
        amp=mixed_precision(recipe.precision, device.type),
        folder=folder,
        device=device,
        hooks=hooks,
        log_every=recipe.log_every or None,
        show=show,
        settings={"recipe": asdict(recipe)},
    )
