"""A run's folder when it is read again: what was set, what was measured.

The run may still be going on: a row that is half written is not there yet.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fourstep.errors import DataFileError, RunFolderError
from fourstep.files import read_toml
from fourstep.history import History
from fourstep.runs.folder import ROWS, SETTINGS


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRecord:
    """A run that was written down.

    Attributes:
        path: its folder.
        settings: as the run was given them.
        data: the data set's name, its classes, and a table for each split.
        versions: of python and of the packages that matter.
        machine: platform and device.
        history: the rows so far.
        model: its kind and its number of parameters; empty where it was not written down, as the two below.
        optimizer: its kind, and a table for each of its groups.
        speed: what was done to be fast.
    """

    path: Path
    settings: dict[str, Any]
    data: dict[str, Any]
    versions: dict[str, str]
    machine: dict[str, str]
    history: History
    model: dict[str, Any] = field(default_factory=dict)
    optimizer: dict[str, Any] = field(default_factory=dict)
    speed: dict[str, Any] = field(default_factory=dict)

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names in the order of their indices; empty where targets are no classes."""
        return tuple(self.data["classes"])


def load_run(path: str | Path, *, with_rows: bool = True) -> RunRecord:
    """Read a run's folder.

    Args:
        path: the folder.
        with_rows: read the history too; else it is empty.

    Raises:
        RunFolderError: it is not there, holds no run, or is damaged.
    """
    folder = Path(path)
    if not (folder / SETTINGS).is_file():
        what = "holds no run.toml" if folder.is_dir() else "is not a folder" if folder.exists() else "is not there"
        raise RunFolderError(f"{folder} {what}: expected the folder of a run, as `fourstep train --run` writes it")
    try:
        tables = read_toml(folder / SETTINGS)
        names = ("settings", "data", "versions", "machine")
        missing = [name for name in names if not isinstance(tables.get(name), dict)]
        if missing or not isinstance(tables["data"].get("classes"), list):
            raise ValueError(f"no [{missing[0]}]" if missing else "no classes in [data]")  # noqa: TRY301 - one message for all
        history = History.load_jsonl(folder / ROWS, may_grow=True) if with_rows else History()
        if not all("epoch" in row for row in history):
            raise DataFileError(f"{folder / ROWS} has a row without its epoch: expected what a run wrote")  # noqa: TRY301 - as above
        named = {name: tables[name] for name in names}
        named |= {name: tables[name] for name in ("model", "optimizer", "speed") if isinstance(tables.get(name), dict)}
        return RunRecord(path=folder, history=history, **named)
    except DataFileError as error:
        raise RunFolderError(str(error)) from error
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise RunFolderError(
            f"{folder / SETTINGS} is damaged: {error}. Expected what `fourstep train --run` wrote; "
            "train again into another folder"
        ) from error
