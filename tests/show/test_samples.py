"""What a data set looks like, in words, in a terminal and in a file."""

import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

import polars as pl
import pytest
import torch
from rich.console import Console
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.data.augment import Augment, Flip, MixUp
from fourstep.show import looking
from fourstep.show.looking import SIDE, draw_in_terminal, half_blocks
from fourstep.show.samples import MOST_CLASSES, are_drawable, class_counts, describe, drawn_samples

SVG = "{http://www.w3.org/2000/svg}"


def make_images(count: int = 12, channels: int = 3, augment: Sequence[Augment] = ()) -> fs.Data:
    """Bytes of classes `cat` and `dog` in turn; image i is of the value i alone, but for a white left half of dogs."""
    images = torch.arange(count, dtype=torch.uint8).reshape(-1, 1, 1, 1).repeat(1, channels, 32, 32)
    images[1::2, :, :, :16] = 255
    return fs.data.from_arrays(
        images, torch.arange(count) % 2, test=(images[:4], torch.tensor([0, 0, 0, 1])), batch_size=4,
        classes=("cat", "dog"), augment=augment,
    )  # fmt: skip


def test_splits_and_classes_are_counted_and_the_range_is_told() -> None:
    """A line per split, a line per class with a count for each split, what the model sees."""
    assert describe(make_images()) == [
        "train: 12 samples",
        "test: 4 samples",
        "      train    test",
        "cat       6       3",
        "dog       6       1",
        "the model sees float32 from 0 to 1",
    ]


