"""Pairs of samples in one: a share of each, as pixels or as pieces, and their targets in the same shares.

A sample's partner is the one before it in the batch, whose order is new in every epoch. Shapes: B samples, K classes.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from fourstep.data.augment.images import FEWEST_MAP_DIMS, as_images, check_range, is_map
from fourstep.data.augment.pixels import rectangles
from fourstep.data.draws import Draws
from fourstep.data.mapped import Mapped
from fourstep.errors import DataError, check_count

POINTS = 2**12  # of a table of quantiles
_SMALLEST, _LARGEST = 0.05, 4.0  # alpha, for which the table is exact to 1e-5


@dataclass(frozen=True, kw_only=True, slots=True)
class MixUp:
    """Adds to each sample a share of another: `share * own + (1 - share) * other`, inputs and targets.

    Attributes:
        num_classes: K, where targets are class indices, which become probabilities `(B, K)`, as `CrossEntropyLoss`
            takes them; None where they are values or probabilities already.
        alpha: the shares are of the distribution Beta(alpha, alpha): 0.05 to 4; below 1 one of the two prevails.

    Raises:
        ConfigError: a setting out of range.

    Source: Zhang, Cisse, Dauphin, Lopez-Paz 2017, arXiv:1710.09412; here every sample has a share of its own.
    """

    num_classes: int | None = None
    alpha: float = 0.2

    def __post_init__(self) -> None:
        _check(self, "MixUp")

    def check(self, targets: Any) -> None:
        """Refuse targets that cannot be mixed; waits for the device.

        Raises:
            DataError: they are not classes below K, or not values.
        """
        _check_targets(targets, self.num_classes, "MixUp")

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Tensor, Tensor]:
        """The batch, each sample mixed with the one before it."""
        if not isinstance(inputs, Tensor) or not inputs.is_floating_point():
            raise DataError(
                f"MixUp was given {type(inputs).__name__} that are no floats: expected one tensor of floats or of uint8"
            )
        share = beta_shares(draws.uniform(1)[0], self.alpha)
        return _mix(inputs, share), _mix(soften(targets, self.num_classes), share)


@dataclass(frozen=True, kw_only=True, slots=True)
class CutMix:
    """Puts a rectangle of another image over each, and mixes the targets by area.

    Targets with a value for each pixel, `(B, ..., H, W)`, as a mask of classes, get the rectangle of the other's.

    Attributes:
        num_classes: as for `MixUp`.
        alpha: the rectangle's area is `1 - share` of the image, with shares of Beta(alpha, alpha): 0.05 to 4; as large
            as the whole pixels inside it, and all of it inside the image.

    Raises:
        ConfigError: a setting out of range.

    Source: Yun, Han, Oh, Chun, Choe, Yoo 2019, arXiv:1905.04899, where the rectangle may stick out of the image.
    """

    num_classes: int | None = None
    alpha: float = 1.0

    def __post_init__(self) -> None:
        _check(self, "CutMix")

    def check(self, targets: Any) -> None:
        """Refuse targets that cannot be mixed; waits for the device. Of maps only the batch tells whether they fit.

        Raises:
            DataError: they are not classes below K, or not values.
        """
        if len(getattr(targets, "shape", ())) < FEWEST_MAP_DIMS:
            _check_targets(targets, self.num_classes, "CutMix")

    def __call__(self, inputs: Any, targets: Any, draws: Draws) -> tuple[Tensor, Tensor]:
        """The batch, each image with a piece of the one before it."""
        images = as_images(inputs, "CutMix")
        share, down, right = draws.uniform(3)
        side = (1 - beta_shares(share, self.alpha)).sqrt()
        height, width = images.shape[2:]
        ratio = (height / width) ** 0.5  # a piece as oblong as the image
        inside, area = rectangles(images, side * ratio, side / ratio, down, right)
        mixed = torch.lerp(images, images.roll(1, 0), inside)
        if isinstance(targets, Tensor) and is_map(targets, images):
            where = inside.reshape(len(images), *[1] * (targets.dim() - FEWEST_MAP_DIMS), height, width) == 1
            return mixed, targets.roll(1, 0).where(where, targets)
        return mixed, _mix(soften(targets, self.num_classes), 1 - area)


def soften(targets: Any, num_classes: int | None) -> Float[Tensor, "B ..."]:
    """Class indices `(B,)` as probabilities `(B, K)`; floats as they are.

    Raises:
        DataError: whole numbers without a number of classes, or what is no tensor.
    """
    if isinstance(targets, Tensor) and targets.is_floating_point():
        return targets
    if isinstance(targets, Tensor) and targets.dim() >= FEWEST_MAP_DIMS:
        raise DataError(
            f"targets to be mixed are whole numbers of shape {tuple(targets.shape)}: masks have no shares of each "
            "other. CutMix cuts those of the images' height and width, (batch, ..., H, W), along with the images"
        )
    if not isinstance(targets, Tensor) or targets.dim() != 1 or num_classes is None:
        shape = f"{targets.dtype} {tuple(targets.shape)}" if isinstance(targets, Tensor) else type(targets).__name__
        raise DataError(
            f"targets to be mixed are {shape}: expected floats, or class indices (batch,) and num_classes, as "
            "MixUp(num_classes=10)"
        )
    return (targets[:, None] == torch.arange(num_classes, device=targets.device)).float()


def beta_shares(uniform: Float[Tensor, " B"], alpha: float) -> Float[Tensor, " B"]:
    """Shares in 0..1 of the distribution Beta(alpha, alpha), from uniform numbers: its quantiles, read off a table."""
    table = _table(alpha, uniform.device)
    tail = torch.minimum(uniform, 1 - uniform).mul_(2 * POINTS)  # the distribution is symmetric
    place = tail.floor().clamp_(max=POINTS - 1)
    at = place.long()
    power = torch.lerp(table[at], table[at + 1], tail - place)
    low = power.log_().div_(alpha).exp_()  # `pow` rounds the last numbers of a tensor in another way
    return torch.where(uniform < 0.5, low, 1 - low)  # noqa: PLR2004 - the middle


@lru_cache(maxsize=16)
def _table(alpha: float, device: torch.device) -> Tensor:
    return torch.from_numpy(beta_table(alpha)).float().to(device)


def beta_table(alpha: float) -> Any:
    """`x ** alpha` at the quantiles of 0, ..., 1/2 of Beta(alpha, alpha).

    With `t = x ** alpha` the density x ** (alpha - 1) * (1 - x) ** (alpha - 1), which grows without bound at 0 for an
    alpha below 1, becomes (1 - t ** (1 / alpha)) ** (alpha - 1), which does not: its integral is a sum over a grid.
    """
    grid = 0.5**alpha * np.linspace(0, 1, 16 * POINTS + 1) ** max(1.0, alpha)  # finer where x runs fast
    density = (1 - grid ** (1 / alpha)) ** (alpha - 1)
    area = np.concatenate([[0], np.cumsum((density[1:] + density[:-1]) / 2 * np.diff(grid))])
    return np.interp(np.linspace(0, area[-1], POINTS + 1), area, grid)


def _mix(values: Tensor, share: Float[Tensor, " B"]) -> Tensor:
    own = share.to(values.dtype).reshape(-1, *[1] * (values.dim() - 1))
    return torch.lerp(values.roll(1, 0), values, own)


def _check(mixer: MixUp | CutMix, who: str) -> None:
    if mixer.num_classes is not None:
        check_count(f"{who}(num_classes)", mixer.num_classes)
    check_range(who, "alpha", mixer.alpha, _SMALLEST, _LARGEST)


def _check_targets(targets: Any, num_classes: int | None, who: str) -> None:
    soften(targets[:1] if isinstance(targets, Tensor | Mapped) else targets, num_classes)
    if targets.dtype.is_floating_point:
        return
    low, high = int(targets.min()), int(targets.max())
    if low < 0 or high >= (num_classes or 0):
        raise DataError(
            f"{who}(num_classes={num_classes}) was given labels from {low} to {high}: expected labels below "
            f"num_classes, from 0. Mend: {who}(num_classes={high + 1}), or renumber the labels"
        )
