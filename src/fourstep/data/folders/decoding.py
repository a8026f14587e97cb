"""A picture file as bytes: the one way in which training and prediction read it.

This file stands alone, without torch and without the package: the first pass runs it as a program of its own, several
times at once, and each is to start in a blink.

Shapes: N pictures, C channels, S height and width.
"""

import hashlib
import os
import pickle
import signal
import stat
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import IO, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

MAX_PIXELS, MAX_SIDE = 50_000_000, 65_535  # a picture that says it is larger is not unpacked; JPEG's own longest side
KINDS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")  # not all of Pillow's: one for EPS runs a program
UNREADABLE = bytes(hashlib.sha256().digest_size)  # what stands for the content of a file that cannot be read

Stamp: TypeAlias = tuple[int, int, int]  # size in bytes; when content, and when anything else changed, in ns
Decoded: TypeAlias = tuple[bytes, list[tuple[int, str]], list[int]]

_CHUNK = 2**16  # bytes that are read at once
_STRIP = 2**20  # pixels that are converted at once
_GREY = ("1", "L", "LA", "La")


class PictureError(ValueError):
    """What is wrong with a file, in words that go on after its name."""


def decode(path: str, size: int, *, color: bool) -> NDArray[np.uint8]:
    """A picture cut to a centred square and scaled, bilinear; where it shrinks each pixel averages all that it covers.

    It is turned as EXIF says. Of an animation the first picture counts. What is transparent lies on white; CMYK and
    palettes become RGB; 16 bits per channel become 8. Grey is ITU-R BT.601's brightness; a JPEG has it in its file.

    Args:
        path: PNG, JPEG, GIF, BMP, WebP, TIFF or PPM.
        size: S, height and width in pixels.
        color: three channels, else one.

    Returns:
        `(C, S, S)`.

    Raises:
        PictureError: the file is missing, no picture, damaged, or too large.
    """
    with _quiet():
        return _decode(path, size, color=color)


def _decode(path: str, size: int, *, color: bool) -> NDArray[np.uint8]:
    from PIL import Image, ImageOps  # noqa: PLC0415 - optional

    mode = "RGB" if color else "L"
    with _opened(path) as picture:
        picture.draft(mode, (size, size))  # a large JPEG is unpacked at a half, a quarter or an eighth
        ImageOps.exif_transpose(picture, in_place=True)
        fitted = ImageOps.fit(_converted(picture, mode), (size, size), Image.Resampling.BILINEAR)
    pixels: NDArray[np.uint8] = np.asarray(fitted)
    return pixels.transpose(2, 0, 1) if color else pixels[None]


def decode_block(paths: Sequence[str], stamps: Sequence[Stamp], size: int, *, color: bool) -> Decoded:
    """Several pictures one after the other.

    Args:
        paths: N of them.
        stamps: each file's, as it was listed.
        size: S, in pixels.
        color: as for `decode`.

    Returns:
        The bytes of those that could be read, `(n, C, S, S)`; the number and the reason of each that could not; the
        numbers of those that changed since they were listed.
    """
    rows, damaged, changed = [], [], []
    with _quiet():
        for i, (path, stamp) in enumerate(zip(paths, stamps, strict=True)):
            try:
                if _has_changed(path, stamp):
                    changed.append(i)
                else:
                    rows.append(_decode(path, size, color=color).tobytes())
            except PictureError as error:
                damaged.append((i, str(error)))
    return b"".join(rows), damaged, changed


def _has_changed(path: str, stamp: Stamp) -> bool:
    try:
        return stamp_of(os.stat(path)) != stamp  # noqa: PTH116 - a Path takes as long as the call
    except OSError:
        return True


def look(paths: Sequence[str], *, find_color: bool) -> tuple[bytes, bool]:
    """What several files hold.

    Args:
        paths: N of them.
        find_color: look for a picture that is not grey; a file that cannot be read is none.

    Returns:
        Their SHA-256, `32 N` bytes; and whether a picture with colour was looked for and is there.
    """
    digests, has_color = [], False
    with _quiet():
        for path in paths:
            try:
                digests.append(_digest(path))
                has_color = has_color or (find_color and not _is_grey(path))
            except OSError:
                digests.append(UNREADABLE)
            except PictureError:
                pass
    return b"".join(digests), has_color


