"""`data.show()`: a data set in words, and its images on the screen or in a file."""

import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text
from torch import Tensor
from torch.nn import functional

from fourstep.data.dataset import Data
from fourstep.data.samples import scale_bytes
from fourstep.errors import check_count, one_line
from fourstep.show.places import notebook_shell
from fourstep.show.samples import are_drawable, describe, drawn_samples, save_samples

SIDE, ROWS = 16, 2  # pixels, which take as many columns and half as many lines; rows of images


def look(data: Data, path: str | Path | None, count: int) -> None:
    """See `Data.show`."""
    check_count("count", count)
    print("\n".join(describe(data)))  # noqa: T201 - what it is for
    if path is not None:
        save_samples(data, path, count)
        print(f"picture: {one_line(str(path))}")  # noqa: T201 - as above
    elif are_drawable(data):
        if notebook_shell() is not None:
            _draw_in_notebook(data, count)
        elif Console().color_system is not None and sys.stdout.isatty():
            draw_in_terminal(data, count, Console())


def _draw_in_notebook(data: Data, count: int) -> None:
    import tempfile  # noqa: PLC0415 - for this place alone

    from IPython.display import SVG, display  # noqa: PLC0415 - there where a notebook is

    with tempfile.TemporaryDirectory() as folder:
        save_samples(data, Path(folder) / "samples.svg", count)
        display(SVG(filename=str(Path(folder) / "samples.svg")))  # type: ignore[no-untyped-call]


def draw_in_terminal(data: Data, count: int, console: Console) -> None:
    """Two rows of images as half blocks, each with its label below."""
    across = max(1, console.width // (SIDE + 1))
    images, labels = drawn_samples(data, min(count, across * ROWS))
    small = functional.interpolate(scale_bytes(images), (SIDE, SIDE), mode="area")
    for start in range(0, len(small), across):
        lines = [Text(" ").join(parts) for parts in zip(*map(half_blocks, small[start : start + across]), strict=True)]
        for line in lines:
            console.print(line, no_wrap=True, crop=True)
        names = [label.splitlines()[0][:SIDE].ljust(SIDE) for label in labels[start : start + across]]
        console.print(Text(" ".join(names)), no_wrap=True, crop=True)


def half_blocks(image: Tensor) -> list[Text]:
    """An image `(C, H, W)` in 0..1 as H/2 lines of W signs, whose upper and lower halves are two pixels."""
    colors = (image.expand(3, -1, -1) * 255).round().byte().permute(1, 2, 0).tolist()
    lines = []
    for upper, lower in zip(colors[::2], colors[1::2], strict=True):
        styles = (f"rgb{_triple(above)} on rgb{_triple(below)}" for above, below in zip(upper, lower, strict=True))
        lines.append(Text.assemble(*(("\u2580", style) for style in styles)))
    return lines


def _triple(color: list[int]) -> str:
    return f"({','.join(map(str, color))})"
