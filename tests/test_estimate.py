"""How long an epoch will take: said before it starts, and nothing else is changed by it."""

import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from torch import nn

import fourstep as fs
from fourstep.recipes import estimate, make_parts, recipe_for, train
from fourstep.recipes.build import make_optimizer
from fourstep.recipes.estimate import estimate_epoch, estimate_line
from fourstep.scale.precision import OFF, mixed_precision
from fourstep.seed import generator_states

CPU = torch.device("cpu")
DROPOUT = replace(recipe_for("dropout"), epochs=1)


@pytest.fixture
def everything_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also what takes less than ten seconds."""
    monkeypatch.setattr(estimate, "WORTH_SAYING", 0.0)


@pytest.mark.usefixtures("everything_is_said")
@pytest.mark.parametrize("name", ["dropout", "batchnorm-lenet"])
def test_a_run_is_the_same_to_the_bit_after_an_estimate(name: str) -> None:
    """Weights, running statistics and what dropout draws."""
    recipe = replace(recipe_for(name), epochs=1)
    said: list[str] = []
    told, silent = train(recipe, show="none", say=said.append), train(recipe, show="none")

    assert len(said) == 1
    assert re.fullmatch(r"an epoch will take about \d+ s on cpu \(\d+ threads?\)", said[0])
    for ours, theirs in zip(told.model.state_dict().values(), silent.model.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.usefixtures("everything_is_said")
@pytest.mark.parametrize("precision", ["off", "bf16"])
def test_an_estimate_leaves_model_and_generators_as_they_are(precision: str) -> None:
    """Parameters, gradients and modes too."""
    model, data, loss_fn, _ = make_parts(DROPOUT)
    model.train()
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    before = generator_states(CPU)
    seconds = estimate_epoch(
        model, data, loss_fn, partial(make_optimizer, DROPOUT), CPU, mixed_precision(precision, "cpu")
    )
    after = generator_states(CPU)

    assert seconds is not None
    assert seconds > 0
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.training
    assert torch.equal(before["torch"], after["torch"])
    assert before["numpy"]["state"]["pos"] == after["numpy"]["state"]["pos"]


def test_an_estimate_counts_every_sample_and_the_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    """10 ms a sample of 1,438 to train on, 4 ms a sample of 359 to test on."""

    def time(do: object, count: int, device: torch.device) -> float:
        assert device == CPU
        return count * (0.01 if "step" in repr(do) else 0.004)

    monkeypatch.setattr(estimate, "_time", time)
    model, data, loss_fn, _ = make_parts(DROPOUT)
    seconds = estimate_epoch(model, data, loss_fn, partial(make_optimizer, DROPOUT), CPU, OFF)

    assert seconds == pytest.approx(1438 * 0.01 + 359 * 0.004)


def test_a_batch_that_takes_long_is_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a second a sample: eight of them tell enough, a batch of 64 would be waited for."""
    counts: list[int] = []

    def time(do: object, count: int, device: torch.device) -> float:  # noqa: ARG001 - as the real one
        counts.append(count)
        return count * 0.5

    monkeypatch.setattr(estimate, "_time", time)
    model, data, loss_fn, _ = make_parts(DROPOUT)
    seconds = estimate_epoch(model, data, loss_fn, partial(make_optimizer, DROPOUT), CPU, OFF)

    assert seconds == pytest.approx((1438 + 359 / 3) * 0.5)
    assert counts == [8]


def test_a_quick_epoch_is_not_worth_a_line() -> None:
    """A perceptron's takes a fraction of a second."""
    said: list[str] = []
    train(replace(DROPOUT, hidden=(8,), dropout=()), show="none", say=said.append)
    assert said == []


@pytest.mark.usefixtures("everything_is_said")
def test_what_cannot_be_measured_is_left_to_the_run() -> None:
    """A model that does not fit the data, and data that is no whole tensor."""
    model, data, loss_fn, _ = make_parts(DROPOUT)
    optimizer = partial(make_optimizer, DROPOUT)

    assert estimate_epoch(nn.Linear(3, 10), data, loss_fn, optimizer, CPU, OFF) is None
    assert estimate_epoch(model, fs.Data(train=list(data.train)), loss_fn, optimizer, CPU, OFF) is None


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(10.4, "10 s"), (89.0, "89 s"), (91.0, "2 min"), (840.0, "14 min"), (5395.0, "90 min"), (5400.0, "1.5 h")],
)
def test_a_time_is_said_in_the_unit_that_suits_it(seconds: float, said: str) -> None:
    """Seconds, minutes, hours."""
    threads = torch.get_num_threads()
    where = f"cpu ({threads} thread{'s' if threads > 1 else ''})"
    assert estimate_line(seconds, CPU) == f"an epoch will take about {said} on {where}"
    assert estimate_line(seconds, torch.device("cuda:0")).endswith(f"{said} on cuda:0")
