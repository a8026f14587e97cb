"""Curves as lines of text, without a terminal."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourstep.show.chart import BUCKETS, MARKERS, Curve, draw_panel
from fourstep.show.terminal import draw_charts

BRAILLE = {chr(code) for code in range(0x2801, 0x2900)}


def curve(values: list[float], num_epochs: int) -> Curve:
    """A curve over evenly spaced moments of the run."""
    made = Curve(num_epochs)
    for index, value in enumerate(values, start=1):
        made.add(num_epochs * index / len(values), value)
    return made


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
    lines = draw_charts(curves, 3, width, height)

    assert len(lines) < height
    assert all(line.cell_len <= width for line in lines)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=3000))
def test_a_long_curve_is_thinned_to_its_extremes(values: list[float]) -> None:
    """However many points there are, at most two for each 1/256 of the run stay: the lowest and the highest."""
    made = curve(values, 4)
    points = made.points()

    assert len(points) <= 2 * (BUCKETS + 1)
    assert points == sorted(points)
    assert {min(values), max(values)} <= {value for _, value in points}
    assert made.last == (4.0, values[-1])


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
    """Marker, name and number; a second line where one is too short, and no value for a curve that has none."""
    curves = {
        "train/loss": curve([2.0, 0.512], 2),
        "val/loss": curve([math.nan], 2),
        "test/loss": curve([1.0, 0.498], 2),
    }
    wide = draw_panel("loss", curves, epochs=(1.0, 2.0), width=60, height=5)
    narrow = draw_panel("loss", curves, epochs=(1.0, 2.0), width=32, height=5)

    assert wide[0].plain.rstrip() == "o train loss 0.512  x val loss  + test loss 0.498"
    assert [line.plain.rstrip() for line in narrow[:2]] == ["o train loss 0.512  x val loss", "+ test loss 0.498"]
    assert {len(line.plain) for line in wide} == {60}
    assert MARKERS.isascii()
