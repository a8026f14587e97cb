"""Images as whole tensors of bytes: their size, and their values as a model sees them.

Shapes: N images, C channels, H and W height and width, S the new height and width.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Shaped, UInt8
from torch import Tensor
from torch.nn import functional

from fourstep.data.mapped import Mapped
from fourstep.data.samples import Prepare, scale_bytes
from fourstep.errors import DataError, check_count

_PIXELS_AT_ONCE = 1 << 23  # 32 MiB of float32 per part, whatever N
MOST_BYTES = 1 << 30  # that resized images may take; a data set of more is resized batch by batch


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


def resize_splits(
    splits: Mapping[str, tuple[Tensor, Tensor]], size: int, *, standardize: bool
) -> tuple[dict[str, tuple[Tensor, Tensor]], Prepare]:
    """The splits of a data set in another size, and what has to be done to each of their batches.

    Args:
        splits: name -> images `(N, C, H, W)`, bytes, and targets.
        size: the new height and width in pixels, 1 or more.
        standardize: give the training split mean 0 and deviation 1; else values are in 0..1.

    Returns:
        The splits, resized now where all of them together take 1 GiB or less; and the batches' `prepare`, which
        resizes where they would take more. Standardising then learns from the training images in their own size.

    Raises:
        ConfigError: `size` is not a whole number of 1 or more.
        DataError: all pixels are alike.
    """
    check_count("size", size)
    num_channels = sum(images.shape[0] * images.shape[1] for images, _ in splits.values())
    is_large = takes_too_much(num_channels, size, sum(images.nbytes for images, _ in splits.values()))
    if not is_large:
        splits = {name: (resize_images(images, size), targets) for name, (images, targets) in splits.items()}
    prepare: Prepare = learn_standardize(splits["train"][0]) if standardize else scale_bytes
    return dict(splits), Resize(size=size, prepare=prepare) if is_large else prepare


def takes_too_much(num_images: int, size: int, num_bytes: int) -> bool:
    """Would that many grey images of that size take more than 1 GiB, and more than the bytes that they take now?"""
    return num_images * size * size > max(MOST_BYTES, num_bytes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Resize:
    """Gives each batch of images another size, then prepares it; a `prepare` for `Batches`.

    It spares the memory for all images in that size: 60,000 of 224 x 224 are 3 GB. Each pass resizes them anew.

    Attributes:
        size: the new height and width in pixels, 1 or more.
        prepare: what the resized batch becomes; float32 in 0..1 by default.

    >>> Resize(size=4)(torch.full((2, 1, 28, 28), 255, dtype=torch.uint8)).shape
    torch.Size([2, 1, 4, 4])
    """

    size: int
    prepare: Prepare = scale_bytes

    def __call__(self, inputs: Shaped[Tensor, "B C H W"]) -> Shaped[Tensor, "B C S S"]:
        """The batch as the model sees it; floats, which an augmented batch has, stay floats."""
        if inputs.dtype == torch.uint8:
            resized = resize_images(inputs, self.size)
        else:
            resized = functional.interpolate(inputs, (self.size, self.size), mode="bilinear", antialias=True)
        prepared: Tensor = self.prepare(resized)
        return prepared


@dataclass(frozen=True, kw_only=True, slots=True)
class Standardize:
    """Turns a batch of bytes into float32 `(inputs / 255 - mean) / std`; a `prepare` for `Batches`.

    Attributes:
        mean: over all pixels of the training split, on the scale 0..1; or one for each channel.
        std: their standard deviation, on the same scale; above 0; likewise.

    >>> Standardize(mean=0.5, std=0.25)(torch.tensor([0, 255], dtype=torch.uint8)).tolist()
    [-2.0, 2.0]
    """

    mean: float | tuple[float, ...]
    std: float | tuple[float, ...]

    def __call__(self, inputs: Shaped[Tensor, "B ..."]) -> Shaped[Tensor, "B ..."]:
        """The batch as the model sees it; inputs that are no bytes count as scaled to 0..1 already."""
        scaled: Tensor = scale_bytes(inputs)
        means = self.mean if isinstance(self.mean, tuple) else (self.mean,)
        stds = self.std if isinstance(self.std, tuple) else (self.std,)
        if len(means) == 1:
            return (scaled - means[0]).div_(stds[0])
        planes = zip(scaled.unbind(1), means, stds, strict=True)  # no tensor of means, which each batch would wait for
        return torch.stack([(plane - mean).div_(std) for plane, mean, std in planes], 1)


def learn_standardize(images: UInt8[Tensor, "N ..."] | Mapped) -> Standardize:
    """The `Standardize` that gives these images mean 0 and standard deviation 1 over all pixels.

    Args:
        images: the training split and nothing else, so that nothing of the other splits is known in training. Of
            `(N, C, H, W)` with more than one channel each channel has its own.

    Raises:
        DataError: all pixels are alike.
    """
    channels = images.shape[1] if images.dim() == 4 else 1  # noqa: PLR2004 - N C H W
    counts = torch.zeros(channels, 256, dtype=torch.int64)
    for part in images.parts() if isinstance(images, Mapped) else images.split(_parts_of(images)):
        for channel, pixels in zip(counts, part.reshape(len(part), channels, -1).unbind(1), strict=True):
            channel.add_(torch.bincount(pixels.flatten(), minlength=256).cpu())
    means, stds = zip(*map(_mean_and_deviation, counts.tolist()), strict=True)
    return Standardize(mean=means[0], std=stds[0]) if channels == 1 else Standardize(mean=means, std=stds)


def _parts_of(images: Tensor) -> int:
    """How many images to look at at once."""
    return max(1, _PIXELS_AT_ONCE // max(1, images[:1].numel()))


def _mean_and_deviation(counts: Sequence[int]) -> tuple[float, float]:
    """Of pixels on the scale 0..1, from how often each of the 256 bytes is there: whole numbers, which say all."""
    total = sum(counts)
    first = sum(value * count for value, count in enumerate(counts))
    second = sum(value * value * count for value, count in enumerate(counts))
    variance = total * second - first * first  # times total squared: a whole number, so that nothing cancels
    if variance == 0:
        raise DataError(
            f"all pixels of the training images are {first // total}: expected differing ones. Use standardize=False"
        )
    return first / total / 255, variance**0.5 / total / 255
