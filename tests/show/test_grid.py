"""Pictures of many images."""

from contextlib import nullcontext
from pathlib import Path
from xml.etree import ElementTree as ET

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.image import imread
from rich.cells import cell_len
from torch import Tensor

import fourstep as fs
from fourstep.show import fonts
from fourstep.show.figure import save_figure
from fourstep.show.grid import save_image_grid

SVG = "{http://www.w3.org/2000/svg}"
XLINK = "{http://www.w3.org/1999/xlink}"


def written(path: Path) -> tuple[list[tuple[str, str]], int]:
    """The words of an SVG with their styles, and how many images it holds."""
    root = ET.parse(path).getroot()  # noqa: S314 - our own file
    words = [("".join(element.itertext()).strip(), element.get("style", "")) for element in root.iter(f"{SVG}text")]
    return words, sum(f"{XLINK}href" in image.attrib for image in root.iter(f"{SVG}image"))


@pytest.mark.parametrize("shape", [(5, 8, 8), (5, 1, 8, 8), (5, 3, 8, 8)])
@pytest.mark.parametrize("is_bytes", [True, False])
def test_every_image_has_its_title_and_colour(shape: tuple[int, ...], is_bytes: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the test
    """Grey or in colours, bytes or floats: as many images as given, each title as it is, wrong ones in red."""
    images = torch.randint(256, shape, dtype=torch.uint8) if is_bytes else torch.rand(shape)
    titles = ["cat", "dog", "$5_a", "ankle boot", "x"]
    colors = ["black", "red", "black", "black", "red"]
    save_image_grid(images, titles, tmp_path / "grid.svg", columns=2, title_colors=colors)
    words, count = written(tmp_path / "grid.svg")

    assert count == 5
    assert [text for text, _ in words] == titles
    assert ["fill: #ff0000" in style for _, style in words] == [color == "red" for color in colors]


def test_pixels_are_shown_as_they_are(tmp_path: Path) -> None:
    """White, black and the grey between keep their values, whatever the other images hold."""
    images = torch.stack([torch.full((4, 4), level) for level in (0.0, 0.5, 1.0)])
    save_image_grid(images, ["a", "b", "c"], tmp_path / "grid.png")
    picture = imread(tmp_path / "grid.png")
    middle = picture[int(picture.shape[0] * 0.6), :, 0]
    thirds = [middle[round(len(middle) * place)] for place in (1 / 6, 3 / 6, 5 / 6)]

    assert thirds == pytest.approx([0.0, 0.5, 1.0], abs=1 / 128)


@pytest.mark.parametrize(
    ("count", "columns", "expected"), [(18, None, 9), (10, None, 5), (3, None, 3), (3, 20, 3), (7, 2, 2)]
)
def test_rows_are_equally_full(count: int, columns: int | None, expected: int, tmp_path: Path) -> None:
    """Nine columns at most unless asked otherwise; the picture is as wide as its columns."""
    save_image_grid(torch.zeros(count, 2, 2), ["a"] * count, tmp_path / "grid.png", columns=columns)
    height, width = imread(tmp_path / "grid.png").shape[:2]

    assert round(width / (1.1 * 150)) == expected
    assert round(height / ((1.1 + 0.17) * 150)) == -(-count // expected)


SIGN, HAS_IT = "\u1d24", "DejaVu Serif"  # a letter that matplotlib's own font lacks; a font that comes with it has it


def test_signs_are_drawn_in_a_font_that_has_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the first family that is installed; the figure is left as it was."""
    figure = Figure(figsize=(1, 1))
    text = figure.text(0.1, 0.5, SIGN)
    own = text.get_fontfamily()
    pictures = []
    for families in (("No Such Font",), ("No Such Font", HAS_IT)):
        monkeypatch.setattr(fonts, "FAMILIES", families)
        fonts._say_once.cache_clear()
        with pytest.warns(fs.FourstepWarning) if len(families) == 1 else nullcontext():
            save_figure(figure, tmp_path / "a.png")
        pictures.append(imread(tmp_path / "a.png"))
        assert text.get_fontfamily() == own
    text.set_fontfamily([HAS_IT])
    save_figure(figure, tmp_path / "a.png")

    assert not np.array_equal(pictures[0], pictures[1])
    assert np.array_equal(pictures[1], imread(tmp_path / "a.png"))


def test_signs_that_no_font_has_are_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, whatever is drawn after; an SVG is drawn by whoever shows it."""
    monkeypatch.setattr(fonts, "FAMILIES", ("No Such Font",))
    fonts._say_once.cache_clear()
    save_image_grid(torch.ones(1, 4, 4), ["猫"], tmp_path / "grid.svg")
    save_image_grid(torch.ones(1, 4, 4), ["naïve"], tmp_path / "grid.png")

    drawn = torch.ones(2, 4, 4), ["猫", "狗"], tmp_path / "grid.png"
    with pytest.warns(fs.FourstepWarning, match="no installed font has '狗猫' of the picture: expected one such"):
        save_image_grid(*drawn)
    save_image_grid(*drawn)


@pytest.mark.parametrize("title", ["a quite long name of a class", "名字很长的一个类别" * 2])
def test_a_long_title_has_room(title: str, tmp_path: Path) -> None:
    """Between two columns of titles, and at the edges, nothing is written."""
    save_image_grid(torch.ones(2, 20, 32), [title] * 2, tmp_path / "grid.svg")
    width = float(ET.parse(tmp_path / "grid.svg").getroot().attrib["width"].removesuffix("pt"))  # noqa: S314 - our own
    save_image_grid(torch.ones(2, 20, 32), ["ink" * (len(title) // 3)] * 2, tmp_path / "grid.png")
    is_ink = np.any(imread(tmp_path / "grid.png")[..., 0] < 0.5, axis=0)  # white images: titles alone
    edges = [round(len(is_ink) * place) for place in (0, 0.5, 1)]

    assert width / 72 / 2 > 0.06 * cell_len(title)  # inches: DejaVu Sans takes half of its height for a letter
    assert is_ink.any()
    assert not any(is_ink[max(0, edge - 3) : edge + 3].any() for edge in edges)


def test_a_title_that_is_too_long_is_cut(tmp_path: Path) -> None:
    """A stranger's class names have no length, and a picture's memory has."""
    save_image_grid(torch.ones(1, 4, 4), ["x" * 5_000], tmp_path / "grid.svg")

    assert [text for text, _ in written(tmp_path / "grid.svg")[0]] == ["x" * 29 + "…"]


@pytest.mark.parametrize(
    ("images", "titles", "message"),
    [
        (torch.zeros(8, 8), ["a"], r"images have shape \(8, 8\): expected \(N, H, W\), or \(N, C, H, W\) with 1 or 3"),
        (torch.zeros(1, 2, 8, 8), ["a"], r"images have shape \(1, 2, 8, 8\)"),
        (torch.zeros(0, 8, 8), [], r"no image to draw: their shape is \(0, 8, 8\)"),
        (
            torch.full((1, 8, 8), -1.5),
            ["a"],
            r"images run from -1\.5 to -1\.5: expected 0\.\.1 or uint8\. Draw them as",
        ),
        (torch.full((1, 8, 8), torch.nan), ["a"], "images run from nan to nan"),
        (torch.zeros(401, 8, 8), ["a"] * 401, "401 images: expected at most 400 in one picture. Draw some of them"),
        (torch.zeros(2, 8, 8), ["a"], "2 images, 1 titles and 2 title colours: expected one title and one colour"),
    ],
)
def test_mistakes_are_refused_in_one_line(images: Tensor, titles: list[str], message: str, tmp_path: Path) -> None:
    """Each has its own message, and no file is left."""
    with pytest.raises(fs.DataError, match=message) as caught:
        save_image_grid(images, titles, tmp_path / "grid.png")

    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_settings_are_checked(tmp_path: Path) -> None:
    """Columns are counted from 1, and the ending is one that can be drawn."""
    with pytest.raises(fs.ConfigError, match="columns 0: expected a whole number of 1 or more"):
        save_image_grid(torch.zeros(1, 2, 2), ["a"], tmp_path / "grid.png", columns=0)
    with pytest.raises(fs.ConfigError, match=r"grid\.gif ends in '\.gif'"):
        save_image_grid(torch.zeros(1, 2, 2), ["a"], tmp_path / "grid.gif")
