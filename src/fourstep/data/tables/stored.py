"""An encoding's parts from a file, which may be a stranger's: every type is checked."""

import math
from collections.abc import Mapping
from typing import Any

from fourstep.data.tables.column import KINDS, Column, Scale
from fourstep.data.tables.plain import DATE_FORMATS, PARTS
from fourstep.data.tables.target import TASKS, Target


def column_from_json(table: Mapping[str, Any]) -> Column:
    """What `dataclasses.asdict` gave of a column.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    column = Column(
        name=_text(table["name"]),
        kind=_text(table["kind"]),
        missing=_count(table["missing"]),
        distinct=_count(table["distinct"]),
        values=_text(table["values"]),
        use=_text(table["use"]),
        scales=tuple(map(_scale, _items(table["scales"]))),
        marks_missing=_truth(table["marks_missing"]),
        categories=tuple(map(_text, _items(table["categories"]))),
        date_format=_text(table["date_format"]),
    )
    parts = [scale.part for scale in column.scales]
    known = {"date": PARTS, "number": ("",)}.get(column.kind, ())
    is_whole = column.kind in KINDS and len(set(parts)) == len(parts) and set(parts) <= set(known)
    if not is_whole or (column.categories and column.kind != "category"):
        raise ValueError(f"column {column.name!r} is of kind {column.kind!r} and has the parts {parts}")
    if len(set(column.categories)) != len(column.categories) or column.date_format not in ("", *DATE_FORMATS):
        raise ValueError(f"column {column.name!r} has a category twice, or the date format {column.date_format!r}")
    return column


def target_from_json(table: Mapping[str, Any]) -> Target:
    """What `dataclasses.asdict` gave of a target.

    Raises:
        KeyError, TypeError, ValueError: it is something else.
    """
    target = Target(
        names=tuple(map(_text, _items(table["names"]))),
        task=_text(table["task"]),
        classes=tuple(map(_text, _items(table["classes"]))),
        mean=tuple(map(_number, _items(table["mean"]))),
        std=tuple(map(_positive, _items(table["std"]))),
    )
    if target.task not in TASKS or not len(target.names) == len(target.mean) == len(target.std) > 0:
        raise ValueError(f"the target is of task {target.task!r} and has {len(target.names)} names")
    if len(set(target.classes)) != len(target.classes) or bool(target.classes) != (target.task == "classes"):
        raise ValueError(f"the target of task {target.task!r} has {len(target.classes)} classes")
    return target


def _scale(table: Mapping[str, Any]) -> Scale:
    log = _number(table["log"])
    if log < 0:
        raise ValueError(f"log {log}: expected 0 or more")
    return Scale(
        part=_text(table["part"]),
        fill=_number(table["fill"]),
        log=log,
        mean=_number(table["mean"]),
        std=_positive(table["std"]),
    )


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r:.40}: expected a list")
    return list(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r:.40}: expected a text")
    value.encode()  # half a character, which JSON can hold, is refused as a ValueError
    return value


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"{value!r:.40}: expected true or false")
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError(f"{value!r:.40}: expected a whole number of 0 or more")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r:.40}: expected a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("a number too large") from error
    if not math.isfinite(number):
        raise ValueError(f"{number}: expected a finite number")
    return number


def _positive(value: Any) -> float:
    number = _number(value)
    if number <= 0:
        raise ValueError(f"{number}: expected more than 0")
    return number
