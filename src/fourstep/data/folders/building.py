"""How a data set is built from pictures: list, decode, split, learn.

Shapes: N pictures, C channels, S height and width, K classes.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from fourstep.data.arrays import from_arrays
from fourstep.data.dataset import Data
from fourstep.data.draws import Augment
from fourstep.data.folders.cache import map_pixels
from fourstep.data.folders.contents import find_contents
from fourstep.data.folders.encoding import ImageEncoding
from fourstep.data.folders.listing import SPLITS, Listing, Picture, list_folder
from fourstep.data.folders.passing import Cache, decode_all
from fourstep.data.folders.register import is_register, list_register
from fourstep.data.folders.workers import AT_ONCE, count_workers, working
from fourstep.data.images import MOST_BYTES, learn_standardize
from fourstep.data.mapped import Mapped
from fourstep.data.places import cache_folder
from fourstep.data.split import hold_out
from fourstep.errors import ConfigError, DataError, DataFileError, FourstepWarning
from fourstep.show.lines import say

Color: TypeAlias = Literal["grey", "color"] | None

_LISTED = 20  # damaged files that a warning names


def build(
    source: str | Path,
    *,
    batch_size: int,
    size: int,
    color: Color,
    shares: Mapping[str, float | None],
    stratify: bool,
    standardize: bool,
    augment: Sequence[Augment],
    skip: bool,
    seed: int,
    workers: int | None,
    cache: str | Path | None,
    name: str | None,
) -> Data:
    """What `from_images` does; its settings are checked, those of the shares apart."""
    listing = _listing(source)
    held = _held_out(listing, shares, seed=seed, stratify=stratify)
    made, has_color = _decoded(listing, Path(cache or cache_folder() / "images"), size, color, workers)
    if made.damaged:
        _tell_damaged(listing, made, skip=skip)
    pairs = _pairs(listing, made, size, color=has_color)
    if held:
        pairs |= hold_out(*pairs["train"], held, seed=seed, stratify=stratify, classes=listing.classes)
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
        augment=augment,
        name=name or (Path(source).stem if is_register(source) else listing.root.name),
    )
    return replace(data, encoding=encoding)


def _listing(source: str | Path) -> Listing:
    """The pictures; what is left out is said."""
    listing = list_register(source) if is_register(source) else list_folder(source)
    if listing.ignored:
        say(f"{source}: {len(listing.ignored):,} files are no pictures of a class, such as {listing.ignored[0]}")
    return listing


def _decoded(listing: Listing, folder: Path, size: int, color: Color, workers: int | None) -> tuple[Cache, bool]:
    """The cache, made where it is not there; and whether it has three channels."""
    folder = folder.expanduser()
    with working(count_workers(workers, -(-len(listing.pictures) // AT_ONCE))) as answers:
        contents = find_contents(listing, folder, answers, find_color=color is None)
        has_color = contents.has_color if color is None else color == "color"
        return decode_all(listing, contents, folder, answers, size=size, color=has_color), has_color


def _held_out(listing: Listing, shares: Mapping[str, float | None], *, seed: int, stratify: bool) -> dict[str, float]:
    """Which shares of the training pictures are to be set aside; what cannot be is refused before the first pass."""
    val = shares["val"]
    if val is not None and any(picture.split == "val" for picture in listing.pictures):
        raise ConfigError(f"val={val!r}, and {listing.root} has a val split of its own: leave one of them out")
    asked = ("val",) if listing.has_splits else ("val", "test")
    held = {split: share for split in asked if (share := shares[split]) is not None}
    if held:
        labels = _labels(listing, [picture for picture in listing.pictures if picture.split in ("", "train")])
        hold_out(labels, labels, held, seed=seed, stratify=stratify, classes=listing.classes)
    return held


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
