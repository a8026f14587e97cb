"""Timing a block of code, and parting a batch between devices.

Source: *Dive into Deep Learning*, sections 12.2 and 12.5.
"""

from collections.abc import Sequence
from typing import TypeAlias

import torch
from jaxtyping import Shaped
from torch import Tensor

from fourstep.d2l.counters import Timer
from fourstep.device import pick_device
from fourstep.errors import ConfigError, ShapeError

Parts: TypeAlias = tuple[Tensor, ...]


class Benchmark:
    """Prints how many seconds a block took.

    Args:
        description: what stands before the seconds.

    It waits for no accelerator, as section 12.2 is about: what a block has asked of a GPU may go on after it. To time
    that too, end the block with `torch.cuda.synchronize()`. A block that fails has no time.

    >>> with Benchmark("nothing"):
    ...     pass
    nothing: 0.0000 sec
    """

    def __init__(self, description: str = "Done") -> None:
        self.description = description

    def __enter__(self) -> "Benchmark":  # noqa: PYI034 - beartype takes no Self in a method
        self.timer = Timer()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        seconds = self.timer.stop()
        if error is None:
            print(f"{self.description}: {seconds:.4f} sec")  # noqa: T201 - the book's class prints


def split_batch(
    X: Shaped[Tensor, "B ..."],  # noqa: N803 - the book's name
    y: Shaped[Tensor, "C ..."],
    devices: Sequence[str | torch.device],
) -> tuple[Parts, Parts]:
    """Part a batch between devices, as evenly as it goes, in its order.

    Args:
        X: the samples.
        y: their labels.
        devices: of any kind, the CPU included; the same one may be there several times.

    Returns:
        X's parts and y's, each on its device; fewer than devices where there are too few samples.

    Raises:
        ShapeError: X and y differ in length.
        ConfigError, DeviceError: there are no devices, or not these.

    >>> split_batch(torch.arange(5), torch.arange(5), ["cpu", "cpu"])[0]
    (tensor([0, 1, 2]), tensor([3, 4]))
    """
    if len(X) != len(y):
        raise ShapeError(f"X has {len(X)} samples but y {len(y)}: expected a label for each")
    places = [pick_device(device) for device in devices]
    if not places:
        raise ConfigError("devices is empty: expected one or more, such as try_all_gpus() gives")

    def split(values: Tensor) -> Parts:
        parts = values.chunk(len(places))
        return tuple(part.to(place, non_blocking=True) for part, place in zip(parts, places, strict=False))

    return split(X), split(y)
