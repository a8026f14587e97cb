"""Looking at optimizers: their paths in two dimensions, and data to compare them on.

Source: *Dive into Deep Learning*, sections 11.1, 11.3 and 11.5.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch

from fourstep.d2l.counters import Number, as_float
from fourstep.d2l.data import pair_batches
from fourstep.d2l.hub import download
from fourstep.d2l.plotting import set_figsize
from fourstep.d2l.screen import show_still, still_figure
from fourstep.data.batches import Batches
from fourstep.errors import DataError, check_count

Point: TypeAlias = tuple[Any, Any]


def annotate(text: str, xy: Sequence[Number], xytext: Sequence[Number]) -> None:
    """Write a text into matplotlib's current plot, with an arrow.

    Args:
        text: to be written.
        xy: where the arrow points to.
        xytext: where the text stands.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

    arrow = {"arrowstyle": "->"}
    plt.gca().annotate(text, xy=(xy[0], xy[1]), xytext=(xytext[0], xytext[1]), arrowprops=arrow)


def train_2d(trainer: Callable[..., Any], steps: int = 20, f_grad: Callable[..., Any] | None = None) -> list[Point]:
    """Follow an optimizer from (-5, -2), and print where it comes to.

    Args:
        trainer: `(x1, x2, s1, s2) -> (x1, x2, s1, s2)`, one step of it; s1 and s2 are its state, 0 at first.
        steps: 1 or more.
        f_grad: the function's gradient, which `trainer` gets as its fifth argument; None for a trainer that has it.

    Returns:
        The points, `steps + 1` pairs.

    Raises:
        ConfigError: `steps` is below 1.

    >>> path = train_2d(lambda x1, x2, s1, s2: (x1 / 2, x2 / 2, s1, s2), steps=2)
    epoch 2, x1: -1.250000, x2: -0.500000
    >>> path
    [(-5, -2), (-2.5, -1.0), (-1.25, -0.5)]
    """
    check_count("steps", steps)
    further = () if f_grad is None else (f_grad,)
    x1: Any = -5
    x2: Any = -2
    s1: Any = 0
    s2: Any = 0
    points = [(x1, x2)]
    for _ in range(steps):
        x1, x2, s1, s2 = trainer(x1, x2, s1, s2, *further)
        points.append((x1, x2))
    print(f"epoch {steps}, x1: {as_float(x1):f}, x2: {as_float(x2):f}")  # noqa: T201 - the book's function prints
    return points


def show_trace_2d(f: Callable[..., Any], results: Sequence[Point]) -> None:
    """Draw a path over the contours of a function.

    Args:
        f: `(x1, x2) -> value`, of tensors.
        results: the path's points, such as `train_2d` gives.
    """
    from matplotlib import pyplot as plt  # noqa: PLC0415 - slow to import

    set_figsize()
    figure = still_figure((3.5, 2.5))
    plt.plot(*zip(*[(as_float(x1), as_float(x2)) for x1, x2 in results], strict=True), "-o", color="#ff7f0e")
    x1, x2 = torch.meshgrid(torch.arange(-5.5, 1.0, 0.1), torch.arange(-3.0, 1.0, 0.1), indexing="ij")
    plt.contour(x1.numpy(), x2.numpy(), torch.as_tensor(f(x1, x2)).numpy(), colors="#1f77b4")
    plt.xlabel("x1")
    plt.ylabel("x2")
    show_still(figure)


def get_data_ch11(batch_size: int = 10, n: int = 1500) -> tuple[Batches, int]:
    """NASA's measurements of the noise that airfoils make, each column standardised.

    Args:
        batch_size: samples per batch, 1 or more.
        n: how many of the 1,503 samples, from the first.

    Returns:
        Batches in a new random order each pass, of features `(B, 5)` and labels `(B,)`; and the number of features.

    Raises:
        ConfigError: a number below 1.
        DataError: the file holds what is no number, or a column of one value.
        DataFileError: the file is not to be had; see `download`.
    """
    check_count("n", n)
    path = download("airfoil")
    table = np.genfromtxt(path, dtype=np.float32, delimiter="\t")
    if table.ndim != 2 or not np.isfinite(table).all() or not table.std(axis=0).all():  # noqa: PLR2004 - rows, columns
        raise DataError(f"{path}: expected rows of numbers parted by tabs, and several values in each column")
    data = torch.from_numpy((table - table.mean(axis=0)) / table.std(axis=0))
    return pair_batches(data[:n, :-1], data[:n, -1], batch_size=batch_size), data.shape[1] - 1
