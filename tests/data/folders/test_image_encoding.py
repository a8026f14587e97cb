"""How new pictures are read, kept in a file and read from a stranger's."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from PIL import Image

import fourstep as fs
from fourstep.data.encoding import save_encoding
from fourstep.data.folders.encoding import ImageEncoding, list_pictures
from fourstep.data.images import Standardize
from fourstep.data.samples import scale_bytes

Fill: TypeAlias = Callable[..., Path]

COLOR = ImageEncoding(
    size=8, color=True, standardize=Standardize(mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)), classes=("a", "b")
)
GREY = ImageEncoding(size=8, color=False, standardize=Standardize(mean=0.25, std=0.5), classes=("a", "b"))
PLAIN = ImageEncoding(size=8, color=False, standardize=None, classes=())


@pytest.mark.parametrize("encoding", [COLOR, GREY, PLAIN], ids=["color", "grey", "plain"])
def test_comes_back_from_its_file(tmp_path: Path, encoding: ImageEncoding) -> None:
    """Every number to the last bit."""
    save_encoding(encoding, tmp_path / "inputs.json")
    assert fs.data.load_encoding(tmp_path) == encoding


@pytest.mark.parametrize("encoding", [COLOR, GREY, PLAIN], ids=["color", "grey", "plain"])
def test_pixels_are_prepared_as_a_batch_is(fill: Fill, encoding: ImageEncoding) -> None:
    """Bytes become what the training's `prepare` makes of them; paths become those bytes first."""
    folder = fill({"a": 3})
    pixels = encoding.to_pixels(folder)

    assert (pixels.dtype, pixels.shape) == (torch.uint8, (3, 3 if encoding.color else 1, 8, 8))
    assert torch.equal(encoding.to_inputs(pixels), (encoding.standardize or scale_bytes)(pixels))
    assert torch.equal(encoding.to_inputs(folder), encoding.to_inputs(pixels))


def test_a_folders_pictures_are_sorted_by_name(fill: Fill) -> None:
    """However deep; what is no picture is left out. Several paths stay in the order in which they are given."""
    folder = fill({"b": 2, "a/deep": 2})
    (folder / "a" / "readme.txt").touch()
    names = [path.relative_to(folder).as_posix() for path in list_pictures(folder)]
    assert names == ["a/deep/0.png", "a/deep/1.png", "b/0.png", "b/1.png"]
    assert list_pictures(folder / "b" / "1.png") == [folder / "b" / "1.png"]
    assert list_pictures(["b.png", "a.png"]) == [Path("b.png"), Path("a.png")]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    """An empty folder, no files, a damaged file, another kind of pixels."""
    with pytest.raises(fs.DataError, match="has no pictures: expected at least one"):
        GREY.to_inputs(tmp_path)
    with pytest.raises(fs.DataError, match=r"\[\] has no pictures"):
        GREY.to_inputs([])
    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"")
    with pytest.raises(fs.DataFileError, match=r"b\.png is empty: expected a picture"):
        GREY.to_inputs(tmp_path)
    for pixels in (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), torch.zeros(2, 1, 8, 8)):
        with pytest.raises(fs.ShapeError, match=r"expected torch\.uint8 of shape \(N, 1, 8, 8\)"):
            GREY.to_inputs(pixels)


@pytest.mark.parametrize(
    "change",
    [
        {"size": 0},
        {"size": 10**9},
        {"size": 8.5},
        {"size": True},
        {"color": 1},
        {"classes": "ab"},
        {"classes": [1]},
        {"standardize": 3},
        {"standardize": {}},
        {"standardize": {"mean": 0.5, "std": 0.5}},
        {"standardize": {"mean": [0.5] * 3, "std": [0.5] * 2}},
        {"standardize": {"mean": [0.5] * 3, "std": [0.5, 0.5, 0]}},
        {"standardize": {"mean": [0.5] * 3, "std": [0.5, 0.5, float("nan")]}},
        {"standardize": {"mean": [0.5] * 3, "std": [0.5, 0.5, "1"]}},
        {"standardize": {"mean": [0.5] * 3, "std": [0.5, 0.5, 10**400]}},
    ],
    ids=str,
)
def test_a_strangers_file_is_looked_at(tmp_path: Path, change: dict[str, Any]) -> None:
    """Whatever stands in it: one line, with the file and the mend."""
    table = {"kind": "images", **COLOR.to_json(), **change}
    (tmp_path / "inputs.json").write_text(json.dumps(table))
    with pytest.raises(fs.DataFileError, match=r"inputs\.json is damaged: .*train again"):
        fs.data.load_encoding(tmp_path)


@pytest.mark.parametrize("name", ["size", "color", "standardize", "classes"])
def test_a_part_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    """Nothing has a default: it would be another training's."""
    table = {"kind": "images", **COLOR.to_json()}
    del table[name]
    (tmp_path / "inputs.json").write_text(json.dumps(table))
    with pytest.raises(fs.DataFileError, match=rf"damaged: no '{name}'"):
        fs.data.load_encoding(tmp_path)
