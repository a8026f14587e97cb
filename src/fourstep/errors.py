"""Everything that fourstep raises: one tree, each error also the builtin that a caller would catch.

FourstepError
├── ConfigError        (ValueError)          a setting that cannot be used
│   └── UnknownNameError                     a name that nothing bears; says the nearest one
├── DataError          (ValueError)          data that cannot be trained on
│   └── ShapeError                           two tensors whose shapes do not belong together
├── DataFileError      (OSError)             a file that is missing, damaged or cannot be had
├── DeviceError        (RuntimeError)        a device that is not there
├── RunFolderError     (OSError)             a run's folder that is taken, missing or unreadable
├── MissingExtraError  (ImportError)         an optional package that is not installed
└── NonFiniteError     (FloatingPointError)  a loss that became NaN or infinite

Every message is one line: what was wrong with its value, what was expected, how to mend it.
"""

import difflib
import errno
from collections.abc import Iterable
from typing import Any, SupportsIndex


class FourstepError(Exception):
    """The root: `except FourstepError` catches all that fourstep raises on purpose."""

    def __str__(self) -> str:
        return one_line(super().__str__())


class ConfigError(FourstepError, ValueError):
    """A setting has a value that cannot be used."""


class UnknownNameError(ConfigError):
    """A name that nothing bears."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> "UnknownNameError":
        """The error for `name`, with the nearest of the `known` names, or all of them where none is near."""
        names = sorted(known)
        near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(names)}"
        return cls(f"unknown {kind} {name!r}: {hint}")


class DataError(FourstepError, ValueError):
    """Data that cannot be trained on as it is."""


class ShapeError(DataError):
    """Two tensors whose shapes do not belong together."""


class DataFileError(FourstepError, OSError):
    """A file that is missing, damaged or cannot be downloaded."""


class DeviceError(FourstepError, RuntimeError):
    """A device that is not there."""


class RunFolderError(FourstepError, OSError):
    """A run's folder that is taken, missing or unreadable."""


class MissingExtraError(FourstepError, ImportError):
    """An optional package that is not installed."""

    @classmethod
    def of(cls, package: str, extra: str, purpose: str) -> "MissingExtraError":
        """The error that names the extra to install."""
        return cls(f"{purpose} needs {package}, which is not installed: pip install 'fourstep[{extra}]'")


class NonFiniteError(FourstepError, FloatingPointError):
    """The training loss became NaN or infinite."""


class FourstepWarning(UserWarning):
    """Something that trains, but probably not as intended."""

    def __str__(self) -> str:
        return one_line(super().__str__())


def one_line(text: str) -> str:
    r"""A text as one line that any screen may show: a stranger's names hold line breaks, and codes that draw.

    >>> one_line("a\n\x1b[2J")
    'a\\n\\x1b[2J'
    """
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


_NO_MEMORY = ("can't allocate memory", "cannot allocate memory", "not enough memory", "out of memory")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Was it raised because memory ran out, or because of an error that was?

    torch has a class of its own for this on GPUs; its errors of the CPU are told from others by their text alone.
    """
    if error is None or isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return error is not None
    is_torch_s = type(error).__name__ == "OutOfMemoryError"
    if isinstance(error, RuntimeError) and (is_torch_s or any(text in str(error).lower() for text in _NO_MEMORY)):
        return True
    return is_out_of_memory(error.__cause__)


def check_count(name: str, count: Any) -> None:
    """Refuse what is not a whole number of 1 or more.

    Raises:
        ConfigError: it is not.
    """
    if isinstance(count, bool) or not isinstance(count, SupportsIndex) or count.__index__() < 1:
        raise ConfigError(f"{name} {count!r}: expected a whole number of 1 or more")
