"""Six other training libraries at the same work, each as its own documentation writes ordinary training.

Each keeps the mean train loss and, for classes, the train accuracy per epoch, and evaluates on the test data after each
epoch. Progress bars, loggers and checkpoints are off. Steps and samples are counted by the library where it does so.
Where a library's one call also sets things up, the clock is started and stopped by the library's own hooks.

A library has a module of its own, which is imported when the library is asked for: a process that runs one does not pay
for the others.
"""

import functools
import importlib

from benchmarks.works import Contender, Result, Work


def train_with(library: str, work: Work) -> Result:
    """Train with one library, by its module's `train`."""
    train: Contender = importlib.import_module(f"benchmarks.peers.by_{library}").train
    return train(work)


PEERS: dict[str, Contender] = {
    name: functools.partial(train_with, name)
    for name in ("lightning", "keras", "skorch", "ignite", "accelerate", "fastai")
}
