"""Ignite: `create_supervised_trainer` with metrics attached to it, and an evaluator that runs after each epoch.

Its `Average` is the mean over the batches, each of the same weight.
"""

from benchmarks.peers.shared import Counter, loaders, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_loss, make_model, make_optimizer
from ignite.engine import Events, create_supervised_evaluator, create_supervised_trainer
from ignite.metrics import Accuracy, Average, Loss
from torch import Tensor


def train(work: Work) -> Result:
    """Train the work with Ignite."""
    training, test = loaders(work)
    model, loss_fn, counter = make_model(work), make_loss(work), Counter()

    def output(_inputs: Tensor, targets: Tensor, outputs: Tensor, loss: Tensor) -> tuple[Tensor, Tensor, float]:
        counter.samples += len(targets)
        return outputs, targets, loss.item()

    trainer = create_supervised_trainer(model, make_optimizer(work, model), loss_fn, output_transform=output)
    Average(output_transform=lambda outputs: outputs[2]).attach(trainer, "loss")
    metrics = {"loss": Loss(loss_fn)}
    if work.classes:
        Accuracy(output_transform=lambda outputs: outputs[:2]).attach(trainer, "accuracy")
        metrics["accuracy"] = Accuracy()
    evaluator = create_supervised_evaluator(model, metrics)
    trainer.add_event_handler(Events.EPOCH_COMPLETED, lambda: evaluator.run(test))
    with Clock() as clock:
        state = trainer.run(training, max_epochs=work.epochs)
    return make_result(
        clock,
        steps=state.iteration,
        samples=counter.samples,
        train_loss=state.metrics["loss"],
        score=evaluator.state.metrics["accuracy" if work.classes else "loss"],
    )
