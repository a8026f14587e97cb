"""Pictures of curves."""

import itertools
import math
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib.image import imread

import fourstep as fs
from fourstep.show import save_curves
from fourstep.show.figure import figure_of

SVG = "{http://www.w3.org/2000/svg}"


def filled(
    rows: int = 20, *, splits: tuple[str, ...] = ("train", "test"), metrics: tuple[str, ...] = ("accuracy",)
) -> fs.History:
    """A run whose test loss is lowest at epoch 8, and whose accuracy rises until the end."""
    history = fs.History()
    for epoch in range(1, rows + 1):
        row = {"epoch": float(epoch), "step": 10.0 * epoch}
        for split in splits:
            row[f"{split}/loss"] = 1 / epoch if split == "train" else 1 + 0.01 * (epoch - 8) ** 2
            row |= {f"{split}/{metric}": 1 - 1 / (epoch + 1) for metric in metrics}
        history.append(row | {"seconds": 1.0 * epoch, "examples_per_second": 100.0})
    return history


def texts(path: Path) -> list[str]:
    """Everything that an SVG says in words."""
    return ["".join(element.itertext()).strip() for element in ET.parse(path).iter(f"{SVG}text")]  # noqa: S314 - our own file


def test_an_svg_holds_every_curve_with_its_points(tmp_path: Path) -> None:
    """Valid XML with a panel for loss and one for the rest, a line of 20 points per curve, names and axis labels."""
    save_curves(filled(), tmp_path / "curves.svg")
    root = ET.parse(tmp_path / "curves.svg").getroot()  # noqa: S314 - our own file
    paths = [path.get("d", "") for path in root.iter(f"{SVG}path") if "clip-path" in path.attrib]

    assert root.tag == f"{SVG}svg"
    assert sum(path.count("L") == 19 for path in paths) == 4
    assert {
        *(
            "train loss (running mean)",
            "test loss",
            "train accuracy (running mean)",
            "test accuracy",
            "loss",
            "accuracy",
        )
    } <= set(texts(tmp_path / "curves.svg"))
    assert texts(tmp_path / "curves.svg").count("epoch") == 2


@pytest.mark.parametrize("kind", ["svg", "png", "pdf", "PNG"])
def test_the_same_history_gives_the_same_bytes(kind: str, tmp_path: Path) -> None:
    """Also in another process: no time, no random name; and no pyplot, whose figures would pile up."""
    first, second = tmp_path / f"first.{kind}", tmp_path / f"second.{kind}"
    save_curves(filled(), first)
    filled().save_jsonl(tmp_path / "metrics.jsonl")
    program = (
        "import sys; from fourstep.history import History; from fourstep.show import save_curves;"
        "save_curves(History.load_jsonl(sys.argv[1]), sys.argv[2]); assert 'matplotlib.pyplot' not in sys.modules"
    )
    if kind == "svg":  # a process costs a second
        subprocess.run([sys.executable, "-c", program, str(tmp_path / "metrics.jsonl"), str(second)], check=True)
    else:
        save_curves(filled(), second)

    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:5] in (b"<?xml", b"\x89PNG\r", b"%PDF-")


def test_the_best_judged_value_is_marked(tmp_path: Path) -> None:
    """The lowest loss and the highest accuracy of val, or of test where there is no val; of no unknown metric."""
    loss, accuracy = figure_of(filled()).axes
    ring = loss.lines[-1]
    assert (ring.get_xdata(), ring.get_ydata()) == ([8.0], [1.0])
    assert ring.get_label() == "best 1.000 at epoch 8"
    assert accuracy.lines[-1].get_xdata() == [20.0]

    assert len(figure_of(filled(splits=("train", "val", "test"))).axes[0].lines) == 4
    assert len(figure_of(filled(splits=("train",))).axes[0].lines) == 1
    assert len(figure_of(filled(metrics=("fid",))).axes[1].lines) == 2
    save_curves(filled(splits=("train", "val", "test"), metrics=("accuracy", "fid")), tmp_path / "curves.svg")
    assert "metrics" in texts(tmp_path / "curves.svg")


@pytest.mark.parametrize(("last", "scale"), [(0.0099, "log"), (0.0101, "linear"), (0.0, "linear")])
def test_a_loss_over_two_decades_is_drawn_logarithmic(last: float, scale: str) -> None:
    """A fall from 1 to 0.0099 is, one to 0.0101 is not, and zero has no logarithm."""
    history = fs.History()
    for epoch, loss in enumerate((1.0, 0.1, last), start=1):
        history.append({"epoch": float(epoch), "train/loss": loss, "train/accuracy": loss})

    assert [axes.get_yscale() for axes in figure_of(history).axes] == [scale, "linear"]


