"""Masks of classes over their images, for people to see whether the two belong together.

Shapes: B images, C channels, H and W height and width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from fourstep.data.samples import named_leaves, scale_bytes
from fourstep.errors import one_line

# Matplotlib's own, but its grey. Class 0, mostly the background, stays as it is, and so does what is below.
COLORS = {
    "blue": "1f77b4",
    "orange": "ff7f0e",
    "green": "2ca02c",
    "red": "d62728",
    "purple": "9467bd",
    "brown": "8c564b",
    "pink": "e377c2",
    "olive": "bcbd22",
    "cyan": "17becf",
}
TOLD = 2  # classes in a title
MOST_NUMBERS = 64  # different ones in masks; pixels of pictures, as of an autoencoder's targets, have more


def find_masks(targets: Any, images: Tensor) -> Int64[Tensor, "B H W"] | None:
    """The first masks in the targets: whole numbers, truth values, or floats that are 0 and 1, one for each pixel.

    Args:
        targets: `(B, H, W)` or `(B, 1, H, W)`, or a nesting.
        images: of which the shape is looked at.
    """
    count, _, height, width = images.shape
    for _, leaf in named_leaves(targets):
        if isinstance(leaf, Tensor) and tuple(leaf.shape) in ((count, height, width), (count, 1, height, width)):
            is_whole = not leaf.is_floating_point() or bool(((leaf == 0) | (leaf == 1)).all())
            if is_whole and len(leaf.unique()) <= MOST_NUMBERS:
                return leaf.reshape(count, height, width).cpu().long()
    return None


def paint(
    images: Float[Tensor, "B C H W"] | UInt8[Tensor, "B C H W"], masks: Int64[Tensor, "B H W"]
) -> Float[Tensor, "B 3 H W"]:
    """The images in 0..1, half of each pixel in its class's colour; after nine classes the colours come again."""
    palette = torch.tensor([list(bytes.fromhex(color)) for color in COLORS.values()]) / 255
    pixels = scale_bytes(images).cpu().float().expand(-1, 3, -1, -1)
    colors = palette[(masks - 1) % len(COLORS)].movedim(-1, 1)
    return torch.where(masks[:, None] > 0, (pixels + colors) / 2, pixels)


def tell_classes(mask: Int64[Tensor, "H W"], classes: Sequence[str]) -> str:
    """The classes that have most of the mask's pixels, a line for each; the background, 0, where there is no other."""
    numbers, counts = mask.unique(return_counts=True)
    told = [place for place in counts.argsort(descending=True, stable=True).tolist() if numbers[place] > 0]
    if not told:
        told = (numbers == 0).nonzero().flatten().tolist()
    return "\n".join(
        f"{name_of(int(numbers[place]), classes)} {int(counts[place]) / mask.numel():.0%}" for place in told[:TOLD]
    )


def legend(masks: Int64[Tensor, "B H W"], classes: Sequence[str]) -> list[str]:
    """A line for each class in the masks: its name, its share of all their pixels, and its colour."""
    numbers, counts = masks.unique(return_counts=True)
    names = [name_of(number, classes) for number in numbers.tolist()]
    width, colors = max(map(len, names)), list(COLORS)
    return [
        f"{name:<{width}} {count / masks.numel():6.1%} of the pixels"
        + (f", {colors[(number - 1) % len(colors)]}" if number > 0 else "")
        for name, number, count in zip(names, numbers.tolist(), counts.tolist(), strict=True)
    ]


def name_of(number: int, classes: Sequence[str]) -> str:
    """A class's name on one line; its number where it has none."""
    return one_line(classes[number]) if 0 <= number < len(classes) else f"class {number}"
