"""Masks of classes over images: colours by hand, and that both move together in what is shown."""

from pathlib import Path
from typing import Any

import pytest
import torch
from matplotlib import colors
from torch import Tensor

import fourstep as fs
from fourstep.show.masks import COLORS, find_masks, legend, paint, tell_classes
from fourstep.show.samples import describe, drawn_samples

IMAGES = torch.rand(5, 1, 4, 6, generator=torch.Generator().manual_seed(1))
MASKS = torch.arange(5 * 24).remainder(4).reshape(5, 4, 6)


@pytest.mark.parametrize("channels", [1, 3])
def test_half_of_a_pixel_is_its_class_s_colour(channels: int) -> None:
    """The background stays as it is, and what is below 0; the colours are matplotlib's first but its grey."""
    images = IMAGES.expand(-1, channels, -1, -1)
    painted = paint(images, MASKS)
    for number in range(4):
        where = number == MASKS
        color = torch.tensor(colors.to_rgb(f"C{max(number - 1, 0)}"))
        plain = images.expand(-1, 3, -1, -1).movedim(1, -1)[where]
        expected = plain if number == 0 else (plain + color) / 2
        assert torch.allclose(painted.movedim(1, -1)[where], expected, atol=1e-6)
    assert torch.equal(paint(images, torch.full((5, 4, 6), -100)), images.expand(-1, 3, -1, -1))
    assert [f"#{color}" for color in COLORS.values()] == [colors.to_hex(f"C{number}") for number in (*range(7), 8, 9)]


def test_bytes_are_painted_as_floats_and_more_classes_than_colours_begin_anew() -> None:
    """The tenth class is as blue as the first."""
    images = (IMAGES * 255).to(torch.uint8)

    assert torch.equal(paint(images, MASKS), paint(images.float() / 255, MASKS))
    assert torch.equal(paint(images, torch.full_like(MASKS, 10)), paint(images, torch.ones_like(MASKS)))


@pytest.mark.parametrize(
    ("targets", "found"),
    [
        (MASKS, MASKS),
        (MASKS[:, None].to(torch.uint8), MASKS),
        (MASKS > 1, (MASKS > 1).long()),
        ((MASKS > 1).float()[:, None], (MASKS > 1).long()),
        ({"class": MASKS[:, 0, 0], "mask": MASKS}, MASKS),
        (MASKS / 3, None),
        (MASKS[:, :2], None),
        (MASKS[:, None].expand(-1, 2, -1, -1), None),
        (MASKS[:, 0, 0], None),
        ((IMAGES * 255).to(torch.uint8), None),
        ("no tensor", None),
    ],
)
def test_masks_are_known_by_values_and_shape(targets: object, found: Tensor | None) -> None:
    """One class for each pixel, and few different ones: a picture is none."""
    masks = find_masks(targets, IMAGES)

    assert (masks is None) == (found is None)
    assert masks is None or found is None or torch.equal(masks, found)


def test_a_title_tells_the_two_largest_classes() -> None:
    """By name where there is one, the background only where it is alone, and nothing of what no loss counts."""
    mask = torch.tensor([[2, 2, 2, 0], [0, 7, 0, -100]])

    assert tell_classes(mask, ["sky", "sea", "land"]) == "land 38%\nclass 7 12%"
    assert tell_classes(mask[:, 3:] * 0, ["sky"]) == "sky 100%"
    assert tell_classes(mask[1:, 3:], ["sky"]) == ""


def test_a_legend_ties_colours_to_classes() -> None:
    """With each one's share of all pixels; a name is one line."""
    masks = torch.tensor([[[0, 0, 0], [1, 1, -100]], [[0, 0, 0], [0, 3, 10]]])

    assert legend(masks, ["back", "a\ncat"]) == [
        "class -100   8.3% of the pixels",
        "back        58.3% of the pixels",
        "a\\ncat      16.7% of the pixels, blue",
        "class 3      8.3% of the pixels, green",
        "class 10     8.3% of the pixels, blue",
    ]


def make_data(targets: Any) -> fs.Data:
    """Black images, all of them flipped."""
    augment = [fs.data.augment.Flip(probability=1.0)]
    return fs.data.from_arrays(
        torch.zeros(8, 1, 4, 6), targets, batch_size=4, classes=["back", "edge"], augment=augment
    )


def test_a_picture_has_the_masks_where_augmentation_has_put_them(tmp_path: Path) -> None:
    """Flipped with their images; what no loss counts is in no way of the classes' names."""
    masks = torch.zeros(8, 4, 6, dtype=torch.int64)
    masks[:, :, 0], masks[:, 0, 1] = 1, -100
    data = make_data(masks)
    drawn, titles = drawn_samples(data, 3)
    data.show(tmp_path / "masks.png")

    blue: Tensor = drawn[:, 2]
    assert bool((blue[..., -1] > 0.3).all())
    assert not blue[..., :-1].any()
    assert titles == ["edge 17%"] * 3
    assert describe(data)[1:-1] == [
        "class -100   4.2% of the pixels",
        "back        79.2% of the pixels",
        "edge        16.7% of the pixels, blue",
    ]
    assert (tmp_path / "masks.png").stat().st_size > 1000


def test_other_nestings_have_no_titles() -> None:
    """Nor do they fail."""
    images, titles = drawn_samples(make_data({"one": torch.zeros(8), "two": torch.ones(8, 2)}), 3)

    assert (len(images), titles) == (3, [""] * 3)


def test_labels_of_pixels_may_be_ignored_but_not_unknown() -> None:
    """Of one per sample -100 is a mistake, as it was."""
    with pytest.raises(fs.DataError, match="train labels run from -1 to 1 but there are 2 classes"):
        make_data(torch.full((8, 4, 6), -1).index_fill(0, torch.tensor([0]), 1))
    with pytest.raises(fs.DataError, match="train labels run from -100 to -100"):
        make_data(torch.full((8,), -100))
    assert make_data(torch.full((8, 4, 6), -100)).train is not None
