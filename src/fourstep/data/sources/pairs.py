"""Samples of any kind of data set as pairs (inputs, targets), and lists of such pairs as batches.

What is built on others' data sets goes by their public protocol: `len` and an index, or `iter`; Hugging Face's
`with_format`, `features` and samples by column.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset, default_collate

from fourstep.data.samples import Prepare
from fourstep.errors import DataError
from fourstep.nesting import map_tensors

Columns: TypeAlias = tuple[str, str] | None
Many: TypeAlias = Sequence[Any]  # to look into one, the tests' type checks would draw from `random`, as samples may

INPUTS = ("image", "images", "img", "inputs", "input", "x", "features", "data", "pixel_values")
TARGETS = ("label", "labels", "target", "targets", "y", "fine_label")


@runtime_checkable
class Columnar(Protocol):
    """Hugging Face's `datasets.Dataset` and `IterableDataset`, as far as they are needed here."""

    features: Any

    def with_format(self, type: str) -> Any:  # noqa: A002 - their name
        """The same data set, its samples in that library's tensors."""
        ...


@runtime_checkable
class Indexed(Protocol):
    """Samples by index, and how many."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> Any: ...


@runtime_checkable
class Fetching(Protocol):
    """A data set that reads many samples at once faster than one by one, as `DataLoader` asks for them."""

    def __getitems__(self, indices: Many) -> Many: ...


def fetch(dataset: Any, indices: Many) -> Many:
    """Some samples, as `DataLoader` fetches them."""
    if isinstance(dataset, Fetching):
        return dataset.__getitems__(list(indices))
    return [dataset[index] for index in indices]


def in_tensors(dataset: Any) -> Any:
    """A data set of Hugging Face's with its samples in tensors, unless a transform of the user's makes them."""
    if not isinstance(dataset, Columnar):
        return dataset
    formatted = getattr(dataset, "format", None)  # which a stream has not
    is_own = isinstance(formatted, Mapping) and formatted.get("type") == "custom"
    return dataset if is_own else dataset.with_format("torch")


@dataclass(frozen=True, kw_only=True)
class Pairing:
    """Makes a sample a pair (inputs, targets).

    Attributes:
        columns: the names of the two in a sample that is a mapping; None finds them.
    """

    columns: Columns

    def __call__(self, sample: Any) -> tuple[Any, Any]:
        """The pair.

        Raises:
            DataError: the sample is none, and has none.
        """
        if isinstance(sample, Mapping):
            inputs, targets = self.columns or find_columns(list(sample))
            missing = next((name for name in (inputs, targets) if name not in sample), None)
            if missing is not None:
                raise DataError(f"a sample has no {missing!r}: there are {', '.join(map(str, sample))}")
            return _as_array(sample[inputs]), _as_array(sample[targets])
        if isinstance(sample, tuple | list) and len(sample) == 2:  # noqa: PLR2004 - a pair
            return _as_array(sample[0]), _as_array(sample[1])
        size = f" of {len(sample)}" if isinstance(sample, tuple | list) else ""
        raise DataError(
            f"a sample is a {type(sample).__name__}{size}: expected a pair (inputs, target), or a dictionary with "
            'columns=("image", "label")'
        )


def _as_array(value: Any) -> Any:
    """A list is one array; several inputs are a tuple or a dictionary. torch would make a tensor of each number."""
    if isinstance(value, Mapping):
        return {key: _as_array(item) for key, item in value.items()}
    if type(value) is tuple:
        return tuple(map(_as_array, value))
    return np.asarray(value) if isinstance(value, list) else value


def find_columns(names: Many) -> tuple[str, str]:
    """Which of a sample's columns is the inputs and which the targets.

    Raises:
        DataError: that cannot be told by their names.
    """
    targets = [name for name in names if name in TARGETS]
    others = [name for name in names if name not in TARGETS]
    inputs = others if len(others) == 1 else [name for name in others if name in INPUTS]
    if len(inputs) != 1 or len(targets) != 1:
        raise DataError(
            f"a sample has {', '.join(map(str, names))}: expected to find one that is the inputs and one that is the "
            'target. Name them: columns=("image", "label")'
        )
    return inputs[0], targets[0]


class Pairs(Dataset[Any]):
    """A data set of samples by index, each made a pair.

    Args:
        dataset: with `len`, and samples by index.
        pairing: makes a sample a pair.
    """

    def __init__(self, dataset: Any, pairing: Pairing) -> None:
        self.dataset, self.pairing = dataset, pairing

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        return self.pairing(self.dataset[index])

    def __getitems__(self, indices: Many) -> Many:
        return [self.pairing(sample) for sample in fetch(self.dataset, indices)]


class Stream(IterableDataset[Any]):
    """A data set that can only be read from its beginning, each sample made a pair.

    Args:
        dataset: any iterable.
        pairing: makes a sample a pair.
    """

    def __init__(self, dataset: Iterable[Any], pairing: Pairing) -> None:
        self.dataset, self.pairing = dataset, pairing

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        return map(self.pairing, self.dataset)


def collate(samples: Many) -> tuple[Any, Any]:
    """Pairs as one pair of tensors, or of nestings of them: fractions in float32, whole targets in int64.

    Raises:
        DataError: they cannot be stacked.
    """
    try:
        inputs, targets = default_collate(list(samples))
    except (TypeError, RuntimeError, ValueError, KeyError) as error:
        said = (str(error) or type(error).__name__).splitlines()[0]
        raise DataError(
            f"samples cannot become a batch ({said[:160]}): expected tensors, arrays or numbers, of the same shape in "
            "every sample. For pictures, let the data set's transform make tensors of one size"
        ) from error
    for what, value in (("inputs", inputs), ("targets", targets)):
        if text := _first_text(value):
            raise DataError(f"{what} hold a text, {text[:40]!r}: expected numbers. Number texts and classes first")
    return map_tensors(_to_float, _as_tuples(inputs)), map_tensors(_to_target, _as_tuples(targets))


@dataclass(frozen=True, kw_only=True)
class Collate:
    """Makes pairs a batch as a model sees it; `collate_fn` of a `DataLoader`.

    Attributes:
        prepare: as `Batches` has it.
    """

    prepare: Prepare

    def __call__(self, samples: Many) -> tuple[Any, Any]:
        """The batch."""
        inputs, targets = collate(samples)
        return map_tensors(self.prepare, inputs), targets


def tensors_in(value: Any) -> Many:
    """The tensors of a nesting, in their order."""
    found: list[Tensor] = []

    def note(tensor: Tensor) -> Tensor:
        found.append(tensor)
        return tensor

    map_tensors(note, value)
    return found


def _as_tuples(value: Any) -> Any:
    """Torch makes lists of tuples."""
    if isinstance(value, Mapping):
        return {key: _as_tuples(item) for key, item in value.items()}
    return tuple(map(_as_tuples, value)) if isinstance(value, list) else value


def _first_text(value: Any) -> str:
    """A text in what was stacked, where there is one: torch leaves them in a list."""
    if isinstance(value, str):
        return value
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, tuple | list) else ()
    return next((text for item in items if (text := _first_text(item))), "")


def _to_float(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def _to_target(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor.to(torch.int64)
