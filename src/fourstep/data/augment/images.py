"""What batches of images are to their augmentations: floats in 0..1 in the right shape, and settings in their range.

Shapes: B images, C channels, H and W height and width.
"""

from collections.abc import Callable
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from fourstep.errors import ConfigError, DataError
from fourstep.nesting import map_tensors

IMAGE_DIMS, FEWEST_MAP_DIMS = 4, 3


def as_images(inputs: Any, who: str) -> Float[Tensor, "B C H W"]:
    """The inputs, where they are a batch of images.

    Raises:
        DataError: they are something else.
    """
    if isinstance(inputs, Tensor) and inputs.dim() == IMAGE_DIMS and inputs.is_floating_point():
        return inputs
    kind = str(inputs.dtype).removeprefix("torch.") if isinstance(inputs, Tensor) else ""
    found = f"{kind} of shape {tuple(inputs.shape)}" if isinstance(inputs, Tensor) else f"a {type(inputs).__name__}"
    raise DataError(
        f"{who} was given {found}: expected images (batch, channels, height, width) of uint8 or floats. For other "
        "inputs pass a function (inputs, targets, draws) -> (inputs, targets)"
    )


def per_image(values: Tensor) -> Tensor:
    """One value for each image `(B,)`, to be multiplied with the images: `(B, 1, 1, 1)`."""
    return values[:, None, None, None]


def choose(chosen: Bool[Tensor, " B"], changed: Tensor, inputs: Tensor) -> Tensor:
    """The changed images where chosen, the others as they were."""
    return changed.where(per_image(chosen), inputs)


def is_map(target: Tensor, images: Float[Tensor, "B C H W"]) -> bool:
    """Has it a value for each pixel of these images, `(B, ..., H, W)`, as a mask of classes has?

    Raises:
        DataError: it has, but with the channels last.
    """
    shape, sides = tuple(target.shape), tuple(images.shape[2:])
    if len(shape) < FEWEST_MAP_DIMS or shape[0] != len(images):
        return False
    fits = shape[-2:] == sides
    if not fits and len(shape) == IMAGE_DIMS and shape[1:3] == sides:
        raise DataError(
            f"targets of shape {shape} beside images of {sides[0]} x {sides[1]} have their channels last: expected "
            "(batch, channels, height, width). Mend: targets.movedim(-1, 1)"
        )
    return fits


def move_maps(
    targets: Any, images: Float[Tensor, "B C H W"], move: Callable[[Tensor, int], Tensor], fill: int = 0
) -> Any:
    """The targets, of which those that are maps of these images are moved as the images were.

    Args:
        targets: a tensor, or a nesting; what is no map stays what it is.
        images: of which the shape is looked at.
        move: of maps `(B, C, H, W)` of any type, and of what comes into them.
        fill: what comes into whole numbers; into floats comes 0.

    Raises:
        DataError: `fill` is no value of the maps' type.
    """

    def moved(target: Tensor) -> Tensor:
        if not is_map(target, images):
            return target
        own = 0 if target.is_floating_point() else fill
        if torch.full((), own).to(target.dtype).item() != own:
            kind = str(target.dtype).removeprefix("torch.")
            raise DataError(f"mask_fill {own} is no value of masks of {kind}: expected one. Mend: masks.long()")
        return move(target.reshape(len(images), -1, *images.shape[2:]), own).reshape(target.shape)

    return map_tensors(moved, targets)


def check_range(who: str, name: str, value: Any, low: float, high: float) -> None:
    """Refuse a setting that is no number from `low` to `high`.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ConfigError(f"{who}({name}={value!r}): expected a number from {low:g} to {high:g}")


def check_mask_fill(who: str, fill: Any) -> None:
    """Refuse a class for masks that is no whole number.

    Raises:
        ConfigError: it is none.
    """
    if isinstance(fill, bool) or not isinstance(fill, int):
        raise ConfigError(f"{who}(mask_fill={fill!r}): expected a whole number, such as 0 or -100")
