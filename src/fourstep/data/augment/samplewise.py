"""Transforms of single samples, as torchvision has them, made one augmentation of a batch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from fourstep.data.draws import Draws
from fourstep.data.seeding import mix, seeded
from fourstep.errors import ConfigError, DataError
from fourstep.seed import derive_seed


def per_sample(function: Any) -> "PerSample":
    """An augmentation that calls a function for each sample, in Python: slow, some 10 to 100 times a batch's own.

    What the function draws from the global generators of Python, numpy and torch is a function of (seed, epoch,
    sample); they stand afterwards where they stood. Targets stay what they are: a mask does not move along.

    Args:
        function: of one sample's inputs, a tensor without the batch's dimension, floats in 0..1 where they were bytes;
            gives a tensor or an array, of the same shape for each sample.

    Returns:
        What `augment=` takes.

    Raises:
        ConfigError: it is no function, or a class.

    >>> augment = per_sample(lambda image: image.flip(-1))
    >>> inputs, _ = augment(torch.tensor([[0.0, 1.0]]), None, Draws(seed=0, epoch=0, indices=torch.arange(1)))
    >>> inputs.tolist()
    [[1.0, 0.0]]
    """
    if isinstance(function, type) or not callable(function):
        kind = f"class {function.__name__}" if isinstance(function, type) else type(function).__name__
        raise ConfigError(f"per_sample was given a {kind}: expected a function of one sample")
    return PerSample(function=function)


@dataclass(frozen=True, kw_only=True, slots=True)
class PerSample:
    """What `per_sample` gives.

    Attributes:
        function: of one sample's inputs.
    """

    function: Callable[[Any], Any]

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Tensor, Any]:
        """The batch, each sample transformed."""
        if not isinstance(inputs, Tensor):
            raise DataError(f"per_sample was given a {type(inputs).__name__}: expected one tensor of inputs")
        seed = derive_seed(draws.seed, "per sample", draws.place)
        transformed = []
        for index, sample in zip(draws.indices.tolist(), inputs, strict=True):
            with seeded(mix(seed, draws.epoch, index)):
                transformed.append(torch.as_tensor(self.function(sample)).to(inputs.device))
        shapes = {tuple(sample.shape) for sample in transformed}
        if len(shapes) > 1:
            raise DataError(
                f"per_sample({_named(self.function)}) gave samples of shapes {', '.join(map(str, sorted(shapes)))}: "
                "expected one shape for all"
            )
        return torch.stack(transformed), targets


def _named(function: Any) -> str:
    return str(getattr(function, "__name__", type(function).__name__))
