"""Images in another size and on another scale, compared with Pillow, torch and numpy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

import fourstep as fs
from fourstep.data import images as module
from fourstep.data.images import Resize, Standardize, learn_standardize, resize_images
from fourstep.data.mapped import Mapped
from fourstep.data.samples import scale_bytes

SMOOTH = (torch.arange(5 * 28 * 28).reshape(5, 1, 28, 28) % 256).byte()


def noise(*shape: int) -> Tensor:
    """Bytes of every value."""
    return torch.randint(256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [1, 7, 20, 29, 64])
@pytest.mark.parametrize("images", [SMOOTH, noise(3, 1, 28, 28), noise(2, 3, 8, 8)], ids=["smooth", "noise", "colour"])
def test_resizes_as_pillow_does(images: Tensor, size: int) -> None:
    """Every pixel is Pillow's bilinear one, which rounds once more between rows and columns, within that rounding."""
    resized = resize_images(images, size)

    for old, new in zip(images.flatten(0, 1), resized.flatten(0, 1), strict=True):
        oracle = np.asarray(Image.fromarray(old.numpy()).resize((size, size), Image.Resampling.BILINEAR))
        assert np.abs(new.numpy().astype(int) - oracle).max() <= 1


def test_the_same_size_is_the_same_tensor() -> None:
    """Nothing is copied that need not be."""
    assert resize_images(SMOOTH, 28) is SMOOTH


def test_parts_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many images are resized at once, the pixels are the same."""
    whole = resize_images(SMOOTH, 12)
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 2 * 12 * 12)

    assert torch.equal(resize_images(SMOOTH, 12), whole)


@given(value=st.integers(0, 255), size=st.integers(1, 40))
def test_a_plain_image_stays_plain(value: int, size: int) -> None:
    """Averages of one value are that value, also at the borders."""
    images = torch.full((1, 1, 9, 9), value, dtype=torch.uint8)

    assert (resize_images(images, size) == value).all()


def test_a_size_below_one_is_refused() -> None:
    """The message says what was asked for."""
    with pytest.raises(fs.ConfigError, match="size 0: expected a whole number of 1 or more"):
        resize_images(SMOOTH, 0)


def test_bytes_scale_as_the_plain_division() -> None:
    """All 256 bytes become what `float().div(255)` gives, bit for bit."""
    every = torch.arange(256, dtype=torch.uint8)

    assert torch.equal(scale_bytes(every), every.float().div(255))
    assert every.dtype == torch.uint8


def test_what_is_no_byte_is_not_scaled() -> None:
    """Floats and indices pass as they are."""
    for values in (torch.rand(3), torch.arange(3)):
        assert scale_bytes(values) is values


@given(seed=st.integers(0, 1000), count=st.integers(1, 50), top=st.integers(1, 255))
def test_learns_mean_and_deviation_of_all_pixels(seed: int, count: int, top: int) -> None:
    """They are numpy's in float64, to its rounding."""
    pixels = np.random.default_rng(seed).integers(0, top + 1, (count, 1, 3, 3), np.uint8)
    pixels[0, 0, 0, :2] = 0, 1

    learnt = learn_standardize(torch.from_numpy(pixels))

    assert learnt.mean == pytest.approx((pixels / 255).mean(), rel=1e-12)
    assert learnt.std == pytest.approx((pixels / 255).std(), rel=1e-9)


@given(seed=st.integers(0, 1000), count=st.integers(1, 50), channels=st.integers(2, 4))
def test_each_channel_of_colour_has_its_own(seed: int, count: int, channels: int) -> None:
    """They are numpy's in float64; the batch becomes the formula, also one that is scaled already."""
    pixels = np.random.default_rng(seed).integers(0, 256, (count, channels, 3, 3), np.uint8)

    learnt = learn_standardize(torch.from_numpy(pixels))

    mean, std = (pixels / 255).mean((0, 2, 3)), (pixels / 255).std((0, 2, 3))
    assert learnt.mean == pytest.approx(mean, rel=1e-12)
    assert learnt.std == pytest.approx(std, rel=1e-9)
    assert isinstance(learnt.mean, tuple)
    assert isinstance(learnt.std, tuple)
    batch = torch.from_numpy(pixels).float().div(255)
    expected = torch.empty_like(batch)
    for channel in range(channels):
        expected[:, channel] = (batch[:, channel] - learnt.mean[channel]) / learnt.std[channel]
    assert torch.equal(learnt(torch.from_numpy(pixels)), expected)
    assert torch.equal(learnt(batch), expected)


