"""Masks of classes over their images, for people to see whether the two belong together.

Shapes: B images, C channels, H and W height and width.
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Integer, UInt8
from torch import Tensor

from fourstep.data.samples import scale_bytes
from fourstep.errors import one_line

# Class 0, mostly the background, stays as it is, and so does what is below, which no loss counts; blue is class 1.
COLORS = ("1f77b4", "ff7f0e", "2ca02c", "d62728", "9467bd", "8c564b", "e377c2", "bcbd22", "17becf")  # matplotlib's own
TOLD = 2  # classes in a title


def are_masks(targets: Any, images: Tensor) -> bool:
    """Are these whole numbers, one for each pixel of these images: `(B, H, W)` or `(B, 1, H, W)`?"""
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.dtype is torch.bool:
        return False
    count, _, height, width = images.shape
    return tuple(targets.shape) in ((count, height, width), (count, 1, height, width))


def paint(
    images: Float[Tensor, "B C H W"] | UInt8[Tensor, "B C H W"], masks: Integer[Tensor, "B ..."]
) -> Float[Tensor, "B 3 H W"]:
    """The images in 0..1, half of each pixel in its class's colour; after nine classes the colours come again."""
    palette = torch.tensor([list(bytes.fromhex(color)) for color in COLORS]) / 255
    classes = masks.reshape(len(images), *images.shape[2:]).cpu().long()
    pixels = scale_bytes(images).cpu().float().expand(-1, 3, -1, -1)
    colors = palette[(classes - 1) % len(COLORS)].movedim(-1, 1)
    return torch.where(classes[:, None] > 0, (pixels + colors) / 2, pixels)


def tell_classes(mask: Tensor, classes: Sequence[str]) -> str:
    """The mask's classes by name that have most of its pixels, a line for each."""
    numbers, counts = mask.unique(return_counts=True)
    lines = []
    for place in counts.argsort(descending=True, stable=True)[:TOLD].tolist():
        number = int(numbers[place])
        name = classes[number] if 0 <= number < len(classes) else f"class {number}"
        lines.append(one_line(f"{name} {int(counts[place]) / mask.numel():.0%}"))
    return "\n".join(lines)
