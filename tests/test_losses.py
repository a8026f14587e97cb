"""What a loss function's number stands for, and what is wrong with a batch that it refuses."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.losses import LossFn, call_loss, check_shapes, count_items, measure_loss, returns_sum, was_summed

LOGITS = torch.zeros(4, 3)


@pytest.mark.parametrize(
    ("loss_fn", "targets", "items"),
    [
        (nn.MSELoss(), torch.zeros(4, 2), 8),
        (nn.BCEWithLogitsLoss(), torch.zeros(4), 4),
        (nn.CrossEntropyLoss(), torch.tensor([0, 1, -100, 2]), 3),
        (nn.CrossEntropyLoss(ignore_index=1), torch.tensor([0, 1, 1, 2]), 2),
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 10.0, 0.5])), torch.tensor([0, 1, 2, -100]), 11.5),
        (nn.CrossEntropyLoss(), torch.zeros(4, 3), 4),
        (nn.CrossEntropyLoss(), torch.zeros(2, 3, 5), 10),
        (nn.CrossEntropyLoss(), torch.zeros(2, 5, 5, dtype=torch.long), 50),
        (None, [torch.zeros(4), torch.zeros(9)], 4),
        (None, {"mask": torch.zeros(4, 2)}, 8),
    ],
)
def test_items_are_those_the_mean_is_over(loss_fn: nn.Module | None, targets: object, items: float) -> None:
    """Counted by hand for each kind of target."""
    assert float(count_items(loss_fn, targets)) == items


def ce(outputs: Tensor, targets: Tensor, reduction: str = "mean") -> Tensor:
    """Cross-entropy as a plain function."""
    return nn.functional.cross_entropy(outputs, targets, reduction=reduction)


@pytest.mark.parametrize(
    ("loss_fn", "expected"),
    [
        (nn.CrossEntropyLoss(reduction="sum"), True),
        (nn.CrossEntropyLoss(), False),
        (nn.CrossEntropyLoss(reduction="none"), False),
        (nn.functional.cross_entropy, False),
        (lambda a, b: ce(a, b, "sum"), True),
        (lambda a, b: ce(a, b, "none").sum(), True),
        (lambda a, b: ce(a, b, "sum") / 2, True),
        (lambda a, b: ce(a, b, "sum") + a.pow(2).sum(), True),
        (lambda a, b: ce(a, b, "none").double().sum().float(), True),
        (lambda a, b: ce(a, b, "none").sum() / len(b), False),
        (lambda a, b: ce(a, b) + 0.1 * (a**2).mean(), False),
        (lambda a, b: (a - nn.functional.one_hot(b, 3)).pow(2).mean(0).sum(), False),
        (lambda a, b: torch.stack([ce(a, b), ce(a, b)]).sum(), False),
        (lambda a, b: torch.tensor(float(ce(a, b))), False),
    ],
)
def test_a_sum_over_items_is_known_from_a_mean(loss_fn: LossFn, expected: bool) -> None:  # noqa: FBT001 - a case
    """Torch's modules say so; any other function is tried over the batch twice."""
    outputs, targets = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    assert returns_sum(loss_fn, outputs, targets, loss_fn(outputs, targets)) is expected


def test_a_function_is_tried_once() -> None:
    """Not at every step, and not with a gradient."""
    calls = []

    def loss_fn(outputs: Tensor, targets: Tensor) -> Tensor:
        calls.append(len(outputs))
        return ce(outputs, targets, "sum")

    model = nn.Linear(3, 3)
    data = fs.data.from_arrays(torch.randn(12, 3), torch.randint(3, (12,)), batch_size=4)
    fs.fit(model, data, loss_fn, torch.optim.SGD(model.parameters(), lr=0.1), epochs=2, show="none")

    assert calls == [4, 8, 4, 4, 4, 4, 4]


@dataclass
class ScaledSum:
    """A loss as a dataclass: callable, but it has no hash."""

    factor: float

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """A sum over the batch."""
        return self.factor * ce(outputs, targets, "sum")


