"""From a recipe's settings to the objects that train."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.data.arrays import from_arrays, synthetic_regression
from fourstep.data.catalog import load_dataset
from fourstep.data.dataset import Data
from fourstep.device import pick_device
from fourstep.errors import ConfigError, UnknownNameError, check_count
from fourstep.events import Hook
from fourstep.loop import fit
from fourstep.recipes.estimate import estimate_epoch, estimate_line
from fourstep.recipes.networks import TRUE_BIAS, TRUE_WEIGHTS, make_model
from fourstep.recipes.own import left_out, make_own
from fourstep.recipes.settings import SYNTHETIC, TABLE, Recipe, is_own
from fourstep.recipes.task import make_loss, make_metrics
from fourstep.run import Run
from fourstep.scale.precision import mixed_precision
from fourstep.seed import seed_everything
from fourstep.show import Show
from fourstep.step import StepResult, train_step

LARGEST = 4096  # pixels a side


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
    return make_parts_for(recipe, make_data(recipe))


def make_parts_for(recipe: Recipe, data: Data) -> Parts:
    """A recipe's parts on data that is there already, as one fold of it is.

    Raises:
        ConfigError, UnknownNameError: a setting that cannot be used.
    """
    seed_everything(recipe.seed)
    model = make_model(recipe, len(data.classes), data.encoding)
    if pick_device(recipe.device).type == "cpu":  # there convolutions are faster so; results change by rounding alone
        model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types know it with a tensor only
    return Parts(model, data, make_loss(data), make_optimizer(recipe, model))


def make_data(recipe: Recipe) -> Data:
    """The recipe's data set.

    Raises:
        ConfigError: a setting that it cannot have.
        DataFileError: its files are missing or damaged.
    """
    val = recipe.val or None
    if recipe.data == SYNTHETIC:
        weights = torch.tensor(TRUE_WEIGHTS)
        features, labels = synthetic_regression(weights, TRUE_BIAS, 1000, seed=recipe.seed)
        test = synthetic_regression(weights, TRUE_BIAS, 1000, seed=recipe.seed + 1)
        return from_arrays(
            features, labels, batch_size=recipe.batch_size, val=val, test=test, seed=recipe.seed, name=SYNTHETIC
        )
    if recipe.model == TABLE:
        return make_own(recipe)
    check_count("resize", recipe.resize)
    if recipe.resize > LARGEST:
        raise ConfigError(
            f"resize {recipe.resize:,}: images of this size do not fit into the memory. Expected at most {LARGEST:,}"
        )
    if is_own(recipe.data):
        return make_own(recipe)
    settings: dict[str, Any] = {"folder": recipe.data_folder} if recipe.data_folder else {}
    return load_dataset(
        recipe.data,
        batch_size=recipe.batch_size,
        size=recipe.resize,
        standardize=recipe.standardize,
        val=val,
        seed=recipe.seed,
        **settings,
    )


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
    say: Callable[[str], None] | None = None,
) -> Run:
    """Train a recipe: `fit` with its parts.

    Args:
        recipe: what to train.
        folder: where to keep the run; None keeps nothing.
        show: as `Run` has it.
        hooks: as `Run` has them.
        step: as `fit` has it.
        say: told before the start what of a table is not used, and how long an epoch will take, where that is 10
            seconds or more; None measures nothing.

    Raises:
        FourstepError: what the parts and `fit` raise.
    """
    pick_device(recipe.device)  # refused before any data is read
    return train_parts(recipe, make_parts(recipe), folder=folder, show=show, hooks=hooks, step=step, say=say)


def train_parts(
    recipe: Recipe,
    parts: Parts,
    *,
    folder: str | Path | None = None,
    show: Show = "auto",
    hooks: Sequence[Hook] = (),
    step: Callable[..., StepResult] = train_step,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Train a recipe's parts; see `train`."""
    model, data, loss_fn, optimizer = parts
    device = pick_device(recipe.device)
    if say is not None and (unused := left_out(data)):
        say(unused)
    if say is not None:
        amp = mixed_precision(recipe.precision, device.type)
        seconds = estimate_epoch(model, data, loss_fn, partial(make_optimizer, recipe), device, amp)
        if seconds is not None:
            say(estimate_line(seconds, device))
    return fit(
        model,
        data,
        loss_fn,
        optimizer,
        epochs=recipe.epochs,
        metrics=make_metrics(data, recipe.metrics),
        step=step,
        accumulate=recipe.accumulate,
        max_grad_norm=recipe.max_grad_norm or None,
        amp=mixed_precision(recipe.precision, device.type),
        folder=folder,
        device=device,
        hooks=hooks,
        log_every=recipe.log_every or None,
        show=show,
        clean_train_metrics=recipe.clean_train_metrics,
        settings={"recipe": asdict(recipe)},
    )
