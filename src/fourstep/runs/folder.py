"""A run's folder while it is written.

run.toml            settings, versions, machine, data
metrics.jsonl       one JSON object per row of the history
checkpoints/        the run's whole state at some steps; see `fourstep.runs.checkpoint`
curves.svg          the history drawn, at the end
report.html         all of it as a page for a browser; see `fourstep.report`
report.json         what the page says beside settings and rows: state, times, answers on the held-out split
model.safetensors   the final weights
inputs.json         how new inputs are read as the training's were; where the data was built from files or tables
run.lock            held by the process that trains
"""

import errno
import io
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from torch import nn

from fourstep.data.encoding import INPUTS, Encoding, save_encoding
from fourstep.errors import DataFileError, FourstepWarning, RunFolderError
from fourstep.events import Event
from fourstep.files import atomic_write, make_folder, read_toml, reason
from fourstep.history import History, to_json_line
from fourstep.runs.lock import LOCK
from fourstep.runs.weights import WEIGHTS, save_weights
from fourstep.show import save_curves

SETTINGS, ROWS, CURVES, CHECKPOINTS = "run.toml", "metrics.jsonl", "curves.svg", "checkpoints"
REPORT, NOTES = "report.html", "report.json"
FAILED = "failed"  # the folder for batches that were not finite


class RunFolder:
    """The folder of a run that is going on.

    Args:
        path: is made where it is not there.

    Raises:
        RunFolderError: it is a file, or cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        with _writing(Path(path)):  # the folder that one is in may be gone
            self.path = Path(path).absolute()  # the script may change to another
        self._rows: io.FileIO | None = None
        self._lacks_rows = False  # the disk did not take one
        with _writing(self.path):
            if self.path.exists() and not self.path.is_dir():
                raise RunFolderError(f"{self.path} is a file: choose a folder that is not there yet")
            make_folder(self.path)

    @property
    def checkpoints(self) -> Path:
        """Where the checkpoints are, or will be."""
        return self.path / CHECKPOINTS

    def read_settings(self) -> dict[str, Any] | None:
        """The tables of `run.toml`; None where there is none.

        Raises:
            RunFolderError: it is damaged, or the folder holds something else by the names that a run writes.
        """
        if not (self.path / SETTINGS).exists():
            taken = [
                name
                for name in (ROWS, CURVES, REPORT, NOTES, INPUTS, WEIGHTS, CHECKPOINTS)
                if (self.path / name).exists()
            ]
            if taken:
                raise RunFolderError(f"{self.path} already holds a {taken[0]}: choose another folder")
            return None
        for place in (self.checkpoints, self.path / FAILED):
            if place.is_symlink():
                raise RunFolderError(
                    f"{place} is a link: expected a folder, as what is in it is written and removed. Link the run's "
                    "folder as a whole"
                )
        try:
            return read_toml(self.path / SETTINGS)
        except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
            raise RunFolderError(
                f"{self.path / SETTINGS} is damaged: {error}. Mend it by hand, or choose another folder"
            ) from error

    def begin(self, tables: Mapping[str, Any], encoding: Encoding | None = None) -> None:
        """Write down how the run begins: `run.toml`, no rows, and how inputs are read where that was learnt.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        self.write_settings(tables)  # first: with it the folder is a run's
        with _writing(self.path):
            (self.path / ROWS).unlink(missing_ok=True)  # it may be a link
            (self.path / ROWS).write_bytes(b"")
            if encoding is not None:
                save_encoding(encoding, self.path / INPUTS)

    def write_settings(self, tables: Mapping[str, Any]) -> None:
        """Write `run.toml`, in place of what is there.

        Raises:
            RunFolderError: the folder cannot be written.
        """
        import tomli_w  # noqa: PLC0415 - needed once

        with _writing(self.path), atomic_write(self.path / SETTINGS) as part:
            part.write_bytes(tomli_w.dumps(tables).encode())

    def append_row(self, event: Event) -> None:
        """Write down an event's row, where it has one; a hook. A row that the disk does not take follows later."""
        if not event.row or self._lacks_rows:
            return
        line = to_json_line(event.row).encode()
        try:
            if self._rows is None:
                self._rows = (self.path / ROWS).open("ab", buffering=0)  # each line is on its way at once, whole
            if self._rows.write(line) != len(line):
                raise OSError(errno.ENOSPC, "No space left on device")  # noqa: TRY301 - one message for all
        except OSError as error:
            self._lacks_rows = True
            warnings.warn(
                f"{self.path / ROWS} cannot be written: {reason(error)}. Training goes on, and the rows follow with "
                "the next checkpoint that can be saved",
                FourstepWarning,
                stacklevel=2,
            )

    def write_rows(self, history: History, *, always: bool = True) -> None:
        """Put all rows into `metrics.jsonl`, in place of what is there.

        Args:
            history: the rows.
            always: also where nothing is missing.

        Raises:
            RunFolderError: the disk is full, or the folder is gone.
        """
        if not (always or self._lacks_rows):
            return
        self.close()
        with _writing(self.path), atomic_write(self.path / ROWS) as part:
            history.save_jsonl(part)
        self._lacks_rows = False

    def finish(self, history: History, model: nn.Module | None) -> None:
        """Write the final weights and the curves; rows may follow, and a second finish.

        Args:
            history: drawn where it has rows.
            model: its weights are kept; None where the run failed and has none worth keeping.

        Raises:
            RunFolderError: the disk is full, or the folder is gone.
        """
        self.close()
        self.write_rows(history, always=False)
        with _writing(self.path):
            if model is not None:
                save_weights(model, self.path / WEIGHTS)
            if history.curves():
                save_curves(history, self.path / CURVES)

    def close(self) -> None:
        """Let go of the file of rows; the next row opens it again."""
        if self._rows is not None:
            try:
                self._rows.close()
            except OSError:  # what it was to write may be lost: all rows are written again
                self._lacks_rows = True
            self._rows = None

    def discard(self) -> None:
        """Remove what `begin` made, of a run that came to nothing; what else is in the folder stays."""
        self.close()
        shutil.rmtree(self.checkpoints, ignore_errors=True)
        for name in (REPORT, NOTES, ROWS, SETTINGS):  # the settings last: with them the folder is a run's
            (self.path / name).unlink(missing_ok=True)
        self.leave()

    def leave(self) -> None:
        """Remove the folder where it holds no run and nothing else; its lock, which must be held, goes with it."""
        if (self.path / SETTINGS).exists():
            return
        with suppress(OSError):  # not empty, or not to be written
            (self.path / LOCK).unlink()
            self.path.rmdir()


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Turn what goes wrong with the disk into one line that names the folder."""
    try:
        yield
    except RunFolderError:
        raise
    except DataFileError as error:
        raise RunFolderError(str(error)) from error
    except OSError as error:
        raise RunFolderError(
            f"{folder} cannot be written: {reason(error)}. Expected a folder that may be written and has space left; "
            "choose another folder"
        ) from error


def next_free(path: str | Path) -> Path:
    """The path itself where nothing is there yet, else the first of `path-2`, `path-3`, ... that is free."""
    first = Path(path)
    free, number = first, 1
    while free.exists():
        number += 1
        free = first.with_name(f"{first.name}-{number}")
    return free
