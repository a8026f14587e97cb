"""Images as whole tensors of bytes: their size, and their values as a model sees them.

Shapes: N images, C channels, H and W height and width, S the new height and width.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from fourstep.data.batches import scale_bytes
from fourstep.errors import DataError, check_count

_PIXELS_AT_ONCE = 1 << 23  # 32 MiB of float32 per part, whatever N


def resize_images(images: UInt8[Tensor, "N C H W"], size: int) -> UInt8[Tensor, "N C S S"]:
    """The images in another size, bilinear; where they shrink each new pixel averages all that it covers.

    Args:
        images: `(N, C, H, W)` bytes.
        size: S, the new height and width in pixels, 1 or more.

    Returns:
        `(N, C, S, S)` bytes, rounded to nearest; `images` itself where they have that size.

    Raises:
        ConfigError: `size` is not a whole number of 1 or more.
    """
    check_count("size", size)
    if images.shape[2:] == (size, size):
        return images
    resized = images.new_empty((*images.shape[:2], size, size))
    part = max(1, _PIXELS_AT_ONCE // max(1, images.shape[1] * size * size))
    for start in range(0, len(images), part):
        wide = functional.interpolate(
            images[start : start + part].float(), (size, size), mode="bilinear", antialias=True
        )
        resized[start : start + part] = wide.round_().clamp_(0, 255)
    return resized


@dataclass(frozen=True, kw_only=True, slots=True)
class Standardize:
    """Turns a batch of bytes into float32 `(inputs / 255 - mean) / std`; a `prepare` for `Batches`.

    Attributes:
        mean: over all pixels of the training split, on the scale 0..1.
        std: their standard deviation, on the same scale; above 0.

    >>> Standardize(mean=0.5, std=0.25)(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-2.0, 2.0]
    """

    mean: float
    std: float

    def __call__(self, inputs: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
        """The batch as the model sees it; inputs that are no bytes count as scaled to 0..1 already."""
        return (scale_bytes(inputs) - self.mean).div_(self.std)


def learn_standardize(images: UInt8[Tensor, "N ..."]) -> Standardize:
    """The `Standardize` that gives these images mean 0 and standard deviation 1 over all pixels.

    Args:
        images: the training split and nothing else, so that nothing of the other splits is known in training.

    Raises:
        DataError: all pixels are alike.
    """
    counts = torch.bincount(images.flatten(), minlength=256).tolist()  # 256 whole numbers say all, exactly
    total = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = total * second - first * first  # times total squared: a whole number, so that nothing cancels
    if variance == 0:
        raise DataError(
            f"all pixels of the training images are {first // total}: expected differing ones. Use standardize=False"
        )
    return Standardize(mean=first / total / 255, std=variance**0.5 / total / 255)
