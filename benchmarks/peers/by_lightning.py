"""Lightning: a `LightningModule` under `Trainer.fit`.

The epoch's means are Lightning's own, from `log_dict`. The clock runs from its `on_train_start` to its `on_train_end`.
The two batches that it evaluates before training, to find mistakes early, are switched off.
"""

from contextlib import ExitStack

import lightning
import torch
from benchmarks.peers.shared import Batch, Counter, accuracy, loaders, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_loss, make_model, make_optimizer
from torch import Tensor


class Module(lightning.LightningModule):  # type: ignore[misc] # an unknown type where Lightning is not installed
    """The work's model, loss and optimizer, and what they are measured by."""

    def __init__(self, work: Work) -> None:
        super().__init__()
        self.work = work
        self.model, self.loss_fn = make_model(work), make_loss(work)
        self.clock, self.running, self.counter = Clock(), ExitStack(), Counter()

    def measured(self, part: str, batch: Batch) -> Tensor:
        """The batch's loss, logged with its accuracy."""
        inputs, targets = batch
        outputs = self.model(inputs)
        loss: Tensor = self.loss_fn(outputs, targets)
        values = {f"{part}_loss": loss}
        if self.work.classes:
            values[f"{part}_accuracy"] = accuracy(outputs, targets)
        self.log_dict(values, on_step=False, on_epoch=True, batch_size=len(inputs))
        return loss

    def training_step(self, batch: Batch, _batch_index: int) -> Tensor:
        """The loss that Lightning takes the gradients of."""
        self.counter.samples += len(batch[0])
        return self.measured("train", batch)

    def validation_step(self, batch: Batch, _batch_index: int) -> None:
        """The numbers on a batch of the test data."""
        self.measured("test", batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """The work's optimizer."""
        return make_optimizer(self.work, self.model)

    def on_train_start(self) -> None:
        """Start the clock; everything is set up."""
        self.running.enter_context(self.clock)

    def on_train_end(self) -> None:
        """Stop the clock."""
        self.running.close()


def train(work: Work) -> Result:
    """Train the work with Lightning."""
    module = Module(work)
    trainer = lightning.Trainer(
        max_epochs=work.epochs,
        accelerator="cpu",
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, *loaders(work))
    numbers = trainer.callback_metrics
    return make_result(
        module.clock,
        steps=trainer.global_step,
        samples=module.counter.samples,
        train_loss=numbers["train_loss"],
        score=numbers["test_accuracy" if work.classes else "test_loss"],
    )
