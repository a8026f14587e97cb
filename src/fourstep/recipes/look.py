"""Looking at a recipe before it trains: what its model is made of, and its first step in slow motion."""

from typing import Any

from fourstep.data.dataset import start_pass
from fourstep.data.encoding import Encoding
from fourstep.device import pick_device, to_device
from fourstep.inside.inventory import Summary, summary
from fourstep.inside.result import Trace
from fourstep.inside.slow_motion import trace
from fourstep.recipes.build import make_parts
from fourstep.recipes.outline import make_outline
from fourstep.recipes.own import make_own
from fourstep.recipes.settings import Recipe, is_own


def summarise(recipe: Recipe, encoding: Encoding | None = None) -> Summary:
    """The summary of a recipe's model for one of its batches.

    Nothing is loaded, drawn or computed: the model and the batch are made of shapes alone, on torch's device `"meta"`.
    The user's own data is read, unless it is said what a run has kept of it.

    Args:
        recipe: whose.
        encoding: of the user's own data, from a run.

    Raises:
        ConfigError, UnknownNameError, DataError, DeviceError: a setting that training would refuse.
    """
    if is_own(recipe.data) and encoding is None:
        encoding = make_own(recipe).encoding
    return summary(*make_outline(recipe, recipe.batch_size, encoding))


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
