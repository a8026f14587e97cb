"""`train_ch6`: its lines, its traps, and that it trains."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep import d2l
from fourstep.errors import ConfigError, DeviceError, NonFiniteError


def small_net() -> nn.Sequential:
    """One convolution and one linear layer."""
    return nn.Sequential(nn.Conv2d(1, 2, 5), nn.Sigmoid(), nn.Flatten(), nn.Linear(2 * 24 * 24, 10))


def test_it_prints_the_books_lines_and_nothing_else(images: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """And that it re-initialised the layers; no outputs of the net, no `<Figure ...>`."""
    batches = d2l.load_array(images.train, 16), d2l.load_array(images.test, 16, is_train=False)
    result = d2l.train_ch6(small_net(), *batches, 2, 0.1, d2l.try_gpu())

    device = str(d2l.try_gpu())
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"training on {device}", "re-initialised 2 layers (init=False keeps the weights)"]
    assert lines[2] == f"loss {result.train_loss:.3f}, train acc {result.train_acc:.3f}, test acc {result.test_acc:.3f}"
    assert re.fullmatch(rf"\d+\.\d examples/sec on {re.escape(device)}", lines[3])
    assert len(lines) == 4


@pytest.mark.parametrize("batch_size", [50, 25, 13])
def test_fewer_than_five_batches_work(images: Any, batch_size: int) -> None:
    """The book's divides by zero with 1 to 4 batches an epoch."""
    batches = d2l.load_array(images.train, batch_size)
    result = d2l.train_ch6(small_net(), batches, batches, 1, 0.1, "cpu")
    assert result.train_loss > 0


def test_it_draws_five_times_an_epoch_and_the_test_at_its_end(images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The chart's points lie where the book's do."""
    drawn: list[d2l.Animator] = []

    class Kept(d2l.Animator):
        def add(self, x: Any, y: Any) -> None:
            drawn.append(self)
            super().add(x, y)

    monkeypatch.setattr("fourstep.d2l.chapter6.Animator", Kept)
    batches = d2l.load_array(images.train, 5)  # 10 batches
    d2l.train_ch6(small_net(), batches, batches, 2, 0.1, "cpu")

    assert drawn[0].X is not None
    assert drawn[0].X[0] == drawn[0].X[1] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2])
    assert drawn[0].X[2] == [1, 2]


def test_init_false_keeps_the_weights(images: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """By default it starts again, even with lr 0, as the book's does, which says so nowhere."""
    batches = d2l.load_array(images.train, 25)
    net = small_net()
    before = [parameter.detach().clone() for parameter in net.parameters()]
    d2l.train_ch6(net, batches, batches, 1, 0.0, "cpu", init=False)
    assert all(map(torch.equal, before, net.parameters()))
    assert "re-initialised" not in capsys.readouterr().out
    with pytest.warns(fs.FourstepWarning, match="the net was trained before"):
        d2l.train_ch6(net, batches, batches, 1, 0.0, "cpu")
    after = list(net.parameters())
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])


def test_batches_without_a_length_work(images: Any) -> None:
    """The book's needs `len`; here the chart then has a point per epoch."""

    class Endless:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return iter(d2l.load_array(images.train, 10))

    torch.manual_seed(1)
    result = d2l.train_ch6(small_net(), Endless(), Endless(), 2, 0.1, "cpu")
    torch.manual_seed(1)
    batches = d2l.load_array(images.train, 10)
    assert d2l.train_ch6(small_net(), batches, batches, 2, 0.1, "cpu") == result


def test_seeded_batches_take_a_new_order_every_epoch(images: Any) -> None:
    """Those of `fourstep.data` are trained on as by a loop of one's own."""
    weights = []
    for train in (lambda net, batches: d2l.train_ch6(net, batches, batches, 2, 0.1, "cpu", init=False), by_hand):
        torch.manual_seed(1)
        net = small_net()
        data = fs.Batches(*images.train, batch_size=10, seed=3)
        train(net, data)
        weights.append([parameter.detach() for parameter in net.parameters()])
    assert all(map(torch.equal, *weights))


def by_hand(net: nn.Module, batches: fs.Batches) -> None:
    """Two epochs in plain torch; the pass between them is the test's."""
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for epoch in range(2):
        batches.seek(2 * epoch)
        for inputs, targets in batches:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(inputs), targets).backward()
            optimizer.step()


def test_a_loss_that_is_not_finite_stops_with_batch_and_lr(images: Any) -> None:
    """The book's goes on to the end and prints `loss nan`."""
    inputs, targets = images.train
    inputs = inputs.clone()
    inputs[23] = float("nan")
    batches = d2l.load_array((inputs, targets), 5, is_train=False)
    with pytest.raises(
        NonFiniteError, match=r"NaN or infinite in batch 5 of epoch 1 with lr 0\.25, after a loss of \d\.\d+: use a"
    ):
        d2l.train_ch6(small_net(), batches, batches, 3, 0.25, "cpu")


def test_what_it_cannot_use_is_said(images: Any) -> None:
    """Zero epochs, a function for a net, a device that is not there."""
    batches = d2l.load_array(images.train, 25)
    with pytest.raises(ConfigError, match="num_epochs 0: expected a whole number of 1 or more"):
        d2l.train_ch6(small_net(), batches, batches, 0, 0.1, "cpu")
    with pytest.raises(DeviceError, match="device 'cuda:99' is not there"):
        d2l.train_ch6(small_net(), batches, batches, 1, 0.1, "cuda:99")


@pytest.mark.usefixtures("unchecked_types")
def test_a_function_is_no_net_for_a_device(images: Any) -> None:
    """It has no layers to start again and none to move."""
    batches = d2l.load_array(images.train, 25)
    with pytest.raises(
        ConfigError, match=r"net is a function: train_ch6 moves it to a device, so it expects an nn\.Module"
    ):
        d2l.train_ch6(lambda inputs: inputs, batches, batches, 1, 0.1, "cpu")  # type: ignore[arg-type] # the mistake


def test_modes_frozen_in_the_net_are_as_the_book_sets_them(images: Any) -> None:
    """Every module trains, and is left in training mode after the last test."""
    net = small_net().eval()
    batches = d2l.load_array(images.train, 25)
    d2l.train_ch6(net, batches, batches, 1, 0.1, "cpu")
    assert all(module.training for module in net.modules())
