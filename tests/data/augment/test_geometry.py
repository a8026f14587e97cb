"""Images moved and turned: torch.flip, numpy's slices, rot90 and whole pixels as oracles."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import fourstep as fs
from fourstep.data.augment import Crop, Draws, Flip, Rotate, Shift
from fourstep.data.augment.geometry import sample_at, turned_grid

SHAPES = [(7, 1, 5, 5), (4, 3, 6, 9), (3, 2, 1, 4), (1, 1, 1, 1)]


def images_of(shape: tuple[int, ...]) -> Tensor:
    """Random images."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def turn(images: Tensor, angle: Tensor) -> Tensor:
    """The images, each turned by its angle."""
    return sample_at(images, turned_grid(images, angle))


def augmented(augment: Any, images: Tensor, epoch: int = 0) -> Tensor:
    """The images after it; their targets stay what they are."""
    targets = torch.arange(len(images))
    inputs, same = augment(images, targets, Draws(seed=0, epoch=epoch, indices=torch.arange(len(images))))
    assert same is targets
    assert isinstance(inputs, Tensor)
    return inputs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("direction", "axis"), [("horizontal", 3), ("vertical", 2)])
def test_a_flip_is_torchs(shape: tuple[int, ...], direction: Any, axis: int) -> None:
    """Of all images, of none, or of those whose draw is below the probability."""
    images = images_of(shape)
    chosen = Draws(seed=0, epoch=0, indices=torch.arange(len(images))).uniform(1)[0] < 0.5
    expected = [image.flip(axis - 1) if flipped else image for image, flipped in zip(images, chosen, strict=True)]

    assert torch.equal(augmented(Flip(direction=direction, probability=1.0), images), images.flip(axis))
    assert torch.equal(augmented(Flip(direction=direction, probability=0.0), images), images)
    assert torch.equal(augmented(Flip(direction=direction), images), torch.stack(expected))


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_as_many_are_flipped_as_was_asked_for(probability: float) -> None:
    """Within four standard deviations."""
    images = torch.arange(2.0).expand(20_000, 1, 1, 2)
    share = float(augmented(Flip(probability=probability), images)[:, 0, 0, 0].mean())

    assert abs(share - probability) < 4 * (probability * (1 - probability) / 20_000) ** 0.5


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("padding", "fill"), [(1, 0.0), (3, 0.25)])
def test_a_crop_is_numpys_slice_of_the_padded_image(shape: tuple[int, ...], padding: int, fill: float) -> None:
    """At the two draws' place."""
    images = images_of(shape)
    draws = Draws(seed=0, epoch=2, indices=torch.arange(len(images))).uniform(2)
    found = augmented(Crop(padding=padding, fill=fill), images, epoch=2)
    sides = ((0, 0), (padding, padding), (padding, padding))
    for image, out, (down, right) in zip(images.numpy(), found.numpy(), draws.T.tolist(), strict=True):
        top, left = int(down * (2 * padding + 1)), int(right * (2 * padding + 1))
        padded = np.pad(image, sides, constant_values=fill)
        assert np.array_equal(out, padded[:, top : top + shape[2], left : left + shape[3]])


def test_every_place_of_a_crop_is_as_frequent() -> None:
    """All nine of a padding of one pixel."""
    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 1, 1] = 1
    counts = augmented(Crop(padding=1), image.expand(18_000, 1, 3, 3)).sum(0).flatten()

    assert float((counts - 2000).abs().max()) < 4 * (18_000 * 1 / 9 * 8 / 9) ** 0.5


@pytest.mark.parametrize(("turns", "angle"), [(1, 90.0), (2, 180.0), (3, -90.0), (0, 0.0)])
def test_a_quarter_turn_is_rot90(turns: int, angle: float) -> None:
    """Anticlockwise, of square images; within float32."""
    images = images_of((4, 3, 8, 8))
    found = turn(images, torch.full((4,), angle).deg2rad())

    assert torch.allclose(found, images.rot90(turns, (2, 3)), atol=1e-5)


def test_a_half_turn_of_an_oblong_is_two_flips() -> None:
    """And its quarter turn keeps the middle's square, as its pixels are squares."""
    images = images_of((2, 1, 6, 10))
    half, quarter = (turn(images, torch.full((2,), angle).deg2rad()) for angle in (180.0, 90.0))

    assert torch.allclose(half, images.flip(2, 3), atol=1e-5)
    assert torch.allclose(quarter[:, :, :, 2:8], images[:, :, :, 2:8].rot90(1, (2, 3)), atol=1e-5)


