"""Targets with a value for each pixel move as their images do: numpy's rounding, rot90 and the images as oracles."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import fourstep as fs
from fourstep.data.augment import Crop, CutMix, Draws, Flip, MixUp, Rotate, Shift
from fourstep.data.augment.geometry import sample_at, turned_grid

MOVES = [Flip(), Flip(direction="vertical"), Crop(padding=2), Shift(most=0.3), Rotate(degrees=40.0)]


def masks_of(count: int, height: int = 6, width: int = 9) -> Tensor:
    """Classes 0 to 4 for each pixel."""
    return torch.randint(5, (count, height, width), generator=torch.Generator().manual_seed(2))


def draws_of(count: int) -> Draws:
    """Those of the first samples."""
    return Draws(seed=0, epoch=3, indices=torch.arange(count))


@pytest.mark.parametrize("move", MOVES)
@pytest.mark.parametrize("shape", [(7, 6, 9), (7, 1, 6, 9), (7, 2, 3, 6, 9)])
def test_maps_of_floats_move_to_the_bit_as_images(move: Any, shape: tuple[int, ...]) -> None:
    """Depths, heat maps, pictures to be restored; of any number of channels."""
    maps = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    images = maps.reshape(7, -1, 6, 9)
    inputs, targets = move(images, maps, draws_of(7))

    assert torch.equal(targets, inputs.reshape(shape))
    assert not torch.equal(targets, maps)


@pytest.mark.parametrize("move", MOVES[:3])
@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool])
def test_masks_flip_and_crop_with_their_images(move: Any, dtype: torch.dtype) -> None:
    """Whole pixels: each has the class that its image's pixel has."""
    masks = masks_of(20).to(dtype)
    inputs, targets = move(masks[:, None].float(), masks, draws_of(20))

    assert targets.dtype == dtype
    assert torch.equal(targets, inputs[:, 0].to(dtype))


def test_a_shifted_mask_is_numpys_nearest_pixel() -> None:
    """What comes in is 0."""
    masks = masks_of(30)
    across, down = draws_of(30).uniform(2).double().mul(2).sub(1).mul(0.3).numpy()
    _, targets = Shift(most=0.3)(masks[:, None].float(), masks, draws_of(30))
    for mask, found, right, below in zip(masks.numpy(), targets.numpy(), across * 9, down * 6, strict=True):
        rows, columns = np.rint(np.arange(6) + below).astype(int), np.rint(np.arange(9) + right).astype(int)
        padded = np.pad(mask, 9)
        assert np.array_equal(found, padded[rows + 9][:, columns + 9])


def test_a_mask_s_quarter_turn_is_rot90() -> None:
    """To the bit, as no class lies between two; and a smaller turn makes no new class."""
    masks = masks_of(4, 8, 8)[:, None]
    turned = sample_at(masks, turned_grid(masks.float(), torch.full((4,), 90.0).deg2rad()))

    assert torch.equal(turned, masks.rot90(1, (2, 3)))
    alone = torch.full((50, 8, 8), 3)
    _, targets = Rotate(degrees=40.0)(alone[:, None].float(), alone, draws_of(50))
    assert set(targets.unique().tolist()) == {0, 3}


@pytest.mark.parametrize("move", MOVES)
def test_what_is_no_map_stays(move: Any) -> None:
    """Classes, probabilities and boxes, and maps of another size; in a nesting each for itself."""
    masks, images = masks_of(6), torch.rand(6, 3, 6, 9)
    kept = {
        "class": torch.arange(6),
        "share": torch.rand(6, 9),
        "boxes": torch.rand(6, 5, 4),
        "small": masks_of(6, 3, 9),
    }
    _, targets = move(images, {**kept, "mask": masks}, draws_of(6))

    assert all(targets[name] is value for name, value in kept.items())
    assert torch.equal(targets["mask"], move(images, masks, draws_of(6))[1])


