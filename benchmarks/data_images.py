"""How fast pictures become batches, beside torch's DataLoader with Pillow: `python benchmarks/data_images.py`.

Both read the same JPEGs of 64 to 96 pixels a side, cut them to a centred square of 32 and standardise; DataLoader with
2 worker processes, from_images with as many in its first pass. They take turns, so that both have the same machine.
"""

import argparse
import os
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fourstep.data import from_images

SIZE, BATCH, WORKERS, CLASSES = 32, 64, 2, 10


class Pictures(Dataset[tuple[Tensor, int]]):
    """What a tutorial would write."""

    def __init__(self, folder: Path) -> None:
        self.classes = sorted(path.name for path in folder.iterdir())
        self.files = [(path, i) for i, name in enumerate(self.classes) for path in sorted((folder / name).iterdir())]

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path, label = self.files[index]
        with Image.open(path) as picture:
            square = ImageOps.fit(picture.convert("RGB"), (SIZE, SIZE), Image.Resampling.BILINEAR)
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
        return (pixels.float() / 255 - 0.5) / 0.25, label


def make_pictures(folder: Path, count: int) -> None:
    """JPEGs as a camera's are, smooth, of 64 to 96 pixels a side."""
    random = np.random.default_rng(0)
    for i in range(count):
        label = folder / str(i % CLASSES)
        label.mkdir(exist_ok=True)
        width, height = random.integers(64, 97, 2).tolist()
        coarse = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        coarse.resize((width, height), Image.Resampling.BICUBIC).save(label / f"{i:06}.jpg", quality=90)


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Seconds, and what came of it."""
    start = perf_counter()
    result = work()
    return perf_counter() - start, result


def one_pass(batches: Iterable[Any]) -> int:
    """Take every batch; how many pictures there were."""
    return sum(len(inputs) for inputs, _ in batches)


def main() -> None:
    """Print seconds of each round, and the ratios of the medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=20_000, help="pictures")
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    rows: dict[str, list[float]] = {"DataLoader": [], "first pass": [], "next epoch": []}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        make_pictures(folder, settings.count)
        for i in range(settings.rounds):
            loader = DataLoader(Pictures(folder), batch_size=BATCH, shuffle=True, num_workers=WORKERS)
            seconds, seen = timed(lambda: one_pass(loader))  # noqa: B023 - called at once
            rows["DataLoader"].append(seconds)
            made, data = timed(
                lambda: from_images(folder, test=None, workers=WORKERS, cache=Path(place) / f"cache {i}")  # noqa: B023 - as above
            )
            first, ours = timed(lambda: one_pass(data.train))  # noqa: B023 - as above
            rows["first pass"].append(made + first)
            rows["next epoch"].append(timed(lambda: one_pass(data.train))[0])  # noqa: B023 - as above
            assert seen == ours == settings.count
    middle = {name: median(seconds) for name, seconds in rows.items()}
    print(f"{settings.count:,} pictures, {os.cpu_count()} processors, torch {torch.__version__}")
    for name, taken in rows.items():
        pace = settings.count / middle[name]
        speed_up = middle["DataLoader"] / middle[name]
        spread = f"{min(taken):.2f}-{max(taken):.2f} s"
        print(f"{name:<11} {middle[name]:7.2f} s  ({spread})  {pace:9,.0f} pictures/s  {speed_up:6.1f}x")


if __name__ == "__main__":
    main()
