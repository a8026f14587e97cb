"""Adding up numbers, and adding up time.

Source: *Dive into Deep Learning*, sections 3.1 and 3.6.
"""

from time import perf_counter
from typing import Any, TypeAlias

import numpy as np
from torch import Tensor

from fourstep.errors import ConfigError, check_count

Number: TypeAlias = float | int  # the tests check annotations by beartype, to which an int is no float


class Accumulator:
    """Adds up `n` numbers side by side.

    Args:
        n: how many, 1 or more.

    Attributes:
        data: the `n` sums.

    Raises:
        ConfigError: `n` is below 1.

    >>> metric = Accumulator(2)
    >>> metric.add(3, 4)
    >>> metric.add(1, 4)
    >>> metric[0] / metric[1]
    0.5
    """

    def __init__(self, n: int) -> None:
        check_count("n", n)
        self.data = [0.0] * n

    def add(self, *args: Any) -> None:
        """Add one number, or tensor of one, to each sum; reading a tensor waits for its device.

        Raises:
            ConfigError: not as many numbers as there are sums.
        """
        if len(args) != len(self.data):
            raise ConfigError(
                f"this Accumulator has {len(self.data)} slots but add got {len(args)} values: expected one for each"
            )
        self.data = [total + as_float(value) for total, value in zip(self.data, args, strict=True)]

    def reset(self) -> None:
        """Start again from 0."""
        self.data = [0.0] * len(self.data)

    def __getitem__(self, idx: int) -> float:
        return self.data[idx]


def as_float(value: Any) -> float:
    """A number, or a tensor or array of one, as a float; without torch's warning about one that has gradients."""
    return float(value.detach() if isinstance(value, Tensor) else value)


class Timer:
    """A stopwatch with many intervals, in seconds; it starts when it is made.

    It reads the host's clock and waits for no accelerator: to time one, call `torch.cuda.synchronize()` before `stop`.

    Attributes:
        times: the intervals so far.
    """

    def __init__(self) -> None:
        self.times: list[float] = []
        self.start()

    def start(self) -> None:
        """Begin an interval."""
        self.tik = perf_counter()

    def stop(self) -> float:
        """End the interval, keep it, and return it."""
        self.times.append(perf_counter() - self.tik)
        return self.times[-1]

    def avg(self) -> float:
        """The mean interval.

        Raises:
            ConfigError: there is none yet.
        """
        if not self.times:
            raise ConfigError("the Timer has no interval to average: call stop() at least once before avg()")
        return sum(self.times) / len(self.times)

    def sum(self) -> float:
        """All intervals together."""
        return float(sum(self.times))

    def cumsum(self) -> list[float]:
        """The time from the start to the end of each interval, pauses left out."""
        cumulated: list[float] = np.array(self.times).cumsum().tolist()
        return cumulated
