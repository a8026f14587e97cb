"""Signals that ask a run to end: noted, answered between two steps."""

import os
import signal
import threading
from contextlib import suppress
from types import FrameType
from typing import Any

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")  # Windows has no SIGHUP


class Signals:
    """While it is entered, the first signal is noted and the second ends the process's work at once.

    Only the main thread can listen; elsewhere, and for a signal that is ignored or that somebody else answers, nothing
    changes.

    Attributes:
        received: the first signal's number; None as long as there was none.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._pid = os.getpid()

    def __enter__(self) -> None:
        self.received = None
        if threading.current_thread() is threading.main_thread():
            for number in (getattr(signal, name) for name in NAMES if hasattr(signal, name)):
                if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                    self._before[number] = signal.signal(number, self._note)

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            with suppress(ValueError):  # closed by another thread than the one that listened
                signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - Python passes it
        if os.getpid() != self._pid:  # a worker process, forked meanwhile: its run answers, and then ends it
            if number == signal.SIGTERM:
                self.leave(number)
        elif self.received is not None:
            self.leave(number)
        else:
            self.received = number

    def leave(self, number: int) -> None:
        """End as the signal asks.

        Raises:
            KeyboardInterrupt: for SIGINT, as Python does.
            SystemExit: for the others, with 128 and the signal's number as shells count them.
        """
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        raise SystemExit(128 + number)
