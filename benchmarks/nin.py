"""Why NiN as published often fails to train, and how often it trains from the start that `fourstep.models.NiN` has.

Reduced but real: the first 4,000 images of Fashion-MNIST in 67 x 67, the smallest that the network takes, batches of
32, 8 epochs, so 1,000 updates; learning rate 0.1 as in the book. Ten seeds from each start, the same order of images.
A process with one thread on every core: about a quarter of an hour on two.

    python benchmarks/nin.py [SEEDS]
"""

import math
import multiprocessing
import os
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from time import perf_counter
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.models.starting import start_uniform

IMAGES, TEST_IMAGES, SIZE = 4_000, 1_000, 67
BATCH_SIZE, EPOCHS, LR = 32, 8, 0.1
STUCK = math.log(10) - 0.02  # a loss above it is that of guessing
STARTS = ("published", "ours")


class Ending(NamedTuple):
    """How a run went."""

    loss: float
    accuracy: float
    alive_before: int  # classes, of ten
    alive_after: int


def make_data(seed: int) -> fs.Data:
    """The first images of each split."""
    whole: Any = load_whole()
    train = whole.train.inputs[:IMAGES], whole.train.targets[:IMAGES]
    test = whole.test.inputs[:TEST_IMAGES], whole.test.targets[:TEST_IMAGES]
    return fs.data.from_arrays(*train, batch_size=BATCH_SIZE, test=test, seed=seed, classes=whole.classes)


@cache
def load_whole() -> fs.Data:
    """Fashion-MNIST, read and resized once."""
    return fs.data.fashion_mnist(size=SIZE)


def make_network(start: str) -> fs.models.NiN:
    """The same layers from either start."""
    model = fs.models.NiN(image_size=SIZE)
    if start == "published":  # torch's own biases, then Glorot's weights by train_ch6
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                module.reset_parameters()
        start_uniform(model)
    return model.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return] # as in recipes/build.py


def count_alive(model: nn.Module, images: Tensor) -> int:
    """Classes that are above 0 for some image: the others have no gradient."""
    return int((fs.predict(model, images).amax(dim=0) > 0).sum())


def train(start: str, seed: int) -> Ending:
    """One run."""
    torch.manual_seed(seed)
    model, data = make_network(start), make_data(seed)
    images: Any = data.test
    before = count_alive(model, images.inputs)
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    metrics = {"accuracy": fs.accuracy}
    try:
        run = fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=EPOCHS, metrics=metrics, show="none")
    except fs.NonFiniteError:
        return Ending(math.nan, 0.1, before, 0)
    last = run.history.rows[-1]
    return Ending(last["train/loss"], last["test/accuracy"], before, count_alive(model, images.inputs))


def main(seeds: int) -> None:
    """Run all and print a line for each, then the table."""
    began = perf_counter()
    endings: dict[str, list[Ending]] = {start: [] for start in STARTS}
    plan = [(start, seed) for seed in range(seeds) for start in STARTS]
    processes = min(os.cpu_count() or 1, len(plan))
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, fresh, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        for (start, seed), ending in zip(plan, pool.map(train, *zip(*plan, strict=True)), strict=True):
            endings[start].append(ending)
            print(
                f"seed {seed}, {start:<9}  loss {ending.loss:.3f}, test accuracy {ending.accuracy:.3f}, "
                f"classes alive {ending.alive_before} before, {ending.alive_after} after",
                flush=True,
            )
    print(f"\n{IMAGES:,} images of {SIZE} x {SIZE}, batch size {BATCH_SIZE}, lr {LR}, {EPOCHS} epochs, {seeds} seeds;")
    print(f"torch {torch.__version__}, {processes} processes of one thread, {(perf_counter() - began) / 60:.0f} min\n")
    print("| start | learn | test accuracy, median [lowest-highest] | classes alive before, mean | after |")
    print("|---|---|---|---|---|")
    for start, done in endings.items():
        learn = sum(ending.loss < STUCK for ending in done)  # a NaN is not
        accuracies = sorted(ending.accuracy for ending in done)
        spread = f"{statistics.median(accuracies):.3f} [{accuracies[0]:.3f}-{accuracies[-1]:.3f}]"
        before, after = (statistics.mean(column) for column in list(zip(*done, strict=True))[2:])
        print(f"| {start} | {learn} of {seeds} | {spread} | {before:.1f} of 10 | {after:.1f} |")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10)
