"""What torch has recorded of a forward pass, read and left as it is: what it keeps for the backward pass."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from torch import Tensor, nn

from fourstep.inside.counts import bytes_of, place_of


def kept_bytes(loss: Tensor, model: nn.Module) -> int:
    """The memory that the record of a loss keeps, beside the model's parameters and buffers.

    Read from the documented attributes `grad_fn._saved_*` and `saved_tensors`.
    """
    met = {place_of(tensor) for source in (model.parameters(), model.buffers()) for tensor in source}
    total = 0
    for node in _nodes(loss.grad_fn):
        for tensor in _saved(node):
            if place_of(tensor) not in met:
                met.add(place_of(tensor))
                total += bytes_of(tensor)
    return total


def _nodes(last: Any) -> Iterator[Any]:
    waiting, met = [last], set()
    while waiting:
        node = waiting.pop()
        if node is None or node in met:
            continue
        met.add(node)
        yield node
        waiting += [before for before, _ in node.next_functions]


def _saved(node: Any) -> Iterator[Tensor]:
    names = [name for name in dir(node) if name.startswith("_saved_") or name == "saved_tensors"]
    for name in names:
        value: Any = None
        with suppress(RuntimeError):  # changed since, which step 3 itself will say
            value = getattr(node, name)
        for item in value if isinstance(value, tuple | list) else (value,):
            if isinstance(item, Tensor):
                yield item
