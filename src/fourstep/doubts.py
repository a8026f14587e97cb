"""What else changes while a run trains: made so that it can be saved, registered, or at least said."""

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader, IterableDataset

from fourstep.data.loader import LoaderBatches, can_seek, is_exact
from fourstep.errors import FourstepError
from fourstep.runs.packing import pack
from fourstep.show.lines import say
from fourstep.stateful import has_numbers, is_stateful, read_state

if TYPE_CHECKING:
    from fourstep.run import Run  # at run time it is given, and nothing is imported


def register_hooks(run: "Run") -> None:
    """Let checkpoints hold what a run's hooks remember, which may decide when it stops."""
    for number, hook in enumerate(run.hooks, start=1):
        name = f"hook {number}"
        if is_stateful(hook):
            run.register(name, hook)
        elif has_numbers(hook):
            try:
                pack(read_state(hook), name)
            except FourstepError as error:
                say(f"{error}. If it decides anything, give it state_dict and load_state_dict")
            else:
                run.register(name, hook)


def make_seekable(run: "Run") -> None:
    """Put a loader that can begin at any batch in the place of a run's own, where that is possible."""
    train = run.data.train
    if can_seek(train):
        batches = LoaderBatches(train, torch.initial_seed())
        run.data = replace(run.data, train=batches)
        run.generators = batches.generators
        run.register("train loader", batches)


def say_doubts(run: "Run") -> None:
    """A line for each thing that is known to change without being saved."""
    schedules = [thing for thing in run.registered.values() if isinstance(thing, LRScheduler)]
    keeps_hooks = any(name.startswith("hook ") for name in run.registered)  # one of them may keep the schedule
    if hasattr(run.optimizer.step, "_wrapped_by_lr_sched") and not schedules and not keeps_hooks:
        say("a schedule changes the optimizer and is not saved: run.register('schedule', schedule) keeps it")
    train = run.data.train
    if isinstance(train, LoaderBatches) and not is_exact(train.loader):
        say("the data has a sampler of its own: it is asked again when the run goes on, and must draw the same")
    if isinstance(train, DataLoader) and isinstance(train.dataset, IterableDataset):
        say("the data is an iterable without positions: when the run goes on it is read again, and must yield the same")
