"""How often something is drawn."""

from time import perf_counter

import pytest

from fourstep.show.pace import Pace

pytestmark = pytest.mark.alone


def busy(seconds: float) -> None:
    """Work so long."""
    end = perf_counter() + seconds
    while perf_counter() < end:
        pass


def count(pace: Pace, cost: float, during: float) -> int:
    """How many drawings of a cost are made within a time."""
    end, made = perf_counter() + during, 0
    while perf_counter() < end:
        if pace.is_due():
            made += 1
            with pace.drawing():
                busy(cost)
    return made


def test_drawing_takes_its_share_of_the_time() -> None:
    """With a tenth of the time, 5 ms of drawing are followed by 50 ms without; cheap drawings keep their distance."""
    assert count(Pace(0.0, 0.1), 0.005, 0.4) <= 8
    assert count(Pace(0.0, 0.5), 0.005, 0.4) >= 3
    assert 2 <= count(Pace(0.1, 1.0), 0.0, 0.4) <= 4


def test_what_waits_is_not_due_at_once() -> None:
    """As if it had just been drawn; also after an error."""
    pace = Pace(60.0, 1.0)
    assert pace.is_due()
    pace.wait()
    assert not pace.is_due()

    failing = Pace(60.0, 1.0)
    try:
        with failing.drawing():
            raise OSError  # noqa: TRY301 - of the drawing
    except OSError:
        pass
    assert not failing.is_due()