def test_two_objects_with_one_method_are_two_functions() -> None:
    """What is known of the first says nothing of the second."""

    class Loss:
        def __init__(self, reduction: str) -> None:
            self.reduction = reduction

        def take(self, outputs: Tensor, targets: Tensor) -> Tensor:
            return nn.functional.cross_entropy(outputs, targets, reduction=self.reduction)

    mean, total = Loss("mean"), Loss("sum")
    targets = torch.tensor([0, 1, 2, 0])
    found = [returns_sum(one.take, LOGITS, targets, one.take(LOGITS, targets)) for one in (mean, total, mean)]
    assert found == [False, True, False]


@pytest.mark.parametrize("kind", [nn.CrossEntropyLoss, nn.MSELoss])
def test_a_loss_without_its_brackets_is_told(kind: type[nn.Module]) -> None:
    """`nn.MSELoss` for `nn.MSELoss()` is easily written, and torch's own error speaks of something else."""
    with pytest.raises(fs.ConfigError, match=rf"the loss is the class {kind.__name__}: .* {kind.__name__}\(\)"):
        call_loss(kind, torch.zeros(4, 3), torch.zeros(4, 3))  # type: ignore[arg-type] # the mistake


def test_a_loss_that_cannot_be_remembered_is_tried_each_time() -> None:
    """It needs neither a hash nor weak references."""
    model, batches = nn.Linear(3, 3), fs.Batches(torch.randn(20, 3), torch.randint(3, (20,)), batch_size=8)
    expected = 2 * fs.evaluate(model, batches, nn.CrossEntropyLoss())["loss"]

    assert fs.evaluate(model, batches, ScaledSum(2.0))["loss"] == pytest.approx(expected, rel=1e-5)


def test_sums_over_nested_outputs_are_known() -> None:
    """Models that answer with tuples, losses that take them: train and evaluation agree on the mean."""

    class Pair(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 3)

        def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
            return self.linear(inputs), inputs

    def loss_fn(outputs: tuple[Tensor, Tensor], targets: Tensor) -> Tensor:
        return ce(outputs[0], targets, "sum")

    model = Pair()
    inputs, targets = torch.randn(20, 3), torch.randint(3, (20,))
    batches = fs.Batches(inputs, targets, batch_size=8)
    expected = ce(model(inputs)[0], targets).item()
    run = fs.fit(model, batches, loss_fn, torch.optim.SGD(model.parameters(), lr=0.0), epochs=1, show="none")

    assert run.history.rows[0]["train/loss"] == pytest.approx(expected, rel=1e-5)
    assert fs.evaluate(model, batches, loss_fn)["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda a, b: ce(a, b, "sum"), True),
        (lambda a, b: ce(a, b, "none").sum(), True),
        (ce, False),
        (lambda a, b: (a - nn.functional.one_hot(b, 3)).pow(2).mean(0).sum(), False),
    ],
)
def test_record_knows_a_plain_sum_by_what_made_it(loss: LossFn, expected: bool) -> None:  # noqa: FBT001 - a case
    """Also after the backward pass."""
    targets = torch.tensor([0, 1, 2, 0])
    value = loss(LOGITS.clone().requires_grad_(), targets)
    assert was_summed(value, targets) is expected
    value.backward()
    assert was_summed(value, targets) is expected


@pytest.mark.parametrize("targets", [["cat", "dog"], [None, None], [], np.zeros(2)])
def test_targets_that_are_no_tensors_are_refused(targets: object) -> None:
    """Texts, nothing, arrays: one line that says what to pass."""
    with pytest.raises(fs.DataError, match=r"targets are a .*: expected a tensor, or tensors in a tuple"):
        count_items(None, targets)


