"""What saving costs: `python benchmarks/saving.py`, a minute; best on a quiet machine.

A checkpoint of 100 MB beside `torch.save` of the same state, which neither hashes nor waits for the disk; and a run in
a folder beside one without, by the clock's default.
"""

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import torch
from torch import nn

import fourstep as fs
from fourstep.runs.checkpoint import load_latest, prune_checkpoints, save_checkpoint

REPETITIONS = 9
MEGABYTES = 100


def seconds(work: Callable[[], object]) -> float:
    """How long it took."""
    begun = perf_counter()
    work()
    return perf_counter() - begun


def measure_saving(folder: Path) -> dict[str, list[float]]:
    """Seconds of each way, in turn."""
    state = {f"layer{index}.weight": torch.randn(1000, 2500) for index in range(MEGABYTES // 10)}
    place = folder / "checkpoints"

    def checkpoint() -> None:
        saved = save_checkpoint(place, 1, {"model": state})
        prune_checkpoints(place, [saved.path])

    ways: dict[str, Callable[[], object]] = {
        "torch.save": lambda: torch.save(state, folder / "state.pt"),
        "checkpoint": checkpoint,
        "verify and load": lambda: load_latest(place),
    }
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        for name, work in ways.items():
            taken[name].append(seconds(work))
    return taken


def measure_running(folder: Path) -> dict[str, list[float]]:
    """Seconds of 10 epochs of the MLP on digits, in turn; the last checkpoint, weights and picture are left out."""
    data = fs.data.digits(batch_size=64)
    taken: dict[str, list[float]] = {"no folder": [], "folder": []}
    for number in range(REPETITIONS):
        for name, times in taken.items():
            torch.manual_seed(0)
            model = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            kept = folder / f"run{number}" if name == "folder" else None
            run = fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=150, folder=kept, show="none")
            times.append(run.history.rows[-1]["seconds"])
    return taken


def main() -> None:
    """Measure, then print."""
    with tempfile.TemporaryDirectory() as name:
        for measure in (measure_saving, measure_running):
            taken = measure(Path(name))
            first = next(iter(taken))
            for way, times in taken.items():
                pairs = [one / other for one, other in zip(times, taken[first], strict=True)]
                sys.stdout.write(
                    f"{way:<16} {statistics.median(times):.3f} s [{min(times):.3f}-{max(times):.3f}], over {first}: "
                    f"{statistics.median(pairs):.3f}x [{min(pairs):.3f}-{max(pairs):.3f}], {len(times)} times\n"
                )


if __name__ == "__main__":
    main()
