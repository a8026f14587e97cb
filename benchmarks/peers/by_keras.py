"""Keras over torch: `compile` and `fit` on NumPy's arrays, from which it cuts batches faster than from tensors.

The model is the work's own in a `TorchModuleWrapper`; loss and SGD are Keras's. The clock runs from its
`on_train_begin` to its `on_train_end`.
"""

import os
from contextlib import ExitStack

from benchmarks.peers.shared import Counter, datasets, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_model

os.environ |= {"KERAS_BACKEND": "torch", "KERAS_TORCH_DEVICE": "cpu"}  # read by the import that follows

import keras


class Measuring(keras.callbacks.Callback):  # type: ignore[misc] # an unknown type where Keras is not installed
    """The clock, and the samples by the counter of Keras's own loss."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.running, self.counter = Clock(), ExitStack(), Counter()

    def on_train_begin(self, _logs: object = None) -> None:
        """Start the clock; everything is set up."""
        self.running.enter_context(self.clock)

    def on_test_begin(self, _logs: object = None) -> None:
        """Read the counter before the evaluation sets it to zero."""
        self.counter.samples += int(self.model.metrics[0].count)

    def on_train_end(self, _logs: object = None) -> None:
        """Stop the clock."""
        self.running.close()


def train(work: Work) -> Result:
    """Train the work with Keras."""
    training, test = ([tensor.numpy() for tensor in dataset.tensors] for dataset in datasets(work))
    model = keras.Sequential([keras.Input(training[0].shape[1:]), keras.layers.TorchModuleWrapper(make_model(work))])
    model.compile(
        optimizer=keras.optimizers.SGD(learning_rate=work.lr, momentum=work.momentum),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True) if work.classes else "mean_squared_error",
        metrics=["accuracy"] if work.classes else None,
    )
    measuring = Measuring()
    history = model.fit(
        *training,
        batch_size=work.batch_size,
        epochs=work.epochs,
        validation_data=test,
        callbacks=[measuring],
        verbose=0,
    ).history
    return make_result(
        measuring.clock,
        steps=model.optimizer.iterations.value,
        samples=measuring.counter.samples,
        train_loss=history["loss"][-1],
        score=history["val_accuracy" if work.classes else "val_loss"][-1],
    )