def test_a_turn_is_the_one_of_its_draw() -> None:
    """Uniform from one side to the other; 0 degrees change nothing."""
    images = images_of((50, 1, 9, 9))
    draw = Draws(seed=0, epoch=0, indices=torch.arange(50)).uniform(1)[0]
    expected = turn(images, (draw * 2 - 1) * torch.tensor(30.0).deg2rad())

    assert torch.allclose(augmented(Rotate(degrees=30.0), images), expected, atol=1e-5)
    assert torch.allclose(augmented(Rotate(degrees=0.0), images), images, atol=1e-5)


def test_a_shift_moves_the_middle_by_its_draws() -> None:
    """The centre of what is in the image moves as far, within the share of its sides; 0 moves nothing."""
    image = torch.zeros(1, 1, 40, 20)
    image[0, 0, 17:23, 7:13] = 1
    images = image.expand(60, 1, 40, 20)
    moved = augmented(Shift(most=0.2), images)
    draw = Draws(seed=0, epoch=0, indices=torch.arange(60)).uniform(2)
    rows, columns = torch.arange(40.0) - 19.5, torch.arange(20.0) - 9.5
    across, down = (moved.sum((1, 2)) * columns).sum(1) / 36, (moved.sum((1, 3)) * rows).sum(1) / 36

    assert torch.allclose(across, -(draw[0] * 2 - 1) * 0.2 * 20, atol=1e-3)
    assert torch.allclose(down, -(draw[1] * 2 - 1) * 0.2 * 40, atol=1e-3)
    assert torch.allclose(augmented(Shift(most=0.0), images), images, atol=1e-5)


@pytest.mark.parametrize("augment", [Flip(), Crop(padding=2), Shift(), Rotate()])
@pytest.mark.parametrize("shape", SHAPES)
def test_shape_and_type_stay(augment: Any, shape: tuple[int, ...]) -> None:
    """And what came in is left as it was; a sample is changed alike in whatever batch it is."""
    images = images_of(shape)
    before = images.clone()
    for dtype in (torch.float32, torch.float64, torch.bfloat16):
        found = augmented(augment, images.to(dtype))
        assert (found.shape, found.dtype) == (images.shape, dtype)
    alone = augment(images[-1:], None, Draws(seed=0, epoch=0, indices=torch.tensor([len(images) - 1])))[0]

    assert torch.equal(images, before)
    assert torch.equal(alone[0], augmented(augment, images)[-1])


@pytest.mark.parametrize("augment", [Flip(), Crop(), Shift(), Rotate()])
@pytest.mark.parametrize(
    ("inputs", "found"),
    [
        (torch.zeros(2, 3), "float32 of shape (2, 3)"),
        (torch.zeros(2, 1, 3, 3, dtype=torch.int64), "int64 of shape (2, 1, 3, 3)"),
        ((torch.zeros(2, 1, 3, 3),), "a tuple"),
    ],
)
def test_what_is_no_image_is_named(augment: Any, inputs: Any, found: str) -> None:
    """One line, with its shape."""
    with pytest.raises(fs.DataError) as caught:
        augment(inputs, None, Draws(seed=0, epoch=0, indices=torch.arange(2)))

    said = f"{type(augment).__name__} was given {found}: expected images (batch, channels, height, width) of uint8 or"
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    ("make", "settings", "said"),
    [
        (Flip, {"direction": "up"}, "Flip(direction='up'): expected 'horizontal' or 'vertical'"),
        (Flip, {"probability": 1.5}, "Flip(probability=1.5): expected a number from 0 to 1"),
        (Crop, {"padding": 0}, "Crop(padding) 0: expected a whole number of 1 or more"),
        (Crop, {"fill": -1.0}, "Crop(fill=-1.0): expected a number from 0 to 1"),
        (Shift, {"most": True}, "Shift(most=True): expected a number from 0 to 1"),
        (Rotate, {"degrees": 200.0}, "Rotate(degrees=200.0): expected a number from 0 to 180"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_a_setting_out_of_range_is_refused(make: Any, settings: dict[str, Any], said: str) -> None:
    """When the augmentation is made."""
    with pytest.raises(fs.ConfigError) as caught:
        make(**settings)

    assert str(caught.value) == said
