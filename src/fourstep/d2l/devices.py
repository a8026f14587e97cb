"""Finding a GPU.

Source: *Dive into Deep Learning*, section 5.6.
"""

import torch

from fourstep.errors import ConfigError


def try_gpu(i: int = 0) -> torch.device:
    """GPU number `i`, or the CPU where there is no such GPU.

    Args:
        i: 0 or more.

    Returns:
        `cuda:i`; else, for the first, Apple's `mps`; else `cpu`. Where mps is not wanted, use `torch.device("cpu")`.

    Raises:
        ConfigError: `i` is negative.
    """
    if i < 0:
        raise ConfigError(f"GPU number {i}: expected 0 or more")
    if torch.cuda.device_count() >= i + 1:
        return torch.device(f"cuda:{i}")
    return torch.device("mps" if i == 0 and torch.backends.mps.is_available() else "cpu")


def try_all_gpus() -> list[torch.device]:
    """Every GPU of CUDA, or `[cpu]` where there is none: never empty."""
    return [torch.device(f"cuda:{i}") for i in range(torch.cuda.device_count())] or [torch.device("cpu")]
