"""How new inputs are read: as the training inputs were, by what was learnt from the training split alone.

A builder of data (`from_table`, `from_images`) gives its `Data` an encoding. The run keeps it as `inputs.json` beside
the weights, so that a prediction on new rows or pictures, on another day and without the training data, sees the same
numbers.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar, Protocol, runtime_checkable

from torch import Tensor

from fourstep.errors import DataFileError
from fourstep.files import atomic_write, is_folder, open_plain

INPUTS = "inputs.json"  # in a run's folder
LARGEST = 2**26  # bytes; categories of many names take some, and a stranger's file must not take the memory
_KINDS: dict[str, tuple[str, str]] = {  # kind -> module and class, imported when such a file is read
    "images": ("fourstep.data.folders.encoding", "ImageEncoding"),
    "table": ("fourstep.data.tables.encoding", "TableEncoding"),
    "series": ("fourstep.data.sequences.values", "SeriesEncoding"),
    "text": ("fourstep.data.sequences.tokens", "TextEncoding"),
}


@runtime_checkable
class Encoding(Protocol):
    """What turns new inputs into tensors as the training saw them.

    Attributes:
        kind: what its file is told by.
        classes: the classes' names in the order of their indices; empty where targets are no classes.
    """

    kind: ClassVar[str]

    @property
    def classes(self) -> tuple[str, ...]: ...  # noqa: D102

    def to_inputs(self, source: Any) -> Tensor:
        """New inputs, one row per sample, as the model takes them."""
        ...

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON can hold, without `kind`."""
        ...

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "Encoding":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        ...


def save_encoding(encoding: Encoding, path: str | Path) -> None:
    """Write an encoding as JSON, whole or not at all.

    Raises:
        DataFileError: the file cannot be written.
    """
    with atomic_write(path) as part:
        part.write_text(json.dumps({"kind": encoding.kind, **encoding.to_json()}, ensure_ascii=False) + "\n", "utf-8")


def load_encoding(path: str | Path) -> Encoding:
    """The encoding that a run was trained with.

    Args:
        path: a run's folder, or its `inputs.json`.

    Raises:
        DataFileError: it is missing, damaged, or of a kind that this version does not know.
    """
    file = Path(path) / INPUTS if is_folder(path) else Path(path)
    try:
        with open_plain(file) as opened:
            content = opened.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")  # noqa: TRY301 - one message for all
        table = json.loads(content)
        module, name = _KINDS[table.pop("kind")]
        loaded: Encoding = getattr(import_module(module), name).from_json(table)
    except FileNotFoundError as error:
        raise DataFileError(
            f"{file} is not there: expected the folder of a run whose data was built by from_table or from_images"
        ) from error
    except (OSError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
        said = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise DataFileError(f"{file} is damaged: {said}. Expected what a training run wrote; train again") from error
    return loaded
