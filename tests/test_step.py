"""The four steps: the specification, and the same with everything that a real update needs."""

from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.testing import assert_close

import fourstep as fs
from fourstep.scale import mixed_precision

Build = Callable[[], nn.Module]
Classification = tuple[Tensor, Tensor]

OPTIMIZERS: dict[str, Callable[[nn.Module], torch.optim.Optimizer]] = {
    "sgd": lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
    "adam": lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
    "adamw": lambda model: torch.optim.AdamW(model.parameters(), lr=0.01),
}


def weights_of(model: nn.Module) -> Tensor:
    """All parameters in one row."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def gradients_of(model: nn.Module) -> Tensor:
    """All gradients in one row."""
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_four_steps_and_train_step_are_bit_equal(
    name: str, reduction: str, make_model: Build, classification: Classification
) -> None:
    """With one micro-batch and nothing switched on, the two leave the same bits."""
    loss_fn = nn.CrossEntropyLoss(reduction=reduction)
    plain, full = make_model(), make_model()
    plain_optimizer, full_optimizer = OPTIMIZERS[name](plain), OPTIMIZERS[name](full)
    batches = list(fs.Batches(*classification, batch_size=32))
    for inputs, targets in batches * 3:
        loss = fs.four_steps(plain, loss_fn, plain_optimizer, inputs, targets)
        result = fs.train_step(full, loss_fn, full_optimizer, [(inputs, targets)])

        items = len(targets) if reduction == "sum" else 1
        assert torch.equal(loss / items, result.loss)
    assert torch.equal(weights_of(plain), weights_of(full))


def test_four_steps_are_what_torch_does_by_hand(make_model: Build, classification: Classification) -> None:
    """`four_steps` is plain PyTorch."""
    inputs, targets = classification
    model, by_hand = make_model(), make_model()
    fs.four_steps(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.5), inputs, targets)
    loss = nn.functional.cross_entropy(by_hand(inputs), targets)
    gradients = torch.autograd.grad(loss, list(by_hand.parameters()))
    expected = [parameter - 0.5 * gradient for parameter, gradient in zip(by_hand.parameters(), gradients, strict=True)]

    assert_close(weights_of(model), torch.cat([parameter.flatten() for parameter in expected]), rtol=1e-6, atol=1e-7)


def test_per_item_loss_gives_the_gradient_of_its_mean(make_model: Build, classification: Classification) -> None:
    """A loss with `reduction="none"` trains as the same loss with `"mean"`."""
    results = {}
    for reduction in ("mean", "none"):
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fs.train_step(model, nn.CrossEntropyLoss(reduction=reduction), optimizer, [classification])
        results[reduction] = gradients_of(model)

    assert_close(results["none"], results["mean"], rtol=1e-5, atol=1e-7)


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 99), max_size=4, unique=True), reduction=st.sampled_from(["mean", "sum", "none"]))
def test_accumulation_matches_one_big_batch(cuts: list[int], reduction: str) -> None:
    """Unequal micro-batches give the gradient and the loss of their concatenation."""
    generator = torch.Generator().manual_seed(1)
    inputs, targets = torch.randn(100, 4, generator=generator), torch.randint(3, (100,), generator=generator)
    edges = [0, *sorted(cuts), 100]
    parts = [(inputs[a:b], targets[a:b]) for a, b in pairwise(edges)]
    found = []
    for micro_batches in (parts, [(inputs, targets)]):
        torch.manual_seed(2)
        model = nn.Linear(4, 3)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        result = fs.train_step(model, nn.CrossEntropyLoss(reduction=reduction), optimizer, micro_batches)
        found.append((gradients_of(model), result.loss))

    assert_close(found[0][0], found[1][0], rtol=1e-4, atol=1e-6)
    assert_close(found[0][1], found[1][1], rtol=1e-5, atol=1e-6)


def test_accumulation_counts_what_the_loss_counts(make_model: Build, classification: Classification) -> None:
    """Ignored targets and class weights keep their part of the mean over unequal micro-batches."""
    inputs, targets = classification
    targets = targets.clone()
    targets[::7] = -100
    loss_fn = nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 5.0]))
    found = []
    for cut in (13, 100):
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        parts = [part for part in ((inputs[:cut], targets[:cut]), (inputs[cut:], targets[cut:])) if len(part[0])]
        found.append((fs.train_step(model, loss_fn, optimizer, parts).loss, gradients_of(model)))

    assert_close(found[0], found[1], rtol=1e-5, atol=1e-6)


def test_clipping_is_torchs_own(make_model: Build, classification: Classification) -> None:
    """`max_grad_norm` clips the joint norm before the update and returns the norm from before."""
    model, expected = make_model(), make_model()
    result = fs.train_step(
        model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=1.0), [classification], max_grad_norm=0.01
    )
    nn.functional.cross_entropy(expected(classification[0]), classification[1]).backward()
    norm = nn.utils.clip_grad_norm_(expected.parameters(), 0.01)

    assert result.grad_norm is not None
    assert torch.equal(result.grad_norm, norm)
    assert torch.equal(gradients_of(model), gradients_of(expected))


def test_one_call_is_one_update(make_model: Build, classification: Classification) -> None:
    """However many micro-batches, the optimizer steps once."""
    model = make_model()
    optimizer = torch.optim.Adam(model.parameters())
    fs.train_step(model, nn.CrossEntropyLoss(), optimizer, list(fs.Batches(*classification, batch_size=30)))

    assert {int(state["step"]) for state in optimizer.state.values()} == {1}


@pytest.mark.parametrize("name", ["bf16", "fp16"])
def test_mixed_precision_casts_the_forward_alone(name: str, make_model: Build, classification: Classification) -> None:
    """Outputs are in the narrow format, weights stay float32, and the update is near the exact one."""
    seen: list[torch.dtype] = []
    model, exact = make_model(), make_model()
    loss_fn = nn.CrossEntropyLoss()
    fs.train_step(exact, loss_fn, torch.optim.SGD(exact.parameters(), lr=0.1), [classification])
    fs.train_step(
        model,
        loss_fn,
        torch.optim.SGD(model.parameters(), lr=0.1),
        [classification],
        amp=mixed_precision(name),
        max_grad_norm=100.0,
        observe=lambda _loss, outputs, _targets, _items: seen.append(outputs.dtype),
    )

    assert seen == [{"bf16": torch.bfloat16, "fp16": torch.float16}[name]]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert_close(weights_of(model), weights_of(exact), rtol=0, atol=2e-3)


def test_unknown_precision_is_refused() -> None:
    """The error names the formats that there are."""
    with pytest.raises(fs.ConfigError, match="precision 'half' is unknown: expected 'off', 'bf16' or 'fp16'"):
        mixed_precision("half")


@pytest.mark.gpu
def test_a_step_never_waits_for_the_device(make_model: Build, classification: Classification) -> None:
    """No host sync in a step or in recording it."""
    device = fs.pick_device()
    model = make_model().to(device)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    batch = (classification[0].to(device), classification[1].to(device))
    fs.train_step(model, nn.CrossEntropyLoss(), optimizer, [batch])
    torch.cuda.set_sync_debug_mode("error")
    try:
        fs.train_step(model, nn.CrossEntropyLoss(), optimizer, [batch, batch])
    finally:
        torch.cuda.set_sync_debug_mode("default")
