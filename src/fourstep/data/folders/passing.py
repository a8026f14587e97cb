"""The first pass: every picture is decoded once, into a cache that is known by what the files hold.

Shapes: N pictures, C channels, S height and width.
"""

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fourstep.data.download import alone
from fourstep.data.folders.cache import Block, damaged_in, keep_whole, make_block, read_blocks, write_blocks
from fourstep.data.folders.contents import Contents
from fourstep.data.folders.listing import Listing
from fourstep.data.folders.workers import AT_ONCE, Answers, Task
from fourstep.errors import DataFileError
from fourstep.files import make_folder, reason
from fourstep.show.bar import counting
from fourstep.show.lines import say

_MOST_BYTES = 2**21  # in a block: a few of them wait in memory for each process; another number makes caches anew
_FORMAT = "1"  # of a cache and of how pictures are decoded; another one makes every cache anew


@dataclass(frozen=True, kw_only=True, slots=True)
class Cache:
    """A whole cache.

    Attributes:
        folder: where it is.
        damaged: the number of every picture that could not be read, and what is wrong with it.
    """

    folder: Path
    damaged: tuple[tuple[int, str], ...]


def decode_all(
    listing: Listing, contents: Contents, folder: Path, answers: Answers, *, size: int, color: bool
) -> Cache:
    """Decode every picture, unless a cache of the same contents is there; go on with one that is not whole.

    Args:
        listing: the pictures, in the order that they are to have.
        contents: what is in them.
        folder: holds the caches.
        answers: does the decoding.
        size: S, in pixels.
        color: three channels, else one.

    Raises:
        DataFileError: no room, the cache cannot be written, a file changed meanwhile, or decoding broke off.
    """
    pictures = listing.pictures
    row_bytes = (3 if color else 1) * size * size
    at_once = max(1, min(AT_ONCE, _MOST_BYTES // row_bytes))
    digest = hashlib.sha256(f"{_FORMAT} {at_once} {size} {color};".encode())
    for picture in pictures:
        digest.update(contents.digests[picture.name])
    own = folder / f"{size}px-{'color' if color else 'grey'}-{digest.hexdigest()}"
    lengths = [min(at_once, len(pictures) - start) for start in range(0, len(pictures), at_once)]
    blocks = keep_whole(own, read_blocks(own, lengths), row_bytes)
    if len(blocks) < len(lengths):
        try:
            make_folder(own)
            with alone(own, "decodes into"):
                _go_on(listing, own, lengths, answers, size=size, color=color)
        except DataFileError:
            raise
        except OSError as error:
            raise DataFileError(
                f"{own} cannot be written: {reason(error)}. Expected a folder with space that you may write to: pass "
                "cache=, or set FOURSTEP_CACHE"
            ) from error
        blocks = read_blocks(own, lengths)
    return Cache(folder=own, damaged=tuple(damaged_in(blocks, lengths)))


def _go_on(listing: Listing, folder: Path, lengths: Sequence[int], answers: Answers, *, size: int, color: bool) -> None:
    """Decode what a cache lacks."""
    row_bytes = (3 if color else 1) * size * size
    blocks = keep_whole(folder, read_blocks(folder, lengths), row_bytes)  # another process may have made some
    first, total = sum(lengths[: len(blocks)]), len(listing.pictures)
    if first == total:
        return
    _announce(listing, folder, first, row_bytes, size)

    def tasks() -> Iterator[Task]:
        for start in range(first, total, lengths[0]):
            part = listing.pictures[start : start + lengths[0]]
            paths, stamps = [f"{listing.root}/{picture.name}" for picture in part], [picture.stamp for picture in part]
            yield "decode", (paths, stamps, size), {"color": color}

    def decoded() -> Iterator[tuple[Block, bytes]]:
        start = first
        for pixels, damaged, changed in answers(tasks()):
            for i in changed[:1]:
                raise DataFileError(
                    f"{listing.root / listing.pictures[start + i].name} has changed since it was listed: expected "
                    "files that nobody writes to. Call again when they are whole"
                )
            rows = len(pixels) // row_bytes
            yield make_block(rows, pixels, damaged), pixels
            start += rows + len(damaged)
            count(rows + len(damaged))

    with counting("decoding", total) as count:
        count(first)
        write_blocks(folder, blocks, decoded(), row_bytes)


def _announce(listing: Listing, folder: Path, first: int, row_bytes: int, size: int) -> None:
    """Say how large the cache will be, before it is made.

    Raises:
        DataFileError: there is no room for it.
    """
    total = len(listing.pictures)
    needed, free = (total - first) * row_bytes, shutil.disk_usage(folder).free
    if needed > free:
        raise DataFileError(
            f"{folder} needs {_spell(needed)} for {total - first:,} pictures of {size} x {size}, and its disk has "
            f"{_spell(free)} left: free some space, choose a smaller size, or pass cache= for a folder on another disk"
        )
    began = f", of which {first:,} are there" if first else ""
    say(
        f"{total:,} pictures of {listing.root} are decoded once, to {size} x {size}: {_spell(total * row_bytes)} in "
        f"{folder}{began}"
    )


def _spell(num_bytes: int) -> str:
    """A number of bytes in three digits.

    >>> _spell(61_440_000), _spell(999), _spell(2_000_000_000_000)
    ('61.4 MB', '999 B', '2 TB')
    """
    unit = min((len(str(num_bytes)) - 1) // 3, 4)
    return f"{num_bytes / 1000**unit:.3g} {('B', 'kB', 'MB', 'GB', 'TB')[unit]}"
