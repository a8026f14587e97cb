"""Images moved and turned: flipped, cropped, shifted, rotated; each as one operation on the whole batch.

Targets with a value for each pixel, `(B, ..., H, W)`, move along: whole numbers and truth values, as masks of classes
are, by the nearest pixel, floats as the images, so that 0 and 1 become shares at an edge. What comes into floats is 0.
Directions that are such values do not turn, and other targets, as boxes and maps of another size, stay what they are.

Shapes: B images, C channels, H and W height and width.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from fourstep.data.augment.images import as_images, check_mask_fill, check_range, choose, move_maps
from fourstep.data.draws import Draws
from fourstep.errors import ConfigError, check_count

Direction = Literal["horizontal", "vertical"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Flip:
    """Mirrors some of the images.

    Attributes:
        direction: `"horizontal"` swaps left and right, `"vertical"` top and bottom.
        probability: for each image, 0 to 1.

    Raises:
        ConfigError: a setting out of range.

    >>> draws = Draws(seed=0, epoch=0, indices=torch.arange(1))
    >>> inputs, _ = Flip(probability=1.0)(torch.tensor([[[[0.0, 1.0]]]]), None, draws)
    >>> inputs.flatten().tolist()
    [1.0, 0.0]
    """

    direction: Direction = "horizontal"
    probability: float = 0.5

    def __post_init__(self) -> None:
        if self.direction not in get_args(Direction):
            raise ConfigError(f"Flip(direction={self.direction!r}): expected 'horizontal' or 'vertical'")
        check_range("Flip", "probability", self.probability, 0.0, 1.0)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch, some of its images mirrored."""
        images = as_images(inputs, "Flip")
        chosen = draws.uniform(1)[0] < self.probability

        def flip(planes: Tensor) -> Tensor:
            return choose(chosen, planes.flip(3 if self.direction == "horizontal" else 2), planes)

        return flip(images), move_maps(targets, images, lambda planes, _: flip(planes))


