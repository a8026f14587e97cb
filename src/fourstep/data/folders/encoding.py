"""How new pictures are read: as the training pictures were.

Shapes: N pictures, C channels, S height and width, K classes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, TypeAlias

import torch
from jaxtyping import Float32, UInt8
from torch import Tensor

from fourstep.data.folders.listing import existing_folder, walk
from fourstep.data.images import Standardize
from fourstep.data.pictures import read_picture
from fourstep.data.samples import Prepare, scale_bytes
from fourstep.errors import DataError, ShapeError
from fourstep.files import is_folder

Source: TypeAlias = str | Path | Iterable[str | Path] | Tensor

_MOST = 65_536  # pixels on a side; a stranger's file must not take the memory


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageEncoding:
    """What turns pictures into a model's inputs.

    Attributes:
        size: S, height and width in pixels.
        color: three channels, else one.
        standardize: the training pixels' mean and deviation; None leaves values in 0..1.
        classes: their names, in the order of their indices.
    """

    kind: ClassVar[str] = "images"

    size: int
    color: bool
    standardize: Standardize | None
    classes: tuple[str, ...]

    @property
    def prepare(self) -> Prepare:
        """What makes a batch of bytes ready for the model."""
        return self.standardize or scale_bytes

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Of one picture: (C, S, S)."""
        return 3 if self.color else 1, self.size, self.size

    def to_inputs(self, source: Source) -> Float32[Tensor, "N C S S"]:
        """Pictures as the model takes them: the same bits as in training for the same file.

        Args:
            source: a picture's path; a folder, whose pictures come sorted by name, however deep; several paths; or
                pixels, `(N, C, S, S)` bytes.

        Raises:
            DataError: there is no picture.
            DataFileError: a file is missing or damaged.
            ShapeError: the pixels are of another size or number of channels.
        """
        inputs: Tensor = self.prepare(self.to_pixels(source))
        return inputs

    def to_pixels(self, source: Source) -> UInt8[Tensor, "N C S S"]:
        """The same pictures as bytes, to be drawn; see `to_inputs`."""
        shape = self.input_shape
        if isinstance(source, Tensor):
            if source.dtype != torch.uint8 or source.shape[1:] != shape:
                raise ShapeError(
                    f"pixels are {source.dtype} of shape {tuple(source.shape)}: expected torch.uint8 of shape (N, "
                    f"{', '.join(map(str, shape))}). Give paths to have pictures resized"
                )
            return source
        paths = list_pictures(source)
        pixels = torch.empty((len(paths), *shape), dtype=torch.uint8)
        for row, path in zip(pixels, paths, strict=True):
            row.copy_(read_picture(path, self.size, color=self.color))
        return pixels

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON can hold."""
        learnt = self.standardize
        scale = None if learnt is None else {"mean": learnt.mean, "std": learnt.std}
        return {"size": self.size, "color": self.color, "standardize": scale, "classes": list(self.classes)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "ImageEncoding":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        size, color, scale, classes = (table[name] for name in ("size", "color", "standardize", "classes"))
        if type(size) is not int or not 1 <= size <= _MOST or type(color) is not bool:
            raise ValueError(f"size {size!r}, color {color!r}: expected pixels in 1..{_MOST}, and true or false")
        if not isinstance(classes, list) or not all(isinstance(name, str) for name in classes):
            raise ValueError("classes: expected a list of names")
        learnt = None
        if scale is not None:
            learnt = Standardize(mean=_numbers(scale["mean"], color=color), std=_numbers(scale["std"], color=color))
            if min(_all(learnt.std)) <= 0:
                raise ValueError(f"std {learnt.std}: expected more than 0")
        return cls(size=size, color=color, standardize=learnt, classes=tuple(classes))


def list_pictures(source: str | Path | Iterable[str | Path]) -> list[Path]:
    """The files that a source names: one, several, or all pictures of a folder, sorted by name, however deep.

    Raises:
        DataFileError: the folder cannot be read, or a link leads out of it.
        DataError: there is no picture.
    """
    if not isinstance(source, str | Path):
        paths = [Path(path) for path in source]
    elif is_folder(source):
        root = existing_folder(source)
        paths = [root / name for name, _ in walk(root, "", [])]
    else:
        paths = [Path(source)]
    if not paths:
        raise DataError(f"{source} has no pictures: expected at least one")
    return paths


def _numbers(value: Any, *, color: bool) -> float | tuple[float, ...]:
    """One number, or one for each of three channels; finite."""
    numbers = value if color else [value]
    if not isinstance(numbers, list) or len(numbers) != (3 if color else 1):
        raise ValueError(f"{value!r}: expected one number for each channel")
    for number in numbers:
        if type(number) not in (int, float) or not abs(number) <= 1:
            raise ValueError(f"{number!r}: expected a number in 0..1")
    return tuple(map(float, numbers)) if color else float(value)


def _all(value: float | tuple[float, ...]) -> tuple[float, ...]:
    return value if isinstance(value, tuple) else (value,)
