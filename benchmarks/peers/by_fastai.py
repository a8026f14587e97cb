"""fastai: `Learner.fit` over torch's loaders and torch's SGD, with its recorder's train metrics switched on.

Its own train loss is a moving average, so its `AvgLoss` is a metric here. The progress bar comes with
`fastai.callback.progress`, which is not imported.
"""

import functools

import torch
from benchmarks.peers.shared import CPU, Counter, loaders, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_loss, make_model
from fastai.callback.core import Callback
from fastai.data.core import DataLoaders
from fastai.learner import AvgLoss, Learner
from fastai.metrics import accuracy
from fastai.optimizer import OptimWrapper


class Counting(Callback):  # type: ignore[misc] # an unknown type where fastai is not installed
    """The samples, by the counter of fastai's own mean loss."""

    def __init__(self, mean_loss: AvgLoss) -> None:
        super().__init__()
        self.mean_loss, self.counter = mean_loss, Counter()

    def after_train(self) -> None:
        """Read the counter before the evaluation sets it to zero."""
        self.counter.samples += self.mean_loss.count


def train(work: Work) -> Result:
    """Train the work with fastai."""
    mean_loss = AvgLoss()
    counting = Counting(mean_loss)
    learner = Learner(
        DataLoaders(*loaders(work), device=CPU),
        make_model(work),
        loss_func=make_loss(work),
        opt_func=functools.partial(OptimWrapper, opt=torch.optim.SGD, momentum=work.momentum),
        lr=work.lr,
        metrics=[mean_loss, accuracy] if work.classes else [mean_loss],
        cbs=[counting],
    )
    learner.recorder.train_metrics = True
    with learner.no_logging(), Clock() as clock:
        learner.fit(work.epochs)
    _moving_loss, train_loss, *_, score = learner.final_record
    samples = counting.counter.samples
    return make_result(clock, steps=learner.train_iter, samples=samples, train_loss=train_loss, score=score)
