"""Masks of classes over images: colours by hand, and that both move together in what is shown."""

from pathlib import Path

import pytest
import torch
from matplotlib import colors
from torch import Tensor

import fourstep as fs
from fourstep.show.masks import COLORS, are_masks, paint, tell_classes
from fourstep.show.samples import drawn_samples

IMAGES = torch.rand(5, 1, 4, 6, generator=torch.Generator().manual_seed(1))
MASKS = torch.arange(5 * 24).remainder(4).reshape(5, 4, 6)


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8])
@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_a_pixel_is_its_class_s_colour(dtype: torch.dtype, channels: int) -> None:
    """The background stays as it is, and what is below 0; the colours are matplotlib's first but its grey."""
    images = IMAGES.expand(-1, channels, -1, -1)
    painted = paint(images, MASKS.to(dtype)[:, None])
    for number in range(4):
        where = number == MASKS
        color = torch.tensor(colors.to_rgb(f"C{max(number - 1, 0)}"))
        plain = images.expand(-1, 3, -1, -1).movedim(1, -1)[where]
        expected = plain if number == 0 else (plain + color) / 2
        assert torch.allclose(painted.movedim(1, -1)[where], expected, atol=1e-6)
    assert torch.equal(paint(images, torch.full((5, 4, 6), -100)), images.expand(-1, 3, -1, -1))
    assert [f"#{color}" for color in COLORS] == [colors.to_hex(f"C{number}") for number in (*range(7), 8, 9)]


def test_bytes_are_painted_as_floats_and_more_classes_than_colours_begin_anew() -> None:
    """The tenth class is as blue as the first."""
    images = (IMAGES * 255).to(torch.uint8)

    assert torch.equal(paint(images, MASKS), paint(images.float() / 255, MASKS))
    assert torch.equal(paint(images, torch.full_like(MASKS, 10)), paint(images, torch.ones_like(MASKS)))


@pytest.mark.parametrize(
    ("targets", "answer"),
    [
        (MASKS, True),
        (MASKS[:, None], True),
        (MASKS.float(), False),
        (MASKS > 1, False),
        (MASKS[:, :2], False),
        (MASKS[:, None].expand(-1, 2, -1, -1), False),
        (MASKS[:, 0, 0], False),
        ({"mask": MASKS}, False),
    ],
)
def test_masks_are_known_by_type_and_shape(targets: object, answer: object) -> None:
    """One whole number for each pixel."""
    assert are_masks(targets, IMAGES) is answer


def test_a_title_tells_the_two_largest_classes() -> None:
    """By name where there is one; ties in the order of the classes."""
    mask = torch.tensor([[2, 2, 2, 0], [0, 7, 2, 2]])

    assert tell_classes(mask, ["sky", "sea", "land"]) == "land 62%\nsky 25%"
    assert tell_classes(mask[1:, 1:2], ["sky"]) == "class 7 100%"
    assert tell_classes(torch.tensor([[-100, 1]]), ["sky", "a\nb"]).count("\n") == 1


def test_a_picture_has_the_masks_where_augmentation_has_put_them(tmp_path: Path) -> None:
    """Flipped with their images; and the file is there."""
    images = torch.zeros(8, 1, 4, 6)
    masks = torch.zeros(8, 4, 6, dtype=torch.int64)
    masks[:, :, 0] = 1
    augment = [fs.data.augment.Flip(probability=1.0)]
    data = fs.data.from_arrays(images, masks, batch_size=4, classes=["back", "edge"], augment=augment)
    drawn, titles = drawn_samples(data, 3)
    data.show(tmp_path / "masks.png")

    blue: Tensor = drawn[:, 2]
    assert bool((blue[..., -1] > 0.3).all())
    assert not blue[..., :-1].any()
    assert titles == ["back 83%\nedge 17%"] * 3
    assert (tmp_path / "masks.png").stat().st_size > 1000
