"""Windows of a sequence, and its parts to train on, to choose by and to judge by: by position, so that none overlaps.

Shapes: L steps in a sequence, N windows, T steps in each.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from fourstep.data.arrays import from_arrays
from fourstep.data.dataset import Data
from fourstep.data.encoding import Encoding
from fourstep.data.split import check_fractions
from fourstep.errors import DataError


def cut_windows(sequence: Shaped[Tensor, "L ..."], length: int, stride: int) -> Shaped[Tensor, "N T ..."]:
    """The windows of a sequence, as a view of it: nothing is copied until a batch is gathered.

    Args:
        sequence: `(L, ...)`.
        length: T, steps in a window, in 1..L.
        stride: steps from one window's beginning to the next one's, 1 or more.

    Returns:
        `(N, T, ...)` with N = (L - T) // stride + 1; what does not fill a last window is left out.
    """
    return sequence.unfold(0, length, stride).movedim(-1, 1)


def split_in_order(length: int, shares: Mapping[str, Any], smallest: int, steps: str) -> dict[str, slice]:
    """Where the splits of a sequence lie: train first, then those named, in their order.

    Args:
        length: steps in the sequence.
        shares: name -> share of the steps in (0, 1), or None for no such split; together below 1.
        smallest: steps that a split needs.
        steps: what a step is called, for the message, such as `"tokens"`.

    Returns:
        name -> from where to where, `train` among them.

    Raises:
        ConfigError: a share out of range.
        DataError: a split is shorter than `smallest`.
    """
    named = {name: share for name, share in shares.items() if share is not None}
    check_fractions(named, instead="")
    sizes = {name: round(length * share) for name, share in named.items()}
    sizes = {"train": length - sum(sizes.values()), **sizes}
    parts, start = {}, 0
    for name, size in sizes.items():
        if size < smallest:
            raise DataError(
                f"{name} has {size} of {length} {steps}: expected {smallest} or more, as one window with its targets "
                "has. Use shorter windows, another fraction or a longer sequence"
            )
        parts[name] = slice(start, start + size)
        start += size
    return parts


def window_data(
    pairs: Mapping[str, tuple[Tensor, Tensor]], encoding: Encoding, *, batch_size: int, name: str, **order: Any
) -> Data:
    """The data set of windows and their targets, by split; `order` is what `from_arrays` takes of it."""
    val, test = pairs.get("val"), pairs.get("test")
    data = from_arrays(*pairs["train"], batch_size=batch_size, val=val, test=test, name=name, **order)
    return replace(data, encoding=encoding)
