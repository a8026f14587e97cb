"""Where the numbers live: pick a device, move a batch there, wait for it."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fourstep.errors import DeviceError

_BACKENDS = ("cuda", "xpu", "mps")  # in the order in which "auto" prefers them


def pick_device(device: str | torch.device = "auto") -> torch.device:
    """The device to train on.

    Args:
        device: `"auto"` for the first of cuda, xpu, mps that is there, else the CPU; or any name torch knows, like
            `"cuda:1"`.

    Returns:
        A device that exists on this machine.

    Raises:
        DeviceError: the name is not a device's, or that device is not there.

    >>> pick_device("cpu")
    device(type='cpu')
    """
    if device == "auto":
        return torch.device(next((name for name in _BACKENDS if _count(name) > 0), "cpu"))
    try:
        picked = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(f"{device!r} is not a device: expected one of {_listed()}, or 'auto'") from error
    if picked.type not in ("cpu", "meta") and (picked.index or 0) >= _count(picked.type):
        raise DeviceError(
            f"device {str(device)!r} is not there: this machine has {_listed()}. Use one of these, or 'auto'"
        )
    return picked


def _count(backend: str) -> int:
    """How many devices of this kind there are."""
    if backend == "mps":
        return int(torch.backends.mps.is_available())
    module = getattr(torch, backend, None)
    return int(module.device_count()) if module is not None and module.is_available() else 0


def _listed() -> str:
    names = ["cpu"]
    for backend in _BACKENDS:
        count = _count(backend)
        names += [backend] if count == 1 else [f"{backend}:{i}" for i in range(count)]
    return ", ".join(names)


def to_device(value: Any, device: torch.device) -> Any:
    """`value` with every tensor in it on `device`: a tensor, or any nesting of tuples, lists and mappings of tensors.

    What is not a tensor is passed through. Copies do not block the host where torch allows it.
    """
    if isinstance(value, Tensor):
        return value if value.device == device else value.to(device, non_blocking=True)
    if isinstance(value, Mapping):
        return {key: to_device(item, device) for key, item in value.items()}
    if isinstance(value, tuple | list):
        moved = [to_device(item, device) for item in value]
        return moved if isinstance(value, list) else tuple(moved)
    return value


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done all that was asked of it, so that a clock read next tells the truth."""
    if device.type in _BACKENDS:
        getattr(torch, device.type).synchronize()


def batch_length(batch: Any) -> int:
    """How many samples a batch has: the length of the first tensor in it."""
    while not isinstance(batch, Tensor):
        batch = next(iter(batch.values() if isinstance(batch, Mapping) else batch))
    return len(batch)