@pytest.mark.parametrize("shape", [(6, 8, 8), (6, 1, 8, 8)])
@pytest.mark.parametrize("dtype", [torch.int64, torch.float32])
def test_cutmix_pastes_the_map_where_it_pastes_the_image(shape: tuple[int, ...], dtype: torch.dtype) -> None:
    """Of samples that are all one number, so that the images tell where the pieces are from."""
    maps = torch.arange(6, dtype=dtype).reshape(-1, *[1] * (len(shape) - 1)).expand(shape)
    inputs, targets = CutMix()(maps.reshape(6, 1, 8, 8).float(), maps, draws_of(6))

    assert torch.equal(targets, inputs.to(dtype).reshape(shape))
    assert len(targets.unique()) == 6
    assert not torch.equal(targets, maps)


def test_masks_that_cannot_be_mixed_are_refused() -> None:
    """Classes have no shares of each other, and a map of another size has no rectangle."""
    images, masks = torch.rand(6, 1, 8, 8), masks_of(6, 8, 8)
    for mix, targets in ((MixUp(), masks), (CutMix(), masks[:, :4])):
        with pytest.raises(
            fs.DataError, match=r"whole numbers of shape \(6, [48], 8\): masks have no shares .* CutMix"
        ):
            mix(images, targets, draws_of(6))


@pytest.mark.parametrize("move", MOVES)
def test_maps_with_their_channels_last_are_refused(move: Any) -> None:
    """They would stay where they are."""
    with pytest.raises(fs.DataError, match=r"\(7, 6, 9, 4\) beside images of 6 x 9 have their channels last.*movedim"):
        move(torch.rand(7, 3, 6, 9), torch.rand(7, 6, 9, 4), draws_of(7))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.bool, torch.int32, torch.int64])
@pytest.mark.parametrize("move", [Shift(most=0.3), Rotate(degrees=40.0)])
def test_a_mask_s_type_and_largest_numbers_stay(move: Any, dtype: torch.dtype) -> None:
    """Beside images of half precision too; numbers that float32 does not have."""
    largest = 1 if dtype is torch.bool else torch.iinfo(dtype).max if dtype is not torch.int64 else 2**53 - 1
    masks = torch.full((6, 8, 8), largest, dtype=dtype)
    inputs, targets = move(torch.rand(6, 3, 8, 8).bfloat16(), masks, draws_of(6))

    assert (inputs.dtype, targets.dtype) == (torch.bfloat16, dtype)
    assert set(targets.unique().tolist()) == {0, largest}


@pytest.mark.parametrize("move", [Crop(padding=2, mask_fill=-100), Shift(mask_fill=-100), Rotate(mask_fill=-100)])
def test_what_comes_into_a_mask_may_be_ignored(move: Any) -> None:
    """By a loss's `ignore_index`; what was there moves as with 0. A type that lacks the number is refused."""
    masks, images = masks_of(20, 8, 8) + 1, torch.rand(20, 1, 8, 8)
    _, targets = move(images, masks, draws_of(20))
    _, plain = replace(move, mask_fill=0)(images, masks, draws_of(20))

    assert torch.equal(targets, plain.where(plain > 0, -100))
    assert bool((plain == 0).any())
    with pytest.raises(fs.DataError, match=r"mask_fill -100 is no value of masks of uint8: .* Mend: masks.long\(\)"):
        move(images, masks.to(torch.uint8), draws_of(20))


@pytest.mark.parametrize("make", [Crop, Shift, Rotate])
@pytest.mark.parametrize("fill", [0.5, True, "none"])
@pytest.mark.usefixtures("unchecked_types")
def test_a_class_that_is_no_whole_number_is_refused(make: Any, fill: Any) -> None:
    """Where the augmentation is made, not in the first batch."""
    with pytest.raises(fs.ConfigError, match=rf"{make.__name__}\(mask_fill={fill!r}\): expected a whole number"):
        make(mask_fill=fill)


def test_a_segmentation_s_batches_keep_images_and_masks_together() -> None:
    """Through `augment=`, epoch by epoch; a mask is what its image is above a half."""
    images = torch.rand(40, 1, 8, 8).round_()
    augment: list[Any] = [Flip(), Crop(padding=2), CutMix()]
    data = fs.data.from_arrays(images, images[:, 0].long(), batch_size=16, augment=augment, shuffle=False)
    assert isinstance(data.train, fs.Batches)
    for _ in range(2):
        inputs, masks = (torch.cat(parts) for parts in zip(*data.train, strict=True))
        assert torch.equal(masks, (inputs[:, 0] > 0.5).long())
        assert not torch.equal(inputs, images)
