"""Points as they may be given."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from fourstep.d2l.curves import as_curves
from fourstep.errors import ShapeError


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
