"""Points as they may be given, and curves that are thinned."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fourstep.d2l.curves import BUCKETS, ThinnedCurve, as_curves
from fourstep.errors import ShapeError


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9000))
def test_a_thinned_curve_keeps_what_is_seen(values: list[float]) -> None:
    """Its points are among those added, in their order, with the lowest, the highest and the last; never many."""
    curve = ThinnedCurve()
    for step, value in enumerate(values):
        curve.add(step, value)
    assert len(curve.xs) == len(curve.ys) <= 2 * BUCKETS + 2
    assert curve.xs == sorted(set(curve.xs))
    assert [values[int(x)] for x in curve.xs] == curve.ys
    assert (min(curve.ys), max(curve.ys)) == (min(values), max(values))
    assert curve.xs[-1] == len(values) - 1
    if len(values) < 2 * BUCKETS:
        assert curve.ys == values


def test_every_part_of_a_long_curve_is_seen() -> None:
    """However long: no part of the range is empty, and a lone peak stays."""
    curve = ThinnedCurve()
    for step in range(100_000):
        curve.add(step, 5.0 if step == 40_001 else step % 10 / 10)
    assert max(b - a for a, b in zip(curve.xs, curve.xs[1:], strict=False)) < 1000
    assert max(curve.ys) == 5
    assert curve.xs[curve.ys.index(5)] == 40_001


@pytest.mark.parametrize(
    ("xs", "ys", "expected"),
    [
        ([1, 2], None, [([1, 2],)]),
        ([[1, 2], [3, 4, 5]], None, [([1, 2],), ([3, 4, 5],)]),
        ([1, 2], [3, 4], [([1, 2], [3, 4])]),
        ([1, 2], [[3, 4], [5, 6]], [([1, 2], [3, 4]), ([1, 2], [5, 6])]),
        ([[1, 2], [3]], [[3, 4], [5]], [([1, 2], [3, 4]), ([3], [5])]),
        (torch.arange(2), torch.ones(2, requires_grad=True), [([0, 1], [1, 1])]),
        (np.arange(2), [torch.tensor(1.5), torch.tensor(2.5)], [([0, 1], [1.5, 2.5])]),
        (torch.arange(2.0), torch.ones(3, 2, dtype=torch.bfloat16), [([0, 1], [1, 1])] * 3),
        (range(2), (3, 4), [([0, 1], [3, 4])]),
    ],
)
def test_points_may_be_given_in_many_ways(xs: Any, ys: Any, expected: Any) -> None:
    """Lists, arrays, tensors; one curve or several; x for all of them or for each."""
    found = [tuple(np.asarray(part).tolist() for part in curve) for curve in as_curves(xs, ys)]
    assert found == expected


def test_points_that_do_not_belong_together_are_refused() -> None:
    """In words, and not by matplotlib's shapes."""
    with pytest.raises(ShapeError, match="X holds 2 curves but Y 3: expected one x for all, or one for each"):
        as_curves([[1], [2]], [[1], [2], [3]])
    with pytest.raises(ShapeError, match="curve 2 has 2 x but 3 y: expected as many"):
        as_curves([1, 2], [[1, 2], [1, 2, 3]])


def test_columns_of_a_table_and_what_only_iterates_are_curves() -> None:
    """A filtered column has no label 0, and a dictionary's values have no index at all."""
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0]})
    filtered = table["a"][table["a"] > 1]
    assert [list(curve[0]) for curve in as_curves(filtered, None)] == [[2, 3, 4]]
    assert [list(curve[0]) for curve in as_curves([filtered, table["a"]], None)] == [[2, 3, 4], [1, 2, 3, 4]]
    assert [list(y) for _, y in as_curves(filtered.index, filtered)] == [[2, 3, 4]]
    assert [list(curve[0]) for curve in as_curves({"x": 1, "y": 2}.values(), None)] == [[1, 2]]
    assert [list(curve[0]) for curve in as_curves(map(abs, [-1, 2]), None)] == [[1, 2]]
