"""One picture as bytes, compared with Pillow; every kind of file; what is wrong with a file."""

import io
import os
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from fourstep.data.folders import decoding
from fourstep.data.folders.decoding import (
    UNREADABLE,
    PictureError,
    decode,
    decode_block,
    look,
    stamp_of,
)

RANDOM = np.random.default_rng(0)
COLORS = RANDOM.integers(0, 256, (30, 20, 3), np.uint8)
GREYS = RANDOM.integers(0, 256, (30, 20), np.uint8)


def save(path: Path, picture: Image.Image, **how: Any) -> str:
    """The picture's file."""
    picture.save(path, **how)
    return str(path)


def planes(picture: Image.Image) -> NDArray[np.uint8]:
    """The picture as `(C, H, W)`."""
    pixels = np.asarray(picture)
    return pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("size", [7, 20, 50])
@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp", "tif", "ppm"])
def test_is_what_pillow_gives(tmp_path: Path, suffix: str, size: int, color: bool) -> None:  # noqa: FBT001 - a parameter
    """The centred square, scaled bilinear, in one channel or three."""
    path = save(tmp_path / f"a.{suffix}", Image.fromarray(COLORS))
    with Image.open(path) as picture:
        picture.draft("RGB" if color else "L", (size, size))
        expected = ImageOps.fit(picture.convert("RGB" if color else "L"), (size, size), Image.Resampling.BILINEAR)

    assert np.array_equal(decode(path, size, color=color), planes(expected))


def test_every_orientation_is_turned_upright(tmp_path: Path) -> None:
    """All eight of EXIF's, compared with Pillow's own turning of the whole picture."""
    for orientation in range(1, 9):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = save(tmp_path / f"{orientation}.png", Image.fromarray(COLORS), exif=exif)
        with Image.open(path) as picture:
            upright = ImageOps.exif_transpose(picture)

        expected = ImageOps.fit(upright, (20, 20), Image.Resampling.BILINEAR)
        assert np.array_equal(decode(path, 20, color=True), planes(expected))


def test_a_large_jpeg_is_unpacked_in_part(tmp_path: Path) -> None:
    """At a half, a quarter or an eighth that is large enough; the result is that of the whole picture, nearly."""
    smooth = Image.fromarray(COLORS).resize((800, 640), Image.Resampling.BICUBIC)
    path = save(tmp_path / "a.jpg", smooth, quality=95)
    with Image.open(path) as picture:
        expected = planes(ImageOps.fit(picture, (32, 32), Image.Resampling.BILINEAR))

    assert np.abs(decode(path, 32, color=True).astype(int) - expected).mean() < 1


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    """Half of 100 over white is 178, whatever colour hides behind nothing."""
    pixels = np.full((8, 8, 4), (100, 100, 100, 128), np.uint8)
    pixels[:, :4] = (9, 9, 9, 0)
    for mode, suffix in (("RGBA", "png"), ("RGBA", "webp"), ("LA", "png")):
        picture = Image.fromarray(pixels).convert(mode)
        decoded = decode(save(tmp_path / f"{mode}.{suffix}", picture, lossless=True), 8, color=False)

        assert (decoded[0, :, :4] == 255).all()
        assert (decoded[0, :, 4:] == round((100 * 128 + 255 * 127) / 255)).all()


def test_a_palette_and_its_transparent_colour(tmp_path: Path) -> None:
    """A palette's numbers become its colours; the one that is marked becomes white."""
    picture = Image.new("P", (8, 8))
    picture.putpalette([0, 0, 0, 10, 20, 30, 200, 100, 0])
    picture.putdata([i % 2 + 1 for i in range(64)])

    assert decode(save(tmp_path / "a.png", picture), 8, color=True)[:, 0, :2].T.tolist() == [
        [10, 20, 30],
        [200, 100, 0],
    ]
    clear = save(tmp_path / "b.gif", picture, transparency=1)
    assert decode(clear, 8, color=True)[:, 0, :2].T.tolist() == [[255, 255, 255], [200, 100, 0]]


def test_sixteen_bits_become_eight(tmp_path: Path) -> None:
    """Rounded, so that each byte's own 257 multiples come back; in PNG, TIFF and PGM."""
    wide = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    expected = np.arange(256).reshape(16, 16)
    for suffix in ("png", "tif", "pgm"):
        path = save(tmp_path / f"a.{suffix}", Image.fromarray(wide))

        assert np.array_equal(decode(path, 16, color=False)[0], expected)
        assert np.array_equal(decode(path, 16, color=True)[2], expected)


def test_other_kinds_of_colour(tmp_path: Path) -> None:
    """CMYK as Pillow converts it; black and white; the first picture of an animation."""
    cmyk = Image.fromarray(np.tile(np.array([0, 255, 255, 0], np.uint8), (8, 8, 1)), mode="CMYK")
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]

    assert decode(save(tmp_path / "a.tif", cmyk), 8, color=True)[:, 0, 0].tolist() == [255, 0, 0]
    assert decode(save(tmp_path / "a.png", Image.new("1", (8, 8), 1)), 8, color=False).min() == 255
    for suffix in ("gif", "webp", "png"):
        path = save(tmp_path / f"b.{suffix}", frames[0], save_all=True, append_images=frames[1:], lossless=True)
        assert decode(path, 8, color=True)[:, 0, 0].tolist() == [255, 0, 0]


