"""Metrics: exact for any batch size and reduction."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

import fourstep as fs
from fourstep.losses import LossFn
from fourstep.meters import Mean, Meters
from fourstep.metrics import Metric
from fourstep.scalars import PACKED, Scalars


@settings(max_examples=60, deadline=None)
@given(
    num_items=st.integers(1, 60),
    batch_size=st.integers(1, 70),
    reduction=st.sampled_from(["mean", "sum", "none"]),
    seed=st.integers(0, 2**31),
)
def test_any_batch_size_and_reduction_gives_the_split_s_own_numbers(
    num_items: int, batch_size: int, reduction: str, seed: int
) -> None:
    """Loss within float rounding, counts exactly, of all samples at once: in evaluation and in a recorded epoch."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(num_items, 4, generator=generator)
    targets = torch.randint(3, (num_items,), generator=generator)
    model = nn.Linear(4, 3)
    batches = fs.Batches(inputs, targets, batch_size=batch_size)
    metrics = {"accuracy": fs.accuracy}
    loss_fn = nn.CrossEntropyLoss(reduction=reduction)
    expected_loss = nn.functional.cross_entropy(model(inputs), targets).item()
    expected_right = int((model(inputs).argmax(1) == targets).sum())

    evaluated = fs.evaluate(model, batches, loss_fn, metrics=metrics)
    run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.0), batches, metrics=metrics, show="none")
    for epoch in run.epochs(1):
        for some, truth in epoch:
            outputs = model(some)
            epoch.record(loss_fn(outputs, truth), outputs, truth)
    row = run.history.rows[-1]

    for loss, accuracy in ((evaluated["loss"], evaluated["accuracy"]), (row["train/loss"], row["train/accuracy"])):
        assert loss == pytest.approx(expected_loss, rel=1e-5, abs=1e-7)
        assert accuracy == expected_right / num_items


LOSSES: dict[str, Callable[[str], LossFn]] = {
    "mse": lambda reduction: nn.MSELoss(reduction=reduction),
    "l1": lambda reduction: nn.L1Loss(reduction=reduction),
    "huber": lambda reduction: nn.HuberLoss(reduction=reduction),
    "bce": lambda reduction: nn.BCEWithLogitsLoss(reduction=reduction),
    "functional mse": lambda reduction: lambda a, b: nn.functional.mse_loss(a, b, reduction=reduction),
    "functional l1": lambda reduction: lambda a, b: nn.functional.l1_loss(a, b, reduction=reduction),
    "functional bce": lambda reduction: (
        lambda a, b: nn.functional.binary_cross_entropy_with_logits(a, b, reduction=reduction)
    ),
    "by hand": lambda reduction: {
        "none": lambda a, b: (a - b) ** 2,
        "sum": lambda a, b: ((a - b) ** 2).sum(),
        "mean": lambda a, b: ((a - b) ** 2).mean(),
    }[reduction],
}


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("name", LOSSES)
def test_the_number_is_the_same_whatever_the_reduction(name: str, reduction: str) -> None:
    """Elementwise losses, as modules, functions and by hand, report the mean over all elements."""
    inputs, targets = torch.randn(23, 5), torch.rand(23, 2)
    model = nn.Linear(5, 2)
    batches = fs.Batches(inputs, targets, batch_size=10)
    expected = LOSSES[name]("mean")(model(inputs), targets).item()

    assert fs.evaluate(model, batches, LOSSES[name](reduction))["loss"] == pytest.approx(expected, rel=1e-5)
    run = fs.fit(
        model, batches, LOSSES[name](reduction), torch.optim.SGD(model.parameters(), lr=0.0), epochs=1, show="none"
    )
    assert run.history.rows[0]["train/loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_ignored_targets_and_class_weights_count_as_in_the_whole_split(reduction: str) -> None:
    """What the loss's own mean leaves out or weighs is left out and weighed over batches too."""
    inputs, targets = torch.randn(50, 4), torch.randint(3, (50,))
    targets[::3] = -100
    weight = torch.tensor([1.0, 3.0, 0.5])
    model = nn.Linear(4, 3)
    batches = fs.Batches(inputs, targets, batch_size=20)
    expected = nn.functional.cross_entropy(model(inputs), targets, weight).item()
    loss_fn = nn.CrossEntropyLoss(weight, reduction=reduction)
    run = fs.fit(model, batches, loss_fn, torch.optim.SGD(model.parameters(), lr=0.0), epochs=1, show="none")

    assert fs.evaluate(model, batches, loss_fn)["loss"] == pytest.approx(expected, rel=1e-5)
    assert run.history.rows[0]["train/loss"] == pytest.approx(expected, rel=1e-5)


def test_a_batch_of_ignored_targets_alone_counts_for_nothing() -> None:
    """The mean by torch over no target is NaN; the split's mean is not."""
    inputs, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, -100, -100, -100])
    model = nn.Linear(4, 3)
    batches = fs.Batches(inputs, targets, batch_size=3, shuffle=False)
    expected = nn.functional.cross_entropy(model(inputs), targets).item()

    assert fs.evaluate(model, batches, nn.CrossEntropyLoss())["loss"] == pytest.approx(expected, rel=1e-6)


