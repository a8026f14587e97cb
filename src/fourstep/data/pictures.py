"""Picture files as the bytes that a model of images sees."""

from pathlib import Path

import torch
from jaxtyping import UInt8
from torch import Tensor

from fourstep.data.folders.decoding import PictureError, decode
from fourstep.errors import DataFileError, MissingExtraError


def read_picture(path: str | Path, size: int, *, color: bool = False, invert: bool = False) -> UInt8[Tensor, "C S S"]:
    """A picture cut to a centred square and scaled, as `from_images` does it.

    Args:
        path: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.
        size: S, height and width in pixels.
        color: three channels, else one, grey.
        invert: exchange dark and bright, for dark ink on white paper where the training images are bright on black.

    Returns:
        `(C, S, S)` bytes.

    Raises:
        DataFileError: the file is missing, no picture, damaged, or too large.
        MissingExtraError: Pillow is not installed.
    """
    need_pillow()
    try:
        pixels = torch.tensor(decode(str(path), size, color=color))
    except PictureError as error:
        raise DataFileError(f"{path} {error}") from error
    return 255 - pixels if invert else pixels


def need_pillow() -> None:
    """Be sure that pictures can be read.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    try:
        import PIL.Image  # noqa: F401, PLC0415 - optional
    except ImportError as error:
        raise MissingExtraError.of("Pillow", "images", "reading a picture") from error


def has_bright_background(picture: UInt8[Tensor, "1 S S"]) -> bool:
    """Is the picture's border brighter than half?"""
    border = torch.cat([picture[0, 0], picture[0, -1], picture[0, :, 0], picture[0, :, -1]])
    return bool(border.float().mean() > 127.5)  # noqa: PLR2004 - half of 255
