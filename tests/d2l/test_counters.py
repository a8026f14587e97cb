"""Accumulator and Timer."""

import itertools
import math

import pytest
import torch

from fourstep import d2l
from fourstep.errors import ConfigError


def test_accumulator_adds_side_by_side() -> None:
    """Numbers and tensors, with gradients or without, in double precision; `reset` starts again."""
    metric = d2l.Accumulator(2)
    metric.add(1, 0.5)
    metric.add(torch.tensor(2.0, requires_grad=True), torch.tensor([3]))

    assert (metric[0], metric[1], metric.data) == (3.0, 3.5, [3.0, 3.5])
    metric.reset()
    assert metric.data == [0.0, 0.0]


def test_a_wrong_count_in_accumulator_add_is_an_error() -> None:
    """The book's cuts off silently: `Accumulator(3).add(1, 2)` would leave two sums."""
    metric = d2l.Accumulator(3)
    for values in ((1, 2), (1, 2, 3, 4)):
        with pytest.raises(ConfigError, match=rf"this Accumulator has 3 slots but add got {len(values)} values"):
            metric.add(*values)
    assert metric.data == [0.0] * 3
    with pytest.raises(ConfigError, match="n 0: expected a whole number of 1 or more"):
        d2l.Accumulator(0)


def test_timer_adds_up_its_intervals() -> None:
    """It starts when it is made; `sum`, `avg` and `cumsum` are those of `times`."""
    timer = d2l.Timer()
    first = timer.stop()
    timer.start()
    timer.stop()

    assert timer.times[0] == first >= 0
    assert timer.sum() == sum(timer.times)
    assert timer.avg() == pytest.approx(timer.sum() / 2)
    assert timer.cumsum() == pytest.approx(list(itertools.accumulate(timer.times)))


def test_timer_average_of_none_is_an_error() -> None:
    """The book's divides by zero; a sum of none is 0."""
    with pytest.raises(ConfigError, match=r"the Timer has no interval to average: call stop\(\) at least once"):
        d2l.Timer().avg()
    assert d2l.Timer().sum() == 0
    assert d2l.Timer().cumsum() == []
    assert math.isfinite(d2l.Timer().tik)
