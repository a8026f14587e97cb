"""What a report says in words: a run in one sentence, its settings as rows, the command that repeats it."""

import shlex
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from fourstep.errors import one_line
from fourstep.report.notes import Notes
from fourstep.runs.record import RunRecord
from fourstep.show.progress import spell_seconds

LONGEST = 300  # characters of a value
MOST_ROWS = 300  # of a table of settings
LONG_AGO = 1e12  # seconds, or epochs, that none of ours takes
HASH_LENGTH = 64  # of SHA-256 in hexadecimal
_FLAGS = ("data", "epochs", "batch_size", "lr", "resize", "device", "seed")  # settings with a flag of their own
_IDENTITY = ("settings", "data", "model", "optimizer", "versions", "machine", "speed")


def plain(value: Any) -> str:
    """A value of a table as a short text that any screen may show."""
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)  # noqa: PLR2004 - where groups help
    if isinstance(value, str) and len(value) == HASH_LENGTH and set(value) <= set("0123456789abcdef"):
        return value[:12]  # as much of a hash as tells it from others
    text = one_line(", ".join(map(plain, value[:50])) if isinstance(value, list) else str(value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def epochs(done: float) -> str:
    """How many epochs, to a hundredth.

    >>> epochs(12000.0), epochs(2.5), epochs(1 / 3)
    ('12,000', '2.5', '0.33')
    """
    return f"{done:,.2f}".rstrip("0").rstrip(".") if abs(done) < LONG_AGO else f"{done:.3g}"


def duration(seconds: float) -> str:
    """A time as a clock shows it, or in milliseconds; a stranger's may be none.

    >>> duration(0.0123), duration(75.2), duration(float("nan"))
    ('12.3 ms', '1:15', 'unknown')
    """
    if not 0 <= seconds < LONG_AGO:
        return "unknown"
    return f"{1000 * seconds:.3g} ms" if seconds < 1 else spell_seconds(seconds)


def moment(seconds: float) -> str:
    """A time as a date and a clock show it, in UTC.

    >>> moment(0.0)
    '1970-01-01 00:00:00 UTC'
    """
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (OverflowError, ValueError, OSError):  # a stranger's number
        return "at an unknown time"


def sentence(record: RunRecord) -> str:
    """What was trained, on what, and how."""
    recipe = record.settings.get("recipe")
    model = recipe.get("model") if isinstance(recipe, Mapping) else None
    parts = [f"{plain(record.model.get('kind', model or 'A model'))}"]
    parameters = record.model.get("parameters")
    if isinstance(parameters, int):
        parts.append(f"with {parameters:,} parameters")
    parts.append(f"trained on {plain(record.data.get('name', 'data'))}")
    kind = record.optimizer.get("kind")
    if kind:
        group = record.optimizer.get("group0")
        lr = group.get("lr") if isinstance(group, Mapping) else None
        parts.append(f"by {plain(kind)}" + (f" with lr {plain(lr)}" if lr is not None else ""))
    device = record.machine.get("device_name", record.machine.get("device"))
    return " ".join(parts) + (f", on {plain(device)}" if device else "") + "."


def splits(record: RunRecord) -> list[dict[str, str]]:
    """The data's splits with their sizes."""
    found = []
    for name, split in record.data.items():
        if isinstance(split, Mapping):
            words = {key: plain(split.get(key, "")) for key in ("samples", "batches", "batch_size", "kind")}
            found.append({"name": plain(name), **words})
    return found


def tables(record: RunRecord) -> list[tuple[str, list[tuple[str, str]]]]:
    """All that `run.toml` says, as titled lists of names and values."""
    named = {
        "Settings": record.settings,
        "Optimizer": record.optimizer,
        "Model": record.model,
        "Data": record.data,
        "Versions": record.versions,
        "Machine": {**record.machine, **record.speed},
    }
    return [
        (name, [(key, plain(value)) for key, value in list(flat(table))[:MOST_ROWS]])
        for name, table in named.items()
        if table
    ]


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """A table's values, those of tables within it by dotted names."""
    for name, value in table.items():
        key = f"{prefix}{plain(name)}"
        if isinstance(value, Mapping):
            yield from flat(value, f"{key}.")
        else:
            yield key, value


def differing(records: list[RunRecord]) -> list[tuple[str, list[str]]]:
    """The settings in which runs differ: a name, and each run's value; a dash where one has none."""
    named = [
        {
            key if part == "settings" else f"{part}.{key}": plain(value)
            for part in _IDENTITY
            for key, value in flat(getattr(record, part))
        }
        for record in records
    ]
    keys = dict.fromkeys(key for one in named for key in one)
    rows = [(key, [one.get(key, "–") for one in named]) for key in keys]  # noqa: RUF001 - an en dash is meant
    return [(key, values) for key, values in rows if len(set(values)) > 1][:MOST_ROWS]


def repeat_lines(record: RunRecord, notes: Notes | None) -> list[str]:
    """The commands that train the same again, the exact one first; empty where nothing is known."""
    recipe = record.settings.get("recipe")
    if isinstance(recipe, Mapping) and "model" in recipe:
        return [recipe_command(recipe), f"fourstep train {shlex.quote(one_line(record.path.resolve().name))}/run.toml"]
    if notes is not None and notes.command:
        return [shlex.join(one_line(word) for word in notes.command)]
    return []


def recipe_command(recipe: Mapping[str, Any]) -> str:
    """The command that trains a recipe of these settings, every one of them named.

    >>> recipe_command({"model": "mlp", "lr": 0.1, "hidden": [8, 4], "standardize": True})
    'fourstep train mlp --lr 0.1 --set hidden=8,4 --set standardize=true'
    """
    words = ["fourstep", "train", _argument(recipe["model"])]
    flags = [name for name in _FLAGS if name in recipe]
    for name in flags:
        words += [f"--{name.replace('_', '-')}", _argument(recipe[name])]
    for name, value in recipe.items():
        if name not in (*flags, "model"):
            words += ["--set", f"{name}={_argument(value)}"]
    return " ".join(shlex.quote(one_line(word)) for word in words)


def _argument(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return ",".join(map(_argument, value))
    return str(value)