@dataclass(frozen=True, kw_only=True, slots=True)
class Crop:
    """Pads each image on all sides and cuts its own size out of it anywhere: a move by whole pixels.

    Attributes:
        padding: pixels, 1 or more; the furthest move.
        fill: value of the pixels that come in, 0 to 1.
        mask_fill: the class of the pixels that come into masks of whole numbers, such as the loss's `ignore_index`.

    Raises:
        ConfigError: a setting out of range.

    Source: He, Zhang, Ren, Sun 2015, arXiv:1512.03385, section 4.2: 4 pixels for images of 32 x 32.
    """

    padding: int = 4
    fill: float = 0.0
    mask_fill: int = 0

    def __post_init__(self) -> None:
        check_count("Crop(padding)", self.padding)
        check_range("Crop", "fill", self.fill, 0.0, 1.0)
        check_mask_fill("Crop", self.mask_fill)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch, each image cut anew."""
        images = as_images(inputs, "Crop")
        height, width = images.shape[2:]
        each = torch.arange(len(images), device=images.device)
        down, right = draws.uniform(2).mul_(2 * self.padding + 1).long()

        def cut(planes: Tensor, fill: float) -> Tensor:
            padded = functional.pad(planes, [self.padding] * 4, value=fill)
            windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # all crops, without a copy
            return windows[each, :, down, right]

        return cut(images, self.fill), move_maps(
            targets, images, lambda planes, fill: cut(planes, float(fill)), self.mask_fill
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Shift:
    """Moves each image by any part of a pixel, bilinear; what comes in is 0.

    Attributes:
        most: the furthest move down, up, left or right, as a share of the height or width: 0 to 1.
        mask_fill: the class of the pixels that come into masks of whole numbers, such as the loss's `ignore_index`.

    Raises:
        ConfigError: it is out of range.
    """

    most: float = 0.1
    mask_fill: int = 0

    def __post_init__(self) -> None:
        check_range("Shift", "most", self.most, 0.0, 1.0)
        check_mask_fill("Shift", self.mask_fill)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch, each image moved."""
        images = as_images(inputs, "Shift")
        across, down = draws.uniform(2).mul_(4 * self.most).sub_(2 * self.most)  # an image is 2 wide to torch's grid
        one, none = torch.ones_like(across), torch.zeros_like(across)
        return _seen(images, targets, _grid(images, [one, none, across, none, one, down]), self.mask_fill)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rotate:
    """Turns each image around its middle, bilinear; what comes in is 0.

    Attributes:
        degrees: the furthest turn to either side, 0 to 180.
        mask_fill: the class of the pixels that come into masks of whole numbers, such as the loss's `ignore_index`.

    Raises:
        ConfigError: it is out of range.
    """

    degrees: float = 15.0
    mask_fill: int = 0

    def __post_init__(self) -> None:
        check_range("Rotate", "degrees", self.degrees, 0.0, 180.0)
        check_mask_fill("Rotate", self.mask_fill)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch, each image turned."""
        images = as_images(inputs, "Rotate")
        angle = draws.uniform(1)[0].mul_(2).sub_(1).mul_(math.radians(self.degrees))
        return _seen(images, targets, turned_grid(images, angle), self.mask_fill)


def turned_grid(images: Float[Tensor, "B C H W"], angle: Float[Tensor, " B"]) -> Float[Tensor, "B H W 2"]:
    """Where in the old image each pixel of one lies that is turned anticlockwise around its middle.

    Args:
        images: of which the shape is looked at.
        angle: radians.
    """
    height, width = images.shape[2:]
    cos, sin, none = angle.cos(), angle.sin(), torch.zeros_like(angle)
    # torch's grid is -1..1 in both directions, so that a turn of an oblong has its sides' ratio in it
    return _grid(images, [cos, -sin * (height / width), none, sin * (width / height), cos, none])


def _grid(images: Float[Tensor, "B C H W"], entries: list[Float[Tensor, " B"]]) -> Float[Tensor, "B H W 2"]:
    """Each image seen through a matrix of its own, of 2 x 3 entries: where in the old image a new one's pixel lies.

    As torch's `affine_grid`, which multiplies a small matrix for each image and takes several times as long.
    """
    height, width = images.shape[2:]
    across, down = (
        (torch.arange(size, device=images.device) * 2 + 1) / size - 1 for size in (width, height)
    )  # the pixels' middles, in -1..1
    grid = images.new_empty(len(images), height, width, 2)
    for place, (right, below, moved) in enumerate((entries[:3], entries[3:])):
        rows = (below[:, None] * down + moved[:, None])[:, :, None]
        torch.add(rows, (right[:, None] * across)[:, None, :], out=grid[..., place])
    return grid


def _seen(
    images: Float[Tensor, "B C H W"], targets: Any, grid: Float[Tensor, "B H W 2"], mask_fill: int
) -> tuple[Float[Tensor, "B C H W"], Any]:
    """The images, and the targets that are maps of them, as the grid finds them."""
    moved = move_maps(targets, images, lambda planes, fill: sample_at(planes, grid, fill), mask_fill)
    return sample_at(images, grid), moved


def sample_at(planes: Tensor, grid: Float[Tensor, "B H W 2"], fill: int = 0) -> Tensor:
    """What lies at the grid's places: floats bilinear, others, which lie between no two, of the nearest pixel.

    Args:
        planes: `(B, C, H, W)`; whole numbers below 2**53 (on Apple's devices, which have no float64, 2**24).
        grid: in -1..1.
        fill: what lies outside of whole numbers; outside of floats lies 0.
    """
    if planes.is_floating_point():
        return functional.grid_sample(planes, grid.to(planes.dtype), align_corners=False)
    wide = torch.float32 if planes.device.type == "mps" else torch.float64
    above = planes.to(wide) - fill  # as outside lies 0
    nearest = functional.grid_sample(above, grid.to(wide), mode="nearest", align_corners=False)
    return (nearest + fill).to(planes.dtype)
