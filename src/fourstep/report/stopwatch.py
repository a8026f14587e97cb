"""Where a step's time goes: one step now and then is looked at by torch's own hooks; all others cost nothing.

    data        until the model is called           the batch was made and moved
    forward     until the backward pass begins      the model, and the loss
    backward    until its last gradient is there
    measuring   until the optimizer is called       what the loop does in between: `fit` measures, and looks for NaN
    update      until the optimizer is done

It sees every loop, also one that is written by hand. On a device it waits at each of these places, in that step only.
"""

from collections.abc import Iterator
from contextlib import suppress
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Variable

from fourstep.device import synchronize
from fourstep.nesting import first_tensor
from fourstep.report.notes import PARTS
from fourstep.scale.update import Listener

_WHOLE = {"forward", "backward", "update"}  # parts that a step has, seen whole


class Stopwatch:
    """Looks at a run's steps.

    Args:
        model: whose forward is seen.
        optimizer: whose update is seen.
        device: is waited for.

    Attributes:
        is_due: the next step is to be looked at.
        steps: that were looked at.
        parts: seconds that these took, by part.
        passed: when the last pass ended; None in one.
    """

    def __init__(self, model: nn.Module, optimizer: Any, device: torch.device) -> None:
        self.is_due = False
        self.steps = 0
        self.parts = dict.fromkeys(PARTS, 0.0)
        self._passes, self._begun = 0.0, 0.0
        self.passed: float | None = None
        self._model, self._optimizer, self._device = model, optimizer, device
        self._hooks: list[Any] = []
        self._part, self._since = "", 0.0
        self._found: dict[str, float] = {}

    @property
    def seconds(self) -> float:
        """Of all passes over the data, the running one too."""
        return self._passes + (perf_counter() - self._begun if self._begun and self.passed is None else 0.0)

    def steps_of(self, groups: Iterator[Any]) -> Iterator[Any]:
        """The batches of a pass, each group a step; what is between two of them is timed."""
        self._begun, self.passed = perf_counter(), None
        if self.is_due:
            self._begin_step()
        try:
            for group in groups:
                yield group
                if self._hooks:
                    self._end_step()
                if self.is_due:
                    self._begin_step()
        finally:
            self.is_due = self.is_due or bool(self._hooks)  # the step to look at is the next pass's first
            self._let_go()
            self.passed = perf_counter()
            self._passes += self.passed - self._begun

    def _begin_step(self) -> None:
        self.is_due = False
        if _is_compiled(self._model):  # a hook would have it compiled anew
            return
        register = getattr(self._optimizer, "register_step_pre_hook", None)
        if register is None:
            return
        try:
            self._hooks.append(self._model.register_forward_pre_hook(lambda *_: self._enter("forward")))
            self._hooks.append(self._model.register_forward_hook(self._after_forward))
            self._hooks.append(register(Listener(lambda: self._enter("update"))))
            self._hooks.append(self._optimizer.register_step_post_hook(Listener(lambda: self._enter(""))))
        except Exception:  # noqa: BLE001 - a model that takes no hooks is not looked at
            self._let_go()
            return
        self._found, self._part = {}, ""
        self._enter("data")

    def _enter(self, part: str) -> None:
        """From now on the time goes to another part; to none where it is empty."""
        synchronize(self._device)
        now = perf_counter()
        if self._part:
            self._found[self._part] = self._found.get(self._part, 0.0) + now - self._since
        self._part, self._since = part, now

    def _after_forward(self, _model: nn.Module, _inputs: Any, outputs: Any) -> None:
        with suppress(Exception):  # outputs that are no tensors, or need no gradient
            first_tensor(outputs, "outputs").register_hook(self._before_backward)

    def _before_backward(self, _gradient: Tensor) -> None:
        if self._part == "forward":
            self._enter("backward")
            with suppress(AttributeError):  # torch's own, as its data parallel modules use it
                Variable._execution_engine.queue_callback(self._after_backward)  # noqa: SLF001 - as said

    def _after_backward(self) -> None:
        if self._part == "backward":
            self._enter("measuring")

    def _end_step(self) -> None:
        self._let_go()
        if not self._part and set(self._found) >= _WHOLE:  # else a step without an update, or of another model
            self.steps += 1
            for part, seconds in self._found.items():
                self.parts[part] += seconds

    def _let_go(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []


def _is_compiled(model: nn.Module) -> bool:
    return getattr(model, "_compiled_call_impl", None) is not None or hasattr(model, "_orig_mod")
