"""Where a step's time goes: seen by hooks that are there for one step."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from fourstep.report import stopwatch
from fourstep.report.stopwatch import Stopwatch
from fourstep.scale.update import Listener, update_weights
from fourstep.step import train_step

CPU = torch.device("cpu")
LOSS = nn.CrossEntropyLoss()


class Clock:
    """Stands still but where it is told to go on, so that the machine's other work does not count."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """What time it is, in seconds."""
        return self.now

    def go_on(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The stopwatch's own."""
    one = Clock()
    monkeypatch.setattr(stopwatch, "perf_counter", one)
    return one


class Slow(nn.Module):
    """Takes its time: 2 seconds in the forward, 4 in the backward pass."""

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.clock = clock
        self.inner.weight.register_hook(lambda _: clock.go_on(4.0))

    def forward(self, inputs: Tensor) -> Tensor:
        """Let the clock go on."""
        self.clock.go_on(2.0)
        outputs: Tensor = self.inner(inputs)
        return outputs


def hooks_of(model: nn.Module, optimizer: Any) -> int:
    """How many there are."""
    pre, post = optimizer._optimizer_step_pre_hooks, optimizer._optimizer_step_post_hooks
    return len(model._forward_hooks) + len(model._forward_pre_hooks) + len(pre) + len(post)


@pytest.mark.parametrize("way", ["fit", "by hand"])
def test_the_parts_of_a_step_are_told_apart(way: str, clock: Clock, classification: tuple[Tensor, Tensor]) -> None:
    """3 seconds for the data, 2 forward, 4 backward, 5 to measure; one step alone is looked at."""
    model = Slow(clock)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    hooked = []

    def batches() -> Iterator[Any]:
        for _ in range(4):
            clock.go_on(3.0)
            yield (classification,)

    for number, group in enumerate(watch.steps_of(batches())):
        hooked.append(hooks_of(model, optimizer))
        if way == "fit":
            train_step(model, LOSS, optimizer, group, observe=lambda *_: clock.go_on(5.0))
        else:
            LOSS(model(group[0][0]), group[0][1]).backward()
            clock.go_on(5.0)
            optimizer.step()
        watch.is_due = number == 1

    assert hooked == [0, 0, 4, 0]
    assert hooks_of(model, optimizer) == 0
    assert watch.steps == 1
    assert watch.parts == {"data": 3.0, "forward": 2.0, "backward": 4.0, "measuring": 5.0, "update": 0.0}
    assert watch.seconds == 4 * (3.0 + 2.0 + 4.0 + 5.0)


def test_the_update_is_timed(clock: Clock, classification: tuple[Tensor, Tensor]) -> None:
    """From the call of the optimizer to its end, for an optimizer of torch's that is not done in its place."""

    class SlowAdam(torch.optim.Adam):
        def step(self, closure: Any = None) -> Any:
            clock.go_on(6.0)
            return super().step(closure)

    model = Slow(clock)
    optimizer = SlowAdam(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter([0, 1])):
        train_step(model, LOSS, optimizer, [classification])
        watch.is_due = True

    assert (watch.steps, watch.parts["update"]) == (1, 6.0)


def test_micro_batches_count_as_one_step(clock: Clock, classification: tuple[Tensor, Tensor]) -> None:
    """Forward and backward are added up over them."""
    model = Slow(clock)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter([0, 1])):
        train_step(model, LOSS, optimizer, [classification, classification])
        watch.is_due = True

    assert watch.steps == 1
    assert (watch.parts["forward"], watch.parts["backward"]) == (4.0, 8.0)


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
    torchs_own: list[Any] = []

    def init_group(*_: Any) -> bool:
        torchs_own.append(1)
        return False

    monkeypatch.setattr(torch.optim.SGD, "_init_group", init_group)
    update_weights(optimizer)

    assert told == [start, pytest.approx(start - 0.1)]
    assert torchs_own == []
    before.remove()
    optimizer.register_step_pre_hook(lambda *_: None)
    update_weights(optimizer)
    assert torchs_own == [1]


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


def test_passes_of_one_step_are_looked_at_too(classification: tuple[Tensor, Tensor]) -> None:
    """A step that is due when a pass has ended is the next pass's first one."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in range(3):
        for _ in watch.steps_of(iter([0])):
            train_step(model, LOSS, optimizer, [classification])
            watch.is_due = True
        assert hooks_of(model, optimizer) == 0

    assert watch.steps == 2


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


def test_an_optimizer_that_takes_half_of_the_hooks_keeps_none() -> None:
    """One of a stranger's that can be listened to before a step alone."""

    class Half(torch.optim.SGD):
        def register_step_post_hook(self, hook: Any) -> Any:
            raise NotImplementedError(hook)

    model = nn.Linear(4, 3)
    optimizer = Half(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter(range(3))):
        assert hooks_of(model, optimizer) == 0
        watch.is_due = True


def test_a_compiled_model_is_left_alone() -> None:
    """A hook would have it compiled anew."""
    model = nn.Linear(4, 3)
    model._compiled_call_impl = model._call_impl
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    watch = Stopwatch(model, optimizer, CPU)
    for _ in watch.steps_of(iter(range(2))):
        assert hooks_of(model, optimizer) == 0
        watch.is_due = True
