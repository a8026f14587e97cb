"""Looking at a recipe before it trains: what its model is made of, and its first step in slow motion."""

from typing import Any

from fourstep.data.dataset import start_pass
from fourstep.device import pick_device, to_device
from fourstep.inside.inventory import Summary, summary
from fourstep.inside.result import Trace
from fourstep.inside.slow_motion import trace
from fourstep.recipes.build import make_parts
from fourstep.recipes.outline import make_outline
from fourstep.recipes.settings import Recipe


def summarise(recipe: Recipe) -> Summary:
    """The summary of a recipe's model for one of its batches.

    Nothing is loaded, drawn or computed: the model and the batch are made of shapes alone, on torch's device `"meta"`.

    Raises:
        ConfigError, UnknownNameError, DataError, DeviceError: a setting that training would refuse.
    """
    return summary(*make_outline(recipe, recipe.batch_size))


def trace_first_step(recipe: Recipe, language: Any = None) -> Trace:
    """The first step of a recipe's run in slow motion: its first weights and its first batch, whole and in float32.

    The parts are made for this alone; made again, they train to the same bits as if this had never been.

    Raises:
        FourstepError: what the parts and `trace` raise.
    """
    device = pick_device(recipe.device)
    model, data, loss_fn, optimizer = make_parts(recipe)
    model.to(device)
    inputs, targets = next(start_pass(data.to(device).train, 0, 0, device))
    return trace(model, loss_fn.to(device), optimizer, *to_device((inputs, targets), device), language=language)
