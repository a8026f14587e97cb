"""Tensors in a file: safetensors, which runs no code when it is read."""

import errno
from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from fourstep.files import open_plain

Tensors: TypeAlias = dict[str, Tensor]
Place: TypeAlias = tuple[int, torch.Size, tuple[int, ...], torch.dtype]

# bytes; that of a model of 50,000 tensors is smaller, and a stranger's must not take the memory, or seconds
LARGEST_HEADER = 2**23


def place_of(tensor: Tensor) -> Place:
    """Two names of one tensor have this in common."""
    return tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype


def alone(tensor: Tensor) -> Tensor:
    """The tensor on the CPU, in order, and not as a part of a larger one."""
    tensor = tensor.detach().cpu().contiguous()
    return tensor if tensor.untyped_storage().nbytes() == tensor.nbytes else tensor.clone()


def write_safetensors(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors that are each alone in their memory.

    Raises:
        OSError: the disk is full, or fails.
        ValueError: a type that safetensors does not know, or so many tensors that the file could not be read again.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - slow to import, and needed by runs with a folder alone
    from safetensors.torch import save_file  # noqa: PLC0415 - as above

    try:
        save_file(dict(tensors), str(path), metadata={"format": "pt"})  # by which other readers know torch's layout
    except KeyError as error:
        raise ValueError(f"safetensors has no tensors of type {error}") from error
    except SafetensorError as error:  # its own word for a full disk
        raise OSError(errno.ENOSPC if "os error 28" in str(error) else errno.EIO, str(error)) from error
    _check_header(path)


def read_safetensors(path: Path) -> Tensors:
    """Read a file's tensors by name; they lie in the file's memory.

    Raises:
        OSError: it is not there, or cannot be read.
        ValueError: it is damaged.
    """
    from safetensors import SafetensorError  # noqa: PLC0415 - slow to import, and needed by runs with a folder alone
    from safetensors.torch import load_file  # noqa: PLC0415 - as above

    _check_header(path)
    try:
        return load_file(str(path))
    except (SafetensorError, KeyError, AttributeError, RuntimeError) as error:  # a type of numbers that torch lacks
        raise ValueError(str(error)) from error


def _check_header(path: Path) -> None:
    with open_plain(path) as file:
        header = int.from_bytes(file.read(8), "little")
    if not header:
        raise ValueError("its header is empty")
    if header > LARGEST_HEADER:
        raise ValueError(f"its header has {header:,} bytes, more than {LARGEST_HEADER:,}")
