"""How often something is drawn: a few times a second at most, and in a share of the time alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter


class Pace:
    """Says when the next drawing may begin.

    Args:
        seconds_apart: from a drawing's end to the next one's begin, at least.
        share: of the time, 0..1, that goes into drawing, at most.
    """

    def __init__(self, seconds_apart: float, share: float) -> None:
        self._apart, self._share = seconds_apart, share
        self._due = 0.0

    def is_due(self) -> bool:
        """May the next drawing begin?"""
        return perf_counter() >= self._due

    def wait(self) -> None:
        """Begin as after a drawing that took no time."""
        self._due = perf_counter() + self._apart

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Around a drawing: what it takes decides when the next may begin."""
        began = perf_counter()
        try:
            yield
        finally:
            ended = perf_counter()
            self._due = ended + max(self._apart, (ended - began) / self._share)
