"""The ways that `benchmarks/own_data.py` compares, each in a process of its own: `python -m benchmarks.own_data_ways`.

A figure is in seconds, or in MB where its name says so; fourstep's way comes first.
"""

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

SIZE, BATCH = 32, 256  # pixels; samples
SHARE = 20_000  # rows that are read one by one


def images_by_fourstep(path: Path) -> dict[str, float]:
    """The first pass reads the files; the second has them."""
    import fourstep as fs  # noqa: PLC0415 - of this way alone

    begun = perf_counter()
    data = fs.data.from_images(path, size=SIZE, color="color", test=None, batch_size=BATCH)
    count = sum(len(targets) for _, targets in data.train)
    first = perf_counter() - begun
    return {"first pass": first, "second pass": _pass(data.train, count)}


class _Pictures(Dataset[tuple[torch.Tensor, int]]):
    """As one writes it by hand: a file opened, scaled and converted per item."""

    def __init__(self, path: Path) -> None:
        self.files = sorted(path.glob("*/*.jpg"))
        self.classes = sorted({file.parent.name for file in self.files})

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        import numpy as np  # noqa: PLC0415 - of this way alone
        from PIL import Image  # noqa: PLC0415 - of this way alone

        with Image.open(self.files[index]) as picture:
            pixels = np.asarray(picture.convert("RGB").resize((SIZE, SIZE), Image.Resampling.BILINEAR))
        return torch.from_numpy(pixels.copy()).movedim(-1, 0).float().div(255), self.classes.index(
            self.files[index].parent.name
        )


def images_by_loader(path: Path) -> dict[str, float]:
    """Every pass reads the files."""
    loader = DataLoader(_Pictures(path), batch_size=BATCH, shuffle=True, num_workers=2, persistent_workers=True)
    begun = perf_counter()
    count = sum(len(targets) for _, targets in loader)
    first = perf_counter() - begun
    return {"first pass": first, "second pass": _pass(loader, count)}


def table_by_fourstep(path: Path) -> dict[str, float]:
    """A file to a first batch, then an epoch of a small network, then what the memory rose by."""
    import fourstep as fs  # noqa: PLC0415 - of this way alone

    before = _peak_mb()
    begun = perf_counter()
    data = fs.data.from_table(path, target="y", test=None, batch_size=BATCH)
    inputs, _ = next(iter(data.train))
    first = perf_counter() - begun
    peak = _peak_mb() - before
    assert isinstance(data.train, fs.Batches), "a table is"
    data.train.seek(0)
    rows = data.train.num_items
    return {
        "first batch": first,
        "a million rows of an epoch": _train(data.train, inputs.shape[1]) * 1e6 / rows,
        "peak MB over the start's": peak,
        "float32 MB": rows * (inputs.shape[1] + 1) * 4 / 1e6,
        "file MB": path.stat().st_size / 1e6,
    }


class _Rows(Dataset[tuple[torch.Tensor, torch.Tensor]]):
    """As one writes it by hand: a row of the frame per item."""

    def __init__(self, frame: Any) -> None:
        self.frame = frame

    def __len__(self) -> int:
        return len(self.frame)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, torch.Tensor]:
        row = self.frame.iloc[index].to_numpy(dtype="float32")
        return torch.from_numpy(row[:-1].copy()), torch.from_numpy(row[-1:].copy())


def table_by_rows(path: Path) -> dict[str, float]:
    """Read and prepared by pandas all at once; rows are then taken one by one."""
    import pandas as pd  # noqa: PLC0415 - of this way alone

    before = _peak_mb()
    begun = perf_counter()
    frame = pd.read_csv(path)
    target = frame.pop("y")
    numbers = frame.select_dtypes("number")
    numbers = numbers.fillna(numbers.median())
    numbers = (numbers - numbers.mean()) / numbers.std()
    codes = frame.select_dtypes(exclude="number").apply(lambda column: column.astype("category").cat.codes)
    whole = pd.concat([numbers, codes, target], axis=1)
    loader = DataLoader(_Rows(whole), batch_size=BATCH, shuffle=True)
    inputs, _ = next(iter(loader))
    first = perf_counter() - begun
    peak = _peak_mb() - before
    share = DataLoader(_Rows(whole.iloc[:SHARE]), batch_size=BATCH, shuffle=True)
    seconds = _train(share, inputs.shape[1]) * 1e6 / min(SHARE, len(whole))
    return {"first batch": first, "a million rows of an epoch": seconds, "peak MB over the start's": peak}


def _train(batches: Any, width: int) -> float:
    """Seconds of an epoch of the four steps, with a small network."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, 1))
    loss_fn, optimizer = nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.01)
    begun = perf_counter()
    for inputs, targets in batches:
        loss = loss_fn(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return perf_counter() - begun


def _pass(batches: Any, count: int) -> float:
    begun = perf_counter()
    assert sum(len(targets) for _, targets in batches) == count, "another number of samples"
    return perf_counter() - begun


def _peak_mb() -> float:
    """Of this process: `getrusage` has that of the one which started it as well, until this one is larger."""
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) * 1024 / 1e6  # type: ignore[index]


WAYS: dict[str, Callable[[Path], dict[str, float]]] = {
    "images by fourstep": images_by_fourstep,
    "images by DataLoader": images_by_loader,
    "table by fourstep": table_by_fourstep,
    "table by pandas and rows": table_by_rows,
}


if __name__ == "__main__":
    os.environ["FOURSTEP_CACHE"] = sys.argv[3]
    print(json.dumps(WAYS[sys.argv[1]](Path(sys.argv[2]))))
