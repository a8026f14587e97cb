"""Images side by side, each with its title: what a data set holds, and what a model sees in it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from matplotlib.figure import Figure
from torch import Tensor

from fourstep.errors import DataError, ShapeError, check_count
from fourstep.show.figure import save_figure

INCHES = 1.1  # an image's side
LINE_INCHES = 0.17  # a line of a title
MOST_IMAGES = 400  # in one picture, which takes a dozen seconds; the time grows faster than their number


def save_image_grid(
    images: Shaped[Tensor, "N ..."],
    titles: Sequence[str],
    path: str | Path,
    *,
    columns: int | None = None,
    title_colors: Sequence[str] | None = None,
) -> None:
    """Write images with titles as one picture, row by row; whole or not at all.

    Args:
        images: `(N, C, H, W)` with 1 or 3 channels, or `(N, H, W)`; floats in 0..1, or uint8. N is 1 to 400.
        titles: one per image, each of one or more lines.
        path: its ending says how: `.svg`, `.png` or `.pdf`.
        columns: images per row, 1 or more; None for nine at most, in rows that are equally full.
        title_colors: a colour of matplotlib per title, such as `"red"` for a wrong prediction; None for black.

    Raises:
        ConfigError: another ending, or `columns` below 1.
        DataError: no images or too many, values outside 0..1, or not one title and one colour per image.
        ShapeError: images of another shape.
        DataFileError: the file cannot be written.
    """
    if len(images) > MOST_IMAGES:
        raise DataError(f"{len(images):,} images: expected at most {MOST_IMAGES} in one picture. Draw some of them")
    pixels = _pixels(images)
    colors = ["black"] * len(pixels) if title_colors is None else list(title_colors)
    if not len(pixels) == len(titles) == len(colors):
        raise DataError(
            f"{len(pixels)} images, {len(titles)} titles and {len(colors)} title colours: "
            "expected one title and one colour per image"
        )
    if columns is None:
        columns = math.ceil(len(pixels) / math.ceil(len(pixels) / 9))
    check_count("columns", columns)
    columns = min(columns, len(pixels))
    rows = math.ceil(len(pixels) / columns)
    lines = max(text.count("\n") + 1 for text in titles)
    figure = Figure(figsize=(columns * INCHES, rows * (INCHES + lines * LINE_INCHES)), layout="constrained")
    for index, (image, text, color) in enumerate(zip(pixels, titles, colors, strict=True)):
        axes = figure.add_subplot(rows, columns, index + 1)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        axes.set_title(text, color=color, fontsize=8, parse_math=False)
        axes.set_axis_off()
    save_figure(figure, path)


def _pixels(images: Tensor) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """The images as floats in 0..1: `(N, H, W)` grey, or `(N, H, W, 3)`."""
    if images.dim() not in (3, 4) or (images.dim() == 4 and images.shape[1] not in (1, 3)):  # noqa: PLR2004 - as the message says
        raise ShapeError(
            f"images have shape {tuple(images.shape)}: expected (N, H, W), or (N, C, H, W) with 1 or 3 channels. "
            "Add a dimension to a single image: image[None]"
        )
    if not images.numel():
        raise DataError(f"no image to draw: their shape is {tuple(images.shape)}. Expected at least one")
    scaled = images.detach().cpu().float() / (255 if images.dtype == torch.uint8 else 1)
    low, high = float(scaled.min()), float(scaled.max())
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"images run from {low:.4g} to {high:.4g}: expected 0..1 or uint8. Draw them as they were before scaling"
        )
    if scaled.dim() == 4:  # noqa: PLR2004 - with channels
        scaled = scaled.squeeze(1) if scaled.shape[1] == 1 else scaled.movedim(1, -1)
    return scaled.numpy()
