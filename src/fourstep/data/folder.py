"""A data set from pictures in folders, or from a CSV file that names them.

Shapes: N pictures, C channels, S height and width, K classes.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from fourstep.data.dataset import Data
from fourstep.data.draws import Augment
from fourstep.data.pictures import need_pillow
from fourstep.errors import ConfigError, check_count


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
    augment: Sequence[Augment] = (),
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
        augment: what changes training batches at random, in this order, as `[fourstep.data.augment.Flip()]`.
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
    from fourstep.data.folders.building import build  # noqa: PLC0415 - what starts processes is slow to import

    return build(
        source,
        batch_size=batch_size,
        size=size,
        color=color,
        shares={"val": val, "test": test},
        stratify=stratify,
        standardize=standardize,
        augment=augment,
        skip=damaged == "skip",
        seed=seed,
        workers=workers,
        cache=cache,
        name=name,
    )


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
