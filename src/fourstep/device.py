"""Where the numbers live: pick a device, move a batch there, wait for it."""

from typing import Any

import torch
from torch.nn.utils.rnn import PackedSequence

from fourstep.errors import DeviceError
from fourstep.nesting import map_tensors

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
        return _numbered(torch.device(next((name for name in _BACKENDS if _count(name) > 0), "cpu")))
    try:
        picked = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise DeviceError(f"{device!r} is not a device: expected one of {_listed()}, or 'auto'") from error
    if picked.type not in ("cpu", "meta") and (picked.index or 0) >= _count(picked.type):
        raise DeviceError(
            f"device {str(device)!r} is not there: this machine has {_listed()}. Use one of these, or 'auto'"
        )
    return _numbered(picked)


def _numbered(device: torch.device) -> torch.device:
    """The device as a tensor on it says it: `cuda:0`, which is not equal to `cuda`."""
    return torch.empty(0, device=device).device


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
    if isinstance(value, PackedSequence):
        moved: Any = value.to  # its types know no device
        return moved(device=device)
    return map_tensors(
        lambda tensor: tensor if tensor.device == device else tensor.to(device, non_blocking=True), value
    )


def synchronize(device: torch.device) -> None:
    """Wait until `device` has done all that was asked of it, so that a clock read next tells the truth."""
    if device.type in _BACKENDS:
        getattr(torch, device.type).synchronize()