def test_class_probabilities_are_accepted() -> None:
    """Soft targets are averaged over samples, as torch does."""
    inputs, targets = torch.randn(20, 4), torch.rand(20, 3).softmax(1)
    model = nn.Linear(4, 3)
    expected = nn.functional.cross_entropy(model(inputs), targets).item()
    for reduction in ("mean", "sum", "none"):
        loss_fn = nn.CrossEntropyLoss(reduction=reduction)
        found = fs.evaluate(model, fs.Batches(inputs, targets, batch_size=8), loss_fn)["loss"]
        assert found == pytest.approx(expected, rel=1e-5)


def test_two_stacked_means_are_no_sum_over_items() -> None:
    """A loss that adds up two means is reported as it is."""

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        return torch.stack([nn.functional.mse_loss(outputs, targets), nn.functional.l1_loss(outputs, targets)]).sum()

    inputs, targets, model = torch.randn(6, 2), torch.randn(6, 1), nn.Linear(2, 1)
    found = fs.evaluate(model, fs.Batches(inputs, targets, batch_size=3), loss_fn)["loss"]

    assert found == pytest.approx(loss_fn(model(inputs), targets).item(), rel=1e-5)


def test_accuracy_of_classes_pixels_and_yes_or_no() -> None:
    """Class indices, dense labels, binary and multi-output logits agree with numpy."""
    logits, labels = torch.randn(7, 3), torch.randint(3, (7,))
    assert fs.accuracy(logits, labels).tolist() == (np.argmax(logits.numpy(), 1) == labels.numpy()).tolist()
    dense, pixels = torch.randn(2, 3, 4, 5), torch.randint(3, (2, 4, 5))
    assert fs.accuracy(dense, pixels).tolist() == (np.argmax(dense.numpy(), 1) == pixels.numpy()).tolist()
    for shape in ((6,), (6, 1), (6, 4)):
        outputs, truth = torch.randn(shape), torch.randint(2, shape)
        assert fs.accuracy(outputs, truth).tolist() == ((outputs.numpy() > 0) == (truth.numpy() == 1)).tolist()


