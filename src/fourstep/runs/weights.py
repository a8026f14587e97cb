"""A model's weights in a file: safetensors, which runs no code when it is read."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from fourstep.errors import DataFileError, RunFolderError
from fourstep.files import atomic_write
from fourstep.runs.tensors import Place, alone, place_of, read_safetensors, write_safetensors

WEIGHTS = "model.safetensors"
NAMED = 3  # names that an error lists before it counts


def save_weights(model: nn.Module, path: str | Path) -> None:
    """Write a model's parameters and buffers, from whatever device; a tensor with two names is written once.

    Args:
        model: its state is tensors alone.
        path: the file.

    Raises:
        DataFileError: the file cannot be written, or cannot hold the model's state.
    """
    tensors: dict[str, Tensor] = {}
    places: set[Place] = set()
    for name, value in model.state_dict().items():
        if not isinstance(value, Tensor):
            raise DataFileError(
                f"{path} cannot hold the model's {name!r}, a {type(value).__name__}: expected tensors alone. "
                "Make it a buffer, or save it yourself"
            )
        if place_of(value) not in places:
            tensors[name] = alone(value)
        places.add(place_of(value))
    try:
        with atomic_write(path) as part:
            write_safetensors(tensors, part)
    except ValueError as error:
        raise DataFileError(f"{path} cannot hold the model's state: {error}") from error


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Put a file's weights into a model, which is not touched unless all fit.

    Args:
        model: built as the one that was saved; on any device.
        path: the file, or the run's folder that holds it.

    Raises:
        RunFolderError: the file is missing or damaged, or its names or shapes are not the model's.
    """
    file = Path(path) / WEIGHTS if Path(path).is_dir() else Path(path)
    try:
        saved = read_safetensors(file)
    except FileNotFoundError as error:
        raise RunFolderError(
            f"{file} is not there: a run writes its weights at the end, and none if it failed"
        ) from error
    except (ValueError, OSError) as error:
        raise RunFolderError(
            f"{file} is damaged: {error}. Expected the weights that a run wrote; train again"
        ) from error
    check_fit(model, saved, file)
    model.load_state_dict(saved, strict=False)


def check_fit(model: nn.Module, saved: Mapping[str, Any], file: Path) -> None:
    """Refuse weights that are not the model's.

    Args:
        model: what they are for.
        saved: a model's state; what is no tensor is not looked at.
        file: where they come from.

    Raises:
        RunFolderError: the names or shapes differ.
    """
    tensors = {name: value for name, value in saved.items() if isinstance(value, Tensor)}
    misfit = "; ".join(_misfits(model, tensors))
    if misfit:
        raise RunFolderError(f"{file} does not fit the model: {misfit}. Build the model with the run's own settings")


def _misfits(model: nn.Module, saved: dict[str, Tensor]) -> Iterable[str]:
    """What in a file is not as the model has it."""
    state = {name: value for name, value in model.state_dict().items() if isinstance(value, Tensor)}
    kept = {place_of(state[name]) for name in saved if name in state}
    missing = [name for name in state if name not in saved and place_of(state[name]) not in kept]
    unexpected = [name for name in saved if name not in state]
    other_shape = [
        f"{name} {tuple(value.shape)} for {tuple(state[name].shape)}"
        for name, value in saved.items()
        if name in state and value.shape != state[name].shape
    ]
    found = [("it lacks", missing), ("it has in excess", unexpected), ("it has in another shape", other_shape)]
    for what, names in found:
        if names:
            more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
            yield f"{what} {', '.join(names[:NAMED])}{more}"
