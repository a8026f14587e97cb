"""What data of one's own costs: `make bench-data`, some minutes; best on a quiet machine.

A folder of small JPEGs beside torch's `DataLoader` with Pillow and two workers, and a CSV file beside pandas and a data
set that is asked row by row. Each way runs in fresh processes, in turn; the ratios are of one turn each. Reading row by
row is measured on a share of the rows, as all of them would take minutes.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import perf_counter

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `benchmarks` is

from benchmarks.own_data_ways import WAYS

IMAGES, CLASSES, SIDE = 20_000, 10, 64
ROWS, COLUMNS = 1_000_000, 30
HOLES = 0.1  # share of a column's values that are missing
TURNS = 3


def write_images(folder: Path, count: int) -> None:
    """JPEGs of some soft colours, `count` in ten classes; 64 x 64 pixels."""
    from PIL import Image  # noqa: PLC0415 - an extra

    draw = np.random.default_rng(0)
    for index in range(CLASSES):
        (folder / f"class{index}").mkdir(parents=True)
    for number in range(count):
        small = Image.fromarray(draw.integers(0, 256, (8, 8, 3), dtype=np.uint8))
        place = folder / f"class{number % CLASSES}" / f"{number:05}.jpg"
        small.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(place, quality=90)


def write_table(path: Path, rows: int) -> None:
    """A CSV file with 24 columns of numbers, of which two have holes, 5 of categories, and the target `y`."""
    import polars as pl  # noqa: PLC0415 - an extra

    draw = np.random.default_rng(0)
    numbers = draw.standard_normal((rows, 24), dtype=np.float32).round(4)
    table = pl.DataFrame({f"x{index}": numbers[:, index] for index in range(24)})
    for index in range(2):
        holes = draw.random(rows) < HOLES
        table = table.with_columns(pl.Series(f"x{index}", np.where(holes, np.nan, numbers[:, index])).fill_nan(None))
    names = np.array([f"kind {index}" for index in range(20)])
    codes = draw.integers(0, 20, (rows, 5))
    table = table.with_columns(pl.Series(f"c{index}", names[codes[:, index]]) for index in range(5))
    target = numbers[:, :5].sum(1) + codes[:, 0] * 0.1
    table.with_columns(pl.Series("y", target.astype(np.float32))).write_csv(path)


def run(way: str, path: Path, cache: Path) -> dict[str, float]:
    """What one way took, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.own_data_ways", way, str(path), str(cache)]
    own = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}  # set here by polars
    done = subprocess.run(command, cwd=Path(__file__).parents[1], env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{way} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def in_turn(ways: list[str], path: Path, folder: Path, turns: int) -> dict[str, list[dict[str, float]]]:
    """Every way, `turns` times, with a fresh cache each time."""
    taken: dict[str, list[dict[str, float]]] = {way: [] for way in ways}
    for turn in range(turns):
        for way in ways:
            begun = perf_counter()
            taken[way].append(run(way, path, folder / f"cache-{turn}"))
            print(f"  {way}, turn {turn + 1}: {perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    return taken


def lines(taken: dict[str, list[dict[str, float]]], ours: str, theirs: str) -> Iterator[str]:
    """A line per figure that both ways have: its medians, and the ratio with its spread."""
    for name in taken[ours][0]:
        mine, other = ([one[name] for one in taken[way] if name in one] for way in (ours, theirs))
        if not other:
            yield f"{name}: {statistics.median(mine):.4g} [{min(mine):.4g}-{max(mine):.4g}]"
            continue
        ratios = [b / a for a, b in zip(mine, other, strict=True)]
        yield (
            f"{name}: {ours} {statistics.median(mine):.4g}, {theirs} {statistics.median(other):.4g}: "
            f"{statistics.median(ratios):.2f}x [{min(ratios):.2f}-{max(ratios):.2f}]"
        )


def main() -> None:
    """Write the files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=IMAGES, metavar="N", help=f"JPEGs; default: {IMAGES:,}")
    parser.add_argument("--rows", type=int, default=ROWS, metavar="N", help=f"of the table; default: {ROWS:,}")
    parser.add_argument("--turns", type=int, default=TURNS, metavar="N", help=f"of each way; default: {TURNS}")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="own-data-") as name:
        folder = Path(name)
        writers: dict[str, tuple[Callable[[Path, int], None], int]] = {
            "images": (write_images, given.images),
            "table.csv": (write_table, given.rows),
        }
        for place, (write, count) in writers.items():
            ways = [way for way in WAYS if way.startswith(place.split(".", maxsplit=1)[0])]
            write(folder / place, count)
            taken = in_turn(ways, folder / place, folder, given.turns)
            print(f"{place}, {count:,}: medians of {given.turns}")
            print("\n".join(f"  {line}" for line in lines(taken, *ways)), flush=True)


if __name__ == "__main__":
    main()
