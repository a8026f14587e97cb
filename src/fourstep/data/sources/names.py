"""Which of a file's arrays are inputs and which targets, by their names."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

from fourstep.errors import ConfigError, DataError, UnknownNameError

Names: TypeAlias = tuple[str, str] | Mapping[str, tuple[str, str]] | None

SPLITS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}  # as others name them
PAIRS = (
    ("x", "y"),
    ("inputs", "targets"),
    ("images", "labels"),
    ("features", "labels"),
    ("features", "targets"),
    ("data", "labels"),
    ("data", "target"),
)


def find_pairs(there: Iterable[str], names: Names, where: str) -> dict[str, tuple[str, str]]:
    """The names of inputs and targets, by split.

    Args:
        there: the names that are there.
        names: which to take: a pair for what to train on, or split -> pair; None finds them: one of `PAIRS` alone, or
            with a split before or behind it, as `x_train` and `train_images`, in small or large letters.
        where: the file, for the message.

    Raises:
        ConfigError: `names` is no such thing, or has a name or split that is not there.
        DataError: no pair is found, or several are.
    """
    known = list(there)
    if names is not None:
        return _chosen(known, names)
    small = {name.lower(): name for name in known}
    found: dict[str, list[tuple[str, str]]] = {}
    for split, first, second in _spellings():
        if first in small and second in small:
            found.setdefault(split, []).append((small[first], small[second]))
    several = next((pairs for pairs in found.values() if len(pairs) > 1), None)
    if "train" not in found or several:
        what = f"more than one pair: {several}" if several else "no pair of inputs and targets to train on by its names"
        raise DataError(
            f"{where} has {what}; there are {', '.join(known) or 'no arrays'}. Name yours: names=(inputs, targets), or "
            'names={"train": (inputs, targets), "test": ...}'
        )
    return {split: pairs[0] for split, pairs in found.items()}


def _spellings() -> Iterator[tuple[str, str, str]]:
    """Split and two names, in small letters; without a split in the names it is train."""
    for first, second in PAIRS:
        yield "train", first, second
        for word, split in SPLITS.items():
            yield split, f"{first}_{word}", f"{second}_{word}"
            yield split, f"{word}_{first}", f"{word}_{second}"


def _chosen(known: list[str], names: tuple[str, str] | Mapping[str, tuple[str, str]]) -> dict[str, tuple[str, str]]:
    chosen: dict[str, Any] = dict(names) if isinstance(names, Mapping) else {"train": names}
    if "train" not in chosen:
        raise ConfigError(f"names has {', '.join(chosen) or 'nothing'}: expected a pair for 'train'")
    for split, pair in chosen.items():
        if split not in SPLITS.values():
            raise UnknownNameError.of("split", str(split), ("train", "val", "test"))
        if not isinstance(pair, tuple | list) or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise ConfigError(f"names of {split} are {str(pair)[:60]!r}: expected a pair (inputs, targets)")
        for name in pair:
            if name not in known:
                raise UnknownNameError.of("array", str(name), known)
    return {split: (pair[0], pair[1]) for split, pair in chosen.items()}
