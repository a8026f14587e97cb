"""Where a step's time goes: seen by hooks that are there for one step."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fourstep.report.stopwatch import Stopwatch
from fourstep.scale.update import Listener, update_weights
from fourstep.step import four_steps, train_step

CPU = torch.device("cpu")
LOSS = nn.CrossEntropyLoss()


class Slow(nn.Module):
    """Takes its time: 20 ms in the forward, 40 ms in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> Tensor:
        """Sleep, and let the backward pass sleep."""
        time.sleep(0.02)
        hidden: Tensor = self.inner(inputs)
        hidden.register_hook(lambda _: time.sleep(0.04))
        return hidden * 1


def hooks_of(model: nn.Module, optimizer: Any) -> int:
    """How many there are."""
    pre, post = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
    return len(model._forward_hooks) + len(model._forward_pre_hooks) + len(pre) + len(post)


@pytest.mark.parametrize("way", ["fit", "by hand"])
def test_the_parts_of_a_step_are_told_apart(way: str, classification: tuple[Tensor, Tensor]) -> None:
    """30 ms for the data, 20 forward, 40 backward; only the step that was asked for is looked at."""
    model = Slow()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    hooked = []

    def batches() -> Iterator[Any]:
        for _ in range(4):
            time.sleep(0.03)
            yield (classification,)

    for number, group in enumerate(watch.steps_of(batches())):
        hooked.append(hooks_of(model, optimizer))
        if way == "fit":
            train_step(model, LOSS, optimizer, group)
        else:
            four_steps(model, LOSS, optimizer, *group[0])
        watch.is_due = number == 1

    assert hooked == [0, 0, 4, 0]
    assert hooks_of(model, optimizer) == 0
    assert watch.steps == 1
    assert watch.parts["data"] >= 0.03
    assert watch.parts["forward"] >= 0.02
    assert watch.parts["backward"] >= 0.04
    assert watch.parts["forward"] < watch.parts["backward"]
    assert watch.parts["update"] < 0.02
    assert watch.seconds >= 4 * 0.09


def test_micro_batches_count_as_one_step(classification: tuple[Tensor, Tensor]) -> None:
    """Forward and backward are added up over them."""
    model = Slow()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter([0, 1])):
        train_step(model, LOSS, optimizer, [classification, classification])
        watch.is_due = True

    assert watch.steps == 1
    assert watch.parts["forward"] >= 0.04
    assert watch.parts["backward"] >= 0.08
    assert watch.parts["forward"] < watch.parts["backward"]


@pytest.mark.parametrize("make", [torch.optim.SGD, torch.optim.Adam])
def test_a_step_that_is_looked_at_gives_the_same_bits(
    make: Callable[..., Any], classification: tuple[Tensor, Tensor], make_model: Callable[[], nn.Module]
) -> None:
    """Also where the update is done in the optimizer's place."""
    ends = []
    for looks in (False, True):
        model = make_model()
        optimizer = make(model.parameters(), lr=0.1)
        watch = Stopwatch(model, optimizer, CPU)
        for _ in watch.steps_of(iter(range(10))):
            train_step(model, LOSS, optimizer, [classification])
            watch.is_due = looks
        assert watch.steps == (9 if looks else 0)
        ends.append(model.state_dict())

    assert all(torch.equal(value, ends[1][name]) for name, value in ends[0].items())


def test_a_listener_leaves_the_update_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told before and after, and torch's own step is not taken for it; for any other hook it is."""
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(torch.ones(1, 2)).sum().backward()
    told: list[Any] = []
    before = optimizer.register_step_pre_hook(Listener(lambda: told.append(model.bias.item())))
    optimizer.register_step_post_hook(Listener(lambda: told.append(model.bias.item())))
    start = model.bias.item()
    entered: list[str] = []
    monkeypatch.setattr(torch.autograd.profiler.record_function, "__enter__", lambda _: entered.append("torch's"))
    monkeypatch.setattr(torch.autograd.profiler.record_function, "__exit__", lambda *_: None)
    update_weights(optimizer)

    assert told == [start, pytest.approx(start - 0.1)]
    assert entered == []
    before.remove()
    optimizer.register_step_pre_hook(lambda *_: None)
    update_weights(optimizer)
    assert entered == ["torch's"]


def test_a_step_that_is_not_seen_whole_does_not_count(classification: tuple[Tensor, Tensor]) -> None:
    """One without an update, or whose model was not called as a module."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for number in watch.steps_of(iter(range(3))):
        if number == 1:
            LOSS(model(classification[0]), classification[1]).backward()
        if number == 2:
            LOSS(model.forward(classification[0]), classification[1]).backward()
            optimizer.step()
        watch.is_due = True

    assert watch.steps == 0
    assert hooks_of(model, optimizer) == 0


def test_a_loop_that_is_left_keeps_no_hook() -> None:
    """By an error in the middle of the step that is looked at."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    steps = watch.steps_of(iter(range(3)))
    next(steps)
    watch.is_due = True
    next(steps)
    assert hooks_of(model, optimizer) == 4
    steps.close()  # type: ignore[attr-defined] # it is a generator

    assert hooks_of(model, optimizer) == 0


def test_a_compiled_model_is_left_alone() -> None:
    """A hook would have it compiled anew."""
    model = nn.Linear(4, 3)
    model._compiled_call_impl = model._call_impl
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter(range(2))):
        assert hooks_of(model, optimizer) == 0
        watch.is_due = True
