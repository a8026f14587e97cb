"""`fourstep.trace`: one training step in slow motion.

The step is the four lines, called as they stand. What is looked at is looked at between them, and by torch's hooks:
nothing is drawn from a generator, run twice, or changed, so that the step leaves the bits that it leaves alone.
"""

import warnings
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.errors import ConfigError, DataError, ShapeError
from fourstep.evaluation import device_of
from fourstep.inside.chance import chance_of, kind_of_loss
from fourstep.inside.forward import watching
from fourstep.inside.graph import kept_bytes
from fourstep.inside.looking import look_at, look_at_outputs
from fourstep.inside.observing import Clock, Layers, Parameters
from fourstep.inside.remarks import make_remarks
from fourstep.inside.result import Trace
from fourstep.inside.shapes import tensors_in
from fourstep.inside.words import pick_language
from fourstep.losses import LossFn, call_loss, check_shapes

_RESTING = (nn.modules.dropout._DropoutNd, nn.modules.batchnorm._NormBase)  # noqa: SLF001 - torch has no public names


def trace(
    model: nn.Module,
    loss_fn: LossFn,
    optimizer: Optimizer,
    inputs: Any,
    targets: Any,
    *,
    language: Any = None,
) -> Trace:
    """Do one training step in slow motion, and tell of it: the four steps by name, in words and numbers.

    Args:
        model: trained by one step; it, the optimizer and the random generators are afterwards what `four_steps`
            leaves, bit for bit.
        loss_fn: called as `loss_fn(outputs, targets)`, and gives one number.
        optimizer: any of torch's that needs no closure.
        inputs: a batch's, on the model's device.
        targets: a batch's.
        language: of the page: `"en"`, or `"zh"` for Chinese; None takes that of the environment (the first of LC_ALL,
            LC_MESSAGES and LANG that is set).

    Returns:
        What prints as a page, and has the numbers as attributes; its `remarks` are the mistakes that it sees.

    Raises:
        ConfigError: what it is handed cannot make a step, or cannot be watched, as a compiled model.
        DataError: a layer or the loss cannot take what it is given; the line names the layer, and what would fit.

    On a CUDA device the count of the most memory taken (`torch.cuda.max_memory_allocated`) begins anew.
    """
    _check(model, loss_fn, optimizer)
    spoken = pick_language(language)
    clock, parameters = Clock(device_of(model)), Parameters(model, optimizer)
    layers = Layers(clock)
    seen = _described(model, loss_fn, optimizer, inputs, targets)

    with clock.step("forward"):
        with watching(model, layers.leave):
            outputs = model(inputs)
        loss = _loss(loss_fn, outputs, targets)
    seen |= _look_at_loss(model, loss_fn, loss, outputs, (inputs, targets))
    with clock.step("clear"):
        optimizer.zero_grad()
    parameters.look_after_clearing()
    with clock.step("backward"):
        loss.backward()
    parameters.keep_weights()
    with clock.step("update"):
        optimizer.step()

    found = parameters.facts()
    told = Trace(language=spoken, layers=tuple(layers.facts.values()), steps=clock.steps, **found, **seen)
    return replace(told, remarks=make_remarks(told))


def _described(model: nn.Module, loss_fn: Any, optimizer: Optimizer, inputs: Any, targets: Any) -> dict[str, Any]:
    """What there is before the step."""
    return {
        "model": type(model).__name__,
        "rests": any(isinstance(module, _RESTING) and not module.training for module in model.modules()),
        "loss_name": _name_of(loss_fn),
        "optimizer": type(optimizer).__name__,
        "rates": tuple(float(group["lr"]) for group in optimizer.param_groups if "lr" in group),
        "inputs": next(map(look_at, tensors_in(inputs)), None),
        "targets": next(map(look_at, tensors_in(targets)), None),
    }


def _look_at_loss(model: nn.Module, loss_fn: LossFn, loss: Tensor, outputs: Any, batch: Any) -> dict[str, Any]:
    """What step 1 has left."""
    _, targets = batch
    answer = next(tensors_in(outputs), None)
    kind = kind_of_loss(loss_fn, loss, outputs)
    return {
        "outputs": None if answer is None else look_at(answer),
        "answer": None if answer is None else look_at_outputs(answer),
        "loss": float(loss.detach()),
        "loss_kind": kind,
        "chance": chance_of(kind, loss_fn, loss, outputs, targets),
        "loss_in_shape": _loss_in_shape(loss_fn, outputs, targets),
        "kept_bytes": kept_bytes(loss, model, batch),
    }


def _check(model: Any, loss_fn: Any, optimizer: Any) -> None:
    if not isinstance(model, nn.Module):
        raise ConfigError(
            f"model is a {type(model).__name__}: expected trace(model, loss_fn, optimizer, inputs, targets)"
        )
    if any(_is_compiled(module) for module in model.modules()):
        raise ConfigError(
            f"model is a compiled {type(model).__name__}, whose layers are no longer called one by one: expected the "
            "model as it was before torch.compile. Trace it first, and compile it then"
        )
    if isinstance(loss_fn, type) or not callable(loss_fn):
        name = loss_fn.__name__ if isinstance(loss_fn, type) else type(loss_fn).__name__
        raise ConfigError(f"loss_fn is {name}: expected a function or an object, such as torch.nn.CrossEntropyLoss()")
    if not isinstance(optimizer, Optimizer):
        name = type(optimizer).__name__
        raise ConfigError(f"optimizer is a {name}: expected one such as torch.optim.SGD(model.parameters(), lr=0.1)")
    if isinstance(optimizer, torch.optim.LBFGS):
        raise ConfigError(
            "optimizer is an LBFGS, whose step calls the model many times: expected one without a closure"
        )


def _is_compiled(module: nn.Module) -> bool:
    """By `torch.compile(module)`, or by `module.compile()`."""
    return type(module).__name__ == "OptimizedModule" or module._compiled_call_impl is not None  # noqa: SLF001 - torch has no public word


def _loss(loss_fn: LossFn, outputs: Any, targets: Any) -> Tensor:
    """The loss, as step 1 calls it; torch's own warning of broadcasting is left to the page, which says more."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Using a target size")
            loss: Any = loss_fn(outputs, targets)
    except (IndexError, RuntimeError, TypeError, ValueError):
        call_loss(loss_fn, outputs, targets)  # fails again, and says why in one line
        raise
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise DataError(
            f"the loss is {what}: expected one number, which step 3 differentiates. Mend: loss.mean() of a tensor, or "
            'a loss function with reduction="mean"'
        )
    if not loss.requires_grad:
        raise DataError(
            "the loss does not depend on any parameter that is learnt: expected one computed from the model's outputs. "
            "Mend: leave out .detach(), .item(), .argmax() and torch.no_grad() on the way, and freeze not all of them"
        )
    return loss


def _loss_in_shape(loss_fn: LossFn, outputs: Any, targets: Any) -> float | None:
    """What a loss of torch's own, which keeps nothing, gives where a column was not compared with a row."""
    if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)):
        return None
    with suppress(ShapeError):
        check_shapes(outputs, targets)
        return None
    fits = outputs.numel() == targets.numel() and targets.is_floating_point()
    if not fits or not type(loss_fn).__module__.startswith("torch.nn."):
        return None
    with torch.no_grad():
        loss: Tensor = loss_fn(outputs.detach(), targets.reshape(outputs.shape))
    return float(loss) if loss.numel() == 1 else None


def _name_of(loss_fn: Any) -> str:
    return type(loss_fn).__name__ if isinstance(loss_fn, nn.Module) else getattr(loss_fn, "__name__", str(loss_fn))
