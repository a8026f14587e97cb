"""Other values: colours by their formulas in numpy, erased rectangles by their shape and share."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

import fourstep as fs
from fourstep.data.augment import Color, Draws, Erase
from fourstep.data.augment.pixels import rectangles


def images_of(*shape: int) -> Tensor:
    """Random images."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def draws_of(size: int) -> Draws:
    """Those of the first samples."""
    return Draws(seed=0, epoch=0, indices=torch.arange(size))


def augmented(augment: Any, images: Tensor) -> Tensor:
    """The images after it."""
    inputs = augment(images, None, draws_of(len(images)))[0]
    assert isinstance(inputs, Tensor)
    return inputs


def grey(image: NDArray[Any]) -> NDArray[Any]:
    """As BT.601 weighs red, green and blue."""
    weights = np.array([0.299, 0.587, 0.114]) if len(image) == 3 else np.full(len(image), 1 / len(image))
    return np.tensordot(weights, image, 1)[None]


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_colours_are_those_of_the_formulas(channels: int) -> None:
    """One after the other, each with its draw, cut off at 0 and 1."""
    images = images_of(20, channels, 4, 5)
    saturation = 0.9 if channels == 3 else 0.0
    found = augmented(Color(brightness=0.8, contrast=0.5, saturation=saturation), images)
    for image, out, draw in zip(images.double().numpy(), found, draws_of(20).uniform(3).T.tolist(), strict=True):
        bright, flat, full = (1 + (2 * one - 1) * most for one, most in zip(draw, (0.8, 0.5, saturation), strict=True))
        changed = np.clip(image * bright, 0, 1)
        changed = np.clip(grey(changed).mean() + (changed - grey(changed).mean()) * flat, 0, 1)
        if saturation:
            changed = np.clip(grey(changed) + (changed - grey(changed)) * full, 0, 1)
        assert np.allclose(out.numpy(), changed, atol=1e-6)


def test_colours_of_no_strength_change_nothing() -> None:
    """The default."""
    images = images_of(5, 3, 4, 4)

    assert torch.equal(augmented(Color(), images), images)


def test_grey_images_have_no_saturation() -> None:
    """Which is said."""
    with pytest.raises(
        fs.DataError, match=r"Color\(saturation=0.5\) was given images of 1 channels: expected 3, red, green and blue"
    ):
        augmented(Color(saturation=0.5), images_of(2, 1, 3, 3))


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 20, 50)])
def test_what_is_erased_is_a_rectangle_of_the_size_asked_for(shape: tuple[int, int, int]) -> None:
    """In as many images as asked for; all channels, nothing else, within rounding of area and ratio."""
    images = torch.ones(4000, *shape)
    erased = augmented(Erase(probability=0.3, area=(0.04, 0.2), ratio=(0.5, 2.0), fill=0.25), images)
    hit = (erased != 1).flatten(1).any(1)
    assert abs(float(hit.float().mean()) - 0.3) < 4 * (0.3 * 0.7 / 4000) ** 0.5
    for image in erased[hit][:200]:
        inside = image[0] == 0.25
        assert torch.equal(image, torch.where(inside, 0.25, 1.0).expand(shape))
        height, width = int(inside.any(1).sum()), int(inside.any(0).sum())
        assert int(inside.sum()) == height * width
        side = (shape[1] * shape[2]) ** 0.5
        assert (0.04 * 0.5) ** 0.5 * side - 0.5 <= height <= (0.2 * 2) ** 0.5 * side + 0.5
        assert (height + 0.5) * (width + 0.5) >= 0.04 * side**2
        assert (height - 0.5) * (width - 0.5) <= 0.2 * side**2
        assert (height + 0.5) / (width - 0.5) >= 0.5
        assert (height - 0.5) / (width + 0.5) <= 2


def test_rectangles_reach_every_corner_and_stay_inside() -> None:
    """Cut to the image where they are larger, and their share is that of their pixels."""
    images = torch.zeros(4, 1, 6, 8)
    sizes, places = torch.tensor([0.3, 0.3, 5.0, 0.0]), torch.tensor([0.0, 1 - 2**-24, 0.5, 0.5])
    mask, share = rectangles(images, sizes, sizes, places, places)
    inside = mask == 1

    assert inside[0, 0].nonzero()[0].tolist() == [0, 0]
    assert inside[1, 0].nonzero()[-1].tolist() == [5, 7]
    assert bool(inside[2].all())
    assert not bool(inside[3].any())
    assert bool((inside | (mask == 0)).all())
    assert torch.allclose(share, inside.float().mean((1, 2, 3)))


@pytest.mark.parametrize("augment", [Color(brightness=0.4, contrast=0.4, saturation=0.4), Erase(probability=1.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_and_type_stay(augment: Any, dtype: torch.dtype) -> None:
    """What came in is left as it was; a sample is changed alike in whatever batch it is; one pixel is enough."""
    for shape in ((6, 3, 5, 7), (2, 3, 1, 1)):
        images = images_of(*shape).to(dtype)
        before = images.clone()
        found = augmented(augment, images)
        alone = augment(images[1:2], None, Draws(seed=0, epoch=0, indices=torch.tensor([1])))[0]

        assert (found.shape, found.dtype) == (images.shape, dtype)
        assert torch.equal(images, before)
        assert torch.equal(alone[0], found[1])


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (Color, {"contrast": 2.0}, "Color(contrast=2.0): expected a number from 0 to 1"),
        (Erase, {"area": (0.5, 0.1)}, "Erase(area=(0.5, 0.1)): expected two numbers from 0 to 1, (low, high)"),
        (Erase, {"ratio": (0.0, 1.0)}, "Erase(ratio=(0.0, 1.0)): expected two numbers from 0.01 to 100, (low, high)"),
        (Erase, {"area": 0.3}, "Erase(area=0.3): expected two numbers from 0 to 1, (low, high)"),
        (Erase, {"probability": -0.1}, "Erase(probability=-0.1): expected a number from 0 to 1"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_a_setting_out_of_range_is_refused(make: Any, settings: dict[str, Any], said: str) -> None:
    """When the augmentation is made."""
    with pytest.raises(fs.ConfigError) as caught:
        make(**settings)

    assert str(caught.value) == said