@pytest.mark.parametrize(
    ("outputs", "targets", "message"),
    [
        ((8, 1), (8,), r"outputs have shape \(8, 1\) but targets \(8,\).*targets = targets.reshape\(-1, 1\)"),
        ((8,), (8, 1), r"outputs have shape \(8,\) but targets \(8, 1\).*targets = targets.reshape\(-1\)"),
        ((8, 3), (8, 1), r"outputs have shape \(8, 3\) but targets \(8, 1\): expected logits"),
        ((8, 3), (7,), r"outputs have shape \(8, 3\) but targets \(7,\)"),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(
    outputs: tuple[int, ...], targets: tuple[int, ...], message: str
) -> None:
    """The error names both shapes and the mend; accuracy never compares n with n x n."""
    with pytest.raises(fs.ShapeError, match=message):
        fs.accuracy(torch.randn(outputs), torch.randint(2, targets))


def test_top_k_agrees_with_sorting() -> None:
    """The target is among the k largest; k = 1 is accuracy; k below 1 or above the classes is refused."""
    logits, labels = torch.randn(50, 6), torch.randint(6, (50,))
    ranks = (-logits).argsort(1)
    expected = [label in row[:3] for row, label in zip(ranks.tolist(), labels.tolist(), strict=True)]

    assert fs.top_k(3)(logits, labels).tolist() == expected
    assert torch.equal(fs.top_k(1)(logits, labels), fs.accuracy(logits, labels))
    with pytest.raises(fs.ConfigError, match=r"top_k\(0\): expected 1 or more"):
        fs.top_k(0)
    with pytest.raises(fs.ShapeError, match=r"top_k\(7\) of outputs with 6 classes"):
        fs.top_k(7)(logits, labels)


def test_a_metric_of_ones_own_and_torchmetrics_stand_beside_each_other(classification: tuple[Tensor, Tensor]) -> None:
    """A function of per-sample values and an object with update and compute give their whole-split numbers."""
    inputs, targets = classification
    model = nn.Linear(4, 3)
    metric = torchmetrics.classification.MulticlassF1Score(num_classes=3)
    metrics: dict[str, Metric] = {
        "margin": lambda outputs, _: outputs.max(1).values - outputs.min(1).values,
        "f1": metric,
    }
    found = fs.evaluate(model, fs.Batches(inputs, targets, batch_size=30), metrics=metrics)
    outputs = model(inputs).detach()

    assert found["margin"] == pytest.approx((outputs.max(1).values - outputs.min(1).values).mean().item(), rel=1e-6)
    assert found["f1"] == pytest.approx(metric(outputs, targets).item(), rel=1e-6)


def test_splits_do_not_share_a_metric_s_state(classification: tuple[Tensor, Tensor]) -> None:
    """Evaluating in the middle of an epoch leaves the training numbers alone."""
    model = nn.Linear(4, 3)
    data = fs.data.from_arrays(*classification, batch_size=20, test=0.4)
    metrics: dict[str, Metric] = {
        "mine": fs.accuracy,
        "theirs": torchmetrics.classification.MulticlassAccuracy(3, average="micro"),
    }
    run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.1), data, metrics=metrics, show="none")
    for epoch in run.epochs(2):
        for inputs, targets in epoch:
            outputs = model(inputs)
            epoch.record(nn.functional.cross_entropy(outputs, targets), outputs, targets)
            epoch.evaluate()

    for row in run.history:
        for split in ("train", "test"):
            assert row[f"{split}/mine"] == pytest.approx(row[f"{split}/theirs"], rel=1e-6)


def test_the_first_bad_batch_is_named() -> None:
    """A NaN or infinite sum is found again after many reads."""
    mean = Mean()
    for value in (1.0, 2.0, float("inf"), float("nan")):
        mean.add(torch.tensor(value), 1)

    assert mean.first_bad_batch == 3


def test_nothing_measured_is_nothing_reported() -> None:
    """Without a batch there is no number, not a zero."""
    assert Meters({"accuracy": fs.accuracy}).compute() == {}


def test_reading_waits_for_the_device_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """All sums of a row come in one transfer, and recording reads nothing."""
    reads = []
    original = Tensor.tolist

    def read(tensor: Tensor) -> object:
        reads.append(tensor)
        return original(tensor)

    monkeypatch.setattr(Tensor, "is_cpu", False)  # as on a device that has to be waited for
    monkeypatch.setattr(Tensor, "tolist", read)
    for name in ("item", "__float__", "__bool__", "__int__"):
        monkeypatch.setattr(Tensor, name, lambda _self: pytest.fail("a host sync per step"))
    meters = Meters({"accuracy": fs.accuracy, "top2": fs.top_k(2)})
    for _ in range(5):
        meters.add_loss(torch.tensor(1.0), 8)
        meters.add_outputs(torch.randn(8, 3), torch.randint(3, (8,)))
    assert not reads
    meters.compute()

    assert len(reads) == 1


