"""Short names that the book's own text has for torch's functions and tensors' methods.

They shadow builtins (`abs`), so take them from `d2l` and not by a star.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor, nn

ones = torch.ones
zeros = torch.zeros
tensor = torch.tensor
arange = torch.arange
sin = torch.sin
sinh = torch.sinh
cos = torch.cos
cosh = torch.cosh
tanh = torch.tanh
linspace = torch.linspace
exp = torch.exp
log = torch.log
normal = torch.normal
rand = torch.rand
randn = torch.randn
matmul = torch.matmul
int32 = torch.int32
float32 = torch.float32
concat = torch.cat
stack = torch.stack
abs = torch.abs  # noqa: A001 - the book's name
eye = torch.eye
nn_Module = nn.Module  # noqa: N816 - the book's name


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple[Tensor, ...]:
    """`torch.meshgrid`: the places of a grid, the first tensor along the rows; torch warns where nobody says so."""
    places: tuple[Tensor, ...] = torch.meshgrid(*tensors, indexing=indexing)
    return places


def numpy(x: Shaped[Tensor, "..."]) -> np.ndarray[Any, np.dtype[Any]]:
    """A tensor's values as an array: without gradients, and from any device."""
    array: np.ndarray[Any, np.dtype[Any]] = x.detach().cpu().numpy()
    return array


def size(x: Shaped[Tensor, "..."]) -> int:
    """How many values a tensor holds; its shape is `x.shape`."""
    return x.numel()


def reshape(x: Shaped[Tensor, "..."], *shape: Any) -> Tensor:
    """`x.reshape`: the same values in another shape."""
    return x.reshape(*shape)


def to(x: Shaped[Tensor, "..."], *args: Any, **kwargs: Any) -> Tensor:
    """`x.to`: on another device or of another type."""
    moved: Tensor = x.to(*args, **kwargs)
    return moved


def reduce_sum(x: Shaped[Tensor, "..."], *args: Any, **kwargs: Any) -> Tensor:
    """`x.sum`: over all dimensions, or those that are given."""
    return x.sum(*args, **kwargs)


def reduce_mean(x: Shaped[Tensor, "..."], *args: Any, **kwargs: Any) -> Tensor:
    """`x.mean`: over all dimensions, or those that are given."""
    return x.mean(*args, **kwargs)


def argmax(x: Shaped[Tensor, "..."], *args: Any, **kwargs: Any) -> Tensor:
    """`x.argmax`: where the largest value is."""
    return x.argmax(*args, **kwargs)


def astype(x: Shaped[Tensor, "..."], *args: Any, **kwargs: Any) -> Tensor:
    """`x.type`: of another type, such as `d2l.float32`."""
    cast: Tensor = x.type(*args, **kwargs)
    return cast


def transpose(x: Shaped[Tensor, "..."]) -> Tensor:
    """`x.t`: a matrix with rows and columns exchanged."""
    return x.t()
