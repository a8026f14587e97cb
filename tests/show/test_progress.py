"""The line below the curves."""

import pytest

from fourstep.events import Event, Kind
from fourstep.show.progress import Progress, spell_seconds


def event(kind: Kind, epochs_done: float, seconds: float, *, num_epochs: int = 10, pace: float = 50.0) -> Event:
    """An event of a run of 10 epochs."""
    return Event(
        kind=kind,
        epochs_done=epochs_done,
        num_epochs=num_epochs,
        step=1,
        examples_per_second=pace,
        seconds=seconds,
        row={},
    )


def heard(*events: Event) -> Progress:
    """What is known after these events."""
    progress = Progress(events[0])
    for each in events:
        progress.hear(each)
    return progress


def test_nothing_is_known_before_the_first_step() -> None:
    """No guess is shown where there is nothing to go by."""
    assert heard(event("start", 0.0, 0.0)).seconds_left(5.0) is None


def test_the_first_epoch_is_judged_by_its_steps() -> None:
    """A quarter of an epoch in 2 s makes 8 s an epoch, and the clock runs on between two events."""
    progress = heard(event("start", 0.0, 0.0), event("tick", 0.25, 2.0))
    assert progress.seconds_left(2.0) == pytest.approx(8 * 9.75)
    assert progress.seconds_left(3.0) == pytest.approx(8 * 9.75 - 1)


def test_time_left_includes_evaluation() -> None:
    """Two epochs of 3 s training and 1 s evaluation: in the middle of the third, 7.5 epochs of 4 s are left."""
    progress = heard(
        event("start", 0.0, 0.0),
        event("tick", 0.99, 3.0),
        event("epoch", 1.0, 4.0),
        event("epoch", 2.0, 8.0),
        event("tick", 2.6, 10.0),
    )
    assert progress.seconds_left(10.0) == pytest.approx(7.5 * 4)
    assert progress.seconds_left(99.0) == pytest.approx(7 * 4)  # this epoch takes longer; the others need not


def test_the_first_epoch_counts_its_evaluation_from_the_start() -> None:
    """With as many batches evaluated as trained on, an epoch costs a third more: forward alone, not backward."""
    first = event("start", 0.0, 0.0)
    progress = Progress(first, evaluated=1.0)
    progress.hear(first)
    progress.hear(event("tick", 0.25, 3.0))

    assert progress.seconds_left(3.0) == pytest.approx(10 * (12 + 4) - 3)
    progress.hear(event("tick", 1.0, 12.0))  # its evaluation is to come
    assert progress.seconds_left(12.0) == pytest.approx(10 * (12 + 4) - 12)


def test_a_run_that_is_resumed_is_judged_by_what_it_does_now() -> None:
    """The seconds before a stop are of no epoch of these, and half an epoch is not taken for a whole one."""
    progress = heard(event("start", 5.5, 1000.0), event("tick", 5.75, 1001.0))
    assert progress.seconds_left(1001.0) == pytest.approx(4.25 * 4)
    progress.hear(event("epoch", 6.0, 1002.0))
    assert progress.seconds_left(1002.0) == pytest.approx(4 * 4)


def test_a_run_that_goes_on_counts_from_where_it_was() -> None:
    """After 5 epochs of an earlier call, the sixth took 2 s: four more are left."""
    progress = heard(event("start", 5.0, 0.0), event("epoch", 6.0, 2.0))
    assert progress.seconds_left(2.0) == pytest.approx(4 * 2)


def test_at_the_end_nothing_is_left() -> None:
    """The last epoch leaves no time, and the line says what was needed."""
    progress = heard(event("start", 0.0, 0.0), event("epoch", 10.0, 40.0))
    assert progress.seconds_left(41.0) == 0
    progress.hear(event("end", 10.0, 41.0))

    assert progress.lines(41.0, 80)[0].plain.split() == [
        *("epoch", "10/10", "━" * 27, "100%", "50", "examples/s", "41", "s", "in", "all")
    ]


@pytest.mark.parametrize("width", [1, 10, 20, 40, 65, 66, 80, 200])
@pytest.mark.parametrize("epochs_done", [0.0, 0.5, 99.96, 100.0])
def test_the_lines_fit(width: int, epochs_done: float) -> None:
    """One line where all fits on it, two where not, never wider than the terminal."""
    lines = heard(event("start", 0.0, 0.0), event("tick", epochs_done, 3e5, num_epochs=100, pace=1e7)).lines(3e5, width)
    assert len(lines) == (1 if width >= 66 or (epochs_done == 0.0 and width < 21) else 2)
    assert all(line.cell_len <= width for line in lines)


def test_the_bar_is_full_at_the_end_alone() -> None:
    """99.96 of 100 epochs are not 100 %."""
    line = heard(event("tick", 99.96, 10.0, num_epochs=100)).lines(10.0, 80)[0].plain
    assert "epoch 100/100" in line
    assert " 99%" in line
    assert "─" in line


def test_the_last_speed_stays_between_epochs() -> None:
    """An epoch that has not begun has no speed of its own; the line shows the one before."""
    progress = heard(event("tick", 0.5, 1.0, pace=83000.0), event("tick", 1.0, 2.0, pace=0.0))
    assert "83,000 examples/s" in progress.lines(2.0, 80)[0].plain


def test_times_are_spelled_like_a_clock() -> None:
    """Seconds, minutes, hours."""
    assert [spell_seconds(seconds) for seconds in (0.04, 9.94, 12.3, 75.2, 3675.0, 90061.0)] == [
        *("0.0 s", "9.9 s", "12 s", "1:15", "1:01:15", "25:01:01")
    ]