def test_the_range_is_of_samples_from_all_over_the_split() -> None:
    """Not of one batch, which may well lack the largest; where not all are looked at, it says so."""
    for count, of in ((200, ""), (600, ", in 256 samples")):
        data = fs.data.from_arrays(torch.arange(float(count)).reshape(-1, 1), torch.zeros(count), batch_size=2)
        last = count - 1 if not of else 255 * (count // 256)
        assert describe(data)[1] == f"the model sees float32 from 0 to {last}{of}"


def test_a_class_without_samples_in_a_split_is_counted_as_0_and_the_counts_add_up() -> None:
    """Every class has its line, whatever split it is in."""
    data = fs.data.from_arrays(
        torch.zeros(3, 1), torch.tensor([0, 0, 2]), test=(torch.zeros(2, 1), torch.tensor([1, 1])), batch_size=2,
        classes=("a", "b", "c"),
    )  # fmt: skip
    counts = [[int(number) for number in line.split()[1:]] for line in class_counts(data)[1:]]
    assert counts == [[2, 0], [0, 2], [1, 0]]


def test_of_very_many_classes_the_largest_and_the_smallest_are_told() -> None:
    """And how many lie between them."""
    number = MOST_CLASSES + 7
    targets = torch.cat([torch.full((1 + index,), index) for index in range(number)])
    data = fs.data.from_arrays(
        torch.zeros(len(targets), 1), targets, batch_size=2, classes=[f"c{index}" for index in range(number)]
    )
    lines = class_counts(data)
    told = [line.split() for line in lines[1:-1]]
    assert lines[-1] == "and 7 between them"
    assert told[0] == [f"c{number - 1}", str(number)]
    assert sorted(int(name[1:]) for name, _ in told) == [*range(50), *range(number - 50, number)]
    assert all(int(name[1:]) + 1 == int(count) for name, count in told)


def test_a_table_is_told_column_by_column() -> None:
    """As its encoding prints; it is no picture."""
    frame = pl.DataFrame({"size": [1.5 * i for i in range(30)], "town": ["a", "b"] * 15, "price": [0.5] * 29 + [1.0]})
    data = fs.data.from_table(frame, target="price", test=None)
    assert describe(data) == ["train: 30 samples", *str(data.encoding).splitlines()]
    assert not are_drawable(data)


def test_a_loader_is_told_by_its_kind(tmp_path: Path) -> None:
    """Its samples are not looked into, and cannot be drawn."""
    loader = DataLoader(TensorDataset(torch.zeros(6, 1, 8, 8), torch.zeros(6).long()), batch_size=2)
    data = fs.Data(train=loader, classes=("a", "b"))
    assert describe(data) == ["train: 3 batches of a DataLoader"]
    with pytest.raises(fs.DataError, match="data holds no images that can be drawn: expected"):
        data.show(tmp_path / "a.png")


def test_samples_are_drawn_as_the_first_epoch_has_them() -> None:
    """Spread over the split, after augmentation, not standardised, each with its label."""
    data = make_images(augment=[Flip(probability=1.0)])
    assert isinstance(data.train, fs.Batches)
    images, labels = drawn_samples(data, 5)
    expected = data.train.inputs[torch.arange(5) * 2].float().flip(-1) / 255
    torch.testing.assert_close(images, expected)
    assert labels == ["cat"] * 5
    assert len(drawn_samples(data, 100)[0]) == 12


def test_a_mixed_label_has_both_classes_with_their_shares() -> None:
    """The larger first; the shares are those that the epoch trains on."""
    data = make_images(augment=[MixUp(alpha=1.0, num_classes=2)])
    assert isinstance(data.train, fs.Batches)
    _, labels = drawn_samples(data, 12)
    _, targets = data.train.augmented(0, torch.arange(12))
    for label, target in zip(labels, targets, strict=True):
        shares = sorted(((float(share), ("cat", "dog")[index]) for index, share in enumerate(target)), reverse=True)
        assert label.splitlines() == [f"{name} {share:.0%}" for share, name in shares if share > 0]


def test_values_are_the_label_where_there_are_no_classes(tmp_path: Path) -> None:
    """At most three of them."""
    data = fs.data.from_arrays(torch.rand(4, 1, 8, 8), torch.tensor([[0.5, 1, 2, 3]] * 4), batch_size=2)
    assert drawn_samples(data, 1)[1] == ["0.5, 1, 2"]
    data.show(tmp_path / "a.svg")
    assert (tmp_path / "a.svg").exists()


def test_show_prints_and_draws_into_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The words, the picture's place, and as many images with labels as asked for."""
    data = make_images()
    data.show(tmp_path / "samples.svg", count=6)
    assert capsys.readouterr().out.splitlines() == [*describe(data), f"picture: {tmp_path / 'samples.svg'}"]
    root = ET.parse(tmp_path / "samples.svg").getroot()  # noqa: S314 - our own file
    assert ["".join(element.itertext()).strip() for element in root.iter(f"{SVG}text")] == ["cat"] * 6
    assert len(list(root.iter(f"{SVG}image"))) == 6


@pytest.mark.parametrize(
    ("count", "name", "message"),
    [
        (0, "a.png", "count 0"),
        (401, "a.png", "count 401: expected at most 400, as many as one picture holds"),
        (4, "a.docx", "a.docx"),
    ],
)
def test_wrong_arguments_are_one_line(count: int, name: str, message: str, tmp_path: Path) -> None:
    """A count out of range, an ending that is no picture's."""
    with pytest.raises(fs.ConfigError, match=message):
        make_images().show(tmp_path / name, count=count)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_drawn_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    """Into a pipe go the words alone."""
    data = make_images()
    data.show()
    assert capsys.readouterr().out.splitlines() == describe(data)


def test_a_terminal_with_colours_gets_the_images(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Below the words; not where the data is no images."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    for name, value in {
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
        "FORCE_COLOR": "1",
        "COLUMNS": "70",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_COLOR", raising=False)
    make_images().show(count=3)
    out = capsys.readouterr().out
    assert out.count("▀") == 3 * SIDE * SIDE // 2
    assert re.search(r"cat +cat +cat", out)
    fs.data.from_arrays(torch.zeros(4, 3), torch.zeros(4), batch_size=2).show()
    assert "▀" not in capsys.readouterr().out


@pytest.mark.parametrize("width", [1, 16, 60, 200])
@pytest.mark.parametrize("channels", [1, 3])
def test_no_line_is_wider_than_the_terminal(width: int, channels: int) -> None:
    """Two rows of as many images as fit side by side."""
    console = Console(file=io.StringIO(), width=width, color_system="truecolor", force_terminal=True, record=True)
    draw_in_terminal(make_images(channels=channels), 40, console)
    lines = console.export_text().splitlines()
    across = max(1, width // (SIDE + 1))
    assert max(map(len, lines)) <= width
    assert len(lines) == -(-min(12, 2 * across) // across) * (SIDE // 2 + 1)


def test_a_half_block_is_two_pixels() -> None:
    """The upper one is the sign's colour, the lower one its ground's."""
    image = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[0.0, 0.0], [0.5, 0.0]], [[0.2, 0.0], [0.0, 0.0]]])
    (line,) = half_blocks(image)
    assert line.plain == "▀▀"
    assert [str(span.style) for span in line.spans] == ["rgb(255,0,51) on rgb(0,128,0)", "rgb(0,0,0) on rgb(255,0,0)"]


def test_a_notebook_gets_one_picture(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """In the place of signs."""
    drawn: list[int] = []
    monkeypatch.setattr(looking, "notebook_shell", object)
    monkeypatch.setattr(looking, "_draw_in_notebook", lambda _, count: drawn.append(count))
    make_images().show(count=7)
    assert drawn == [7]
    assert "▀" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "images",
    [
        torch.rand(4, 2, 8, 8),
        torch.rand(4, 8, 8),
        torch.rand(4, 1, 8, 8) * 2,
        torch.rand(4, 1, 8, 8) - 1,
        torch.zeros(4, 3),
    ],
)
def test_what_is_no_image_is_not_drawn(images: Tensor) -> None:
    """Other shapes, and values that are not from 0 to 1."""
    assert not are_drawable(fs.data.from_arrays(images, torch.zeros(4), batch_size=2))
