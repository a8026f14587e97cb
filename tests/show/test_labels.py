"""Names and numbers for people."""

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourstep.show.labels import is_logarithmic, number, panels, round_ticks, speed, title


@given(st.floats(-1e300, 1e300) | st.sampled_from([math.nan, math.inf, -math.inf]))
def test_a_number_is_short_and_near(value: float) -> None:
    """At most ten characters, and within half a percent of the value."""
    text = number(value)
    assert len(text) <= 10
    assert math.isnan(value) or math.isclose(float(text), value, rel_tol=5.01e-3)


@given(st.floats(-1e9, 1e9), st.floats(1e-4, 1e3), st.integers(5, 12))
def test_ticks_are_round_and_inside(low: float, relative_width: float, most: int) -> None:
    """There are two or more and not too many, evenly apart by 1, 2 or 5 times a power of ten, within the range."""
    width = relative_width * max(abs(low), 1e-3)
    ticks = round_ticks(low, low + width, most)
    steps = [after - before for before, after in pairwise(ticks)]
    mantissa = 10 ** (math.log10(steps[0]) % 1)

    assert 2 <= len(ticks) <= most
    assert low - 1e-6 * width <= ticks[0]
    assert ticks[-1] <= low + width + 1e-6 * width
    assert steps == pytest.approx([steps[0]] * len(steps))
    assert any(math.isclose(mantissa, factor, rel_tol=1e-6) for factor in (1, 2, 5, 10))


def test_losses_and_other_metrics_stand_apart() -> None:
    """The losses of all splits share a panel, all else another; an empty one is left out."""
    names = ["train/loss", "train/accuracy", "train/top-3", "val/loss", "val/accuracy"]
    assert panels(names) == [
        ("loss", ["train/loss", "val/loss"]),
        ("metrics", ["train/accuracy", "train/top-3", "val/accuracy"]),
    ]
    assert panels(["test/accuracy"]) == [("accuracy", ["test/accuracy"])]
    assert panels([]) == []


@pytest.mark.parametrize(
    ("panel", "values", "expected"),
    [
        ("loss", [5.0, 0.0499], True),
        ("loss", [5.0, 0.0501], False),
        ("loss", [5.0, 0.0], False),
        ("loss", [5.0, -0.01], False),
        ("loss", [], False),
        ("accuracy", [0.9, 0.001], False),
    ],
)
def test_a_loss_over_two_decades_is_logarithmic(panel: str, values: list[float], expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Positive losses that span more than a factor of 100, and nothing else."""
    assert is_logarithmic(panel, values) is expected


def test_names_and_speeds_are_words() -> None:
    """A curve's name without its slash; a speed with its unit and two digits at least."""
    assert title("val/top-3") == "val top-3"
    assert [speed(83000.4), speed(12.3), speed(1.25)] == ["83,000 examples/s", "12 examples/s", "1.2 examples/s"]
