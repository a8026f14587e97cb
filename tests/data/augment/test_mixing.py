"""Pairs in one: closed forms for shares and targets, and numbers that stay right with soft targets."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import fourstep as fs
from fourstep.data import from_arrays
from fourstep.data.augment import CutMix, Draws, MixUp
from fourstep.data.augment.mixing import beta_shares
from fourstep.losses import count_items

LABELS = torch.tensor([0, 2, 1, 3, 2, 0])


def images_of(*shape: int) -> Tensor:
    """Random images."""
    return torch.rand(shape, generator=torch.Generator().manual_seed(1))


def draws_of(size: int) -> Draws:
    """Those of the first samples."""
    return Draws(seed=0, epoch=0, indices=torch.arange(size))


@pytest.mark.parametrize(
    ("alpha", "distribution"),
    [
        (0.5, lambda x: 2 / np.pi * np.arcsin(np.sqrt(x))),
        (1.0, lambda x: x),
        (2.0, lambda x: 3 * x**2 - 2 * x**3),
        (3.0, lambda x: 10 * x**3 - 15 * x**4 + 6 * x**5),
        (4.0, lambda x: 35 * x**4 - 84 * x**5 + 70 * x**6 - 20 * x**7),
    ],
)
def test_shares_are_the_quantiles_of_beta(alpha: float, distribution: Any) -> None:
    """Where its distribution function has a closed form, it gives the uniform numbers back."""
    uniform = torch.arange(0, 0.5, 2**-14)  # above, float32 has no room next to 1
    shares = beta_shares(uniform, alpha)

    assert float((torch.as_tensor(distribution(shares.double().numpy())) - uniform).abs().max()) < 2e-5
    assert torch.equal(beta_shares(1 - uniform[1:], alpha), 1 - shares[1:])
    assert beta_shares(torch.tensor([0.0, 0.5, 1.0]), alpha).tolist() == pytest.approx([0, 0.5, 1])


@pytest.mark.parametrize("alpha", [0.05, 0.1, 0.2, 0.4, 0.8, 1.5])
def test_shares_have_the_moments_of_beta(alpha: float) -> None:
    """Mean 1/2, variance and fourth central moment as in any book, where there is no closed form."""
    shares = beta_shares((torch.arange(2**16) + 0.5) * 2**-16, alpha).double() - 0.5
    variance = 1 / (4 * (2 * alpha + 1))

    assert abs(float(shares.mean())) < 1e-5
    assert abs(float(shares.pow(2).mean()) - variance) < 1e-4
    assert abs(float(shares.pow(4).mean()) - variance**2 * (3 - 6 / (2 * alpha + 3))) < 1e-4


@pytest.mark.parametrize("shape", [(6, 1, 4, 4), (6, 5), (6,)])
def test_mixup_is_the_weighted_sum(shape: tuple[int, ...]) -> None:
    """Of a sample and the one before it, inputs and one-hot targets in the same shares."""
    images = images_of(*shape)
    inputs, targets = MixUp(num_classes=4, alpha=0.4)(images, LABELS, draws_of(6))
    shares = beta_shares(draws_of(6).uniform(1)[0], 0.4)
    hot = functional.one_hot(LABELS, 4).float()
    for number in range(6):
        share = float(shares[number])
        assert torch.allclose(inputs[number], share * images[number] + (1 - share) * images[number - 1], atol=1e-6)
        assert torch.allclose(targets[number], share * hot[number] + (1 - share) * hot[number - 1], atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 3, 8, 8), (6, 1, 5, 12), (6, 1, 1, 1)])
def test_cutmix_is_a_rectangle_of_the_one_before(shape: tuple[int, ...]) -> None:
    """All other pixels are its own; targets are in the shares of the pixels."""
    images = images_of(*shape)
    inputs, targets = CutMix(num_classes=4)(images, LABELS, draws_of(6))
    hot = functional.one_hot(LABELS, 4).float()
    pasted = inputs != images
    for number in range(6):
        assert torch.equal(inputs[number], images[number - 1].where(pasted[number], images[number]))
        rows, columns = pasted[number, 0].any(1), pasted[number, 0].any(0)
        assert torch.equal(pasted[number, 0], rows[:, None] & columns)
        share = 1 - float(pasted[number, 0].float().mean())
        assert torch.allclose(targets[number], share * hot[number] + (1 - share) * hot[number - 1], atol=1e-6)


def test_a_pasted_rectangle_is_as_large_as_its_share() -> None:
    """On average half of the image for shares that are uniform."""
    images = torch.arange(2.0)[:, None, None, None].expand(2, 1, 32, 32).repeat(2000, 1, 1, 1)
    inputs, _ = CutMix(num_classes=4)(images, torch.zeros(4000, dtype=torch.int64), draws_of(4000))
    share = (inputs != images).float().mean((1, 2, 3))

    assert abs(float(share.mean()) - 0.5) < 4 * (1 / 12 / 4000) ** 0.5
    distance = (share.sort().values - (torch.arange(4000) + 0.5) / 4000).abs().max()
    assert float(distance) < 1.95 / 4000**0.5 + 1 / 32  # Kolmogorov and Smirnov, and half a step of whole pixels


@pytest.mark.parametrize("mix", [MixUp(), CutMix()])
def test_values_are_mixed_as_they_are(mix: Any) -> None:
    """Of a regression, or probabilities of an earlier mix; a batch of one is left alone."""
    images, values = images_of(6, 1, 4, 4), images_of(6, 3)
    _, mixed = mix(images, values, draws_of(6))
    one, its = mix(images[:1], values[:1], draws_of(1))

    assert mixed.shape == values.shape
    assert torch.equal(one, images[:1])
    assert torch.allclose(its, values[:1])


def test_numbers_stay_right_with_soft_targets() -> None:
    """Cross-entropy counts samples, accuracy the likeliest class, top_k too; yes and no for each class stay so."""
    logits = images_of(6, 4) * 4 - 2
    _, soft = MixUp(num_classes=4, alpha=1.0)(images_of(6, 2), LABELS, draws_of(6))
    right = logits.argmax(1) == soft.argmax(1)
    several = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 0.0, 0.0, 0.0]])

    assert count_items(nn.CrossEntropyLoss(), soft) == 6
    assert torch.equal(fs.accuracy(logits, soft), right[:, None].expand(6, 4))
    assert float(fs.accuracy(logits, soft).float().mean()) == float(right.float().mean())
    assert torch.equal(fs.metrics.top_k(1)(logits, soft), right)
    assert torch.equal(fs.accuracy(logits[:2], several), (logits[:2] > 0) == (several == 1))
    assert torch.equal(fs.accuracy(logits[1:2], several[1:]), (logits[1:2] > 0) == (several[1:] == 1))


def test_a_run_reports_what_the_formulas_give() -> None:
    """Loss and accuracy of an epoch with mixup, also with a short last batch, by hand over the same batches."""
    torch.manual_seed(0)
    inputs, labels = torch.rand(50, 8), torch.arange(50) % 4
    data = from_arrays(inputs, labels, batch_size=16, augment=[MixUp(num_classes=4)])
    model = nn.Linear(8, 4)
    loss, right = 0.0, 0
    with torch.no_grad():
        for batch, targets in data.train:
            loss += float(functional.cross_entropy(model(batch), targets, reduction="sum"))
            right += int((model(batch).argmax(1) == targets.argmax(1)).sum())
    frozen = torch.optim.SGD(model.parameters(), lr=0.0)
    run = fs.fit(model, data, nn.CrossEntropyLoss(), frozen, epochs=1, show="none", metrics={"accuracy": fs.accuracy})

    assert run.history.rows[-1]["train/loss"] == pytest.approx(loss / 50, rel=1e-5)
    assert run.history.rows[-1]["train/accuracy"] == pytest.approx(right / 50)


@pytest.mark.parametrize("make", [MixUp, CutMix])
@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alpha": 0.0}, "(alpha=0.0): expected a number from 0.05 to 4"),
        ({"num_classes": 0}, "(num_classes) 0: expected a whole number of 1 or more"),
    ],
)
def test_a_setting_out_of_range_is_refused(make: Any, settings: dict[str, Any], said: str) -> None:
    """When the augmentation is made."""
    with pytest.raises(fs.ConfigError) as caught:
        make(**settings)

    assert str(caught.value) == make.__name__ + said


@pytest.mark.parametrize("make", [MixUp, CutMix])
@pytest.mark.parametrize(
    ("num_classes", "targets", "said"),
    [
        (3, LABELS, "(num_classes=3) was given labels from 0 to 3: expected labels below num_classes, from 0. Mend: "),
        (4, LABELS - 1, "(num_classes=4) was given labels from -1 to 2: expected labels below num_classes, from 0."),
        (None, LABELS, "targets to be mixed are torch.int64 (1,): expected floats, or class indices (batch,) and num_"),
        (
            4,
            (LABELS, LABELS),
            "targets to be mixed are tuple: expected floats, or class indices (batch,) and num_classes",
        ),
    ],
)
def test_targets_that_cannot_be_mixed_are_refused(make: Any, num_classes: int | None, targets: Any, said: str) -> None:
    """When the batches are made, all of them at once."""
    with pytest.raises(fs.DataError) as caught:
        from_arrays(images_of(6, 1, 2, 2), targets, batch_size=2, augment=[make(num_classes=num_classes)])

    assert str(caught.value).removeprefix(make.__name__).startswith(said)


def test_inputs_that_cannot_be_mixed_are_refused() -> None:
    """Indices of words have no middle."""
    with pytest.raises(fs.DataError, match="MixUp was given Tensor that are no floats: expected one tensor of floats"):
        MixUp(num_classes=4)(torch.zeros(6, 3, dtype=torch.int64), LABELS, draws_of(6))
