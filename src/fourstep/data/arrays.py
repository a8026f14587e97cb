"""Arrays to a data set, and arrays to practise on.

Shapes: N samples, D features, K classes.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from fourstep.data.arraylike import Array, as_target, to_samples
from fourstep.data.batches import Batches
from fourstep.data.dataset import Data
from fourstep.data.draws import Augment
from fourstep.data.mapped import Mapped
from fourstep.data.samples import IGNORED, KINDS, Prepare, check_samples, named_leaves, scale_bytes
from fourstep.data.split import hold_out
from fourstep.errors import ConfigError, DataError
from fourstep.nesting import map_tensors
from fourstep.seed import make_generator

HeldOut: TypeAlias = float | tuple[Any, Any] | list[Any] | None


def from_arrays(
    inputs: Any,
    targets: Any,
    *,
    batch_size: int,
    val: HeldOut = None,
    test: HeldOut = None,
    seed: int = 0,
    stratify: bool = False,
    shuffle: bool = True,
    drop_last: bool = False,
    classes: Sequence[str] = (),
    prepare: Prepare = scale_bytes,
    augment: Sequence[Augment] = (),
    name: str = "arrays",
) -> Data:
    """A data set from arrays: torch tensors, numpy arrays or lists.

    Args:
        inputs: `(N, ...)`. Fractions become float32; uint8 stays so in memory, float32 in 0..1 batch by batch. A
            memory-mapped array stays in its file, also where it is split, and is read batch by batch. Several inputs
            are a dictionary or a tuple of arrays, which the model is given as its one argument; a list is rows.
        targets: `(N,)` class indices, which become int64 as all whole numbers do, or `(N, ...)` values, float32; or
            several, likewise.
        batch_size: samples per batch, 1 or more.
        val: what to choose by while training: a fraction of the samples in (0, 1), or a pair of arrays of its own.
        test: what to judge by: likewise.
        seed: fixes the split and the order of every epoch; 0 or more.
        stratify: keep each class's share the same in every split; for class indices.
        shuffle: train in a new order every epoch.
        drop_last: leave out a short last training batch.
        classes: the classes' names, in the order of their indices.
        prepare: turns a batch of inputs into what the model sees, in training and in evaluation.
        augment: what changes training batches at random, in this order, as `[fourstep.data.augment.Flip()]`.
        name: what the data set is called.

    Returns:
        `Data` with `train`, and `val` and `test` where they were asked for.

    Raises:
        ConfigError: a fraction or batch size out of range.
        DataError: arrays of different length, ragged, empty, not numbers, or labels outside the classes.

    >>> data = from_arrays([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1], batch_size=2, test=0.5)
    >>> data.train.num_items, data.test.num_items
    (2, 2)
    """
    pairs = _split(inputs, targets, {"val": val, "test": test}, seed=seed, stratify=stratify)
    for split, (_, labels) in pairs.items():
        _check_labels(labels, classes, split)
    batches: dict[str, Any] = {
        split: Batches(
            *pair,
            batch_size=batch_size,
            shuffle=shuffle and split == "train",
            seed=seed,
            drop_last=drop_last and split == "train",
            prepare=prepare,
            augment=augment if split == "train" else (),
        )
        for split, pair in pairs.items()
    }
    return Data(**batches, classes=tuple(map(str, classes)), name=name)


def _split(
    inputs: Any, targets: Any, held_out: Mapping[str, HeldOut], *, seed: int, stratify: bool
) -> dict[str, tuple[Any, Any]]:
    """Every split's pair, as it is kept."""
    pairs = {"train": _pair(inputs, targets, "train")}
    fractions: dict[str, float] = {}
    for split, held in held_out.items():
        if isinstance(held, tuple | list):
            pairs[split] = _pair(*_two(held, split), split)
        elif held is not None:
            fractions[split] = held
    if fractions:
        pairs |= hold_out(*pairs["train"], fractions, seed=seed, stratify=stratify)
    return pairs


