"""Pictures of images, with what they show and what a net took them for.

Source: *Dive into Deep Learning*, sections 3.5 and 3.6. Shapes: N images, C channels, H and W height and width.
"""

from collections.abc import Callable, Iterable, Sequence
from math import isqrt
from typing import Any

import numpy as np
import torch
from torch import Tensor

from fourstep.d2l.counters import Number
from fourstep.d2l.data import get_fashion_mnist_labels
from fourstep.d2l.evaluation import batches_on, home_of
from fourstep.d2l.screen import open_figure, show_still
from fourstep.errors import ShapeError, check_count
from fourstep.evaluation import evaluating

_CHANNELS = (1, 3, 4)  # grey, red-green-blue, and that with opacity


def show_images(
    imgs: Iterable[Any],
    num_rows: int,
    num_cols: int,
    titles: Sequence[str] | None = None,
    scale: Number = 1.5,
) -> np.ndarray[Any, np.dtype[Any]]:
    """Draw images in a grid.

    Args:
        imgs: tensors on any device, arrays or PIL images; each `(H, W)`, `(H, W, C)` or `(C, H, W)`, C being 1, 3 or 4.
        num_rows: 1 or more.
        num_cols: 1 or more.
        titles: above the images, in their order; there may be fewer.
        scale: an image's width and height in inches.

    Returns:
        matplotlib's axes, `(num_rows * num_cols,)`.

    Raises:
        ConfigError: a number below 1.
        ShapeError: an image of another shape.
    """
    check_count("num_rows", num_rows)
    check_count("num_cols", num_cols)
    figure = open_figure((num_cols * scale, num_rows * scale))
    axes: np.ndarray[Any, np.dtype[Any]] = figure.subplots(num_rows, num_cols, squeeze=False).flatten()
    for ax in axes:
        ax.xaxis.set_visible(False)
        ax.yaxis.set_visible(False)
    for ax, image in zip(axes, imgs, strict=False):
        ax.imshow(_pixels(image))
    for ax, text in zip(axes, () if titles is None else titles, strict=False):
        ax.set_title(text)
    show_still(figure)
    return axes


def _pixels(image: Any) -> np.ndarray[Any, np.dtype[Any]]:
    """An image as matplotlib takes it: `(H, W)` or `(H, W, 3 or 4)`."""
    if isinstance(image, Tensor):
        image = image.detach().cpu()
        image = image.float() if image.is_floating_point() else image
    pixels = np.asarray(image)
    if pixels.ndim == 3 and pixels.shape[0] in _CHANNELS and pixels.shape[2] not in _CHANNELS:  # noqa: PLR2004 - C, H, W
        pixels = pixels.transpose(1, 2, 0)
    if pixels.ndim == 3 and pixels.shape[2] == 1:  # noqa: PLR2004 - H, W, C
        pixels = pixels[:, :, 0]
    if pixels.ndim != 2 and (pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS):  # noqa: PLR2004 - H, W; H, W, C
        raise ShapeError(
            f"an image has shape {pixels.shape}: expected (H, W), (H, W, C) or (C, H, W) with 1, 3 or 4 channels"
        )
    return pixels


def predict_ch3(net: Callable[..., Any], test_iter: Iterable[Any], n: int = 6) -> None:
    """Draw the first images of a data set with their labels and, below these, the predicted ones.

    Args:
        net: is run in evaluation mode and without gradients; its modules' modes are restored.
        test_iter: yields `(X, y)`; X holds images `(N, C, H, W)`, or square grey ones `(N, H * W)`.
        n: how many, 1 or more; at most the first batch.

    Raises:
        ConfigError: `n` is below 1.
        ShapeError: X holds no images, or `net(X)` no scores.
        DataError: there is no batch.

    With ten classes the labels are those of Fashion-MNIST, else the classes' numbers.
    """
    check_count("n", n)
    inputs, targets = next(batches_on(test_iter, home_of(net)))
    with evaluating(net), torch.no_grad():
        scores = net(inputs)
    if scores.dim() != 2:  # noqa: PLR2004 - N, K
        raise ShapeError(f"net(X) has shape {tuple(scores.shape)}: expected (images, classes), a score for each class")
    truth = targets.reshape(-1) if targets.numel() == len(scores) else targets  # (N, 1) will do
    predicted = scores.argmax(dim=1)[:n].tolist()
    name = get_fashion_mnist_labels if scores.shape[1] == 10 else lambda labels: [str(label) for label in labels]  # noqa: PLR2004
    titles = [f"{true}\n{guess}" for true, guess in zip(name(truth[:n].tolist()), name(predicted), strict=True)]
    show_images(_as_images(inputs[:n]), 1, len(titles), titles=titles)


def _as_images(inputs: Tensor) -> Tensor:
    side = isqrt(inputs[0].numel())
    if inputs.dim() == 2 and side * side == inputs.shape[1]:  # noqa: PLR2004 - N, H * W
        return inputs.reshape(-1, side, side)
    return inputs
