"""What several of the peers need: the data as they take it, and the result as the benchmark takes it."""

from typing import Any, TypeAlias

import torch
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, load, to_float
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

CPU = torch.device("cpu")
Batch: TypeAlias = tuple[Tensor, Tensor]


class Counter:
    """Samples that were trained on, for the libraries that do not count them."""

    samples = 0


def datasets(work: Work) -> tuple[TensorDataset, TensorDataset]:
    """The work's training and test data, inputs as float32."""
    data = load(work)
    train = TensorDataset(to_float(data.train_inputs), data.train_targets)
    return train, TensorDataset(to_float(data.test_inputs), data.test_targets)


def loaders(work: Work) -> tuple[DataLoader[Any], DataLoader[Any]]:
    """Batches of the training data, shuffled anew each epoch, and of the test data in order."""
    train, test = datasets(work)
    return DataLoader(train, work.batch_size, shuffle=True), DataLoader(test, work.batch_size)


def accuracy(outputs: Tensor, targets: Tensor) -> Tensor:
    """The share of a batch `(B, K)` that is right, as a scalar tensor."""
    return (outputs.argmax(dim=1) == targets).float().mean()


def make_result(clock: Clock, *, steps: int, samples: int, train_loss: float, score: float) -> Result:
    """The result from a peer's counts and numbers, whatever kinds of number it keeps them as."""
    return Result(
        seconds=clock.seconds,
        steps=int(steps),
        samples=int(samples),
        train_loss=float(train_loss),
        score=float(score),
        page_faults=clock.page_faults,
    )