def _two(held: Any, split: str) -> tuple[Any, Any]:
    if len(held) != 2:  # noqa: PLR2004 - a pair
        raise ConfigError(f"{split} has {len(held)} parts: expected a fraction, or a pair (inputs, targets)")
    return held[0], held[1]


def _pair(inputs: Any, targets: Any, split: str) -> tuple[Any, Any]:
    pair = to_samples(inputs, f"{split} inputs"), map_tensors(as_target, to_samples(targets, f"{split} targets"), KINDS)
    try:
        check_samples({"inputs": pair[0], "targets": pair[1]})
    except DataError as error:
        several = isinstance(inputs, list) and any(isinstance(item, Array) for item in inputs)
        hint = ". A list is rows: several inputs are a tuple or a dictionary" if several else ""
        raise DataError(f"{split}: {error}{hint}") from None
    return pair


def _check_labels(targets: Any, classes: Sequence[str], split: str) -> None:
    for _, labels in named_leaves(targets):
        if len(classes) == 0 or labels.dtype.is_floating_point or 0 in labels.shape:
            continue
        parts = labels.parts() if isinstance(labels, Mapped) else [labels]
        if len(labels.shape) > 1:
            parts = [part[part != IGNORED] if int(part.min()) == IGNORED else part for part in parts]
        ends = [(int(part.min()), int(part.max())) for part in parts if part.numel()]
        if not ends:
            continue
        low, high = min(low for low, _ in ends), max(high for _, high in ends)
        if low < 0 or high >= len(classes):
            raise DataError(
                f"{split} labels run from {low} to {high} but there are {len(classes)} classes: expected labels in "
                f"0..{len(classes) - 1}. Renumber the labels, or name every class"
            )


def synthetic_regression(
    weights: Any, bias: float, num_examples: int, *, noise: float = 0.01, seed: int = 0
) -> tuple[Float[Tensor, "N D"], Float[Tensor, "N 1"]]:
    """Points on a plane with a little noise: `labels = features @ weights + bias + noise`.

    Args:
        weights: the plane's slopes, `(D,)`: a tensor, an array or a list.
        bias: its height at 0.
        num_examples: 1 or more.
        noise: standard deviation of what is added to the labels, 0 or more.
        seed: 0 or more.

    Returns:
        features `(N, D)`, standard normal, and labels `(N, 1)`.

    Raises:
        ConfigError: a number out of range.
    """
    if num_examples < 1 or noise < 0:
        raise ConfigError(f"num_examples {num_examples}, noise {noise}: expected 1 or more, and 0 or more")
    slopes = torch.as_tensor(weights, dtype=torch.float32)
    generator = make_generator(seed, "regression")
    features = torch.randn(num_examples, len(slopes), generator=generator)
    labels = features @ slopes[:, None] + bias
    return features, labels + noise * torch.randn(labels.shape, generator=generator)


def synthetic_blobs(
    num_examples: int, *, num_classes: int = 3, num_features: int = 2, spread: float = 0.5, seed: int = 0
) -> tuple[Float[Tensor, "N D"], Int64[Tensor, " N"]]:
    """Round clouds of points, one per class, for a first classification.

    Args:
        num_examples: in all, 1 or more; the classes' counts differ by at most one.
        num_classes: 1 or more.
        num_features: D, 1 or more.
        spread: standard deviation of a cloud; the centres' own is 2.
        seed: 0 or more.

    Returns:
        features `(N, D)` and class indices `(N,)`.

    Raises:
        ConfigError: a number out of range.
    """
    if min(num_examples, num_classes, num_features) < 1 or spread < 0:
        raise ConfigError(
            f"num_examples {num_examples}, num_classes {num_classes}, num_features {num_features}, spread {spread}: "
            "expected each 1 or more, and spread 0 or more"
        )
    generator = make_generator(seed, "blobs")
    centres = 2 * torch.randn(num_classes, num_features, generator=generator)
    labels = torch.arange(num_examples) % num_classes
    return centres[labels] + spread * torch.randn(num_examples, num_features, generator=generator), labels
