"""Images side by side, each with its title: what a data set holds, and what a model sees in it."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Shaped
from matplotlib.figure import Figure
from numpy.typing import NDArray
from rich.cells import cell_len, set_cell_size
from torch import Tensor

from fourstep.errors import DataError, ShapeError, check_count
from fourstep.show.figure import save_figure

INCHES = 1.1  # an image's side, with the gap to the next
GAP = 0.08
LINE_INCHES = 0.17  # a line of a title
CELL_INCHES = 0.076  # of a title's line: a capital letter takes one, a Chinese sign two
LONGEST = 30  # cells of a title's line; the widest one widens every column
MOST_IMAGES = 400  # in one picture


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
        titles: one per image, each of one or more lines, which are cut at 30 letters.
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
    _draw(pixels, titles, colors, columns, path)


def _draw(
    pixels: NDArray[np.float32], titles: Sequence[str], colors: Sequence[str], columns: int, path: str | Path
) -> None:
    """All on one pair of axes, in inches from the top left: a pair for each image takes ten times as long."""
    tall, wide = (side * (INCHES - GAP) / max(pixels.shape[1:3]) for side in pixels.shape[1:3])
    title_lines = max(text.count("\n") + 1 for text in titles)
    titles = ["\n".join(map(_cut, text.split("\n"))) for text in titles]
    longest = max(cell_len(line) for text in titles for line in text.split("\n"))
    width, height = max(INCHES, CELL_INCHES * longest + GAP), title_lines * LINE_INCHES + tall + GAP
    size = columns * width, math.ceil(len(pixels) / columns) * height
    figure = Figure(figsize=size)
    axes = figure.add_axes((0, 0, 1, 1), xlim=(0, size[0]), ylim=(size[1], 0), autoscale_on=False)
    axes.set_axis_off()
    for index, (image, text, color) in enumerate(zip(pixels, titles, colors, strict=True)):
        row, column = divmod(index, columns)
        middle, bottom = (column + 0.5) * width, (row + 1) * height - GAP / 2
        extent = (middle - wide / 2, middle + wide / 2, bottom, bottom - tall)
        axes.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest", extent=extent, aspect="auto")
        top = bottom - tall - GAP / 2
        axes.text(middle, top, text, color=color, fontsize=8, ha="center", va="bottom", parse_math=False)
    save_figure(figure, path)


def _cut(line: str) -> str:
    return line if cell_len(line) <= LONGEST else f"{set_cell_size(line, LONGEST - 1).rstrip()}…"


def _pixels(images: Tensor) -> NDArray[np.float32]:
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
