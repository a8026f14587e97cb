"""What the files hold, by SHA-256: a cache is known by contents, whatever the files are called and wherever they lie.

As git does it, a file whose size and times are what they were is not read again.
"""

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fourstep.data.folders.decoding import UNREADABLE
from fourstep.data.folders.listing import Listing
from fourstep.data.folders.workers import AT_ONCE, Answers, Task
from fourstep.files import atomic_write, make_folder
from fourstep.show.bar import counting

_GREY, _COLOR, _UNASKED = range(3)
_DIGEST = len(UNREADABLE)  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a listing's files hold.

    Attributes:
        digests: name -> SHA-256.
        has_color: is there a picture that is not grey? True also where nobody asked.
    """

    digests: dict[str, bytes]
    has_color: bool


def find_contents(listing: Listing, folder: Path, answers: Answers, *, find_color: bool) -> Contents:
    """Read every file, unless that was done before and no file's size or time has changed.

    Args:
        listing: the files.
        folder: where is kept what was found.
        answers: does the reading.
        find_color: also look whether all pictures are grey.

    Raises:
        DataFileError: nothing can be written there, or reading broke off.
    """
    stamps = [[picture.name, *picture.stamp] for picture in listing.pictures]
    key = hashlib.sha256(json.dumps([str(listing.root), stamps]).encode()).hexdigest()
    path = folder / f"{key}.sha256"
    size = _DIGEST * len(stamps)
    known = path.read_bytes() if path.is_file() else b""
    if len(known) != size + 1 or (find_color and known[-1] == _UNASKED):
        known = _look(listing, answers, find_color=find_color)
        newest = max(max(picture.stamp[1:]) for picture in listing.pictures)
        if newest < time.time_ns() - 2 * 10**9:  # some disks tell times apart by 2 seconds only
            make_folder(folder)
            with atomic_write(path) as part:
                part.write_bytes(known)
    digests = {picture.name: known[_DIGEST * i : _DIGEST * (i + 1)] for i, picture in enumerate(listing.pictures)}
    return Contents(digests=digests, has_color=known[-1] != _GREY)


def _look(listing: Listing, answers: Answers, *, find_color: bool) -> bytes:
    """All digests, and a byte for what was seen of colours."""
    names = [picture.name for picture in listing.pictures]

    def tasks() -> Iterator[Task]:
        for start in range(0, len(names), AT_ONCE):
            paths = [f"{listing.root}/{name}" for name in names[start : start + AT_ONCE]]
            yield "look", (paths,), {"find_color": find_color}

    digests, has_color = [], False
    with counting("reading", len(names)) as count:
        for digest, is_colored in answers(tasks()):
            digests.append(digest)
            has_color = has_color or is_colored
            count(len(digest) // _DIGEST)
    seen = _UNASKED if not find_color else _COLOR if has_color else _GREY
    return b"".join(digests) + bytes([seen])
