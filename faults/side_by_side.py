"""Several processes that each do a part of the trials: a trial keeps one core busy, and waits in between."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from faults.zygote import Failure
from rich.console import Console
from rich.progress import Progress, TextColumn, TimeElapsedColumn

EVERY = 0.5  # seconds between two looks at how far they are


def run_shards(program: Path, arguments: Sequence[str], count: int) -> list[str]:
    """Run a program `count` times at once, each with `--shard I/COUNT --out FILE`.

    Returns:
        The lines of all files.

    Raises:
        Failure: one ended before it had done its part; with what it said.
    """
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, contextlib.ExitStack() as stack:
        outs = [Path(folder) / f"{number}.jsonl" for number in range(count)]
        said = [out.with_suffix(".txt") for out in outs]
        processes = [
            stack.enter_context(
                _start(program, [*arguments, "--shard", f"{number + 1}/{count}", "--out", str(out)], text)
            )
            for number, (out, text) in enumerate(zip(outs, said, strict=True))
        ]
        stack.callback(_stop, processes)
        _watch(processes, outs)
        for process, text in zip(processes, said, strict=True):
            if process.returncode not in (0, 1):  # 1: a trial failed, as its line says
                raise Failure(f"a part ended with {process.returncode}: {text.read_text()[-2000:]}")
        return [line for out in outs if out.exists() for line in out.read_text(encoding="utf-8").splitlines()]


def _start(program: Path, arguments: Sequence[str], said: Path) -> "subprocess.Popen[bytes]":
    with said.open("wb") as output:
        return subprocess.Popen([sys.executable, str(program), *arguments], stdout=output, stderr=output)


def _stop(processes: Sequence["subprocess.Popen[bytes]"]) -> None:
    for process in processes:
        process.terminate()


def _watch(processes: Sequence["subprocess.Popen[bytes]"], outs: Sequence[Path]) -> None:
    columns = (TextColumn("{task.completed} trials done"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), auto_refresh=False) as progress:
        task = progress.add_task("", total=None)
        while any(process.poll() is None for process in processes):
            done = sum(out.read_bytes().count(b"\n") for out in outs if out.exists())
            progress.update(task, completed=done, refresh=True)
            time.sleep(EVERY)
