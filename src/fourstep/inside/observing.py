"""What watches while a step runs: a clock that waits for the device, layers as they end, parameters."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.device import synchronize
from fourstep.inside.facts import LayerFacts, Norms, ParameterFacts, StepFacts
from fourstep.inside.forward import Visit
from fourstep.inside.looking import as_numbers, look_at, norm_of, share_dead, share_saturated
from fourstep.inside.shapes import is_ready, tensors_in


class Clock:
    """Times the steps; what is done `beside` them does not count."""

    def __init__(self, device: torch.device) -> None:
        self.steps: dict[str, StepFacts] = {}
        self._device = device
        self._beside = 0.0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time a block; the device is waited for before and after."""
        on_cuda = self._device.type == "cuda"
        synchronize(self._device)
        if on_cuda:
            torch.cuda.reset_peak_memory_stats(self._device)
        self._beside, start = 0.0, perf_counter()
        yield
        synchronize(self._device)
        seconds = perf_counter() - start - self._beside
        peak = torch.cuda.max_memory_allocated(self._device) if on_cuda else None
        self.steps[name] = StepFacts(seconds=max(0.0, seconds), peak_bytes=peak)

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Do something that is not the step's."""
        synchronize(self._device)  # else the step's own work would be counted as this block's
        start = perf_counter()
        yield
        synchronize(self._device)
        self._beside += perf_counter() - start


class Layers:
    """Looks at what each module gives, when it gives it: later it may be changed in place."""

    def __init__(self, clock: Clock) -> None:
        self.facts: dict[int, LayerFacts] = {}
        self._clock = clock
        self._alive: list[nn.Module] = []  # so that no id is used again for a module made in forward
        self._last: Tensor | None = None

    def leave(self, visit: Visit, outputs: Any) -> None:
        """Note a call; a container that hands on what its last module gave adds nothing."""
        tensor = next(tensors_in(outputs), None)
        known = self.facts.get(id(visit.module))
        if known is not None:
            self.facts[id(visit.module)] = LayerFacts(**{**vars(known), "calls": known.calls + 1})
            self._last = tensor
            return
        if tensor is None or (visit.calls_others and tensor is self._last):
            return
        with self._clock.beside():
            self._alive.append(visit.module)
            self.facts[id(visit.module)] = self._look(visit, tensor)
        self._last = tensor

    def _look(self, visit: Visit, tensor: Tensor) -> LayerFacts:
        held = visit.module.parameters() if visit.name is None else ()
        return LayerFacts(
            name=visit.name,
            kind=type(visit.module).__name__,
            calls=1,
            outputs=look_at(tensor),
            saturated=share_saturated(visit.module, tensor),
            dead=share_dead(visit.module, tensor),
            weights=sum(parameter.numel() for parameter in held),
        )


class Parameters:
    """A model's parameters through a step: their gradients before, their weights before the update."""

    def __init__(self, model: nn.Module, optimizer: Optimizer) -> None:
        self._held = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
        self._model = model
        self._before: dict[str, Tensor] = {}
        self._cleared: dict[str, float | None] = {}
        self._weights: dict[str, Tensor] = {}
        for name, parameter in self._ready():
            if parameter.grad is not None:  # cleared in place, or let go
                self._before[name] = parameter.grad.detach().clone()

    def _ready(self) -> list[tuple[str, nn.Parameter]]:
        """Those that have numbers: a lazy layer's have none before the first forward."""
        named = self._model.named_parameters()
        return [(name, parameter) for name, parameter in named if is_ready(parameter)]

    def look_after_clearing(self) -> None:
        """Between steps 2 and 3."""
        self._cleared = {name: norm_of(parameter.grad) for name, parameter in self._ready()}

    def keep_weights(self) -> None:
        """Between steps 3 and 4."""
        self._weights = {name: parameter.detach().clone() for name, parameter in self._ready()}

    def facts(self) -> dict[str, Any]:
        """After step 4: each parameter's numbers, the joint norms, and the product of gradients and update."""
        found, slope = [], 0.0
        squares = dict.fromkeys(("before", "added", "gradient", "weight", "update"), 0.0)
        for name, parameter in self._ready():
            weights = as_numbers(self._weights[name])
            update = as_numbers(parameter) - weights
            new = None if parameter.grad is None else _dense(parameter.grad)
            old = _dense(self._before[name]) if name in self._before else None
            both = old if new is None else new if old is None else new + old
            norms = {key: norm_of(one) for key, one in zip(squares, (old, both, new, weights, update), strict=True)}
            squares = {key: total + (norms[key] or 0.0) ** 2 for key, total in squares.items()}
            slope += 0.0 if new is None else float((new * update).sum())
            fact = ParameterFacts(
                name=name,
                shape=tuple(parameter.shape),
                is_trainable=parameter.requires_grad,
                is_held=id(parameter) in self._held,
                weight_norm=norms["weight"] or 0.0,
                norm_before=norms["before"],
                norm_cleared=self._cleared.get(name),
                grad_norm=norms["gradient"],
                update_norm=norms["update"] or 0.0,
                is_finite=all(bool(torch.isfinite(one).all()) for one in (update, new) if one is not None),
            )
            found.append(fact)
        norms_of_all = Norms(**{key: square**0.5 for key, square in squares.items()})
        return {"parameters": tuple(found), "norms": norms_of_all, "slope": slope}


def _dense(gradient: Tensor) -> Tensor:
    return as_numbers(gradient.to_dense() if gradient.is_sparse else gradient)
