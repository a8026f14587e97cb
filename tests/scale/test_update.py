"""Clearing and updating without torch's own overhead: the same bits, and nothing passed over."""

import sys
import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

import fourstep as fs
from fourstep.scale.update import clear_gradients, update_weights

Make = Callable[[nn.Module], Optimizer]


def two_groups(model: nn.Module) -> Optimizer:
    """Each layer with its own learning rate."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return SGD([{"params": layer.parameters(), "lr": 0.1 * (i + 1)} for i, layer in enumerate(layers)], lr=1.0)


MAKERS: dict[str, Make] = {
    "plain": lambda model: SGD(model.parameters(), lr=0.1),
    "whole lr": lambda model: SGD(model.parameters(), lr=1),
    "groups": two_groups,
    "momentum": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9),
    "nesterov": lambda model: SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    "decay": lambda model: SGD(model.parameters(), lr=0.1, weight_decay=0.01),
    "maximize": lambda model: SGD(model.parameters(), lr=0.1, maximize=True),
    "foreach": lambda model: SGD(model.parameters(), lr=0.1, foreach=True),
    "fused": lambda model: SGD(model.parameters(), lr=0.1, fused=True),
    "tensor lr": lambda model: SGD(model.parameters(), lr=torch.tensor(0.1)),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
    "adagrad": lambda model: torch.optim.Adagrad(model.parameters(), lr=0.01),
}


def trained(make: Make, *, lean: bool) -> list[Tensor]:
    """The weights after a few updates, by torch's own methods or by ours; the middle layer is frozen on the way."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 1))
    optimizer = make(model)
    for number in range(6):
        if number == 3:
            model[2].requires_grad_(False)
            optimizer.param_groups[0]["lr"] *= 0.5
        if lean:
            clear_gradients(optimizer)
        else:
            optimizer.zero_grad()
        model(torch.randn(7, 3)).pow(2).mean().backward()
        if lean:
            update_weights(optimizer)
        else:
            optimizer.step()
    return [parameter.detach() for parameter in model.parameters()]


@pytest.mark.parametrize("name", MAKERS)
def test_the_bits_are_torchs(name: str) -> None:
    """Whatever the optimizer's options are."""
    for found, expected in zip(trained(MAKERS[name], lean=True), trained(MAKERS[name], lean=False), strict=True):
        assert torch.equal(found, expected)