@pytest.mark.parametrize(
    "values", [[math.nan], [math.inf, 1.0], [1.0, math.nan, 3.0], [1.0], list(itertools.repeat(2.0, 5000))]
)
def test_odd_histories_are_drawn(values: list[float], tmp_path: Path) -> None:
    """Not a number, infinite, a single row, thousands of equal ones: a picture, and no warning."""
    history = fs.History()
    for index, value in enumerate(values, start=1):
        history.append({"epoch": float(index), "train/loss": value, "test/loss": value})
    save_curves(history, tmp_path / "curves.png")

    assert imread(tmp_path / "curves.png").shape[:2] == (540, 750)


def test_the_learning_rate_is_drawn_on_request(tmp_path: Path) -> None:
    """In a panel of its own, logarithmic where it falls far; where there is none, that is said."""
    history = fs.History()
    for epoch in range(1, 6):
        history.append({"epoch": float(epoch), "train/loss": 1.0, "lr": 10.0**-epoch})
    *_, rates = figure_of(history, lr=True).axes

    assert (rates.get_ylabel(), rates.get_yscale()) == ("lr", "log")
    assert np.asarray(rates.lines[0].get_ydata()).tolist() == [10.0**-epoch for epoch in range(1, 6)]
    assert len(figure_of(history).axes) == 1
    with pytest.raises(fs.ConfigError, match="the history holds no lr: its optimizer has none that is a number"):
        save_curves(filled(), tmp_path / "curves.svg", lr=True)


def test_a_long_history_is_drawn_as_fast_as_a_short_one() -> None:
    """Of 10,000 rows at most 1,026 points a curve, the lowest and the highest among them."""
    figure = figure_of(filled(10_000))
    loss, accuracy = figure.axes

    assert max(np.size(line.get_xdata()) for line in [*loss.lines, *accuracy.lines]) <= 1026
    assert loss.lines[-1].get_label() == "best 1.000 at epoch 8"
    assert np.max(accuracy.lines[0].get_ydata()) == 1 - 1 / 10_001


def test_drawing_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    """The settings of the file's format are those of before."""
    before = mpl.rcParams["svg.hashsalt"], mpl.rcParams["svg.fonttype"]
    save_curves(filled(), tmp_path / "curves.svg")

    assert (mpl.rcParams["svg.hashsalt"], mpl.rcParams["svg.fonttype"]) == before


def test_mistakes_are_refused_in_one_line(tmp_path: Path) -> None:
    """An unknown ending, nothing to draw, a folder that is not there; no file is left."""
    with pytest.raises(fs.ConfigError, match=r"curves\.jpg ends in '\.jpg': expected \.svg, \.png or \.pdf"):
        save_curves(filled(), tmp_path / "curves.jpg")
    with pytest.raises(fs.ConfigError, match="the history holds no measured number: expected one epoch or more"):
        save_curves(fs.History(), tmp_path / "curves.svg")
    with pytest.raises(fs.DataFileError, match=r"none/curves\.svg cannot be written: No such file or directory"):
        save_curves(filled(), tmp_path / "none" / "curves.svg")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["$x^$", "\x1b[2J<script>", "x" * 5000])
def test_any_name_of_a_metric_is_drawn_as_text(name: str, tmp_path: Path) -> None:
    """A stranger's rows hold what is no formula, no XML, or too long."""
    history = fs.History()
    history.append({"epoch": 1.0, "step": 1, f"train/{name}": 0.5})
    save_curves(history, tmp_path / "a.svg")
    drawn = "".join(ET.parse(tmp_path / "a.svg").getroot().itertext())  # noqa: S314 - our own file

    assert f"train {name}".replace("\x1b", "\\x1b")[:50] in drawn


def test_letters_that_matplotlib_has_no_font_for_are_text_in_an_svg(tmp_path: Path) -> None:
    """Whoever shows it has a font: nothing to warn of, at the end of every run."""
    history = fs.History()
    history.append({"epoch": 1.0, "step": 1, "val/准确率": 0.5})
    save_curves(history, tmp_path / "curves.svg")

    assert "val 准确率" in (tmp_path / "curves.svg").read_text(encoding="utf-8")
