"""What a step costs in things that can be counted, and so do not depend on the machine: `python benchmarks/costs.py`.

Each is the difference between a longer and a shorter run, so that what a run or an epoch costs once drops out.
tests/test_costs.py holds a budget for each.
"""

import json
import math
import resource
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TypeAlias

import torch
from torch import nn
from torch.autograd.profiler import profile
from torch.utils._python_dispatch import TorchDispatchMode

import fourstep as fs
from fourstep import events

PACKAGE = str(Path(fs.__file__).parent)
SHORT, LONG = 10, 30  # steps
WAITS = ("item", "tolist", "numpy", "cpu")  # methods of a tensor that wait for its device
Train: TypeAlias = Callable[["Setup"], None]


class Setup:
    """A small model with its data: `linear` regression at batch 10, or `softmax` regression at batch 256."""

    def __init__(self, name: str, steps: int) -> None:
        torch.manual_seed(0)
        self.metrics: dict[str, Any] = {} if name == "linear" else {"accuracy": fs.accuracy}
        if name == "linear":
            inputs, targets = fs.data.synthetic_regression([2.0, -3.4], 4.2, 10 * steps)
            self.model, batch_size = nn.Linear(2, 1), 10
        else:
            inputs = torch.randint(256, (256 * steps, 784), dtype=torch.uint8)
            targets = torch.randint(10, (256 * steps,))
            self.model, batch_size = nn.Linear(784, 10), 256
        self.loss_fn = nn.MSELoss() if name == "linear" else nn.CrossEntropyLoss()
        self.data = fs.data.from_arrays(inputs, targets, batch_size=batch_size)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=0.01)


def by_fit(setup: Setup) -> None:
    """One epoch by `fit`."""
    model, metrics = setup.model, setup.metrics
    fs.fit(model, setup.data, setup.loss_fn, setup.optimizer, epochs=1, metrics=metrics, show="none")


def by_run(setup: Setup) -> None:
    """One epoch by the loop over `Run` that is written by hand."""
    run = fs.Run(setup.model, setup.optimizer, setup.data, metrics=setup.metrics, show="none")
    for epoch in run.epochs(1):
        for inputs, targets in epoch:
            outputs = setup.model(inputs)
            loss = setup.loss_fn(outputs, targets)
            setup.optimizer.zero_grad()
            loss.backward()
            setup.optimizer.step()
            epoch.record(loss, outputs, targets)


def by_four_steps(setup: Setup) -> None:
    """The four steps over batches that lie ready."""
    for inputs, targets in list(setup.data.train):
        fs.four_steps(setup.model, setup.loss_fn, setup.optimizer, inputs, targets)


WAYS: dict[str, Train] = {"fit": by_fit, "run": by_run, "four steps": by_four_steps}


def count_calls(train: Train, setup: Setup) -> Counter[str]:
    """Calls of the package's own functions."""
    counts: Counter[str] = Counter()

    def note(frame: FrameType, event: str, _: Any) -> None:
        counts["calls"] += event == "call" and frame.f_code.co_filename.startswith(PACKAGE)

    sys.setprofile(note)
    try:
        train(setup)
    finally:
        sys.setprofile(None)
    return counts


class Operations(TorchDispatchMode):
    """Counts torch's operations, forward and backward, and apart from them the readings of one value."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        kind = "reads" if "_local_scalar_dense" in name else "other" if "profiler" in name else "operations"
        self.counts[kind] += 1
        return func(*args, **(kwargs or {}))


def count_operations(train: Train, setup: Setup) -> Counter[str]:
    """Torch's operations."""
    operations = Operations()
    with operations:
        train(setup)
    return Counter(operations=operations.counts["operations"])


def count_waits(train: Train, setup: Setup) -> Counter[str]:
    """What would wait for a device: the package is told that no tensor is on the CPU, where no reading waits.

    Readings by the clock, ten a second at most, are left out: how many they are depends on the machine.
    """
    operations, waits = Operations(), Counter[str]()

    def note(_: FrameType, event: str, argument: Any) -> None:
        if event == "c_call" and argument.__name__ in WAITS:
            waits["waits"] += isinstance(argument.__self__, torch.Tensor)

    torch.Tensor.is_cpu = False
    events.TICK_SECONDS, by_the_clock = math.inf, events.TICK_SECONDS
    sys.setprofile(note)
    try:
        with operations:
            train(setup)
    finally:
        sys.setprofile(None)
        events.TICK_SECONDS = by_the_clock
        del torch.Tensor.is_cpu  # what was there before is torch's base class's
    return waits + Counter(waits=operations.counts["reads"])


def count_allocations(train: Train, setup: Setup) -> Counter[str]:
    """Tensors' storages that were allocated."""
    with profile(profile_memory=True) as profiler:
        train(setup)
    events = profiler.kineto_results.events()
    return Counter(allocations=sum(event.name() == "[memory]" and event.nbytes() > 0 for event in events))


def count_faults(train: Train, setup: Setup) -> Counter[str]:
    """Page faults."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    train(setup)
    return Counter(faults=resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)


def per_step(name: str, way: str) -> dict[str, float]:
    """Every count of one more step; `waits in all` is of a whole short run, its row included."""
    result: Counter[str] = Counter()
    for count in (count_calls, count_operations, count_waits, count_allocations, count_faults):
        count(WAYS[way], Setup(name, LONG))  # what only a first time costs: the heap grows to what the longer run needs
        longer, shorter = (count(WAYS[way], Setup(name, steps)) for steps in (LONG, SHORT))
        waits = shorter["waits"]
        longer.subtract(shorter)
        result.update(longer)
        result["waits in all"] += waits * (LONG - SHORT)
    return {name: value / (LONG - SHORT) for name, value in result.items()}


def main() -> None:
    """Print the counts as JSON, by work and way."""
    table = {name: {way: per_step(name, way) for way in WAYS} for name in ("linear", "softmax")}
    print(json.dumps(table))


if __name__ == "__main__":
    main()
