"""Images with other values: brighter, flatter, greyer, and with a piece erased.

Shapes: B images, C channels, H and W height and width.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from fourstep.data.augment.images import as_images, check_range, per_image
from fourstep.data.draws import Draws
from fourstep.errors import ConfigError, DataError

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # shares in a pixel's grey: ITU-R BT.601
RGB = 3  # channels


@dataclass(frozen=True, kw_only=True, slots=True)
class Color:
    """Changes brightness, contrast and saturation of each image, in this order.

    Each is multiplied by a factor from `1 - value` to `1 + value`: brightness moves values away from 0, contrast from
    the image's mean grey, saturation from the pixel's own grey. What leaves 0..1 is cut off.

    Attributes:
        brightness: 0 to 1.
        contrast: 0 to 1.
        saturation: 0 to 1; above 0 only for images of three channels, red, green and blue.

    Raises:
        ConfigError: a setting out of range.
    """

    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_range("Color", name, getattr(self, name), 0.0, 1.0)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch in other colours."""
        images = as_images(inputs, "Color")
        if self.saturation and images.shape[1] != RGB:
            raise DataError(
                f"Color(saturation={self.saturation:g}) was given images of {images.shape[1]} channels: expected 3, "
                "red, green and blue. Leave the saturation out"
            )
        around = draws.uniform(3).mul_(2).sub_(1).to(images.dtype)
        bright, flat, grey = (per_image(one) for one in around)
        if self.brightness:
            images = (images * (1 + bright * self.brightness)).clamp_(0, 1)
        if self.contrast:
            mean = to_grey(images).mean((1, 2, 3), keepdim=True)
            factor = 1 + flat * self.contrast
            images = (images * factor).add_(mean * (1 - factor)).clamp_(0, 1)
        if self.saturation:
            images = torch.lerp(to_grey(images), images, 1 + grey * self.saturation).clamp_(0, 1)
        return images, targets


def to_grey(images: Float[Tensor, "B C H W"]) -> Float[Tensor, "B 1 H W"]:
    """How bright each pixel is: of three channels by their shares, else the channels' mean."""
    if images.shape[1] != RGB:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, 1)
    grey: Tensor = RED * red + GREEN * green + BLUE * blue
    return grey


@dataclass(frozen=True, kw_only=True, slots=True)
class Erase:
    """Puts a rectangle of one value over some of the images, anywhere.

    Attributes:
        probability: for each image, 0 to 1.
        area: smallest and largest share of the image, 0 to 1; a rectangle higher or wider than the image is cut to it.
        ratio: smallest and largest height over width, 0.01 to 100; its logarithm is uniform.
        fill: the value, 0 to 1.

    Raises:
        ConfigError: a setting out of range.

    Source: Zhong, Zheng, Kang, Li, Yang 2017, arXiv:1708.04896, which draws again where a rectangle does not fit.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (("area", 0, 1), ("ratio", 0.01, 100)):
            ends = getattr(self, name)
            if not isinstance(ends, tuple) or len(ends) != 2 or not low <= ends[0] <= ends[1] <= high:  # noqa: PLR2004
                raise ConfigError(f"Erase({name}={ends!r}): expected two numbers from {low:g} to {high:g}, (low, high)")
        check_range("Erase", "probability", self.probability, 0.0, 1.0)
        check_range("Erase", "fill", self.fill, 0.0, 1.0)

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Float[Tensor, "B C H W"], Any]:
        """The batch, some of its images with a rectangle over them."""
        images = as_images(inputs, "Erase")
        is_chosen, area, ratio, down, right = draws.uniform(5)
        area = self.area[0] + area * (self.area[1] - self.area[0])
        low, high = map(math.log, self.ratio)
        ratio = (low + ratio * (high - low)).exp()
        area = area * (is_chosen < self.probability)  # the others' rectangles have no pixel
        inside, _ = rectangles(images, (area * ratio).sqrt(), (area / ratio).sqrt(), down, right)
        return torch.lerp(images, images.new_full((), self.fill), inside), targets


def rectangles(
    images: Float[Tensor, "B C H W"],
    height: Float[Tensor, " B"],
    width: Float[Tensor, " B"],
    down: Float[Tensor, " B"],
    right: Float[Tensor, " B"],
) -> tuple[Float[Tensor, "B 1 H W"], Float[Tensor, " B"]]:
    """1 for the pixels in a rectangle, one for each image, 0 for the others; and which share of them is inside.

    Args:
        images: of which the shape is looked at.
        height: share of the side of a square image with as many pixels; cut to the image.
        width: likewise.
        down: share of the places that the rectangle may have from the top, 0 to 1.
        right: likewise from the left.
    """
    side = math.sqrt(images.shape[2] * images.shape[3])
    inside, area = [], torch.ones_like(height)
    for size, share, place in ((images.shape[2], height, down), (images.shape[3], width, right)):
        extent = (share * side).round().clamp(max=size)[:, None]
        area = area * extent[:, 0] / size
        start = (place[:, None] * (size - extent + 1)).floor()
        pixels = torch.arange(size, device=images.device)
        inside.append(((pixels >= start) & (pixels < start + extent)).to(images.dtype))
    return inside[0][:, None, :, None] * inside[1][:, None, None, :], area  # of floats: far faster than of truth values
