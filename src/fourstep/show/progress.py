"""The line below the curves: how far a run is, how fast, how long it still takes."""

from rich.text import Text

from fourstep.events import Event
from fourstep.show.labels import speed

ONE_LINE = 66  # columns from which all fits on one line
FORWARD = 1 / 3  # of a step; the backward pass costs twice as much (Kaplan et al. 2020, arXiv:2001.08361, 2.1)


class Progress:
    """What the line needs to remember of a run's events.

    Args:
        event: the run's first.
        evaluated: batches that are evaluated after an epoch, for each one that is trained on.
    """

    def __init__(self, event: Event, evaluated: float = 0.0) -> None:
        self.event = event
        self.examples_per_second = 0.0
        self._known = event  # the last event whose epochs and seconds are known to belong together
        self._evaluating = evaluated * FORWARD  # in steps for each step
        self._epoch_seconds = 0.0  # what the last epoch took, its evaluation included

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        self.event = event
        self.examples_per_second = event.examples_per_second or self.examples_per_second
        done = event.epochs_done - self._known.epochs_done
        if event.kind == "epoch" and done > 0:
            self._epoch_seconds = (event.seconds - self._known.seconds) / done
            self._known = event

    def seconds_left(self, now: float) -> float | None:
        """How long the run still takes, evaluation included; None where nothing is known yet.

        Args:
            now: in seconds since the run began.

        The last epoch's whole time is what each next one will take. In the first epoch the steps' own speed has to do,
        with what evaluating costs in steps.
        """
        event = self.event
        if self._epoch_seconds:
            after_this = self._epoch_seconds * (event.num_epochs - int(event.epochs_done) - 1)
            return max(after_this, after_this + self._epoch_seconds - (now - self._known.seconds), 0.0)
        done = event.epochs_done - self._known.epochs_done
        if done <= 0:
            return None
        per_epoch = (event.seconds - self._known.seconds) / done
        evaluations = event.num_epochs - int(self._known.epochs_done)
        left = event.num_epochs - event.epochs_done + self._evaluating * evaluations
        return max(per_epoch * left - (now - event.seconds), 0.0)

    def words(self, now: float) -> tuple[str, str, str]:
        """Which epoch it is, how fast, and the time that is left or was needed; the last two may be empty.

        Args:
            now: in seconds since the run began.
        """
        event = self.event
        epoch = event.num_epochs if event.epochs_done >= event.num_epochs else int(event.epochs_done) + 1
        left = self.seconds_left(now)
        clock = "" if left is None else f"{spell_seconds(left)} left"
        if event.kind == "end":
            clock = f"{spell_seconds(now)} in all"
        pace = speed(self.examples_per_second) if self.examples_per_second else ""
        return f"epoch {epoch}/{event.num_epochs}", pace, clock

    def lines(self, now: float, width: int) -> list[Text]:
        """One line, or two where the terminal is narrow.

        Args:
            now: in seconds since the run began.
            width: columns.
        """
        event = self.event
        epoch, pace, clock = self.words(now)
        before, after = f"{epoch} ", f" {int(100 * event.epochs_done / event.num_epochs):3}%"
        details = "  ".join(part for part in (pace, clock) if part)
        if width >= ONE_LINE:
            details = f"{details:<34}"  # so that the bar's end stands still
            after, details = f"{after}  {details}", ""
        elif len(details) > width:
            details = clock
        lines = [Text.assemble(before, _bar(event, width - len(before) - len(after)), after), Text(details)]
        for line in lines:
            line.truncate(width)
        return lines if details else lines[:1]


def _bar(event: Event, width: int) -> Text:
    width = max(width, 0)
    done = int(width * event.epochs_done / event.num_epochs)
    return Text.assemble(("━" * done, "green"), ("─" * (width - done), "dim"))  # told apart without colour, too


def spell_seconds(seconds: float) -> str:
    """A time as a clock shows it.

    >>> spell_seconds(3.21), spell_seconds(75.2), spell_seconds(3675.0)
    ('3.2 s', '1:15', '1:01:15')
    """
    if seconds < 60:  # noqa: PLR2004 - a minute
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"  # noqa: PLR2004 - two digits are enough
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
