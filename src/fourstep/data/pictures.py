"""Picture files as the bytes that a model of grey images sees."""

from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from fourstep.errors import DataFileError, MissingExtraError
from fourstep.files import open_plain

MAX_PIXELS, MAX_SIDE = 50_000_000, 65_535  # a picture that says it is larger is not unpacked; JPEG's own longest side
KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # not all of Pillow's: one for EPS runs a program


def read_picture(path: str | Path, size: int, *, invert: bool = False) -> UInt8[Tensor, "1 S S"]:
    """A picture in grey, cut to a centred square and scaled.

    Args:
        path: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.
        size: S, height and width in pixels.
        invert: exchange dark and bright, for dark ink on white paper where the training images are bright on black.

    Returns:
        `(1, S, S)` bytes.

    Raises:
        DataFileError: the file is missing, no picture, damaged, or too large.
        MissingExtraError: Pillow is not installed.
    """
    try:
        from PIL import Image, ImageOps, UnidentifiedImageError  # noqa: PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "images", "reading a picture") from error
    try:
        with open_plain(path) as file, Image.open(file, formats=KINDS) as picture:
            if picture.width * picture.height > MAX_PIXELS or max(picture.size) > MAX_SIDE:
                raise DataFileError(
                    f"{path} has {picture.width} x {picture.height} pixels: expected at most {MAX_PIXELS:,}, "
                    f"and {MAX_SIDE:,} on a side"
                )
            grey = picture.convert("L")
            ImageOps.exif_transpose(grey, in_place=True)
            fitted = ImageOps.fit(grey, (size, size), Image.Resampling.BILINEAR)
    except UnidentifiedImageError as error:
        raise DataFileError(f"{path} is no picture: expected {', '.join(KINDS)}") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, DataFileError):
            raise
        reason = "there is no such file" if isinstance(error, FileNotFoundError) else str(error).splitlines()[0]
        raise DataFileError(f"{path} cannot be read as a picture: {reason}") from error
    pixels = torch.from_numpy(np.array(ImageOps.invert(fitted) if invert else fitted))
    return pixels[None]


def has_bright_background(picture: UInt8[Tensor, "1 S S"]) -> bool:
    """Is the picture's border brighter than half?"""
    border = torch.cat([picture[0, 0], picture[0, -1], picture[0, :, 0], picture[0, :, -1]])
    return bool(border.float().mean() > 127.5)  # noqa: PLR2004 - half of 255
