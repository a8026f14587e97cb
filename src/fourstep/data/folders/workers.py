"""Processes that decode, and a few threads that keep them busy.

Not `multiprocessing`: where it cannot fork it runs the user's own script once more in every process, which breaks a
script that does not guard for it, and every process would import torch first. Those here run `decoding.py` alone.
"""

import os
import pickle
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from fourstep.data.folders import decoding
from fourstep.errors import ConfigError, DataFileError, check_count

Task: TypeAlias = tuple[str, tuple[Any, ...], dict[str, Any]]  # decode or look; its arguments
Answers: TypeAlias = Callable[[Iterable[Task]], Iterator[Any]]

AT_ONCE = 64  # files in a task; few enough that a bar moves, many enough that handing over costs nothing
_AHEAD = 3  # tasks for each process: one is done, one waits, one is on its way
_SWIFT = {
    "OPENBLAS_NUM_THREADS": "1",  # threads that nothing here uses take long to start
    "MALLOC_TRIM_THRESHOLD_": str(2**26),  # memory that each picture gives back and asks for anew; in bytes, glibc's
    "MALLOC_MMAP_THRESHOLD_": str(2**25),  # likewise
}
_HERE: dict[str, Callable[..., Any]] = {"decode": decoding.decode_block, "look": decoding.look}


def count_workers(workers: int | None, num_tasks: int) -> int:
    """How many processes to start: as asked for, else one for each processor; never more than there are tasks.

    Raises:
        ConfigError: `workers` is not a whole number of 1 or more.
    """
    if workers is not None:
        check_count("workers", workers)
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(usable if workers is None else int(workers), num_tasks)


@contextmanager
def working(num_workers: int) -> Iterator[Answers]:
    """Processes for a while: they start with the first task, and end with the block.

    Args:
        num_workers: with 1 or fewer nothing is started, and the work is done here.

    Yields:
        A function of tasks to their answers, in the tasks' order; a few are begun ahead of what is asked for.
    """
    if num_workers <= 1:
        yield lambda tasks: (_HERE[name](*positional, **named) for name, positional, named in tasks)
        return
    idle: SimpleQueue[subprocess.Popen[bytes]] = SimpleQueue()
    processes: list[subprocess.Popen[bytes]] = []
    threads = ThreadPoolExecutor(num_workers, "decode")

    def answer(tasks: Iterable[Task]) -> Iterator[Any]:
        while len(processes) < num_workers:  # not before there is something to do
            processes.append(_start())
            idle.put(processes[-1])
        return _in_order(threads, lambda task: _ask(idle, task), tasks, _AHEAD * num_workers)

    try:
        yield answer
    finally:
        for process in processes:
            process.kill()  # it holds nothing that could be lost
        threads.shutdown(cancel_futures=True)
        for process in processes:
            with suppress(OSError), process:  # closes its pipes, in which a task may be left
                pass


def _start() -> subprocess.Popen[bytes]:
    own = {"PYTHONPATH": os.pathsep.join(folder for folder in sys.path if folder), **_SWIFT}
    try:
        return subprocess.Popen(  # noqa: S603 - this package's own file
            _program(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, **own}
        )
    except OSError as error:
        raise ConfigError(f"workers: no process can be started ({error.strerror}). Use workers=1") from error


def _program() -> list[str]:
    return [sys.executable, "-P", str(Path(decoding.__file__))]


def _ask(idle: "SimpleQueue[subprocess.Popen[bytes]]", task: Task) -> Any:
    process = idle.get()
    assert process.stdin is not None and process.stdout is not None, "started with pipes"  # noqa: S101, PT018 - our own bug
    try:
        pickle.dump(task, process.stdin)
        process.stdin.flush()
        return pickle.load(process.stdout)  # noqa: S301 - what this package's own file wrote
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        paths = task[1][0]
        raise DataFileError(
            f"the process that read {paths[0]} and {len(paths) - 1} files after it ended with "
            f"{process.wait()}: expected it to go on. Call again, or use workers=1 to see why"
        ) from error
    finally:
        idle.put(process)


def _in_order(
    threads: ThreadPoolExecutor, work: Callable[[Task], Any], tasks: Iterable[Task], ahead: int
) -> Iterator[Any]:
    """Answers in the order of the tasks, of which only a few are begun: all of them may be more than the memory."""
    begun: deque[Future[Any]] = deque()
    for task in tasks:
        begun.append(threads.submit(work, task))
        if len(begun) >= ahead:
            yield begun.popleft().result()
    while begun:
        yield begun.popleft().result()