def test_bytes_do_not_wrap_around_to_the_ignored_index() -> None:
    """156 as a byte is -100; it is a class all the same."""
    assert int(count_items(nn.CrossEntropyLoss(), torch.tensor([156, 0], dtype=torch.uint8))) == 2


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("kind", [nn.MultiLabelSoftMarginLoss, nn.MultiLabelMarginLoss])
def test_losses_over_sets_of_labels_count_samples(kind: type[nn.Module], reduction: str) -> None:
    """Their mean is over samples, not over the targets' elements."""
    inputs, targets, model = torch.randn(10, 4), torch.randint(2, (10, 3)), nn.Linear(4, 3)
    expected = kind()(model(inputs), targets).item()
    batches = fs.Batches(inputs, targets, batch_size=4)

    assert fs.evaluate(model, batches, kind(reduction=reduction))["loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("outputs", "targets", "error", "message"),
    [
        (
            LOGITS,
            torch.tensor([0, 1, 3, 2]),
            fs.DataError,
            r"labels run from 0 to 3 but the model has 3 outputs: expected labels in 0\.\.2\. Give the model 4 outputs",
        ),
        (LOGITS, torch.tensor([0, 1, -1, 2]), fs.DataError, "labels run from -1 to 2 but the model has 3 outputs"),
        (
            LOGITS,
            torch.zeros(4),
            fs.DataError,
            r"the loss function refused the batch \(.*\): outputs are float32 \(4, 3\)",
        ),
        (LOGITS, torch.zeros(5, dtype=torch.long), fs.DataError, r"targets int64 \(5,\)"),
        (LOGITS[:, :1], torch.zeros(4), fs.ShapeError, r"\(4, 1\) but targets \(4,\), which would be compared 4 x 4"),
    ],
)
def test_a_refused_batch_is_explained_in_one_line(
    outputs: Tensor, targets: Tensor, error: type[Exception], message: str
) -> None:
    """Labels, types and shapes are named with their values and the mend."""
    with pytest.raises(error, match=message) as caught:
        call_loss(nn.CrossEntropyLoss(), outputs, targets)

    assert "\n" not in str(caught.value)


def test_a_column_against_a_row_is_refused_before_torch_broadcasts_it() -> None:
    """MSELoss would compare every prediction with every label; fit and evaluate say so instead."""
    model = nn.Linear(3, 1)
    data = fs.data.from_arrays(torch.randn(8, 3), torch.randn(8), batch_size=4)
    with pytest.raises(fs.ShapeError, match=r"targets = targets\.reshape\(-1, 1\)"):
        fs.fit(model, data, nn.MSELoss(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=1, show="none")
    with pytest.raises(fs.ShapeError, match="expected the same shape"):
        fs.evaluate(model, data.train, nn.MSELoss())


def test_shapes_that_broadcast_on_purpose_are_left_alone() -> None:
    """Classes, dense outputs, tuples and dictionaries are none of this check's business."""
    for outputs, targets in (
        (torch.zeros(4, 3), torch.zeros(4)),
        (torch.zeros(4, 1), torch.zeros(4, 1)),
        (torch.zeros(4, 2, 2), torch.zeros(4)),
        ((torch.zeros(4, 1),), torch.zeros(4)),
        ({"a": torch.zeros(4, 1)}, torch.zeros(4)),
    ):
        check_shapes(outputs, targets)


def test_a_loss_that_is_no_tensor_is_refused() -> None:
    """The error says what came back."""
    with pytest.raises(fs.DataError, match="the loss function returned a float: expected a tensor"):
        call_loss(lambda *_: 0.5, LOGITS, LOGITS)  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, torch.tensor([1.0, 2.0, 0.5])])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(40,), (40, 5)])
def test_what_torch_has_counted_is_what_is_counted(
    reduction: str, weight: Tensor | None, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    """In training, where its graph knows, and in evaluation, where it does not."""
    generator = torch.Generator().manual_seed(0)
    targets = torch.randint(3, shape, generator=generator)
    targets[::7] = -1
    outputs = torch.randn(shape[0], 3, *shape[1:], generator=generator).to(dtype).requires_grad_()
    loss_fn = nn.CrossEntropyLoss(weight if weight is None else weight.to(dtype), ignore_index=-1, reduction=reduction)
    expected = float(count_items(loss_fn, targets))
    _, mean, items = measure_loss(loss_fn, outputs, targets)
    with torch.no_grad():
        _, _, unsaved = measure_loss(loss_fn, outputs, targets)
    wide = None if weight is None else weight.double()
    exact = nn.functional.cross_entropy(outputs.double(), targets, wide, ignore_index=-1)

    assert float(items) == float(unsaved) == expected
    assert float(mean.detach()) == pytest.approx(float(exact.detach()), rel=1e-6 if dtype.itemsize > 2 else 1e-2)
