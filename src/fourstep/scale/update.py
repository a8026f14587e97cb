"""Steps 2 and 4 without what torch's optimizers spend around them: the same bits, in half the time for a small model.

`Optimizer.zero_grad` and `Optimizer.step` open a profiler's record and sort parameters into groups, on every call. For
a model of two layers that costs more than the arithmetic. What is done here is what they would do, where that is known
to be so; everything else is left to them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import SGD, Optimizer
from torch.optim import optimizer as torch_optimizer

_PLAIN = {"momentum": 0, "weight_decay": 0, "maximize": False, "differentiable": False, "foreach": None, "fused": None}
_is_profiled = torch.autograd._profiler_enabled  # type: ignore[attr-defined] # noqa: SLF001 - the profiler is to see its calls
_ZERO_GRAD = Optimizer.zero_grad  # as torch has it; what replaces it later is called
_MISSING = (None,)  # stands for an attribute that a torch to come may not have: then nothing is taken for granted


class Listener:
    """An optimizer's step hook that reads a clock and touches nothing, so that what it times is done as ever.

    Args:
        tell: is called.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell

    def __call__(self, *_: Any) -> None:
        """Torch calls it with the optimizer and its arguments."""
        self._tell()


def clear_gradients(optimizer: Optimizer) -> None:
    """Step 2: what `optimizer.zero_grad()` does."""
    own = getattr(type(optimizer), "zero_grad", None) is not _ZERO_GRAD or "zero_grad" in optimizer.__dict__
    if own or _is_profiled():
        optimizer.zero_grad()
        return
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            parameter.grad = None


def update_weights(optimizer: Optimizer) -> None:
    """Step 4: what `optimizer.step()` does.

    Plain stochastic gradient descent on the CPU, `weights -= lr * gradient`, is done here, bit for bit as torch's own
    `SGD` does it there (torch's `optim/sgd.py`, `_single_tensor_sgd`).
    """
    if not _is_plain_sgd(optimizer):
        optimizer.step()
        return
    before, after = optimizer.__dict__["_optimizer_step_pre_hooks"], optimizer.__dict__["_optimizer_step_post_hooks"]
    if before:
        _tell(before)
    with torch.no_grad():
        for group in optimizer.param_groups:
            factor = -group["lr"]
            for parameter in group["params"]:
                if parameter.grad is not None:
                    parameter.add_(parameter.grad, alpha=factor)
    if after:
        _tell(after)


def _tell(listeners: Mapping[Any, Any]) -> None:
    for listener in listeners.values():
        listener()


def _is_plain_sgd(optimizer: Any) -> bool:
    """Is this torch's `SGD` on the CPU, with no option, no hook and no wrapper that would be passed over?

    Listeners are called around what is done here.
    """
    if type(optimizer) is not SGD or "step" in optimizer.__dict__ or _has_hooks(optimizer) or _is_profiled():
        return False
    if SGD.step.__code__.co_filename != torch_optimizer.__file__:  # wrapped by somebody else than torch
        return False
    for group in optimizer.param_groups:
        if type(group["lr"]) is not float and type(group["lr"]) is not int:  # a tensor may need the device
            return False
        for name, value in _PLAIN.items():
            if group.get(name, _MISSING) != value:
                return False
        if group["params"] and not group["params"][0].is_cpu:  # there one call for all of them is faster
            return False
    return True


def _has_hooks(optimizer: Any) -> bool:
    places = optimizer.__dict__
    own = places.get("_optimizer_step_pre_hooks", _MISSING), places.get("_optimizer_step_post_hooks", _MISSING)
    if own[0] or own[1]:
        for hooks in own:
            for hook in hooks if hooks is _MISSING else hooks.values():
                if type(hook) is not Listener:
                    return True
    return bool(
        getattr(torch_optimizer, "_global_optimizer_pre_hooks", _MISSING)
        or getattr(torch_optimizer, "_global_optimizer_post_hooks", _MISSING)
    )
