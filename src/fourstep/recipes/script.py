"""A recipe as one plain PyTorch script, which needs no fourstep: the same data, model and steps, to the same bits.

`script.jinja` is the script; this module decides what of it a recipe needs.
"""

import shlex
from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fourstep.data.catalog import DATASETS, FASHION_MNIST
from fourstep.data.images import takes_too_much
from fourstep.errors import ConfigError, one_line
from fourstep.models.linear import start_small
from fourstep.models.nin import start_alive
from fourstep.models.starting import start_uniform
from fourstep.recipes.ladder import recipe_for
from fourstep.recipes.networks import TRUE_BIAS, TRUE_WEIGHTS
from fourstep.recipes.outline import make_outline
from fourstep.recipes.settings import FLAGS, SYNTHETIC, Recipe, is_own
from fourstep.recipes.written import names_in, write_blocks, write_body, write_layers

_TEMPLATE = Path(__file__).with_name("script.jinja")
_NUM_IMAGES = {"digits": 1_797, "fashion-mnist": 70_000}
_STARTS = {
    "linear": start_small,
    "softmax": start_small,
    "mlp": start_small,
    "dropout": start_small,
    "nin": start_alive,
}
_DTYPES = {"off": "", "bf16": "torch.bfloat16", "fp16": "torch.float16"}


def write_script(recipe: Recipe) -> str:
    """The script that trains a recipe.

    Args:
        recipe: every setting of it shapes the script.

    Returns:
        Python that imports torch, numpy and the standard library alone.

    Raises:
        ConfigError, UnknownNameError, DataError, DeviceError: a setting that cannot be used.
    """
    from jinja2 import Environment, StrictUndefined  # noqa: PLC0415 - slow to import

    if is_own(recipe.data):
        raise ConfigError(
            f"{recipe.model} on {recipe.data} cannot be written out: eject knows the data sets that have a name. Eject "
            f"one of these and read your own data in its place"
        )
    model, inputs = make_outline(recipe, 1)
    layers = write_layers(model, inputs)
    environment = Environment(  # noqa: S701 - it writes Python, not HTML
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined
    )
    environment.filters["text"] = _literal
    template = environment.from_string(_TEMPLATE.read_text(encoding="utf-8"))
    return template.render(recipe=recipe, layers=layers, **_model_names(recipe, model), **_data_names(recipe))


def _literal(text: str) -> str:
    """A text as Python writes it."""
    signs = (sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in _escaped(text))
    return f'"{"".join(signs)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _model_names(recipe: Recipe, model: nn.Module) -> dict[str, Any]:
    """What the template is told of the model and its training."""
    kinds = {type(module) for module in model.modules()}
    may_be_cpu = recipe.device == "auto" or torch.device(recipe.device).type == "cpu"
    blocks = write_blocks(model)
    arguments = {
        "lr": "LR",
        "momentum": "MOMENTUM" if recipe.momentum else "",
        "weight_decay": "WEIGHT_DECAY" if recipe.weight_decay or recipe.optimizer == "adamw" else "",
    }
    given = "".join(f", {name}={value}" for name, value in arguments.items() if value)
    optimizer = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW"}[recipe.optimizer]
    return {
        "command": _escaped(as_command(recipe, "eject")),
        "blocks": blocks,
        "needs_functional": "functional" in names_in(blocks),
        "start": write_body(_STARTS.get(recipe.model, start_uniform)),
        "optimizer": f"{optimizer}(model.parameters(){given})",
        "has_decay": bool(arguments["weight_decay"]),
        "has_dropout": nn.Dropout in kinds,
        "is_channels_last": nn.Conv2d in kinds and may_be_cpu,
        "may_be_cpu": may_be_cpu,
        "to_device": "" if recipe.device == "cpu" else ".to(DEVICE)",
        "dtype": _DTYPES[recipe.precision],
        "is_scaled": recipe.precision == "fp16",
    }


def _data_names(recipe: Recipe) -> dict[str, Any]:
    """What the template is told of the data."""
    has_images = recipe.data != SYNTHETIC
    held_out = ["val"] * bool(recipe.val) + ["test"] * (recipe.data == "digits")
    samples, things = ("images", "images") if has_images else ("features", "points")
    info = DATASETS.get(recipe.data)
    size = info.image_size if info else recipe.resize
    count = _NUM_IMAGES.get(recipe.data, 0)
    is_resized, is_large = recipe.resize != size, takes_too_much(count, recipe.resize, count * size**2)
    return {
        "has_images": has_images,
        "reads_idx": recipe.data == "fashion-mnist",
        "samples": samples,
        "things": things,
        "source": f"{info.title} ({info.source}, {info.licence})" if info else "a plane, which the model has to find",
        "mirror": FASHION_MNIST.mirrors[1],
        "true_weights": list(TRUE_WEIGHTS),
        "true_bias": TRUE_BIAS,
        "held_out": held_out,
        "all": "" if held_out else "train_",
        "mask": " | ".join(f"is_{name}" for name in held_out),
        "splits": ["train", *(["val"] if recipe.val else []), "test"],
        "judged": "val" if recipe.val else "test",
        "is_resized": is_resized,
        "is_large": is_large,
        "needs_resize": is_resized and (is_large or recipe.data == "fashion-mnist"),
    }


def as_command(recipe: Recipe, verb: str) -> str:
    """The command that does something with a recipe, such as `train` it, with every setting that is not its own.

    >>> as_command(with_settings(recipe_for("mlp"), {"epochs": 5, "hidden": (64, 32)}), "train")
    'fourstep train mlp --epochs 5 --set hidden=64,32'
    """
    first, own = recipe_for(recipe.model), recipe_for(recipe.model, recipe.data)
    parts = ["fourstep", verb, recipe.model]
    for field in fields(Recipe):
        value = getattr(recipe, field.name)
        if value == getattr(first if field.name == "data" else own, field.name):
            continue
        said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        given = ["--set", f"{field.name}={said}"]
        if field.name in FLAGS:
            given = [f"--{field.name.replace('_', '-')}", said]
        parts += given
    return one_line(shlex.join(parts))
