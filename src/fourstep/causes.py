"""What was not finite first, in one line that says what to do about it."""

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.finite import bad_gradients, is_finite
from fourstep.nesting import map_tensors

NAMED = 5  # samples that an error lists


def find_cause(model: nn.Module, optimizer: Optimizer, inputs: Any, indices: list[int] | None) -> str:
    """What was not finite first, and what to do about it: samples, a parameter, a module's output, a gradient."""
    bad = _bad_samples(inputs)
    if bad:
        named = [indices[row] for row in bad] if indices is not None else bad
        which = ", ".join(map(str, named[:NAMED])) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
        return f"the inputs of sample{'s' * (len(named) > 1)} {which} hold NaN or infinity: clean or leave out these"
    for name, parameter in model.named_parameters():
        if not is_finite(parameter):
            return f"the weights {name!r} are not finite: use a smaller lr"
    module = None if inputs is None else _first_bad_module(model, inputs)
    if module is not None:
        return f"first in the output of {module}: use a smaller lr, clip the gradients, or scale the inputs"
    tensors = bad_gradients(optimizer)
    names = [name for name, parameter in model.named_parameters() if any(parameter is tensor for tensor in tensors)]
    if names:
        return f"first in the gradient of {names[-1]!r}: use a smaller lr, or look for a root or a division at 0"
    return "use a smaller lr, clip the gradients, or look for NaN in the inputs"


def _bad_samples(inputs: Any) -> list[int]:
    """The rows of a batch that are not finite; of the first tensor where there are several."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.dim() == 0:
        return []
    finite = torch.isfinite(inputs).reshape(len(inputs), -1).all(1)
    return [int(row) for row in (~finite).nonzero()]


def _first_bad_module(model: nn.Module, inputs: Any) -> str | None:
    """The first module without children whose output is not finite, run again on a copy of the model."""
    found: list[str] = []
    try:
        twin = copy.deepcopy(model)
        for name, module in twin.named_modules():
            if not any(True for _ in module.children()):
                module.register_forward_hook(_note(f"{name or 'model'!r} ({type(module).__name__})", found))
        with torch.no_grad(), torch.random.fork_rng():
            twin(map_tensors(Tensor.clone, inputs))
    except Exception:  # noqa: BLE001 - whatever the user's model does; then nothing is known
        return found[0] if found else None
    return found[0] if found else None


def _note(name: str, found: list[str]) -> Any:
    def hook(module: nn.Module, inputs: Any, outputs: Any) -> None:  # noqa: ARG001 - torch passes them
        def look(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point() and not is_finite(tensor):
                found.append(name)
            return tensor

        map_tensors(look, outputs)

    return hook