def _digest(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        digest = hashlib.sha256(file.read(_CHUNK))  # most often all of it; `file_digest` clears 256 KiB for each file
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.digest()


def _quiet() -> AbstractContextManager[Any]:
    """Without warnings: of sizes, which are looked at here, and of odd metadata."""
    return warnings.catch_warnings(action="ignore")


def stamp_of(status: os.stat_result) -> Stamp:
    """What tells a file that changed from one that did not, without reading it."""
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """An open picture of a size that may be unpacked; whatever is wrong with it, also later on, is a `PictureError`."""
    from PIL import Image, UnidentifiedImageError  # noqa: PLC0415 - optional

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 - as above
            raise PictureError("cannot be read as a picture: it is no plain file")  # noqa: TRY301 - one way out
        with open(path, "rb") as file, Image.open(file, formats=KINDS) as picture:  # noqa: PTH123 - as above
            if picture.width * picture.height > MAX_PIXELS or max(picture.size) > MAX_SIDE:
                raise PictureError(  # noqa: TRY301 - as above
                    f"has {picture.width} x {picture.height} pixels: expected at most {MAX_PIXELS:,}, "
                    f"and {MAX_SIDE:,} on a side"
                )
            yield picture
    except PictureError:
        raise
    except UnidentifiedImageError as error:
        is_empty = os.path.getsize(path) == 0  # noqa: PTH202 - as above
        said = "is empty: expected a picture" if is_empty else f"is no picture: expected {', '.join(KINDS)}"
        raise PictureError(said) from error
    except FileNotFoundError as error:
        raise PictureError("cannot be read as a picture: there is no such file") from error
    except Exception as error:  # what a damaged file may lead Pillow to nobody has listed
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise PictureError(f"cannot be read as a picture: {reason.splitlines()[0]}") from error


def _converted(picture: Any, mode: str) -> Any:
    """The picture in grey or in colour, made strip by strip: what lies between would take its memory several times."""
    from PIL import Image  # noqa: PLC0415 - optional

    if picture.mode == mode and not picture.has_transparency_data:
        return picture
    rows = max(1, _STRIP // picture.width)
    if picture.height <= rows:
        return _converted_strip(picture, mode, picture.format)
    whole = Image.new(mode, picture.size, None)
    for top in range(0, picture.height, rows):
        box = (0, top, picture.width, min(top + rows, picture.height))
        whole.paste(_converted_strip(picture.crop(box), mode, picture.format), box)
    return whole


def _converted_strip(picture: Any, mode: str, kind: str) -> Any:
    from PIL import Image  # noqa: PLC0415 - optional

    if picture.mode.startswith("I;16") or (picture.mode == "I" and kind in ("PNG", "PPM")):
        wide = np.asarray(picture).clip(0, 65_535).astype(np.uint32)
        picture = Image.fromarray(((wide + 128) // 257).astype(np.uint8))  # rounded: 65,535 is 255 x 257
    elif picture.mode in ("I", "F"):
        raise PictureError("has 32 bits per pixel, of unknown range: expected 8 or 16")
    elif picture.has_transparency_data:
        seen = picture.convert("RGBA")
        picture = Image.new("RGBA", seen.size, "white")
        picture.alpha_composite(seen)
    return picture if picture.mode == mode else picture.convert(mode)


def _is_grey(path: str) -> bool:
    """Does the file say that it has no colours? Its pixels are not looked at."""
    with _opened(path) as picture:
        if picture.mode == "P":
            colors = np.frombuffer(picture.convert("P").palette.tobytes(), np.uint8)
            return bool(picture.palette.mode == "RGB" and (np.ptp(colors.reshape(-1, 3), axis=1) == 0).all())
        return picture.mode in _GREY or picture.mode.startswith(("I", "F"))


def serve(source: IO[bytes], sink: IO[bytes]) -> None:
    """Answer tasks, pairs of a name and its arguments, until there are no more; both ends are fourstep's own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes of a terminal; the first one decides
    tasks: dict[str, Callable[..., Any]] = {"decode": decode_block, "look": look}
    while True:
        try:
            name, positional, named = pickle.load(source)  # noqa: S301 - what the process wrote that started this one
            pickle.dump(tasks[name](*positional, **named), sink)
            sink.flush()
        except (EOFError, BrokenPipeError):  # it is done, or was killed
            return


if __name__ == "__main__":
    output = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else may print must not come between the answers
    serve(sys.stdin.buffer, output)
    os._exit(0)  # nobody listens any more: there is nothing to write out
