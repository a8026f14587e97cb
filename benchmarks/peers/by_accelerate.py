"""Accelerate: the plain loop over what `Accelerator.prepare` gives, with `backward` and `gather_for_metrics`.

Sums stay tensors and are read once per epoch.
"""

import torch
from accelerate import Accelerator
from benchmarks.peers.shared import accuracy, loaders, make_result
from benchmarks.sample import Clock
from benchmarks.works import Result, Work, make_loss, make_model, make_optimizer


def train(work: Work) -> Result:
    """Train the work with Accelerate."""
    accelerator = Accelerator(cpu=True)
    plain, loss_fn = make_model(work), make_loss(work)
    model, optimizer, training, test = accelerator.prepare(plain, make_optimizer(work, plain), *loaders(work))
    steps = samples = 0
    with Clock() as clock:
        for _ in range(work.epochs):
            model.train()
            loss_sum, right, count = torch.zeros(()), torch.zeros(()), 0
            for inputs, targets in training:
                outputs = model(inputs)
                loss = loss_fn(outputs, targets)
                optimizer.zero_grad()
                accelerator.backward(loss)
                optimizer.step()
                loss_sum += loss.detach() * len(targets)
                if work.classes:
                    right += (outputs.argmax(dim=1) == targets).sum()
                count += len(targets)
                steps += 1
            samples += count
            kept = {"train_loss": loss_sum.item() / count, "train_accuracy": right.item() / count}
            model.eval()
            score = torch.zeros(())
            with torch.no_grad():
                for inputs, targets in test:
                    outputs, wanted = accelerator.gather_for_metrics((model(inputs), targets))
                    value = accuracy(outputs, wanted) if work.classes else loss_fn(outputs, wanted)
                    score += value * len(wanted) / work.num_test
            kept["score"] = score.item()
    return make_result(clock, steps=steps, samples=samples, train_loss=kept["train_loss"], score=kept["score"])
