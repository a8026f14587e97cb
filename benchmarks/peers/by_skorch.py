"""skorch: `NeuralNetClassifier` or `NeuralNetRegressor`, with a scoring of the train accuracy added to its own.

It is initialised before the clock starts, and then trained by `partial_fit`, which is `fit` without that.
"""

import torch
from benchmarks.peers.shared import datasets, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_loss, make_model
from skorch import NeuralNetClassifier, NeuralNetRegressor
from skorch.callbacks import EpochScoring
from skorch.helper import predefined_split


def train(work: Work) -> Result:
    """Train the work with skorch."""
    training, test = datasets(work)
    train_accuracy = EpochScoring("accuracy", name="train_acc", on_train=True, lower_is_better=False)
    net = (NeuralNetClassifier if work.classes else NeuralNetRegressor)(
        make_model(work),
        criterion=make_loss(work),
        optimizer=torch.optim.SGD,
        optimizer__momentum=work.momentum,
        lr=work.lr,
        max_epochs=work.epochs,
        batch_size=work.batch_size,
        iterator_train__shuffle=True,
        train_split=predefined_split(test),
        callbacks=[train_accuracy] if work.classes else None,
        verbose=0,
    ).initialize()
    with Clock() as clock:
        net.partial_fit(training, None)
    sizes = [size for epoch in net.history[:, "batches", :, "train_batch_size"] for size in epoch]
    last = net.history[-1]
    score = last["valid_acc" if work.classes else "valid_loss"]
    return make_result(clock, steps=len(sizes), samples=sum(sizes), train_loss=last["train_loss"], score=score)
