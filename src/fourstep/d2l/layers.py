"""Layers and networks that later chapters of the book use again.

Source: *Dive into Deep Learning*, sections 6.2 (`corr2d`), 7.6 (`Residual`) and 12.6 (`resnet18`).
"""

from collections import OrderedDict

import torch
from jaxtyping import Float, Shaped
from torch import Tensor, nn
from torch.nn import functional

from fourstep.errors import ShapeError
from fourstep.models.resnet import Residual, make_stages

__all__ = ["Residual", "corr2d", "resnet18"]


def corr2d(X: Shaped[Tensor, "..."], K: Shaped[Tensor, "..."]) -> Float[Tensor, "H W"]:  # noqa: N803 - the book's names
    """Two-dimensional cross-correlation: at every place the sum of the window there times the kernel.

    Args:
        X: `(height, width)`; whole numbers count as float32.
        K: the kernel `(h, w)`, no larger than X.

    Returns:
        `(height - h + 1, width - w + 1)`; gradients flow to both.

    Raises:
        ShapeError: X or K is not two-dimensional, or K is empty or larger than X.

    >>> import torch
    >>> corr2d(torch.arange(9.0).reshape(3, 3), torch.tensor([[0.0, 1.0], [2.0, 3.0]])).tolist()
    [[19.0, 25.0], [37.0, 43.0]]
    """
    if X.dim() != 2 or K.dim() != 2:  # noqa: PLR2004 - a matrix
        raise ShapeError(
            f"X has shape {tuple(X.shape)} and K {tuple(K.shape)}: expected two matrices (height, width). "
            "Of a batch of channels take one: X[0, 0]"
        )
    if K.numel() == 0 or K.shape[0] > X.shape[0] or K.shape[1] > X.shape[1]:
        raise ShapeError(
            f"K has shape {tuple(K.shape)} and X {tuple(X.shape)}: expected a kernel of 1 x 1 up to X's own size"
        )
    dtype = torch.promote_types(torch.result_type(X, K), torch.float32)
    return functional.conv2d(X.to(dtype)[None, None], K.to(dtype)[None, None])[0, 0]


def resnet18(num_classes: int, in_channels: int = 1) -> nn.Sequential:
    """ResNet-18 for small images: a stem of 3 x 3 without pooling, so that 28 or 32 pixels reach the stages in full.

    Shapes: `(B, in_channels, H, W)` -> logits `(B, num_classes)`; for 32 x 32 the stages give 64 x 32 x 32,
    128 x 16 x 16, 256 x 8 x 8 and 512 x 4 x 4.

    Args:
        num_classes: 1 or more.
        in_channels: 1 or more.

    Weights are torch's own start; initialise them as the chapter does.
    """
    stem = (nn.Conv2d(in_channels, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU())
    named = {str(place): layer for place, layer in enumerate(stem)}
    named |= {f"resnet_block{number}": stage for number, stage in enumerate(make_stages(), start=1)}
    named["global_avg_pool"] = nn.AdaptiveAvgPool2d(1)
    named["fc"] = nn.Sequential(nn.Flatten(), nn.Linear(512, num_classes))
    return nn.Sequential(OrderedDict(named))
