"""A file of a table to batches: `python benchmarks/data_tables.py [ROWS]`, some minutes; best on a quiet machine.

A CSV of 30 columns (17 numbers, 4 of them with gaps, 4 whole numbers, 7 categories, a date, a target) by `from_table`,
and by pandas with a `Dataset` that gives row by row to a `DataLoader`, in fresh processes, in turn: seconds and
processor seconds from the file to the first batch, batches per second after it, and the most memory.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from itertools import islice
from pathlib import Path
from threading import Event, Thread
from time import perf_counter, process_time
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

import fourstep as fs

ROWS, REPETITIONS, BATCH, TIMED = 1_000_000, 3, 256, 100  # of batches


def write_table(path: Path, rows: int) -> None:
    """The file."""
    generator = np.random.default_rng(0)
    columns: dict[str, Any] = {f"number{index}": generator.normal(size=rows) for index in range(17)}
    for index in range(4):
        columns[f"number{index}"][generator.random(rows) < 0.05] = np.nan  # noqa: PLR2004 - of the values
        columns[f"whole{index}"] = generator.integers(0, 1000, rows)
    for index in range(7):
        columns[f"kind{index}"] = np.array(["red", "green", "blue", "grey"])[generator.integers(0, 4, rows)]
    columns["date"] = np.datetime64("2020-01-01") + generator.integers(0, 2000, rows)
    columns["target"] = generator.normal(size=rows)
    pl.DataFrame(columns).fill_nan(None).write_csv(path)


def by_fourstep(path: str) -> Iterable[Any]:
    """`from_table`: what it finds by itself."""
    return fs.data.from_table(path, target="target", batch_size=BATCH).train


class Rows(Dataset[tuple[Tensor, Tensor]]):
    """A frame row by row."""

    def __init__(self, inputs: pd.DataFrame, targets: pd.Series) -> None:
        self.inputs, self.targets = inputs, targets

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        row = torch.tensor(self.inputs.iloc[index].to_numpy(np.float32))
        return row, torch.tensor([self.targets.iloc[index]], dtype=torch.float32)


def by_pandas(path: str) -> Iterable[Any]:
    """The same by hand: medians, scales and codes of the training rows."""
    table = pd.read_csv(path, parse_dates=["date"])
    for part in ("year", "month", "day_of_week"):
        table[part] = getattr(table["date"].dt, part)
    table["days"] = (table.pop("date") - pd.Timestamp(0)) / pd.Timedelta("1D")
    chosen = np.random.default_rng(0).permutation(len(table))
    train = table.iloc[np.sort(chosen[len(table) // 5 :])]
    targets = train.pop("target")
    kinds = [name for name in train if str(name).startswith("kind")]
    numbers = train.drop(columns=kinds)
    gaps = numbers.loc[:, numbers.isna().any()].isna().astype(np.float32).add_suffix(" missing")
    numbers = numbers.fillna(numbers.median())
    codes = train[kinds].apply(lambda values: values.astype("category").cat.codes + 1)
    inputs = pd.concat([(numbers - numbers.mean()) / numbers.std(ddof=0), gaps, codes], axis=1).astype(np.float32)
    return DataLoader(Rows(inputs, targets), batch_size=BATCH, shuffle=True)


WAYS: dict[str, Callable[[str], Iterable[Any]]] = {"fourstep": by_fourstep, "pandas": by_pandas}


def held() -> int:
    """Bytes of memory that this process holds for itself."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("RssAnon"))


def measure(way: str, path: str) -> dict[str, float]:
    """One way's numbers, in a process of its own."""
    import fourstep.data.tables.building  # noqa: F401, PLC0415 - neither's imports are counted

    before, most, over = held(), 0, Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.01):
            most = max(most, held())

    watcher = Thread(target=watch)
    watcher.start()
    begun, worked = perf_counter(), process_time()
    batches = WAYS[way](path)
    next(iter(batches))
    taken = {"seconds": perf_counter() - begun, "processor seconds": process_time() - worked}
    over.set()
    watcher.join()
    begun = perf_counter()
    count = sum(1 for _ in islice(batches, TIMED))
    return {**taken, "batches/s": count / (perf_counter() - begun), "MB": (most - before) / 1e6}


def main() -> None:
    """Measure, then print."""
    if sys.argv[1:2] == ["--one"]:
        print(json.dumps(measure(*sys.argv[2:])))
        return
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        write_table(path, rows)
        print(f"{rows:,} rows: a file of {path.stat().st_size / 1e6:.0f} MB")
        found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for _ in range(REPETITIONS):
            for way, results in found.items():
                command = [sys.executable, __file__, "--one", way, str(path)]
                results.append(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    for what in found["fourstep"][0]:
        ours, theirs = ([result[what] for result in found[way]] for way in WAYS)
        ratio = statistics.median(other / one for one, other in zip(ours, theirs, strict=True))
        said = f"{what:<18} fourstep {statistics.median(ours):8.2f} [{min(ours):.2f}-{max(ours):.2f}]"
        beside = f"pandas {statistics.median(theirs):8.2f} [{min(theirs):.2f}-{max(theirs):.2f}]"
        print(f"{said}, {beside}, theirs over ours {ratio:.3g}")


if __name__ == "__main__":
    main()
