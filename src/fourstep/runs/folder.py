"""A run's folder while it is written: settings before the first step, a line per row, curves and weights at the end.

run.toml            settings, versions, machine, data
metrics.jsonl       one JSON object per row of the history
curves.svg          the history drawn
model.safetensors   the final weights
"""

import errno
import io
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data, num_batches
from fourstep.errors import DataFileError, RunFolderError
from fourstep.events import Event
from fourstep.files import atomic_write, reason
from fourstep.history import History, to_json_line
from fourstep.runs.weights import WEIGHTS, save_weights
from fourstep.show import save_curves

SETTINGS, ROWS, CURVES = "run.toml", "metrics.jsonl", "curves.svg"


class RunFolder:
    """The folder of a run that is going on.

    Args:
        path: a folder that `create` has made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows: io.FileIO | None = None

    @classmethod
    def create(
        cls,
        path: str | Path,
        data: Data,
        where: torch.device,
        settings: Mapping[str, Any],
        speed: Mapping[str, bool | int] | None = None,
    ) -> "RunFolder":
        """Make the folder and write down how the run begins.

        Args:
            path: a folder that is not there, or holds no run.
            data: what is trained on; its `Batches` are fingerprinted.
            where: the device.
            settings: what else to keep, nested as deep as you like. `None` is left out; what TOML cannot hold becomes
                text.
            speed: what was done to be fast, for the table `[speed]`.

        Raises:
            RunFolderError: the folder holds a run, or cannot be made or written.
        """
        folder = check_free(path)
        with _writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
            (folder / ROWS).write_bytes(b"")
            _save_toml({**describe(data, where, settings), "speed": dict(speed or {})}, folder / SETTINGS)
        return cls(folder)

    def append_row(self, event: Event) -> None:
        """Write down an event's row, where it has one; a hook.

        Raises:
            RunFolderError: the disk is full, or the folder is gone.
        """
        if not event.row:
            return
        line = to_json_line(event.row).encode()
        with _writing(self.path):
            if self._rows is None:
                self._rows = (self.path / ROWS).open("ab", buffering=0)  # each line is on its way at once, whole
            if self._rows.write(line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")

    def finish(self, history: History, model: nn.Module | None) -> None:
        """Write the final weights and the curves; rows may follow, and a second finish.

        Args:
            history: drawn where it has rows.
            model: its weights are kept; None where the run failed and has none worth keeping.

        Raises:
            RunFolderError: the disk is full, or the folder is gone.
        """
        if self._rows is not None:
            self._rows.close()
            self._rows = None
        with _writing(self.path):
            if model is not None:
                save_weights(model, self.path / WEIGHTS)
            if history.curves():
                save_curves(history, self.path / CURVES)

    def discard(self) -> None:
        """Remove what `create` made, of a run that came to nothing; what else is in the folder stays."""
        for name in (SETTINGS, ROWS):
            (self.path / name).unlink(missing_ok=True)
        with suppress(OSError):  # not empty
            self.path.rmdir()


def check_free(path: str | Path) -> Path:
    """The path, if a run may be kept there.

    Raises:
        RunFolderError: it holds a run, or files by the names that a run writes, or is a file.
    """
    folder = Path(path)
    taken = [name for name in (SETTINGS, ROWS, CURVES, WEIGHTS) if (folder / name).exists()]
    if taken:
        what = "a run" if SETTINGS in taken else f"a {taken[0]}"
        raise RunFolderError(f"{folder} already holds {what}: choose another folder")
    if folder.exists() and not folder.is_dir():
        raise RunFolderError(f"{folder} is a file: choose a folder that is not there yet")
    return folder


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into one line that names the folder."""
    try:
        yield
    except DataFileError as error:
        raise RunFolderError(str(error)) from error
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be written: {reason(error)}. Expected a folder that may be written and has space left; "
            "choose another folder"
        ) from error


def describe(data: Data, where: torch.device, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What `run.toml` holds."""
    packages = ("fourstep", "torch", "numpy")
    return {
        "settings": to_toml(settings),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "machine": {"platform": platform.platform(), "device": str(where), **_describe_device(where)},
        "data": {
            "name": data.name,
            "classes": list(data.classes),
            **{name: _describe_split(split) for name, split in data.splits().items()},
        },
    }


def _describe_device(where: torch.device) -> dict[str, str]:
    return {"device_name": torch.cuda.get_device_name(where)} if where.type == "cuda" else {}


def _describe_split(split: Iterable[Any]) -> dict[str, Any]:
    """How much there is of a split, and for `Batches` a fingerprint of every byte."""
    if isinstance(split, Batches):
        sizes = {"samples": split.num_items, "batches": len(split), "batch_size": split.batch_size}
        return {**sizes, "fingerprint": split.fingerprint()}
    batches = num_batches(split)
    return {"kind": type(split).__name__} if batches is None else {"kind": type(split).__name__, "batches": batches}


def to_toml(value: Any) -> Any:
    """The value as TOML can hold it: tables without `None`, lists, numbers, truth values; all else as text.

    >>> to_toml({"lr": 0.1, "folder": Path("runs/a"), "device": None, "sizes": (1, 2)})
    {'lr': 0.1, 'folder': 'runs/a', 'sizes': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): to_toml(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [to_toml(item) for item in value]
    return value if isinstance(value, bool | int | float | str) else str(value)


def _save_toml(table: Mapping[str, Any], path: Path) -> None:
    import tomli_w  # noqa: PLC0415 - needed once

    with atomic_write(path) as part:
        part.write_bytes(tomli_w.dumps(table).encode())


def next_free(path: str | Path) -> Path:
    """The path itself where nothing is there yet, else the first of `path-2`, `path-3`, ... that is free."""
    first = Path(path)
    free, number = first, 1
    while free.exists():
        number += 1
        free = first.with_name(f"{first.name}-{number}")
    return free
