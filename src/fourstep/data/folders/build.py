"""A data set from pictures in folders, or from a CSV file that names them.

Shapes: N pictures, C channels, S height and width, K classes.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import torch
from jaxtyping import Int64
from torch import Tensor

from fourstep.data.arrays import from_arrays
from fourstep.data.dataset import Data
from fourstep.data.folders.cache import map_pixels
from fourstep.data.folders.contents import find_contents
from fourstep.data.folders.encoding import ImageEncoding
from fourstep.data.folders.listing import SPLITS, Listing, Picture, list_folder
from fourstep.data.folders.passing import Cache, decode_all
from fourstep.data.folders.register import is_register, list_register
from fourstep.data.folders.workers import AT_ONCE, count_workers, working
from fourstep.data.images import MOST_BYTES, learn_standardize
from fourstep.data.mapped import Mapped
from fourstep.data.pictures import need_pillow
from fourstep.data.places import cache_folder
from fourstep.data.split import hold_out
from fourstep.errors import ConfigError, DataError, DataFileError, FourstepWarning, check_count
from fourstep.show.lines import say

_LISTED = 20  # damaged files that a warning names


def from_images(
    source: str | Path,
    *,
    batch_size: int = 64,
    size: int = 32,
    color: Literal["grey", "color"] | None = None,
    val: float | None = None,
    test: float | None = 0.2,
    stratify: bool = True,
    standardize: bool = True,
    damaged: Literal["stop", "skip"] = "stop",
    seed: int = 0,
    workers: int | None = None,
    cache: str | Path | None = None,
    name: str | None = None,
) -> Data:
    """A data set from picture files.

        folder/cat/1.jpg              or   folder/train/cat/1.jpg, folder/val/..., folder/test/...
                                      or   a CSV or TSV file with columns file,label, or file,label,split

    Each picture is turned as EXIF says, cut to a centred square, scaled, and kept as bytes in the cache folder, by
    several processes. The cache is known by what the files hold, whatever they are called and however they are split:
    it is made once, goes on where it was interrupted, and is verified when it is opened. Up to 1 GiB of it is held in
    memory; more stays in its file and is read batch by batch, so that it may be larger than the memory.

    Args:
        source: the folder, or the CSV or TSV file; its paths go from the folder that it lies in.
        batch_size: pictures per batch, 1 or more.
        size: S, height and width in pixels, 1 or more.
        color: one channel or three; None takes one if the files say that all of them are grey.
        val: share of the training pictures to choose by, in (0, 1). None holds nothing out.
        test: share of the pictures to judge by; unused where the source has splits of its own.
        stratify: give every class the same shares.
        standardize: shift and scale each channel to mean 0 and deviation 1 over the training split; else 0..1.
        damaged: what to do with files that are no whole pictures: `"stop"` when all have been read, and name the
            first; or `"skip"` them with a warning that lists them.
        seed: fixes the split and the order of every epoch; 0 or more.
        workers: processes that decode; None for one per processor, with 1 this one does it.
        cache: where decoded pictures are kept; None for `images` in fourstep's own cache folder, `FOURSTEP_CACHE`.
        name: what the data set is called; None for the source's name.

    Returns:
        Inputs `(N, C, S, S)`, bytes until the batch; targets 0..K-1, classes sorted by name. `data.to_inputs` reads
        other pictures in the same way.

    Raises:
        ConfigError: a setting out of range.
        DataError: no classes, one alone, or too few pictures for the shares.
        DataFileError: a file or folder is missing, damaged or leads elsewhere; the cache cannot be written.
        MissingExtraError: Pillow is not installed.
    """
    _check(source, batch_size=batch_size, size=size, color=color, damaged=damaged, workers=workers)
    need_pillow()
    listing = list_register(source) if is_register(source) else list_folder(source)
    if listing.ignored:
        say(f"{source}: {len(listing.ignored):,} files are no pictures of a class, such as {listing.ignored[0]}")
    folder = cache_folder() / "images" if cache is None else Path(cache).expanduser()
    held = _held_out(listing, val=val, test=test)
    if held:  # what cannot be is refused before the first pass, not after it
        labels = _labels(listing, [picture for picture in listing.pictures if picture.split in ("", "train")])
        hold_out(labels, labels, held, seed=seed, stratify=stratify)
    with working(count_workers(workers, -(-len(listing.pictures) // AT_ONCE))) as answers:
        contents = find_contents(listing, folder, answers, find_color=color is None)
        has_color = contents.has_color if color is None else color == "color"
        made = decode_all(listing, contents, folder, answers, size=size, color=has_color)
    if made.damaged:
        _tell_damaged(listing, made, skip=damaged == "skip")
    pairs = _pairs(listing, made, size, color=has_color)
    if held:
        pairs |= hold_out(*pairs["train"], held, seed=seed, stratify=stratify)
    splits = _in_memory(pairs)
    learnt = learn_standardize(splits["train"][0]) if standardize else None
    encoding = ImageEncoding(size=size, color=has_color, standardize=learnt, classes=listing.classes)
    data = from_arrays(
        *splits["train"],
        batch_size=batch_size,
        val=splits.get("val"),
        test=splits.get("test"),
        seed=seed,
        classes=listing.classes,
        prepare=encoding.prepare,
        name=name or (Path(source).stem if is_register(source) else listing.root.name),
    )
    return replace(data, encoding=encoding)


def _check(source: Any, *, batch_size: Any, size: Any, color: Any, damaged: Any, workers: Any) -> None:
    if not isinstance(source, str | Path):
        raise ConfigError(
            f"source is a {type(source).__name__}: expected the path of a folder of pictures, or of a CSV file that "
            "names them. fourstep.data.from_arrays takes arrays, fourstep.data.from_table takes tables"
        )
    check_count("batch_size", batch_size)
    check_count("size", size)
    if workers is not None:
        check_count("workers", workers)
    if color not in (None, "grey", "color"):
        raise ConfigError(f"color {color!r}: expected 'grey', 'color', or None for what the files say")
    if damaged not in ("stop", "skip"):
        raise ConfigError(f"damaged {damaged!r}: expected 'stop' or 'skip'")


def _held_out(listing: Listing, *, val: float | None, test: float | None) -> dict[str, float]:
    """Which shares of the training pictures are to be set aside."""
    if val is not None and any(picture.split == "val" for picture in listing.pictures):
        raise ConfigError(f"val={val!r}, and {listing.root} has a val split of its own: leave one of them out")
    shares = {"val": val} if listing.has_splits else {"val": val, "test": test}
    return {split: share for split, share in shares.items() if share is not None}


def _pairs(listing: Listing, cache: Cache, size: int, *, color: bool) -> dict[str, tuple[Mapped, Tensor]]:
    """Pixels, in the cache's file, and class indices of every split that the source has; of train alone if it has none.

    Raises:
        DataError: of a class nothing is left.
    """
    out = {i for i, _ in cache.damaged}
    pictures = [picture for i, picture in enumerate(listing.pictures) if i not in out]
    labels = _labels(listing, pictures)
    pixels = map_pixels(cache.folder, len(pictures), 3 if color else 1, size)
    pairs: dict[str, tuple[Mapped, Tensor]] = {}
    for split in SPLITS:
        rows = torch.tensor([i for i, picture in enumerate(pictures) if (picture.split or "train") == split])
        if len(rows):
            pairs[split] = pixels.choose(rows), labels[rows]
    left = set(pairs["train"][1].tolist()) if "train" in pairs else set()
    for i, label in enumerate(listing.classes):
        if i not in left:
            raise DataError(f"{listing.root}: class {label!r} has no whole picture to train on. Mend its files")
    return pairs


def _labels(listing: Listing, pictures: Sequence[Picture]) -> Int64[Tensor, " N"]:
    """The class indices of some of a listing's pictures."""
    index = {label: i for i, label in enumerate(listing.classes)}
    return torch.tensor([index[picture.label] for picture in pictures])


def _in_memory(pairs: Mapping[str, tuple[Mapped, Tensor]]) -> dict[str, tuple[Tensor | Mapped, Tensor]]:
    """Pixels as whole tensors where all of them take 1 GiB or less; else as they are."""
    whole = next(iter(pairs.values()))[0].array
    if whole.nbytes > MOST_BYTES:
        return dict(pairs)
    return {split: (pixels[:], labels) for split, (pixels, labels) in pairs.items()}


def _tell_damaged(listing: Listing, cache: Cache, *, skip: bool) -> None:
    """Stop, or warn.

    Raises:
        DataFileError: to stop.
    """
    said = [f"{listing.pictures[i].name} {reason}" for i, reason in cache.damaged]
    total = f"{len(listing.pictures):,} pictures in {listing.root}"
    if not skip:
        raise DataFileError(
            f"{len(said):,} of {total} cannot be used; the first: {said[0]}. Mend or remove them, or pass "
            "damaged='skip'"
        )
    shown = "; ".join(said[:_LISTED]) + (f"; and {len(said) - _LISTED:,} more" if len(said) > _LISTED else "")
    warnings.warn(f"{len(said):,} of {total} are left out: {shown}", FourstepWarning, stacklevel=4)
