"""Curves as lines of text, without a terminal."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourstep.show.chart import BUCKETS, MARKERS, draw_panel
from fourstep.show.page import draw_page
from fourstep.show.thinning import Curves, ThinnedCurve, add_row

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


def curve(values: list[float], num_epochs: int) -> ThinnedCurve:
    """A curve over evenly spaced moments of the run."""
    made: Curves = {"a/b": ThinnedCurve(BUCKETS)}
    for index, value in enumerate(values, start=1):
        add_row(made, {"epoch": num_epochs * index / len(values), "a/b": value})
    return made["a/b"]


def drawn(values: list[float], *, panel: str = "loss", width: int = 60, height: int = 10) -> list[str]:
    """The lines of a panel with one curve over 10 epochs."""
    curves = {f"train/{panel}": curve(values, 10)}
    return [line.plain for line in draw_panel(panel, curves, epochs=(0.0, 10.0), width=width, height=height)]


@given(
    st.lists(st.floats(), min_size=1, max_size=50),
    st.lists(st.floats(0, 10), max_size=50),
    st.integers(1, 130),
    st.integers(1, 50),
)
def test_any_numbers_are_drawn(first: list[float], second: list[float], width: int, height: int) -> None:
    """No number whatever ends a run because it cannot be drawn, and no line is longer than the terminal is wide."""
    curves = {"train/loss": curve(first, 3), "test/loss": curve(second, 3), "train/mae": curve(second[:1], 3)}
    rows = [{"epoch": 1.0 + index, "train/loss": value, "seconds": 0.1} for index, value in enumerate(first[:5])]
    lines = draw_page(curves, rows, 3, width, height)

    assert len(lines) < height
    assert all(line.cell_len <= width for line in lines)


@pytest.mark.parametrize("width", [40, 80, 200])
def test_a_low_terminal_loses_the_table_first(width: int) -> None:
    """With less and less height: the table's rows, the table, then the charts, and nothing comes back."""
    curves = {name: curve([1.0, 0.5, 0.7], 9) for name in ("train/loss", "test/loss", "train/accuracy")}
    rows = [{"epoch": 1.0 + index, "test/loss": 0.5, "seconds": 1.0} for index in range(5)]
    seen = []
    for height in range(60, 0, -1):
        text = [line.plain for line in draw_page(curves, rows, 9, width, height)]
        has_chart = any("└" in line for line in text)
        table = next((index for index, line in enumerate(text) if "seconds" in line), None)
        seen.append((has_chart, 0 if table is None else len(text) - 1 - table))

    assert seen == sorted(seen, reverse=True)
    assert {(True, 5), (True, 2), (True, 0), (False, 0)} <= set(seen)
    assert [rows for _, rows in seen if rows == 1] == []


def test_a_straight_line_is_drawn_straight() -> None:
    """From the lower left corner of the axes to the upper right, a dot in each column, and the marker at the end."""
    lines = drawn([index / 99 for index in range(100)], panel="accuracy", width=46, height=10)
    rows = [line[6:] for line in lines[1:11]]
    heights = [max(row for row in range(10) if rows[9 - row][column] != " ") for column in range(40)]

    assert heights[0] == 0
    assert all(after - before in (0, 1) for before, after in pairwise(heights))
    assert rows[0][39] == "o"
    assert {character for row in rows for character in row} <= BRAILLE | {" ", "o"}


def test_the_axes_tell_values_and_epochs() -> None:
    """A label stands on the line of its value; the epochs' numbers below their columns, the last one included."""
    lines = drawn([0.0, 0.5, 1.0], panel="accuracy", width=46, height=10)
    labels = {float(line[:5]): row for row, line in enumerate(lines[1:11]) if line[5] == "┤"}

    assert labels == {value: 9 - int(value * 9.99) for value in labels}
    assert set(labels) >= {0.0, 1.0}
    axis, below = lines[-2:]
    assert axis[5] == "└"
    assert below.split() == ["epoch", *(str(epoch) for epoch in range(0, 11, 2))]
    for column in (index for index, character in enumerate(axis) if character == "┬"):
        assert below[column - 1 : column + 2].strip()


def test_a_loss_over_many_decades_gets_powers_of_ten() -> None:
    """Every label is a power of ten, and equal factors are equally far apart."""
    lines = drawn([10.0**-power for power in range(7)], height=14)
    labels = [(float(line[:8]), row) for row, line in enumerate(lines) if "┤" in line for line in [line.split("┤")[0]]]

    assert len(labels) > 2
    for (upper, row), (lower, next_row) in pairwise(labels):
        assert math.log10(upper / lower) == pytest.approx(round(math.log10(upper / lower)))
        assert next_row - row == pytest.approx(14 / 6 * math.log10(upper / lower), abs=1)


def test_the_legend_names_every_curve_with_its_last_value() -> None:
    """Marker, name and number; what a running mean is, and the best; further lines where one is too short."""
    curves = {
        "train/loss": curve([2.0, 0.512], 2),
        "val/loss": curve([math.nan], 2),
        "test/loss": curve([1.0, 0.498], 2),
    }
    wide = draw_panel("loss", curves, epochs=(1.0, 2.0), width=75, height=5)
    narrow = draw_panel("loss", curves, epochs=(1.0, 2.0), width=40, height=5)

    assert wide[0].plain.rstrip() == "o train loss (running mean) 0.512  x val loss  + test loss 0.498"
    assert [line.plain.rstrip() for line in narrow[:2]] == [
        *("o train loss (running mean) 0.512", "x val loss  + test loss 0.498")
    ]
    assert {len(line.plain) for line in wide} == {75}
    assert MARKERS.isascii()


def test_the_best_point_is_marked() -> None:
    """A star stands where the curve was lowest, in its legend the value; a training curve has none."""
    values = [1.0, 0.2, 0.9, 0.95, 1.0, 0.9]
    curves = {"train/loss": curve(values, 6), "test/loss": curve(values, 6)}
    lines = [line.plain for line in draw_panel("loss", curves, epochs=(1.0, 6.0), width=46, height=8)]
    (row,) = (index for index, line in enumerate(lines[2:]) if "*" in line)

    assert lines[1].rstrip() == "x test loss 0.900  * best 0.200"
    assert row == 7
    assert lines[2 + row][6:].index("*") == round(39 / 5)
    assert "*" not in "".join(
        line.plain
        for line in draw_panel("loss", {"train/loss": curves["train/loss"]}, epochs=(1.0, 6.0), width=46, height=8)
    )


def test_a_legend_in_chinese_keeps_all_of_its_numbers() -> None:
    """Its letters are two columns wide: what does not fit stands on the next line, and is not cut off."""
    curves = {f"{split}/准确率": curve([0.125], 1) for split in ("a", "b", "c")}
    for width in range(20, 60):
        lines = draw_panel("准确率", curves, epochs=(0.0, 1.0), width=width, height=4)
        assert sum(line.plain.count("0.125") for line in lines) >= 3
        assert {line.cell_len for line in lines} == {width}
