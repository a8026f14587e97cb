"""What a loss function's number stands for, and what is wrong with a batch that it refuses."""

import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.losses import call_loss, check_shapes, count_items, sums_items

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


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (nn.CrossEntropyLoss(reduction="sum"), True),
        (nn.CrossEntropyLoss(), False),
        (nn.CrossEntropyLoss(reduction="none"), False),
        (lambda a, b: nn.functional.cross_entropy(a, b, reduction="sum"), True),
        (nn.functional.cross_entropy, False),
        (lambda a, b: nn.functional.nll_loss(a.log_softmax(1), b, reduction="sum"), True),
        (lambda a, b: nn.functional.cross_entropy(a, b, reduction="none").sum(), True),
        (lambda a, b: nn.functional.cross_entropy(a, b, reduction="none").sum() / len(b), False),
        (lambda a, b: nn.functional.cross_entropy(a, b) + 0.1 * (a**2).mean(), False),
    ],
)
def test_a_sum_is_known_by_what_made_it(loss: nn.Module, expected: bool) -> None:  # noqa: FBT001 - a case
    """Modules say so; a function's result is known by its last operation, after the backward pass too."""
    value = loss(LOGITS.clone().requires_grad_(), torch.tensor([0, 1, 2, 0]))
    assert sums_items(value, loss) is expected
    value.sum().backward()
    assert sums_items(value) is expected


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
