"""How long an epoch will take, measured on a copy of the model before the training starts."""

import copy
from collections.abc import Callable
from time import perf_counter

import torch
from torch import nn
from torch.optim import Optimizer

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data
from fourstep.device import synchronize
from fourstep.evaluation import evaluating
from fourstep.scale.memory import keep_freed_memory
from fourstep.scale.precision import MixedPrecision
from fourstep.seed import standing
from fourstep.step import train_step

WORTH_SAYING = 10.0  # seconds of an epoch
FEW = 8  # samples of the step that tells whether measuring is worth it
SLOW = 5.0  # seconds of a batch above which the few samples must do
CALLS, LONG = (2, 4), 1.0  # at least and at most so many calls are measured, more than two within so many seconds


def estimate_epoch(
    model: nn.Module,
    data: Data,
    loss_fn: nn.Module,
    make_optimizer: Callable[[nn.Module], Optimizer],
    device: torch.device,
    amp: MixedPrecision,
) -> float | None:
    """Seconds that an epoch will take: its steps, and the evaluation at its end.

    Args:
        model: a copy of it is trained for a few steps; it stays as it is, and so do the random generators.
        data: of which a few training samples are used.
        loss_fn: as the run has it.
        make_optimizer: makes the run's optimizer for the copy.
        device: where the run will train.
        amp: the forward's number format; for this alone, since it may learn a scale.

    Returns:
        None where it is below 10 seconds, or cannot be measured: for a quick model that takes some milliseconds.
    """
    train = data.train
    if not isinstance(train, Batches):
        return None
    try:
        with standing(device):
            keep_freed_memory(device)
            copied = copy.deepcopy(model).to(device)
            optimizer = make_optimizer(copied)
            inputs, targets = train.inputs[: train.batch_size].to(device), train.targets[: train.batch_size].to(device)

            def step(count: int) -> None:
                batch = train.prepare(inputs[:count]), targets[:count]
                train_step(copied, loss_fn, optimizer, [batch], amp=amp)

            def forward(count: int) -> None:
                with evaluating(copied), torch.no_grad():
                    loss_fn(copied(train.prepare(inputs[:count])), targets[:count])

            few = min(FEW, len(inputs))
            rough = _time(step, few, device) / few
            if rough * train.num_items < WORTH_SAYING:
                return None
            per_step = rough
            per_pass = rough / 3  # a step is some three times a forward pass
            if rough * len(inputs) <= SLOW:
                per_step, per_pass = (_time(do, len(inputs), device) / len(inputs) for do in (step, forward))
            seconds = per_step * train.num_items + per_pass * _num_evaluated(data)
    except (MemoryError, RuntimeError, ValueError):  # too large, or a mistake: the run itself says so better
        return None
    return seconds if seconds >= WORTH_SAYING else None


def _num_evaluated(data: Data) -> int:
    held_out = data.val if data.val is not None else data.test
    return held_out.num_items if isinstance(held_out, Batches) else 0


def _time(do: Callable[[int], None], count: int, device: torch.device) -> float:
    """Seconds of the quickest of some calls: the first one sets things up, and other programs may come between."""
    least, most = CALLS
    seconds: list[float] = []
    while len(seconds) < least or (len(seconds) < most and sum(seconds) < LONG):
        synchronize(device)
        start = perf_counter()
        do(count)
        synchronize(device)
        seconds.append(perf_counter() - start)
    return min(seconds)


def estimate_line(seconds: float, device: torch.device) -> str:
    """What to say of it.

    >>> estimate_line(840.0, torch.device("cuda:0"))
    'an epoch will take about 14 min on cuda:0'
    """
    threads = torch.get_num_threads()
    where = f"{device} ({threads} thread{'s' * (threads > 1)})" if device.type == "cpu" else str(device)
    return f"an epoch will take about {_spell(seconds)} on {where}"


def _spell(seconds: float) -> str:
    """A time to two digits, in the unit that suits it."""
    for size, unit in ((1.0, "s"), (60.0, "min")):
        if seconds / size < 90:  # noqa: PLR2004 - of a unit, above which the next is easier to read
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 3600:.1f} h"
