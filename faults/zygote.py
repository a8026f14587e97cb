"""Processes that cost milliseconds: everything is imported once here, and each trial is a fork of it.

Nothing is computed with torch before a fork, so that no thread of torch's is lost in it.
"""

import faulthandler
import json
import os
import select
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import fourstep as fs

WATCHDOG = 60.0  # seconds; what takes longer hangs
REFUSED, CRASHED = 2, 70  # exit codes: one line that says why, and a traceback

_answers: list[int] = []  # in a child: where its answers go


class Failure(Exception):  # noqa: N818 - of a trial, not of this program
    """A trial did not come out as promised; its text says how."""


class Child:
    """A process of its own group.

    Attributes:
        pid: its number, and its group's.
        answers: what it has given to `answer`, as far as `read` has read.
    """

    def __init__(self, pid: int, printed: int, answered: int) -> None:
        self.pid = pid
        self.answers: list[Any] = []
        self._pipes = {printed: b"", answered: b""}
        self._printed, self._answered = printed, answered
        self._handle = os.pidfd_open(pid)
        self._code: int | None = None

    def is_alive(self) -> bool:
        """Has it not ended yet?"""
        return self._code is None and not select.select([self._handle], [], [], 0)[0]

    def kill(self, number: int = signal.SIGKILL, *, whole_group: bool = True) -> None:
        """Send a signal, where it is still there."""
        with suppress(ProcessLookupError):
            (os.killpg if whole_group else os.kill)(self.pid, number)

    def wait(self, seconds: float = WATCHDOG) -> int:
        """Its exit code, a signal's number below 0. Whatever it has started is killed.

        Raises:
            Failure: it hangs.
        """
        if self._code is None:
            ended = select.select([self._handle], [], [], seconds)[0]
            if not ended:
                self.kill(signal.SIGUSR1, whole_group=False)  # a traceback of where it stands
                time.sleep(0.5)
            self.kill()
            self._code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            self.read()
            for handle in (self._handle, *self._pipes):
                os.close(handle)
            if not ended:
                raise Failure(f"hangs for {seconds:g} s: {self.said()[-1500:]}")
        return self._code

    def read(self) -> None:
        """Take what it has printed and answered so far."""
        for pipe in self._pipes:
            with suppress(BlockingIOError, OSError):
                while part := os.read(pipe, 2**16):
                    self._pipes[pipe] += part
        *lines, _ = self._pipes[self._answered].split(b"\n")
        self.answers = [json.loads(line) for line in lines]

    def said(self) -> str:
        """What it has printed, as far as it was read."""
        return self._pipes[self._printed].decode(errors="replace")


def answer(thing: Any) -> None:
    """Tell the parent something, from a child."""
    os.write(_answers[-1], json.dumps(thing).encode() + b"\n")


def start(work: Callable[[], Any], *, terminal: int | None = None) -> Child:
    """Run a function in a process of its own.

    Args:
        work: what it does.
        terminal: the terminal that it prints to and that can hang up; None prints to the parent.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    printed, print_to = os.pipe()
    answered, answer_to = os.pipe()
    pid = os.fork()
    if pid == 0:
        _answers.append(answer_to)
        _leave(work, print_to if terminal is None else terminal, is_terminal=terminal is not None)
    if terminal is None:
        with suppress(OSError):
            os.setpgid(pid, pid)  # here and in the child, so that it is certain on both sides
    for handle in (print_to, answer_to):
        os.close(handle)
    for handle in (printed, answered):
        os.set_blocking(handle, False)
    return Child(pid, printed, answered)


def _leave(work: Callable[[], Any], output: int, *, is_terminal: bool) -> None:
    """What the child does; it never returns."""
    code = CRASHED
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a shell lets what it starts in the background ignore some
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    try:
        if is_terminal:
            os.setsid()
            os.close(os.open(os.ttyname(output), os.O_RDWR))  # the first that a session opens is its own
        else:
            with suppress(OSError):
                os.setpgid(0, 0)
        _redirect(output)
        code = _run(work)
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os._exit(code)


def _redirect(output: int) -> None:
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    faulthandler.register(signal.SIGUSR1, file=2)
    warnings.simplefilter("always", fs.FourstepWarning)
    warnings.showwarning = _show  # type: ignore[assignment] # as the command `fourstep` does


def _show(message: Warning | str, category: type[Warning], *_: Any) -> None:
    if issubclass(category, fs.FourstepWarning):
        print(f"fourstep: warning: {message}", file=sys.stderr)


def _run(work: Callable[[], Any]) -> int:
    """The exit code, as the command `fourstep` gives it."""
    try:
        work()
    except fs.FourstepError as error:
        print(f"fourstep: {error}", file=sys.stderr)
        return REFUSED
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except SystemExit as left:
        return left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:  # noqa: BLE001 - a traceback is a finding
        traceback.print_exc()
        return CRASHED
    return 0
