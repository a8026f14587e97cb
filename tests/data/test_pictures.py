"""Picture files as a model of grey images sees them."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fourstep as fs
from fourstep.data.folders.decoding import MAX_PIXELS
from fourstep.data.pictures import has_bright_background, read_picture


def test_a_grey_picture_of_the_right_size_comes_back_byte_for_byte(tmp_path: Path) -> None:
    """Nothing is scaled or rounded that need not be."""
    pixels = np.arange(64, dtype=np.uint8).reshape(8, 8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert torch.equal(read_picture(tmp_path / "a.png", 8)[0], torch.from_numpy(pixels))
    assert torch.equal(read_picture(tmp_path / "a.png", 8, invert=True)[0], 255 - torch.from_numpy(pixels))


def test_colour_and_shape_become_a_grey_square(tmp_path: Path) -> None:
    """The centre is kept, colours become their brightness."""
    wide = np.zeros((10, 50, 3), dtype=np.uint8)
    wide[:, 15:35] = (0, 200, 0)
    Image.fromarray(wide).save(tmp_path / "wide.png")
    brightness = round(0.587 * 200)  # ITU-R BT.601, as Pillow has it
    assert torch.equal(read_picture(tmp_path / "wide.png", 5), torch.full((1, 5, 5), brightness, dtype=torch.uint8))


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    """EXIF's orientation is honoured."""
    pixels = np.zeros((8, 8), dtype=np.uint8)
    pixels[0] = 255
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 3  # upside down
    picture.save(tmp_path / "turned.png", exif=exif)
    assert read_picture(tmp_path / "turned.png", 8)[0, 7].tolist() == [255] * 8


def test_the_border_tells_paper_from_black() -> None:
    """Dark digits on white are told from bright ones on black."""
    picture = torch.zeros(1, 8, 8, dtype=torch.uint8)
    picture[0, 2:6, 2:6] = 255
    assert not has_bright_background(picture)
    assert has_bright_background(255 - picture)


def test_what_is_no_picture_is_said_in_one_line(tmp_path: Path) -> None:
    """Missing, another kind of file, cut off, too large: each with the file's name."""
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)).save(tmp_path / "whole.png")
    (tmp_path / "cut.png").write_bytes((tmp_path / "whole.png").read_bytes()[:500])
    (tmp_path / "text.png").write_text("no picture")
    side = int(MAX_PIXELS**0.5) + 1
    Image.new("1", (side, side)).save(tmp_path / "large.png")
    cases = {
        "none.png": "cannot be read as a picture: there is no such file",
        "text.png": "is no picture: expected PNG, JPEG",
        "cut.png": "cannot be read as a picture",
        "large.png": f"has {side} x {side} pixels: expected at most 50,000,000",
    }
    for name, message in cases.items():
        with pytest.raises(fs.DataFileError, match=message) as caught:
            read_picture(tmp_path / name, 8)
        assert "\n" not in str(caught.value)
        assert name in str(caught.value)


def test_without_pillow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error can be pasted into a shell."""
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(fs.MissingExtraError, match=r"pip install 'fourstep\[images\]'"):
        read_picture("a.png", 8)


def test_no_program_is_run_for_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow hands PostScript to Ghostscript; here it is no picture."""
    monkeypatch.setenv("PATH", "")
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    with pytest.raises(fs.DataFileError, match="is no picture: expected PNG, JPEG, "):
        read_picture(tmp_path / "a.png", 8)


def test_a_picture_of_one_long_row_is_refused(tmp_path: Path) -> None:
    """Each row is held several times while it is read."""
    Image.new("L", (70_000, 1)).save(tmp_path / "a.png")
    with pytest.raises(fs.DataFileError, match=r"has 70000 x 1 pixels: expected at most .* and 65,535 on a side"):
        read_picture(tmp_path / "a.png", 8)
