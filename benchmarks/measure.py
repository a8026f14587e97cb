"""One process, run and watched: what it took, and what else the machine did meanwhile."""

import fcntl
import json
import os
import pty
import resource
import struct
import subprocess
import sys
import tempfile
import termios
import threading
from pathlib import Path
from time import perf_counter

from benchmarks.plan import command_of, environment
from benchmarks.sample import Measurement, Result, Sample

LINES, COLUMNS = 30, 100
MAX_SHARE = 0.05  # of the machine's CPU time that other work may use
MAX_SECONDS = 0.3  # and of CPU seconds
TAIL = 4000  # bytes of output that an error shows
STAT = Path("/proc/stat")


class WorkerError(Exception):
    """A measured process failed; the message has the end of its output."""


def measure(measurement: Measurement) -> Sample:
    """Run a measurement once, in a fresh process with a terminal, in an empty folder.

    Raises:
        WorkerError: it failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        busy, own = busy_seconds(), own_seconds()
        seconds, usage = run_on_terminal(command_of(measurement, out), folder)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        other = None
        if busy is not None:
            other = other_seconds((busy_seconds() or busy) - busy, cpu_seconds, own_seconds() - own)
        result = Result(**json.loads(out.read_text())) if out.exists() else None
    return Sample(
        measurement=measurement,
        seconds=seconds,
        cpu_seconds=cpu_seconds,
        peak_mb=usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6,
        page_faults=usage.ru_minflt,
        other_seconds=other,
        disturbed=other is not None and is_disturbed(other, seconds, os.cpu_count() or 1),
        result=result,
    )


def other_seconds(busy: float, child: float, own: float) -> float:
    """CPU seconds of other work: the machine's, less the measured process's, less the measuring one's; 0 or more."""
    return max(0.0, busy - child - own)


def is_disturbed(other: float, seconds: float, cores: int) -> bool:
    """Did other work use more than 5 % of all cores' time, or more than 0.3 CPU seconds?

    Args:
        other: CPU seconds of other work.
        seconds: how long the measured process ran, by the wall's clock.
        cores: of the whole machine.
    """
    return other > min(MAX_SECONDS, MAX_SHARE * seconds * cores)


def busy_seconds() -> float | None:
    """CPU seconds that the whole machine worked since it started; None where it does not tell."""
    if not STAT.exists():
        return None
    user, nice, system, _, _, irq, softirq, steal = map(int, STAT.read_text().split(maxsplit=9)[1:9])
    return (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")


def own_seconds() -> float:
    """CPU seconds that this process used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def run_on_terminal(command: list[str], folder: str) -> tuple[float, resource.struct_rusage]:
    """Run a command with its output on a terminal of 100 x 30 whose text is dropped; its seconds and its usage.

    Raises:
        WorkerError: it failed; the message has the end of its output.
    """
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    started = perf_counter()
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, cwd=folder, env=environment()
    )
    os.close(follower)
    output = bytearray()
    reader = threading.Thread(target=_drain, args=(leader, output), daemon=True)
    reader.start()
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:  # Ctrl-C: nothing is left behind
        process.kill()
        raise
    seconds = perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    reader.join()
    os.close(leader)
    if process.returncode != 0:
        text = output.decode(errors="replace").replace("\r\n", "\n")
        raise WorkerError(f"{' '.join(command)}\nended with {process.returncode}; its output ended so:\n{text}")
    return seconds, usage


def _drain(leader: int, output: bytearray) -> None:
    """Read a terminal until its last writer has gone; keeps the end."""
    while True:
        try:
            text = os.read(leader, 1 << 16)
        except OSError:  # Linux's way to say that nobody writes any more
            return
        if not text:
            return
        output += text
        del output[:-TAIL]
