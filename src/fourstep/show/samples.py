"""What a data set holds, for people: how many samples there are, of which class, and what they look like."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data, num_batches
from fourstep.errors import ConfigError, DataError, one_line
from fourstep.show.grid import MOST_IMAGES, save_image_grid
from fourstep.show.masks import find_masks, legend, paint, tell_classes

MOST_CLASSES = 100  # that are told one by one
LOOKED_AT = 256  # samples whose values say what the model sees


def describe(data: Data) -> list[str]:
    """The lines that tell of a data set: its splits, its classes with counts, its columns, its range."""
    lines = [_split_line(name, split) for name, split in data.splits().items()]
    if data.classes:
        lines += class_counts(data)
    if data.encoding is not None and data.encoding.kind == "table":
        lines += str(data.encoding).splitlines()
    elif isinstance(data.train, Batches) and isinstance(data.train.inputs, Tensor):
        lines += _seen_lines(data, data.train)
    return lines


def class_counts(data: Data) -> list[str]:
    """A line per class with its count in each split; the largest and smallest alone where there are very many."""
    targets = {name: split.targets for name, split in data.splits().items() if isinstance(split, Batches)}
    counts = {
        name: torch.bincount(some, minlength=len(data.classes)) for name, some in targets.items() if _are_indices(some)
    }
    if not counts:
        return []
    order = torch.arange(len(data.classes))
    if len(order) > MOST_CLASSES:
        by_size = sum(counts.values(), torch.zeros(len(order), dtype=torch.int64)).argsort(descending=True)
        order = torch.cat([by_size[: MOST_CLASSES // 2], by_size[-MOST_CLASSES // 2 :]])
    names = [one_line(data.classes[index]) for index in order.tolist()]
    width = max(map(len, names))
    lines = [" " * width + "".join(f"{name:>8}" for name in counts)]
    for index, name in zip(order.tolist(), names, strict=True):
        lines.append(f"{name:<{width}}" + "".join(f"{int(count[index]):>8}" for count in counts.values()))
    return (
        lines if len(order) == len(data.classes) else [*lines, f"and {len(data.classes) - len(order):,} between them"]
    )


def are_drawable(data: Data) -> bool:
    """Are the training samples images, of one channel or three?"""
    return isinstance(data.train, Batches) and _are_images(data.train.take(slice(0, 1))[0])


def drawn_samples(data: Data, count: int) -> tuple[Tensor, list[str]]:
    """Training samples as the first epoch has them, augmented and not standardised, and their labels; masks over them.

    Args:
        data: its training samples are images.
        count: how many, 1 or more.

    Raises:
        DataError: they are no images.
    """
    train = data.train
    if not isinstance(train, Batches) or not are_drawable(data):
        raise DataError(f"{data.name} holds no images that can be drawn: expected (N, C, H, W) with 1 or 3 channels")
    images, targets = train.augmented(0, _spread(train, count))
    images = images.clamp(0, 1) if images.is_floating_point() else images
    masks = find_masks(targets, images)
    if masks is not None:
        return paint(images, masks), [tell_classes(mask, data.classes) for mask in masks]
    if not isinstance(targets, Tensor):
        return images, [""] * len(images)
    return images, [_label(target, data.classes) for target in targets]


def save_samples(data: Data, path: str | Path, count: int = 40) -> None:
    """Draw training samples with their labels into a file; see `save_image_grid`.

    Raises:
        ConfigError: more than fit one picture.
        DataError: they are no images.
        DataFileError: the file cannot be written.
    """
    if count > MOST_IMAGES:
        raise ConfigError(f"count {count}: expected at most {MOST_IMAGES}, as many as one picture holds")
    images, titles = drawn_samples(data, count)
    save_image_grid(images, titles, path)


def _split_line(name: str, split: Any) -> str:
    if isinstance(split, Batches):
        return f"{name}: {split.num_items:,} samples"
    batches = num_batches(split)
    return f"{name}: {'some' if batches is None else f'{batches:,}'} batches of a {type(split).__name__}"


def _seen_lines(data: Data, train: Batches) -> list[str]:
    """What is in some samples as the first epoch has them: masks by their classes, and the range of what is seen."""
    places = _spread(train, LOOKED_AT)
    inputs, targets = train.augmented(0, places)
    masks = find_masks(targets, inputs) if are_drawable(data) else None
    seen = train.prepare(inputs)
    low, high = float(seen.min()), float(seen.max())
    some = f", in {len(places)} samples" if len(places) < train.num_samples else ""
    return [
        *([] if masks is None else legend(masks, data.classes)),
        f"the model sees {str(seen.dtype).removeprefix('torch.')} from {low:.4g} to {high:.4g}{some}",
    ]


def _spread(train: Batches, count: int) -> Tensor:
    """So many samples' numbers, or all, evenly spread."""
    count = min(count, train.num_samples)
    return torch.arange(count) * (train.num_samples // count)


def _are_indices(targets: Any) -> bool:
    return isinstance(targets, Tensor) and targets.dim() == 1 and not targets.is_floating_point()


def _are_images(inputs: Any) -> bool:
    return isinstance(inputs, Tensor) and inputs.dim() == 4 and inputs.shape[1] in (1, 3) and _is_in_range(inputs)  # noqa: PLR2004 - (N, C, H, W)


def _is_in_range(inputs: Tensor) -> bool:
    return inputs.dtype == torch.uint8 or (
        inputs.is_floating_point() and 0 <= float(inputs.min()) <= float(inputs.max()) <= 1
    )


def _label(target: Tensor, classes: Sequence[str]) -> str:
    if classes and target.dim() == 0 and not target.is_floating_point():
        return one_line(classes[int(target)])
    if classes and target.dim() == 1:  # mixed ones
        shares = sorted(
            ((float(share), classes[index]) for index, share in enumerate(target) if share > 0), reverse=True
        )
        return "\n".join(one_line(f"{name} {share:.0%}") for share, name in shares[:2])
    return ", ".join(f"{value:.4g}" for value in target.flatten().tolist()[:3])
