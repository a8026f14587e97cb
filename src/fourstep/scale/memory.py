"""Memory that a step frees is kept for the next one; how a model's tensors lie in it.

glibc's malloc gives large blocks back to the kernel as soon as they are free, and the end of its heap as soon as that
is long. A model's activations are such blocks: every step then pays for hundreds to thousands of page faults. To keep
them changes no result.
"""

import ctypes
import os
import sys
from functools import cache

import torch
from torch import nn

from fourstep.errors import ConfigError

SWITCH = "FOURSTEP_KEEP_MEMORY"  # 0 leaves malloc as it is
_USERS_OWN = ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_")

# malloc.h: what mallopt(3) calls them
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = -1  # for the bytes that may be free at the heap's end before they are given back


def keep_freed_memory(device: torch.device) -> bool:
    """Let the process keep what it frees, for the rest of its life; for training on the CPU.

    Args:
        device: where the model is; nothing is done for one with memory of its own.

    Returns:
        Is it so? Only with glibc, that is, on most of Linux; not where `FOURSTEP_KEEP_MEMORY=0` or malloc's own
        variables are set, or another malloc is loaded in its place.

    Raises:
        ConfigError: the variable is neither 0 nor 1.
    """
    return device.type == "cpu" and _tune_malloc()


@cache  # once is enough for a process
def _tune_malloc() -> bool:
    switch = os.environ.get(SWITCH, "1")
    if switch not in ("0", "1"):
        raise ConfigError(f"the variable {SWITCH} is {switch!r}: expected 0, which leaves malloc as it is, or 1")
    is_set = any(name in os.environ for name in _USERS_OWN) or "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "")
    is_another = "malloc" in os.environ.get("LD_PRELOAD", "")  # jemalloc, tcmalloc, mimalloc
    if switch == "0" or is_set or is_another or not sys.platform.startswith("linux"):
        return False
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "gnu_get_libc_version"):  # musl has no such settings
        return False
    return bool(libc.mallopt(_M_MMAP_MAX, 0) and libc.mallopt(_M_TRIM_THRESHOLD, _NEVER))


def is_channels_last(model: nn.Module) -> bool:
    """Do the model's convolutions keep their weights with the channels innermost (`torch.channels_last`)?"""
    convolutions = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    weights = (module.weight for module in convolutions if not nn.parameter.is_lazy(module.weight))
    return any(
        not weight.is_contiguous() and weight.is_contiguous(memory_format=torch.channels_last) for weight in weights
    )
