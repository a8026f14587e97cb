"""What the tests of the book's names share."""

import os
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

os.environ.setdefault("MPLBACKEND", "agg")  # as on a machine without a screen


class Images(NamedTuple):
    """Random images with labels that a net can learn: class k is brightest in its k-th rows."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@pytest.fixture(scope="session")
def images() -> Images:
    """50 images to train on and 23 to test, 28 x 28, ten classes; no multiples of the batch sizes used."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(10, (73,), generator=generator)
    pixels = torch.rand(73, 1, 28, 28, generator=generator) * 0.5
    pixels[torch.arange(73), 0, 2 * labels] += 0.5
    return Images((pixels[:50], labels[:50]), (pixels[50:], labels[50:]))