def bomb(side: int) -> bytes:
    """A PNG of few bytes that says it has many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0)
    chunks = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(bytes(1000))), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def test_what_is_wrong_with_a_file_is_said_after_its_name(tmp_path: Path) -> None:
    """Empty, cut, no picture, a bomb, 32 bits, missing, a folder: none ends a block of pictures."""
    whole = save(tmp_path / "whole.jpg", Image.fromarray(COLORS))
    cases: dict[str, tuple[bytes, str]] = {
        "empty.jpg": (b"", "is empty: expected a picture"),
        "cut.jpg": (Path(whole).read_bytes()[:-200], "cannot be read as a picture: "),
        "text.png": (b"hello", "is no picture: expected PNG, JPEG"),
        "bomb.png": (bomb(10_000), "has 10000 x 10000 pixels: expected at most 50,000,000, and 65,535 on a side"),
        "larger.png": (bomb(20_000), "cannot be read as a picture: Image size (400000000 pixels) exceeds limit"),
    }
    for name, (content, _) in cases.items():
        (tmp_path / name).write_bytes(content)
    save(tmp_path / "float.tif", Image.fromarray(np.ones((8, 8), np.float32)))
    said = {name: message for name, (_, message) in cases.items()} | {
        "float.tif": "has 32 bits per pixel, of unknown range: expected 8 or 16",
        "none.png": "cannot be read as a picture: there is no such file",
        ".": "cannot be read as a picture: it is no plain file",
    }
    for name, message in said.items():
        with pytest.raises(PictureError) as caught:
            decode(str(tmp_path / name), 8, color=True)
        assert str(caught.value).startswith(message)
        assert "\n" not in str(caught.value)


def test_a_block_keeps_the_order_and_names_what_is_not_in_it(tmp_path: Path) -> None:
    """Bytes of the whole ones, numbers of the damaged, and of what changed since it was listed."""
    paths = [save(tmp_path / f"{i}.png", Image.fromarray(COLORS + np.uint8(i))) for i in range(5)]
    Path(paths[1]).write_bytes(b"")
    stamps = [stamp_of(os.stat(path)) for path in paths]  # noqa: PTH116 - as the module has it
    Path(paths[2]).write_bytes(b"something else")
    Path(paths[3]).unlink()

    pixels, damaged, changed = decode_block(paths, stamps, 8, color=True)

    assert pixels == b"".join(decode(paths[i], 8, color=True).tobytes() for i in (0, 4))
    assert damaged == [(1, "is empty: expected a picture")]
    assert changed == [2, 3]


@pytest.mark.parametrize(
    ("picture", "is_grey"),
    [
        (Image.fromarray(GREYS), True),
        (Image.new("1", (4, 4)), True),
        (Image.new("LA", (4, 4)), True),
        (Image.fromarray(np.ones((4, 4), np.uint16)), True),
        (Image.fromarray(GREYS).convert("P"), True),
        (Image.fromarray(COLORS).convert("P"), False),
        (Image.fromarray(COLORS), False),
        (Image.new("RGBA", (4, 4)), False),
    ],
    ids=["grey", "bits", "alpha", "wide", "grey palette", "palette", "colour", "colour and alpha"],
)
def test_grey_is_what_the_file_says(tmp_path: Path, picture: Image.Image, is_grey: bool) -> None:  # noqa: FBT001 - a parameter
    """One that has colours among others is enough; one that cannot be read says nothing."""
    paths = [save(tmp_path / "grey.png", Image.fromarray(GREYS)), save(tmp_path / "a.png", picture)]
    (tmp_path / "empty.png").write_bytes(b"")
    paths = [str(tmp_path / "empty.png"), *paths, str(tmp_path / "none.png")]

    digests, has_color = look(paths, find_color=True)

    assert has_color is not is_grey
    assert look(paths, find_color=False) == (digests, False)
    assert digests[-32:] == UNREADABLE


@settings(deadline=None, max_examples=60)
@given(place=st.integers(0, 10_000), value=st.integers(0, 255), cut=st.integers(0, 900))
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM"])
def test_a_damaged_file_is_pixels_or_a_reason(
    tmp_path_factory: pytest.TempPathFactory, kind: str, place: int, value: int, cut: int
) -> None:
    """Whatever byte is wrong, and wherever it ends: never another exception."""
    buffer = io.BytesIO()
    Image.fromarray(COLORS).save(buffer, kind)
    content = bytearray(buffer.getvalue())
    content[place % len(content)] = value
    path = tmp_path_factory.mktemp("damaged") / "a"
    path.write_bytes(content[: len(content) - cut % len(content)])
    with suppress(PictureError):
        assert decode(str(path), 8, color=True).shape == (3, 8, 8)


@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("kind", ["RGBA", "LA", "P", "CMYK", "I;16"])
def test_strips_are_the_whole(kind: str, color: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001 - a parameter of the test
    """A picture that is converted in many parts is the one that is converted in one."""
    noise = np.random.default_rng(0).integers(0, 256, (13, 9, 4), dtype=np.uint8)
    picture = Image.fromarray(noise).convert("P" if kind == "P" else "RGBA")
    if kind == "I;16":
        picture = Image.fromarray(noise.view(np.uint16)[..., 0])
    elif kind != "P":
        picture = picture.convert("RGB").convert(kind) if kind == "CMYK" else picture.convert(kind)
    path = tmp_path / ("a.tif" if kind == "CMYK" else "a.png")
    if kind == "P":
        picture.info["transparency"] = 3
    picture.save(path)
    whole = decode(str(path), 6, color=color)
    monkeypatch.setattr(decoding, "_STRIP", 20)

    assert np.array_equal(decode(str(path), 6, color=color), whole)
