"""What torch has recorded of a forward pass, read and left as it is: what it keeps for the backward pass."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

from fourstep.inside.counts import bytes_of, place_of
from fourstep.inside.shapes import tensors_in


def kept_bytes(loss: Tensor, model: nn.Module, batch: Any) -> int:
    """The memory that the record of a loss keeps, beside the model's parameters and buffers.

    Read from `grad_fn._raw_saved_*`, as it lies there: to unpack what a checkpoint has left out would compute it again.

    Args:
        loss: whose record it is.
        model: whose own tensors do not count.
        batch: inputs and targets, of which only themselves count where they are views of a whole data set.
    """
    met = {place_of(tensor) for source in (model.parameters(), model.buffers()) for tensor in source}
    given = {place_of(tensor) for tensor in tensors_in(batch)}
    total = 0
    for node in _nodes(loss.grad_fn):
        for tensor in _saved(node):
            place = place_of(tensor)
            if place not in met:
                met.add(place)
                total += tensor.nbytes if place in given else bytes_of(tensor)
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
    names = [name for name in dir(node) if name.startswith("_raw_saved_")]
    for name in names:
        value = getattr(node, name)
        for saved in value if isinstance(value, tuple | list) else (value,):
            yield from tensors_in(saved.data)
