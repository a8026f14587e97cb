"""Any state as JSON and tensors, and back, bit for bit: what a checkpoint's files hold. No pickle on either way.

A tree is what `state_dict()` gives: dictionaries, lists, tuples, numbers, texts, `None`, tensors and numpy arrays.
JSON holds all of it but the tensors, for which it holds their names; what JSON has no word for stands in a dictionary
of one key that begins with `$`.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fourstep.errors import RunFolderError
from fourstep.runs.tensors import Place, Tensors, alone, place_of

_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}  # strict JSON has none of them


def pack(tree: Any, what: str) -> tuple[Any, Tensors]:
    """A tree as what JSON can hold, and its tensors by name, on the CPU.

    Args:
        tree: the state. A tensor that occurs twice is kept once.
        what: whose state it is, for the error.

    Raises:
        RunFolderError: something in it can be kept neither as JSON nor as a tensor.
    """
    packer = _Packer(what)
    return packer.pack(tree, ()), packer.tensors


class _Packer:
    def __init__(self, what: str) -> None:
        self.tensors: Tensors = {}
        self._what = what
        self._names: dict[Place, str] = {}
        self._alive: list[Tensor] = []  # a tensor that `state_dict` made for us keeps its place to itself until the end

    def pack(self, value: Any, path: tuple[str, ...]) -> Any:
        kind = type(value)
        if value is None or kind in (bool, int, str) or (kind is float and math.isfinite(value)):
            packed = value
        elif kind is float:
            packed = {"$float": repr(value)}
        elif isinstance(value, Mapping):
            packed = self._pack_mapping(value, path)
        elif kind is list:
            packed = self._pack_items(value, path)
        elif kind in (tuple, torch.Size):
            packed = {"$tuple": self._pack_items(value, path)}
        elif isinstance(value, Tensor) and value.layout is torch.strided and not value.is_quantized:
            packed = {"$tensor": self._keep(value, path), **_order(value)}
        elif isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
            packed = {"$array": self._keep(torch.from_numpy(np.array(value)), path)}
        else:
            raise RunFolderError(
                f"{self._what} cannot be saved: its {'.'.join(path) or 'state'} is a {kind.__name__}. Expected "
                "tensors, numbers, texts, lists and dictionaries alone"
            )
        return packed

    def _pack_items(self, items: Sequence[Any], path: tuple[str, ...]) -> list[Any]:
        return [self.pack(item, (*path, str(index))) for index, item in enumerate(items)]

    def _pack_mapping(self, value: Mapping[Any, Any], path: tuple[str, ...]) -> Any:
        if all(type(key) is str and not key.startswith("$") for key in value):
            return {key: self.pack(item, (*path, key)) for key, item in value.items()}
        pairs = [[self.pack(key, path), self.pack(item, (*path, str(key)))] for key, item in value.items()]
        return {"$dict": pairs}

    def _keep(self, tensor: Tensor, path: tuple[str, ...]) -> str:
        tensor, place = tensor.detach(), place_of(tensor)
        if tensor.numel() and place in self._names:
            return self._names[place]
        name = ".".join(path) or "value"
        while name in self.tensors:  # two paths may read alike, as {"a.b": ...} and {"a": {"b": ...}}
            name += "_"
        self._names[place] = name
        self._alive.append(tensor)
        self.tensors[name] = alone(tensor)
        return name


def _order(tensor: Tensor) -> dict[str, list[int]]:
    """How the dimensions lie in memory, outermost first, where that is not their own order: sums round by it."""
    if tensor.is_contiguous():
        return {}
    return {"order": sorted(range(tensor.dim()), key=tensor.stride().__getitem__, reverse=True)}


def digest(tree: Any) -> str:
    """SHA-256 over every bit of a tree, in hexadecimal; the order of a dictionary's names makes no difference."""
    packed, tensors = pack(tree, "the state")
    content = hashlib.sha256(json.dumps(packed, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        content.update(f"{name} {tensor.dtype} {tuple(tensor.shape)};".encode())
        content.update(tensor.flatten().view(torch.uint8).numpy().data)
    return content.hexdigest()


def unpack(packed: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The tree that `pack` was given; its tensors are on the CPU.

    Raises:
        ValueError, KeyError, TypeError: it is not what `pack` has made.
    """
    if isinstance(packed, list):
        return [unpack(item, tensors) for item in packed]
    if not isinstance(packed, dict):
        return packed
    mark = next(iter(packed), "")
    if not mark.startswith("$"):
        return {key: unpack(item, tensors) for key, item in packed.items()}
    return _unpack_marked(mark, packed[mark], packed.get("order"), tensors)


def _unpack_marked(mark: str, value: Any, order: Any, tensors: Mapping[str, Tensor]) -> Any:
    match mark:
        case "$float":
            made: Any = _NUMBERS[value]
        case "$tuple":
            made = tuple(unpack(item, tensors) for item in value)
        case "$dict":
            made = {unpack(key, tensors): unpack(item, tensors) for key, item in value}
        case "$array":
            made = tensors[value].numpy()
            made = made if made.ndim else made[()]
        case "$tensor":
            made = _in_order(tensors[value], order)
        case _:
            raise ValueError(f"{mark!r} is no mark of a checkpoint's")
    return made


def _in_order(tensor: Tensor, order: Any) -> Tensor:
    if order is None:
        return tensor
    if sorted(order) != list(range(tensor.dim())):
        raise ValueError(f"{order!r} is no order of {tensor.dim()} dimensions")
    return torch.empty_permuted(tensor.shape, order, dtype=tensor.dtype).copy_(tensor)
