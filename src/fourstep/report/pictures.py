"""A sample as a small PNG picture that stands in the page itself."""

import base64
import io
import struct

import numpy as np
import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.report.notes import LONGEST_TEXT

LONGEST_SIDE = 96  # pixels; a larger picture is thinned
_SHORTEST_SIDE = 4
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def is_picture(sample: Shaped[Tensor, "..."]) -> bool:
    """Is this one grey or coloured image, `(1 or 3, H, W)`?"""
    return sample.dim() == 3 and sample.shape[0] in (1, 3) and min(sample.shape[1:]) >= _SHORTEST_SIDE  # noqa: PLR2004


def as_png(sample: Shaped[Tensor, "C H W"]) -> str:
    """An image as a PNG file in base64; numbers that are no bytes are spread over the range from dark to bright."""
    from PIL import Image  # noqa: PLC0415 - matplotlib brings it; needed at a run's end

    every = max(1, -(-max(sample.shape[1:]) // LONGEST_SIDE))
    pixels = sample.detach()[:, ::every, ::every].cpu()
    if pixels.dtype != torch.uint8:
        numbers = pixels.float().nan_to_num()
        low, high = numbers.min(), numbers.max()
        pixels = ((numbers - low) / (high - low).clamp_min(1e-12) * 255).round().to(torch.uint8)
    array = np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())
    file = io.BytesIO()
    Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def is_small_png(text: str) -> bool:
    """Is this a PNG file in base64, of a size that `as_png` makes? A stranger's might unpack to gigabytes."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        return False
    if len(text) > LONGEST_TEXT or len(content) < 24 or not content.startswith(_SIGNATURE):  # noqa: PLR2004 - up to its size
        return False
    width, height = struct.unpack(">II", content[16:24])
    return bool(max(width, height) <= LONGEST_SIDE)
