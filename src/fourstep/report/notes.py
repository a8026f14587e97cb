"""`report.json`: what a report says beside a run's settings and rows, as plain numbers and texts.

The file may come from a stranger. It is read into the types that are declared here or refused in one line.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Literal, TypeAlias, get_args, get_origin

from fourstep.errors import RunFolderError
from fourstep.files import atomic_write, open_plain
from fourstep.runs.folder import NOTES

State: TypeAlias = Literal["running", "finished", "stopped", "interrupted", "failed"]

LARGEST = 2**22  # bytes; ours have some hundred thousand at most
MOST_ITEMS = 20_000  # of a list
LONGEST_TEXT = 40_000  # characters; a small picture is the longest
MOST_CLASSES = 10_000
HALF = re.compile("[\ud800-\udfff]")  # of a character, which JSON may name and no file takes
PARTS = ("data", "forward", "backward", "measuring", "update")  # of a step; measuring is what happens between the two


@dataclass(frozen=True, kw_only=True, slots=True)
class Mistake:
    """A sample that was put into a wrong class.

    Attributes:
        index: of the sample in its split, from 0.
        true: index of its class.
        predicted: index of the class that the model chose.
        probability: that the model gave the chosen class, in 0..1.
        picture: a PNG file in base64; empty where the sample is no picture.
        values: the sample's first numbers, where it is a row of a table.
    """

    index: int
    true: int
    predicted: int
    probability: float
    picture: str = ""
    values: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Confusion:
    """How many samples of a class were put into which."""

    true: int
    predicted: int
    count: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassAnswers:
    """What a classifier answered on a held-out split.

    Attributes:
        split: its name.
        samples: how many were asked.
        of: how many the split has.
        num_classes: K.
        confusions: how many samples of each pair of classes, the pairs that occur.
        mistakes: the most confident ones first.
        unsound: samples whose answer is NaN or infinite; counted as the class that has the NaN.
    """

    split: str
    samples: int
    of: int
    num_classes: int
    confusions: tuple[Confusion, ...]
    mistakes: tuple[Mistake, ...]
    unsound: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Residual:
    """A sample with its true and its predicted value."""

    index: int
    true: float
    predicted: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ValueAnswers:
    """What a regression answered on a held-out split.

    Attributes:
        split: its name.
        samples: how many were asked.
        of: how many the split has.
        outputs: values per sample; the first is what is told of here.
        rmse: root of the mean squared residual.
        r2: share of the true values' variance that is explained; -inf..1, here 0 where they have none.
        points: samples to draw, in their order.
        largest: residuals, by size.
        unsound: samples whose true or predicted value is NaN, infinite or beyond 1e150; in none of the numbers above.
    """

    split: str
    samples: int
    of: int
    outputs: int
    rmse: float
    r2: float
    points: tuple[Residual, ...]
    largest: tuple[Residual, ...]
    unsound: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Times:
    """Where the time went since the run was started last, in seconds.

    Attributes:
        all: from the start on.
        passes: over the training data.
        evaluations: from the end of a pass to the epoch's row.
        steps: that were looked at, one now and then.
        parts: what the parts of these took in all: data, forward, backward, measuring, update.
    """

    all: float
    passes: float
    evaluations: float
    steps: int
    parts: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """What a report says beside settings and rows.

    Attributes:
        state: how the run stands.
        why: what ended it, in words; may be empty.
        begun: when it was begun, in seconds since 1970 (UTC).
        written: when this was written.
        epochs: that are to be done.
        step: updates done.
        command: that started it, in words; empty where it is not known, as in a notebook.
        times: where the time went; None before a step was done.
        answers: on the held-out split at the end; None where there are none.
        unanswered: why there are none.
    """

    state: State
    why: str = ""
    begun: float
    written: float
    epochs: int
    step: int = 0
    command: tuple[str, ...] = ()
    times: Times | None = None
    answers: ClassAnswers | ValueAnswers | None = None
    unanswered: str = ""
    format: Literal[1] = field(default=1)


def save_notes(notes: Notes, folder: Path) -> None:
    """Write `report.json`, whole or not at all.

    Raises:
        DataFileError: it cannot be written.
    """
    content = json.dumps(asdict(notes), allow_nan=False, separators=(",", ":")).encode()
    with atomic_write(folder / NOTES) as part:
        part.write_bytes(content)


def load_notes(folder: Path) -> Notes | None:
    """Read a folder's `report.json`; None where there is none.

    Raises:
        RunFolderError: it is damaged.
    """
    try:
        with open_plain(folder / NOTES) as file:
            content = file.read(LARGEST + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise RunFolderError(f"{folder / NOTES} cannot be read: {error}. Expected the file that a run wrote") from error
    try:
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")  # noqa: TRY301 - one message for all
        notes: Notes = _read(Notes, json.loads(content), "report")
        _check(notes)
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        said = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise RunFolderError(
            f"{folder / NOTES} is damaged: {said}. Delete it, and the report is made without what it holds"
        ) from error
    return notes


def _read(kind: Any, value: Any, where: str) -> Any:
    """A value of JSON as one of the types above.

    Raises:
        ValueError: it is something else.
    """
    if get_origin(kind) is UnionType:
        return None if value is None else _read(_fitting(kind, value), value, where)
    if is_dataclass(kind) and isinstance(value, Mapping):
        known = {part.name: part.type for part in fields(kind)}
        given = {name: _read(known[name], part, f"{where}.{name}") for name, part in value.items() if name in known}
        make: Any = kind
        return make(**given)
    if get_origin(kind) is tuple and isinstance(value, list) and len(value) <= MOST_ITEMS:
        return tuple(_read(get_args(kind)[0], part, where) for part in value)
    if kind is float and type(value) in (int, float) and math.isfinite(value):
        return float(value)
    if not (
        (get_origin(kind) is Literal and type(value) in (str, int) and value in get_args(kind))
        or (kind is int and type(value) is int and 0 <= value < 2**53)
        or (kind is str and type(value) is str and len(value) <= LONGEST_TEXT and not HALF.search(value))
    ):
        raise ValueError(f"{where} is {value!r:.40}")
    return value


def _fitting(kinds: Any, value: Any) -> Any:
    """Which of several kinds has most of the names that a table has."""
    names = set(value) if isinstance(value, Mapping) else set()
    known = [kind for kind in get_args(kinds) if kind is not type(None)]
    return max(known, key=lambda kind: len(names & {part.name for part in fields(kind)}))


def _check(notes: Notes) -> None:
    """What the types alone do not say.

    Raises:
        ValueError: a class that there is not.
    """
    answers, times = notes.answers, notes.times
    if isinstance(answers, ClassAnswers):
        pairs: list[Mistake | Confusion] = [*answers.confusions, *answers.mistakes]
        highest = max((max(pair.true, pair.predicted) for pair in pairs), default=0)
        if not highest < answers.num_classes <= MOST_CLASSES:
            raise ValueError(f"it has class {highest} of {answers.num_classes}, where {MOST_CLASSES} are the most")
    if times is not None and len(times.parts) != len(PARTS):
        raise ValueError(f"it has {len(times.parts)} parts of a step in place of {len(PARTS)}")
