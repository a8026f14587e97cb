"""Which pictures there are, of which class and in which split: found in folders, in an order that no disk decides.

folder/cat/1.jpg                          or   folder/train/cat/1.jpg, folder/val/..., folder/test/...
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from fourstep.data.folders.decoding import Stamp, stamp_of
from fourstep.errors import DataError, DataFileError, UnknownNameError
from fourstep.files import is_folder, is_there, reason

SPLITS = ("train", "val", "test")
SUFFIXES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .gif .bmp .webp .tif .tiff .ppm .pgm .pbm .pnm".split()  # noqa: SIM905 - reads well
)

_EXPECTED = "class/name.jpg, or train/class/name.jpg with val/ or test/ beside it, or a CSV file of file,label"


class Picture(NamedTuple):
    """One picture.

    Attributes:
        name: its path within the folder, with `/`.
        label: its class's name; empty where nobody asked.
        split: `train`, `val` or `test`; empty where the splits are still to be made.
        stamp: what tells that its file has changed.
    """

    name: str
    label: str
    split: str
    stamp: Stamp


@dataclass(frozen=True, kw_only=True, slots=True)
class Listing:
    """The pictures of a data set.

    Attributes:
        root: the folder that holds them all.
        pictures: by split, then by class, then by name.
        classes: sorted by name.
        ignored: names of files that are no pictures, or lie where no class is.
    """

    root: Path
    pictures: tuple[Picture, ...]
    classes: tuple[str, ...]
    ignored: tuple[str, ...]

    @property
    def has_splits(self) -> bool:
        """Does the source say which picture is in which split?"""
        return bool(self.pictures[0].split)


def make_listing(root: Path, pictures: Sequence[Picture], ignored: Sequence[str] = (), *, source: Path) -> Listing:
    """The pictures in their order.

    Raises:
        DataError: there is no picture, one class alone, an identifier as class, a class or split that cannot be.
    """
    classes = sorted({picture.label for picture in pictures})
    if len(classes) < 2:  # noqa: PLR2004 - there has to be a choice
        found = f"one class alone, {classes[0]!r}" if classes else "no pictures"
        raise DataError(f"{source} has {found}: expected pictures of two classes or more, {_EXPECTED}")
    if len(classes) > 10 and 2 * len(classes) > len(pictures):  # noqa: PLR2004 - few pictures of few classes may be a trial
        raise DataError(
            f"{source} has {len(classes):,} classes for {len(pictures):,} pictures, such as {classes[0]!r}: expected "
            "several pictures of each. A label that is another for every picture is an identifier, not a class"
        )
    by_split: dict[str, set[str]] = {}
    for picture in pictures:
        by_split.setdefault(picture.split, set()).add(picture.label)
    train = by_split.get("train", set(classes))
    if "" not in by_split and "train" not in by_split:
        raise DataError(f"{source} has pictures for {' and '.join(sorted(by_split))} and none to train on: add train")
    for split in sorted(by_split):
        for label in sorted(by_split[split] - train):
            raise DataError(f"{source}: class {label!r} is in {split} but not in train: expected it there too")
    place = {split: i for i, split in enumerate(("", *SPLITS))}
    ordered = sorted(pictures, key=lambda picture: (place[picture.split], picture.label, picture.name))
    return Listing(root=root, pictures=tuple(ordered), classes=tuple(classes), ignored=tuple(ignored))


def list_folder(folder: str | Path) -> Listing:
    """The pictures below a folder's class folders, however deep; hidden files and other kinds are left out.

    Raises:
        DataFileError: the folder is not there, or a link in it leads out of it.
        DataError: no classes, or as `make_listing`.
        UnknownNameError: a folder beside `train` that is no split.
    """
    root = existing_folder(folder)
    ignored: list[str] = []
    top = _subfolders(root, "", ignored)
    splits = top if _are_splits(root, top) else [""]
    pictures = []
    for split in splits:
        if split and split not in SPLITS:
            raise UnknownNameError.of(f"split folder in {root},", split, SPLITS)
        for label in _subfolders(root, split, ignored) if split else top:
            name = f"{split}/{label}" if split else label
            found = list(walk(root, name, ignored))
            if not found:
                raise DataError(f"{root / name} has no pictures: expected some of class {label!r}, or no such folder")
            pictures += [Picture(path, label, split, stamp) for path, stamp in found]
    if not pictures:
        loose = sum(map(is_picture, ignored))
        has = f"{loose:,} pictures but no class folders" if loose else "no class folders"
        raise DataError(f"{root} has {has}: expected {_EXPECTED}")
    return make_listing(root, pictures, ignored, source=root)


def existing_folder(folder: str | Path) -> Path:
    """The folder with all links resolved.

    Raises:
        DataFileError: it is not there, or is a file.
    """
    path = Path(folder).expanduser()
    if not is_folder(path):
        what = "is a file" if is_there(path) else "is not there"
        hint = ". Tables are for fourstep.data.from_table" if is_there(path) else ""
        raise DataFileError(f"{path} {what}: expected a folder of pictures, {_EXPECTED}{hint}")
    return path.resolve()


def walk(root: Path, name: str, ignored: list[str]) -> Iterator[tuple[str, Stamp]]:
    """Every picture below a folder, sorted by name.

    Args:
        root: the whole folder.
        name: the folder in it to look at, with `/`; empty for all of it.
        ignored: gets the names of what is no picture.

    Yields:
        Its path within `root`, and its stamp.

    Raises:
        DataFileError: a link leads out of `root`, or something cannot be read.
    """
    for entry in _entries(root, name):
        path = f"{name}/{entry.name}" if name else entry.name
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from walk(root, path, ignored)
        elif is_picture(entry.name) and entry.is_file():
            yield path, stamp_of(entry.stat())
        else:
            ignored.append(path)


def check_inside(root: Path, path: str | Path) -> None:
    """Refuse a file that lies elsewhere, by a link or by its name.

    Raises:
        DataFileError: it does.
    """
    target = Path(os.path.realpath(path))
    if not target.is_relative_to(root):
        raise DataFileError(f"{path} leads out of {root}, to {target}: expected a file in it. Put a copy there")


def is_picture(name: str) -> bool:
    """Does the name end as a picture's, and is it not hidden?"""
    return not name.startswith(".") and os.path.splitext(name)[1].lower() in SUFFIXES  # noqa: PTH122 - for a million


def _entries(root: Path, name: str) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted."""
    try:
        with os.scandir(root / name) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataFileError(f"{root / name} cannot be read: {reason(error)}. Expected a folder of pictures") from error
    for entry in found:
        if entry.is_symlink() and not entry.name.startswith("."):
            check_inside(root, entry.path)
    return found


def _are_splits(root: Path, names: Sequence[str]) -> bool:
    """Is there `train` with classes in it, or nothing but splits? Else `train` is what is in the pictures."""
    has_train = "train" in names and bool(_subfolders(root, "train", []))
    return has_train or (bool(names) and set(names) <= set(SPLITS))


def _subfolders(root: Path, name: str, ignored: list[str]) -> list[str]:
    """The names of the folders in it that are not hidden; what else is there is ignored."""
    names = []
    for entry in _entries(root, name):
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            names.append(entry.name)
        else:
            ignored.append(f"{name}/{entry.name}" if name else entry.name)
    return names