@pytest.mark.parametrize("name", ["plain", "whole lr", "groups"])
def test_plain_descent_is_done_here(name: str) -> None:
    """Torch's own methods are not called: else there would be nothing to gain."""
    called: list[str] = []

    def note(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.endswith(("torch/optim/optimizer.py", "torch/optim/sgd.py")):
            called.append(frame.f_code.co_name)

    def lean_only() -> None:
        clear_gradients(optimizer)
        update_weights(optimizer)

    layer = nn.Sequential(nn.Linear(2, 1), nn.Linear(1, 1))
    optimizer = MAKERS[name](layer)
    layer(torch.ones(4, 2)).sum().backward()
    sys.setprofile(note)
    try:
        lean_only()
    finally:
        sys.setprofile(None)

    assert called == []


def test_what_replaces_torchs_methods_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tracer that wraps the class sees every call."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    said: list[str] = []
    monkeypatch.setattr(Optimizer, "zero_grad", lambda _self: said.append("clear"))
    monkeypatch.setattr(SGD, "step", lambda _self: said.append("update"))
    clear_gradients(optimizer)
    update_weights(optimizer)

    assert said == ["clear", "update"]


def test_a_profiler_sees_the_calls_that_it_knows() -> None:
    """Under torch's profiler, clearing and updating are torch's own."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        update_weights(optimizer)
        clear_gradients(optimizer)
    names = {event.name for event in profiler.events() or ()}

    assert {"Optimizer.step#SGD.step", "Optimizer.zero_grad#SGD.zero_grad"} <= names


@pytest.mark.usefixtures("unchecked_types")
def test_an_optimizer_by_its_methods_alone_is_called() -> None:
    """Something that wraps one, and is no subclass."""
    said: list[str] = []

    class Wrapper:
        param_groups: list[Any] = []  # noqa: RUF012 - a stand-in

        def __getattr__(self, name: str) -> Any:
            return lambda: said.append(name)

    wrapper: Any = Wrapper()
    clear_gradients(wrapper)
    update_weights(wrapper)

    assert said == ["zero_grad", "step"]


def layer_with_gradient() -> tuple[nn.Linear, Tensor]:
    """A layer, and its weights before any update."""
    layer = nn.Linear(2, 1)
    layer(torch.ones(4, 2)).sum().backward()
    return layer, layer.weight.detach().clone()


def test_hooks_of_the_optimizer_are_called() -> None:
    """Before and after, as torch calls them."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    said: list[str] = []
    before = optimizer.register_step_pre_hook(lambda *_: said.append("before"))
    after = optimizer.register_step_post_hook(lambda *_: said.append("after"))
    update_weights(optimizer)
    before.remove()
    update_weights(optimizer)
    after.remove()
    update_weights(optimizer)

    assert said == ["before", "after", "after"]


@pytest.mark.parametrize("register", [register_optimizer_step_pre_hook, register_optimizer_step_post_hook])
def test_hooks_of_all_optimizers_are_called(register: Callable[[Any], Any]) -> None:
    """Those that a profiler registers for every optimizer there is."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    said: list[Optimizer] = []
    handle = register(lambda optimizer, *_: said.append(optimizer))
    try:
        update_weights(optimizer)
    finally:
        handle.remove()

    assert said == [optimizer]


def test_a_schedulers_wrapper_is_called() -> None:
    """Torch's schedulers count the steps, and warn where they miss one."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        update_weights(optimizer)
        schedule.step()

    assert optimizer.param_groups[0]["lr"] == 0.05


class Louder(SGD):
    """An optimizer of a user's own."""

    cleared = stepped = 0

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: FBT001, FBT002 - torch's signature
        """Count."""
        self.cleared += 1
        super().zero_grad(set_to_none)

    def step(self, closure: Any = None) -> Any:
        """Count."""
        self.stepped += 1
        return super().step(closure)


def test_a_class_of_ones_own_is_left_to_itself() -> None:
    """A subclass may do anything in its methods."""
    layer, _ = layer_with_gradient()
    optimizer = Louder(layer.parameters(), lr=0.1)
    clear_gradients(optimizer)
    update_weights(optimizer)

    assert (optimizer.cleared, optimizer.stepped) == (1, 1)
    assert layer.weight.grad is None


def test_methods_put_on_the_object_are_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """As wrapping libraries do."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    said: list[str] = []
    monkeypatch.setattr(optimizer, "zero_grad", lambda: said.append("clear"), raising=False)
    monkeypatch.setattr(optimizer, "step", lambda: said.append("update"), raising=False)
    clear_gradients(optimizer)
    update_weights(optimizer)

    assert said == ["clear", "update"]


def test_what_a_torch_to_come_may_not_have_is_not_taken_for_granted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the places where hooks are, torch's own step is called."""
    layer, _ = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.1)
    said: list[str] = []
    monkeypatch.setattr(SGD, "step", lambda _self: said.append("torch"))
    monkeypatch.delattr(sys.modules["torch.optim.optimizer"], "_global_optimizer_pre_hooks")
    update_weights(optimizer)

    assert said == ["torch"]


def test_sparse_gradients_are_added_too() -> None:
    """An embedding's gradient may be sparse."""
    found = []
    for lean in (True, False):
        torch.manual_seed(0)
        table = nn.Embedding(10, 3, sparse=True)
        optimizer = SGD(table.parameters(), lr=0.1)
        table(torch.tensor([1, 1, 7])).pow(2).sum().backward()
        if lean:
            update_weights(optimizer)
        else:
            optimizer.step()
        found.append(table.weight.detach())

    assert torch.equal(*found)


def test_train_step_takes_them() -> None:
    """A step clears what was there before and leaves the gradients to look at."""
    layer, weights = layer_with_gradient()
    optimizer = SGD(layer.parameters(), lr=0.5)
    fs.train_step(layer, nn.MSELoss(), optimizer, [(torch.ones(4, 2), torch.zeros(4, 1))])

    assert layer.weight.grad is not None
    assert torch.equal(layer.weight.detach(), weights - 0.5 * layer.weight.grad)
