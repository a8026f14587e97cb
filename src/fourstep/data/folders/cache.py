"""Pictures as one file of bytes, written block by block and mapped into memory.

A cache is a folder. `pixels.bin` has the pictures one after the other, those that could be read; `blocks.jsonl` has a
line for each block, written after its pixels: how many pictures, their SHA-256, and what was wrong with the others.
Whatever ends a first pass, the next one goes on behind the last block whose bytes are what its line says.

Shapes: N pictures, C channels, S height and width.
"""

import hashlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fourstep.data.mapped import Mapped
from fourstep.files import atomic_write, sync_folder

PIXELS, BLOCKS = "pixels.bin", "blocks.jsonl"


@dataclass(frozen=True, kw_only=True, slots=True)
class Block:
    """Some pictures that were decoded together.

    Attributes:
        rows: how many could be read.
        sha256: of their bytes, in hexadecimal.
        damaged: the others' numbers within the block, and what is wrong with them.
    """

    rows: int
    sha256: str
    damaged: tuple[tuple[int, str], ...] = ()


def read_blocks(folder: Path, lengths: Sequence[int]) -> list[Block]:
    """The first blocks of a cache, as far as their lines are whole.

    Args:
        folder: the cache; it need not be there.
        lengths: how many pictures each block is of.
    """
    try:
        lines = (folder / BLOCKS).read_bytes().split(b"\n")[:-1]  # the last of a torn file has no end
    except OSError:
        return []
    blocks = itertools.takewhile(lambda block: block is not None, map(_block, lines, lengths))
    return [block for block in blocks if block is not None]


def keep_whole(folder: Path, blocks: Sequence[Block], row_bytes: int) -> list[Block]:
    """The first of these blocks, as far as their pixels are what their lines say.

    Args:
        folder: the cache.
        blocks: the first ones of its lines.
        row_bytes: what a picture takes.
    """
    ends = [row_bytes * rows for rows in itertools.accumulate(block.rows for block in blocks)]
    if not ends or not ends[-1]:
        return list(blocks)
    try:
        pixels = np.memmap(folder / PIXELS, np.uint8, "r")
    except (OSError, ValueError):  # it is not there, or empty
        return []

    def is_whole(block: Block, start: int, end: int) -> bool:
        return hashlib.sha256(pixels[start:end].data).hexdigest() == block.sha256

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        whole = list(threads.map(is_whole, blocks, [0, *ends[:-1]], ends))
    return list(blocks[: whole.index(False)] if False in whole else blocks)


def write_blocks(folder: Path, blocks: Sequence[Block], more: Iterable[tuple[Block, bytes]], row_bytes: int) -> None:
    """Go on behind the blocks that are there.

    Args:
        folder: the cache.
        blocks: those that are kept.
        more: each further block, and its pixels.
        row_bytes: what a picture takes.

    Raises:
        OSError: the disk is full, or does not let itself be written.
    """
    with atomic_write(folder / BLOCKS) as part:
        part.write_bytes(b"".join(map(_line, blocks)))
    with (folder / PIXELS).open("ab") as pixels, (folder / BLOCKS).open("ab") as lines:
        pixels.truncate(sum(block.rows for block in blocks) * row_bytes)
        for block, content in more:
            pixels.write(content)
            pixels.flush()
            lines.write(_line(block))
            lines.flush()
        for file in (pixels, lines):
            os.fsync(file.fileno())
    sync_folder(folder)


def make_block(rows: int, content: bytes, damaged: Iterable[tuple[int, str]]) -> Block:
    """A block by its bytes."""
    return Block(rows=rows, sha256=hashlib.sha256(content).hexdigest(), damaged=tuple(damaged))


def map_pixels(folder: Path, num_rows: int, channels: int, size: int) -> Mapped:
    """A cache's pixels, `(N, C, S, S)`, read from the disk as they are asked for: they may be more than the memory."""
    shape = (num_rows, channels, size, size)
    pixels = np.memmap(folder / PIXELS, np.uint8, "r", shape=shape) if num_rows else np.empty(shape, np.uint8)
    return Mapped(array=pixels, dtype=torch.uint8)


def damaged_in(blocks: Sequence[Block], lengths: Sequence[int]) -> Iterator[tuple[int, str]]:
    """The number of every picture that could not be read, and what is wrong with it."""
    first = 0
    for block, length in zip(blocks, lengths, strict=True):
        for i, reason in block.damaged:
            yield first + i, reason
        first += length


def _line(block: Block) -> bytes:
    return json.dumps(asdict(block)).encode() + b"\n"


def _block(line: bytes, length: int) -> Block | None:
    """What a line says; None where it is torn, or of other blocks."""
    try:
        table: Any = json.loads(line)
        damaged = tuple((int(i), str(reason)) for i, reason in table["damaged"])
        block = Block(rows=int(table["rows"]), sha256=str(table["sha256"]), damaged=damaged)
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    fits = block.rows >= 0 and block.rows + len(damaged) == length and all(0 <= i < length for i, _ in damaged)
    return block if fits else None
