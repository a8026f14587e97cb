"""Samples as they are kept: tensors, or arrays in their files, alone or in tuples, lists and mappings.

Shapes: N samples, B of them.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from fourstep.data.mapped import Mapped
from fourstep.errors import DataError
from fourstep.nesting import map_tensors

Prepare: TypeAlias = Callable[[Any], Any]
Places: TypeAlias = slice | Int64[Tensor, " B"]

KINDS = (Tensor, Mapped)
IGNORED = -100  # of labels for each pixel or word, what torch's losses leave out (`ignore_index`)
_COPIED = 2**24  # bytes, at once, of what has to be copied to be read


def scale_bytes(inputs: Any) -> Any:
    """Bytes 0..255 to float32 0..1; anything else as it is. Of a nesting every tensor."""
    if isinstance(inputs, Tensor):
        return inputs.float().div_(255) if inputs.dtype == torch.uint8 else inputs
    return map_tensors(scale_bytes, inputs)


def take(kept: Any, places: Places) -> Any:
    """Some samples, as tensors of their own.

    Args:
        kept: tensors `(N, ...)` or `Mapped`, or a nesting of them.
        places: from where to where, or which, on the tensors' device.

    Returns:
        The same nesting of tensors `(B, ...)`.
    """

    def taken(one: Any) -> Tensor:
        if isinstance(one, Mapped):
            return one[places]
        chosen: Tensor = one[places].clone() if isinstance(places, slice) else one.index_select(0, places)
        return chosen

    return map_tensors(taken, kept, KINDS)


def choose(kept: Any, indices: Int64[Tensor, " B"]) -> Any:
    """The samples with these numbers; of `Mapped` nothing is copied."""
    return map_tensors(lambda one: one.choose(indices) if isinstance(one, Mapped) else one[indices], kept, KINDS)


class Samples:
    """The samples of batches, one by one.

    Args:
        inputs: `(N, ...)`, or a nesting.
        targets: likewise.
        prepare: turns a batch of inputs into what the model sees.

    >>> inputs, target = Samples(torch.arange(6.0).reshape(3, 2), torch.arange(3), scale_bytes)[1]
    >>> inputs.tolist(), int(target)
    ([2.0, 3.0], 1)
    """

    def __init__(self, inputs: Any, targets: Any, prepare: Prepare) -> None:
        self._inputs, self._targets, self._prepare = inputs, targets, prepare
        self._size = len(next(leaf for _, leaf in named_leaves(targets)))

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        place = index if index >= 0 else len(self) + index
        if not 0 <= place < len(self):
            raise IndexError(f"sample {index} of {len(self)}: expected 0..{len(self) - 1}")  # which ends a loop
        inputs, targets = (take(kept, slice(place, place + 1)) for kept in (self._inputs, self._targets))
        return map_tensors(_first, self._prepare(inputs)), map_tensors(_first, targets)


def _first(tensor: Tensor) -> Tensor:
    return tensor[0]


def named_leaves(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """What is in a nesting, each with where it is: `inputs[0]`, `inputs['image']`; what is none has the name alone."""
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from named_leaves(item, f"{name}[{key!r}]")
    elif isinstance(value, tuple | list) and value:
        for place, item in enumerate(value):
            yield from named_leaves(item, f"{name}[{place}]")
    else:
        yield name, value


def check_samples(kept: Mapping[str, Any]) -> int:
    """Refuse what cannot be batched; how many samples there are.

    Args:
        kept: `inputs`, `targets`: what they are called in the error, and what they are.

    Raises:
        DataError: no tensors, or of different lengths or on different devices.
    """
    leaves = [named for name, value in kept.items() for named in named_leaves(value, name)]
    for name, leaf in leaves:
        if not isinstance(leaf, KINDS) or leaf.dim() == 0:
            found = "a single number" if isinstance(leaf, KINDS) else type(leaf).__name__
            raise DataError(
                f"{name} are {found}: expected a tensor with one entry per sample, or several in a tuple, list or "
                "dictionary. fourstep.data.from_arrays takes arrays and lists too"
            )
    first_name, first = leaves[0]
    for name, leaf in leaves[1:]:
        if len(leaf) != len(first):
            one = ": expected one target for each input" if name.startswith("targets") else ": expected as many of each"
            raise DataError(f"{len(first)} {first_name} but {len(leaf)} {name}{one}")
        if leaf.device != first.device:
            raise DataError(
                f"{first_name} are on {first.device} but {name} on {leaf.device}: expected both on one device"
            )
    return len(first)


def fingerprint(kept: Mapping[str, Any]) -> str:
    """SHA-256 over the types, shapes and bytes of samples by name, in hexadecimal; the same in memory and in a file."""
    digest = hashlib.sha256()
    for name, value in kept.items():
        for where, leaf in named_leaves(value, name):
            inside = "" if where == name else f"{where} "
            digest.update(f"{inside}{leaf.dtype} {tuple(leaf.shape)};".encode())
            for part in leaf.parts() if isinstance(leaf, Mapped) else _parts(leaf):
                raw = part.detach().cpu().contiguous().flatten().view(torch.uint8)  # numpy lacks some of torch's types
                digest.update(raw.numpy().data)
    return digest.hexdigest()


def _parts(tensor: Tensor) -> Iterable[Tensor]:
    """The tensor, in pieces of some 16 MiB where its bytes do not lie side by side and have to be copied to be read."""
    if tensor.is_contiguous() or not len(tensor):
        return [tensor]
    pieces: tuple[Tensor, ...] = tensor.split(max(1, _COPIED // max(1, tensor[:1].nbytes)))
    return pieces


def in_words(kept: Any) -> str:
    """The types and shapes of single samples.

    >>> in_words((torch.zeros(5, 1, 8, 8), {"age": torch.zeros(5)}))
    '(float32 1x8x8, {age: float32 scalar})'
    """
    if isinstance(kept, Mapping):
        return "{" + ", ".join(f"{key}: {in_words(item)}" for key, item in kept.items()) + "}"
    if isinstance(kept, tuple | list):
        return "(" + ", ".join(map(in_words, kept)) + ")"
    where = "mapped " if isinstance(kept, Mapped) else ""
    return f"{where}{str(kept.dtype).removeprefix('torch.')} {'x'.join(map(str, kept.shape[1:])) or 'scalar'}"
