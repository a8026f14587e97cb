"""Which point of a curve is the best."""

import math

import pytest

from fourstep.show.best import best_point, judged


@pytest.mark.parametrize(
    ("metric", "ys", "expected"),
    [
        ("loss", [0.5, 0.2, math.nan, 0.2, 0.9], (2, 0.2)),
        ("accuracy", [0.5, 0.9, math.inf, 0.9, 0.1], (2, 0.9)),
        ("fid", [0.5, 0.9, 0.1, 0.2, 0.3], None),
        ("loss", [math.nan] * 5, None),
    ],
)
def test_the_first_best_of_the_finite_ones(metric: str, ys: list[float], expected: tuple[int, float] | None) -> None:
    """The lowest loss, the highest accuracy; nobody knows what is best of another metric."""
    assert best_point(metric, [1.0, 2.0, 3.0, 4.0, 5.0], ys) == expected


def test_val_judges_before_test() -> None:
    """Where there is a split to choose by, the one to judge by is left alone."""
    assert judged(["train/loss", "val/loss", "test/loss", "val/accuracy"]) == ["val/loss", "val/accuracy"]
    assert judged(["train/loss", "test/loss"]) == ["test/loss"]
    assert judged(["train/loss"]) == []
