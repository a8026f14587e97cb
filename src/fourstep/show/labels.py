"""How names and numbers are written for people, and which curves share a picture."""

import math
from collections.abc import Iterable, Sequence

from fourstep.errors import one_line
from fourstep.history import CLEAN

MAX_LINEAR_RANGE = 100.0
LONGEST = 60  # characters of a name that a legend has room for
RUNNING = "running mean"  # over an epoch whose every batch met other weights
NOTES = {"train": ("train", RUNNING), CLEAN: ("train", "clean")}  # split -> how it is called, what to know


def title(name: str) -> str:
    """A curve's name, or a split's, in words; a stranger's may hold anything, and be of any length.

    >>> title("test/loss"), title("train/loss"), title("train-clean")
    ('test loss', 'train loss (running mean)', 'train (clean)')
    """
    split, slash, metric = name.partition("/")
    known, note = NOTES.get(split, (split, ""))
    words = shortened(f"{known} {metric}" if slash else known)
    return f"{words} ({note})" if note else words


def shortened(text: str, longest: int = LONGEST) -> str:
    """A text on one line, of at most so many characters."""
    line = one_line(text)
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def number(value: float) -> str:
    """A measured number in at most eight characters: three decimals, or three digits where those would hide it.

    >>> number(0.25), number(0.00021), number(12345.6)
    ('0.250', '0.00021', '1.23e+04')
    """
    return f"{value:.3f}" if 0.1 <= abs(value) < 1000 or value == 0 else f"{value:.3g}"  # noqa: PLR2004 - as the docstring says


def speed(examples_per_second: float) -> str:
    """Training speed with its unit.

    >>> speed(83000.4), speed(1.25)
    ('83,000 examples/s', '1.2 examples/s')
    """
    digits = 0 if examples_per_second >= 10 else 1  # noqa: PLR2004 - two digits are enough
    return f"{examples_per_second:,.{digits}f} examples/s"


def panels(names: Iterable[str]) -> list[tuple[str, list[str]]]:
    """Which curves share a panel: the losses one, all other metrics another.

    Args:
        names: of curves, `split/metric`.

    Returns:
        One or two pairs of a title and its curves; a panel without curves is left out.

    >>> panels(["train/loss", "train/accuracy", "test/accuracy"])
    [('loss', ['train/loss']), ('accuracy', ['train/accuracy', 'test/accuracy'])]
    """
    names = list(names)
    losses = [name for name in names if metric_of(name) == "loss"]
    others = [name for name in names if metric_of(name) != "loss"]
    kinds = {metric_of(name) for name in others}
    both = [("loss", losses), (kinds.pop() if len(kinds) == 1 else "metrics", others)]
    return [(name, curves) for name, curves in both if curves]


def metric_of(name: str) -> str:
    """A curve's metric: `"accuracy"` of `"test/accuracy"`."""
    return name.partition("/")[2]


def is_logarithmic(panel: str, values: Sequence[float]) -> bool:
    """Do these values, all finite, ask for a logarithmic axis? Losses and learning rates over two decades do.

    >>> is_logarithmic("loss", [5.0, 0.0002]), is_logarithmic("loss", [2.3, 0.1])
    (True, False)
    """
    return panel in ("loss", "lr") and bool(values) and 0 < min(values) < max(values) / MAX_LINEAR_RANGE


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Round numbers in a range, evenly apart: multiples of 1, 2 or 5 times a power of ten.

    Args:
        low: where the range begins.
        high: where it ends, above `low` by more than rounding.
        most: how many there may be, 5 or more.

    Returns:
        Two numbers or more.

    >>> round_ticks(0.13, 2.31, 5)
    [0.5, 1.0, 1.5, 2.0]
    """
    power = 10.0 ** math.floor(math.log10((high - low) / most))
    for step in (power * factor for factor in (1, 2, 5, 10, 20)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)  # a rounding error hides no tick
        if last - first < most:
            break
    return [index * step for index in range(first, last + 1)]
