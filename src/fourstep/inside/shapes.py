"""Tensors in words: shapes of any nesting, bytes and counts in the unit that suits them."""

from collections.abc import Iterator, Mapping
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
SIZES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def tensors_in(value: Any) -> Iterator[Tensor]:
    """Every tensor in a nesting of tuples, lists and mappings, in its order; a packed sequence's values."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, PackedSequence):
        yield value.data
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors_in(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors_in(item)


def is_ready(tensor: Tensor) -> bool:
    """Has it numbers? A lazy layer's parameters and buffers have none before the first forward."""
    return not bool(nn.parameter.is_lazy(tensor))


def kind_of(tensor: Tensor) -> str:
    """A tensor's number format and shape.

    >>> import torch
    >>> kind_of(torch.zeros(2, 3))
    'float32 (2, 3)'
    """
    return f"{dtype_of(tensor)} {tuple(tensor.shape)}"


def dtype_of(tensor: Tensor) -> str:
    """A tensor's number format without torch's name before it."""
    return str(tensor.dtype).removeprefix("torch.")


def first_shape(value: Any) -> str:
    """The shape of the first tensor, and how many more there are; a dash where there is none."""
    shapes = [str(tuple(tensor.shape)) for tensor in tensors_in(value)]
    if not shapes:
        return "-"
    return shapes[0] + (f" +{len(shapes) - 1}" if len(shapes) > 1 else "")


def kinds_in(value: Any) -> str:
    """Number format and shape of every tensor, with commas between; the type of what holds none."""
    return ", ".join(map(kind_of, tensors_in(value))) or f"a {type(value).__name__}"


def short_count(count: float) -> str:
    """A count to three digits.

    >>> short_count(416520.0)
    '417 k'
    """
    for size, unit in UNITS:
        if count >= size * 0.9995:  # what would be rounded to 1000 of the smaller unit
            return f"{_digits(count / size)} {unit}"
    return f"{count:,.0f}" if count == int(count) else f"{count:.1f}"


def short_number(value: float) -> str:
    """A number to three digits, as short as it can be told.

    >>> short_number(0.00012345), short_number(12345.6)
    ('1.23e-04', '1.23e+04')
    """
    size = abs(value)
    if size and not 1e-3 <= size < 1e4:  # noqa: PLR2004 - where zeros would be counted
        return f"{value:.2e}"
    return f"{value:.3g}" if size < 100 else f"{value:.0f}"  # noqa: PLR2004 - all digits before the point


def short_bytes(size: int) -> str:
    """Bytes to three digits, in units of 1024.

    >>> short_bytes(177704)
    '174 KiB'
    """
    for unit_size, unit in SIZES:
        if size >= unit_size:
            return f"{_digits(size / unit_size)} {unit}"
    return f"{size:.0f} B"


def _digits(value: float) -> str:
    """Three of them, or all before the point."""
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"  # noqa: PLR2004 - where they are rounded up
