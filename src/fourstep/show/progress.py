"""The line below the curves: how far a run is, how fast, how long it still takes."""

from rich.text import Text

from fourstep.events import Event
from fourstep.show.labels import speed

ONE_LINE = 66  # columns from which all fits on one line


class Progress:
    """What the line needs to remember of a run's events."""

    def __init__(self, event: Event) -> None:
        self.event = event
        self.examples_per_second = 0.0
        self._epoch_ended = 0.0  # in seconds since the run began
        self._epoch_seconds = 0.0  # what the last epoch took, its evaluation included

    def hear(self, event: Event) -> None:
        """Take note of an event."""
        self.event = event
        self.examples_per_second = event.examples_per_second or self.examples_per_second
        if event.kind == "epoch":
            self._epoch_seconds, self._epoch_ended = event.seconds - self._epoch_ended, event.seconds

    def seconds_left(self, now: float) -> float | None:
        """How long the run still takes, evaluation included; None where nothing is known yet.

        Args:
            now: in seconds since the run began.

        The last epoch's whole time is what each next one will take. In the first epoch the steps' own speed has to do.
        """
        event = self.event
        if self._epoch_seconds:
            after_this = self._epoch_seconds * (event.num_epochs - int(event.epochs_done) - 1)
            return max(after_this, after_this + self._epoch_seconds - (now - self._epoch_ended), 0.0)
        done = event.epochs_done % 1
        if not done:
            return None
        return max(event.seconds / done * (event.num_epochs - event.epochs_done) - (now - event.seconds), 0.0)

    def lines(self, now: float, width: int) -> list[Text]:
        """One line, or two where the terminal is narrow.

        Args:
            now: in seconds since the run began.
            width: columns.
        """
        event = self.event
        epoch = event.num_epochs if event.epochs_done >= event.num_epochs else int(event.epochs_done) + 1
        left = self.seconds_left(now)
        clock = "" if left is None else f"{spell_seconds(left)} left"
        if event.kind == "end":
            clock = f"{spell_seconds(now)} in all"
        pace = speed(self.examples_per_second) if self.examples_per_second else ""
        before, after = f"epoch {epoch}/{event.num_epochs} ", f" {int(100 * event.epochs_done / event.num_epochs):3}%"
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