def test_what_is_learnt_does_not_depend_on_the_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor on whether the images are in memory or in a file."""
    pixels = noise(50, 3, 8, 8)
    learnt = learn_standardize(pixels)
    monkeypatch.setattr(module, "_PIXELS_AT_ONCE", 1000)

    assert learn_standardize(pixels) == learnt
    assert learn_standardize(Mapped(array=pixels.numpy(), dtype=torch.uint8)) == learnt


def test_standardised_pixels_have_mean_zero_and_deviation_one() -> None:
    """That is what it is for."""
    pixels = noise(100, 1, 8, 8)

    outputs = learn_standardize(pixels)(pixels)

    assert outputs.dtype == torch.float32
    assert outputs.mean().item() == pytest.approx(0, abs=1e-5)
    assert outputs.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_standardize_is_the_formula_and_leaves_its_input() -> None:
    """Bytes are scaled first, floats count as scaled; neither is changed in place."""
    prepare = Standardize(mean=0.25, std=0.5)
    pixels, floats = noise(4, 1, 2, 2), torch.rand(4, 3)
    before = pixels.clone(), floats.clone()

    assert torch.equal(prepare(pixels), (pixels.float().div(255) - 0.25) / 0.5)
    assert torch.equal(prepare(floats), (floats - 0.25) / 0.5)
    assert torch.equal(pixels, before[0])
    assert torch.equal(floats, before[1])


def test_pixels_all_alike_cannot_be_standardised() -> None:
    """There would be a division by zero; the message says the value and the mend."""
    with pytest.raises(fs.DataError, match=r"all pixels of the training images are 7: .* Use standardize=False"):
        learn_standardize(torch.full((3, 1, 2, 2), 7, dtype=torch.uint8))


def test_a_large_data_set_is_resized_batch_by_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The batches are those of a small one to the bit; the images stay as they are in memory."""
    small = fs.data.digits(size=32, batch_size=100)
    monkeypatch.setattr(module, "MOST_BYTES", 1797 * 32 * 32 - 1)
    large = fs.data.digits(size=32, batch_size=100)

    assert isinstance(small.train, fs.Batches)
    assert isinstance(large.train, fs.Batches)
    assert small.train.inputs.shape[2:] == (32, 32)
    assert large.train.inputs.shape[2:] == (8, 8)
    for (ours, targets), (theirs, labels) in zip(large.train, small.train, strict=True):
        assert torch.equal(ours, theirs)
        assert torch.equal(targets, labels)


def test_a_large_data_set_is_standardised_by_its_images_in_their_own_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that they need not be resized twice."""
    monkeypatch.setattr(module, "MOST_BYTES", 0)
    data = fs.data.digits(size=32, standardize=True)
    assert isinstance(data.train, fs.Batches)
    prepare = data.train.prepare

    assert prepare == Resize(size=32, prepare=learn_standardize(data.train.inputs))
    assert torch.equal(
        prepare(data.train.inputs[:5]), learn_standardize(data.train.inputs)(resize_images(data.train.inputs[:5], 32))
    )


def test_images_that_shrink_are_resized_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, less memory is less."""
    monkeypatch.setattr(module, "MOST_BYTES", 0)
    data = fs.data.digits(size=4)
    assert isinstance(data.train, fs.Batches)

    assert data.train.inputs.shape[2:] == (4, 4)


def test_an_augmented_batch_is_resized_as_its_bytes_would_be() -> None:
    """It holds floats in 0..1 by then: the same but for the rounding to whole bytes."""
    resize = Resize(size=12)

    assert torch.allclose(resize(SMOOTH / 255), resize(SMOOTH), atol=0.5 / 255 + 1e-6)
