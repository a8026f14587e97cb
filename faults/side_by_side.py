"""Several processes that each do a part of the trials: a trial keeps one core busy, and waits in between."""

import contextlib
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TypeAlias

from faults.zygote import Failure
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

TRIALS_FAILED = 3  # the exit code where a trial failed; Python's own for a traceback is 1
EVERY = 0.5  # seconds between two looks at how far they are
PATIENCE = 10  # seconds in which an interrupted process cleans up behind itself

Process: TypeAlias = "subprocess.Popen[bytes]"


def run_shards(program: Path, arguments: Sequence[str], count: int) -> list[str]:
    """Run a program `count` times at once, each with `--shard I/COUNT --out FILE --scratch FOLDER`.

    Returns:
        The lines of all files.

    Raises:
        Failure: one ended in another way than with 0 or `TRIALS_FAILED`; the others are stopped.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        outs = [folder / f"{number}.jsonl" for number in range(1, count + 1)]
        processes: dict[Process, Path] = {}
        stack.callback(_stop, processes)
        for number, out in enumerate(outs, 1):
            own = ["--shard", f"{number}/{count}", "--out", str(out), "--scratch", name]
            said = out.with_suffix(".txt")
            with said.open("wb") as output:
                process = subprocess.Popen(
                    [sys.executable, str(program), *arguments, *own], stdout=output, stderr=output
                )
            processes[process] = said
        _watch(processes, outs)
        return [line for out in outs if out.exists() for line in out.read_text(encoding="utf-8").splitlines()]


def _watch(processes: dict[Process, Path], outs: Sequence[Path]) -> None:
    columns = (TextColumn("{task.completed} trials done"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("", total=None)
        while True:
            is_running = any(process.poll() is None for process in processes)
            for process, said in processes.items():
                if process.returncode not in (None, 0, TRIALS_FAILED):
                    text = said.read_text(encoding="utf-8", errors="replace")
                    raise Failure(f"a part of the trials ended with {process.returncode}: {text[-2000:]}")
            done = sum(out.read_bytes().count(b"\n") for out in outs if out.exists())
            progress.update(task, completed=done, refresh=True)
            if not is_running:
                return
            time.sleep(EVERY)


def _stop(processes: dict[Process, Path]) -> None:
    """End what still runs, as Ctrl-C does: each then removes what it made."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE)
        process.kill()
        process.wait()
