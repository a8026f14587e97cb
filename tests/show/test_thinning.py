"""Long curves in few points."""

from hypothesis import given
from hypothesis import strategies as st

from fourstep.show.thinning import BUCKETS, ThinnedCurve


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


def test_the_last_point_is_there_at_every_moment() -> None:
    """Also where it fills a bucket and is neither its lowest nor its highest; the next one takes its place."""
    curve = ThinnedCurve(buckets=8)
    for step, value in enumerate([0.0, 9.0, 5.0, 4.0] * 100):
        curve.add(step, value)
        assert (curve.xs[-1], curve.ys[-1]) == (step, value)
        assert curve.xs == sorted(set(curve.xs))
        assert len(curve.xs) <= 2 * 8 + 2