def test_an_epoch_of_any_length_holds_few_objects() -> None:
    """Numbers on the device are joined as they come; those of the host are kept as they are."""
    column = Scalars()
    for number in range(2 * PACKED + 7):
        column.add(torch.tensor(float(number)))
    parts = column.take()

    assert [len(part) for part in parts] == [PACKED, PACKED, 7]
    assert all(isinstance(part, Tensor) for part in parts)
    assert column.take() == []


@pytest.mark.parametrize("where", ["device", "host", "both"])
@pytest.mark.parametrize("is_cpu", [True, False])
def test_the_mean_over_many_batches_is_exact(where: str, monkeypatch: pytest.MonkeyPatch, *, is_cpu: bool) -> None:
    """Read at once on the CPU; on a device to float32, joined, and read for a row."""
    monkeypatch.setattr(Tensor, "is_cpu", is_cpu)
    generator = torch.Generator().manual_seed(0)
    losses = torch.rand(2 * PACKED + 7, generator=generator)
    counts = torch.randint(0, 9, (len(losses),), generator=generator)
    meters = Meters()
    for number, (loss, count) in enumerate(zip(losses, counts, strict=True)):
        is_host = where == "host" or (where == "both" and number % 3 == 0)
        meters.add_loss(loss.clone(), int(count) if is_host else count.clone())
        if number == 5:
            meters.compute()  # a row on the way
    expected = (losses.double() * counts).sum() / counts.sum()

    assert meters.compute() == {"loss": pytest.approx(expected.item(), rel=1e-12 if is_cpu else 1e-7)}


@pytest.mark.parametrize("is_cpu", [True, False])
def test_a_batch_without_items_is_no_bad_batch(monkeypatch: pytest.MonkeyPatch, *, is_cpu: bool) -> None:
    """All its targets were ignored: torch's mean of nothing is NaN, and counts for nothing."""
    monkeypatch.setattr(Tensor, "is_cpu", is_cpu)
    meters = Meters()
    for loss, items in ((1.0, 2), (float("nan"), 0), (4.0, 1)):
        meters.add_loss(torch.tensor(loss), torch.tensor(items))

    assert meters.compute() == {"loss": 2.0}
    assert meters.loss.first_bad_batch is None


def test_a_loss_that_is_overwritten_on_its_device_was_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the fixed output of a recorded graph is, step by step."""
    monkeypatch.setattr(Tensor, "is_cpu", False)
    meters, fixed = Meters(), torch.zeros(())
    for value in (1.0, 2.0, 3.0):
        meters.add_loss(fixed.fill_(value), 4)

    assert meters.compute() == {"loss": 2.0}


@pytest.mark.parametrize("batch_size", [1, 7, 50])
def test_log_rmse_is_the_split_s_own_number(batch_size: int) -> None:
    """Exact for a short last batch, as numpy computes it; predictions below 1 count as 1."""
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(50, 1, generator=generator) * 9, torch.rand(50, 1, generator=generator) + 5
    batches = fs.Batches(inputs, targets, batch_size=batch_size)
    guessed = np.log(np.maximum(inputs.numpy(), 1))
    expected = np.sqrt(((guessed - np.log(targets.numpy())) ** 2).mean())

    row = fs.evaluate(nn.Identity(), batches, nn.MSELoss(), metrics={"log-rmse": fs.metrics.LogRMSE()})

    assert row["log-rmse"] == pytest.approx(expected, rel=1e-6)


def test_log_rmse_refuses_what_it_cannot_measure() -> None:
    """A floor that has no logarithm; a column beside a row, which would be a table of differences."""
    with pytest.raises(fs.ConfigError, match=r"floor 0.0: expected more than 0"):
        fs.metrics.LogRMSE(0.0)
    with pytest.raises(
        fs.ShapeError, match=r"shape \(3, 1\) but targets \(3,\): expected the same. targets\[:, None\]"
    ):
        fs.metrics.LogRMSE().update(torch.ones(3, 1), torch.ones(3))
    assert np.isnan(fs.metrics.LogRMSE().compute())
