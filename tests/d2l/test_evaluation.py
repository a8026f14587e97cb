"""Counting what is right, and leaving the net as it was."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import fourstep as fs
from fourstep import d2l
from fourstep.errors import DataError, DeviceError, ShapeError


@given(num=st.integers(1, 30), classes=st.integers(2, 5), seed=st.integers(0, 100))
def test_accuracy_counts_the_largest(num: int, classes: int, seed: int) -> None:
    """The count of rows whose largest score is at the label, by plain Python; never above the number of labels."""
    generator = torch.Generator().manual_seed(seed)
    y_hat, y = torch.rand(num, classes, generator=generator), torch.randint(classes, (num,), generator=generator)
    expected = sum(
        max(range(classes), key=row.__getitem__) == label for row, label in zip(y_hat.tolist(), y.tolist(), strict=True)
    )

    assert d2l.accuracy(y_hat, y) == expected
    assert d2l.accuracy(y_hat.argmax(dim=1).float(), y) == expected
    assert isinstance(d2l.accuracy(y_hat, y), float)


def test_accuracy_of_pixels_and_of_columns() -> None:
    """Classes lie along dimension 1; a column of classes goes with a column of labels."""
    y_hat, y = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 4, 4))
    assert d2l.accuracy(y_hat, y) == (y_hat.argmax(dim=1) == y).sum().item()
    assert d2l.accuracy(torch.tensor([[1.0], [0.0], [1.0]]), torch.tensor([[1.0], [1.0], [1.0]])) == 2


@pytest.mark.parametrize(
    ("y_hat", "y", "said"),
    [
        (
            (8, 10),
            (8, 1),
            "y_hat has shape (8, 10), its predictions (8,), but y (8, 1): expected the predictions' shape",
        ),
        ((8, 10), (8, 1), "Mend: y = y.reshape(-1)"),
        ((8, 1), (8,), "y_hat has shape (8, 1), its predictions (8, 1), but y (8,): expected the predictions' shape"),
        ((8, 1), (8,), "Mend: y = y.reshape(-1, 1)"),
        ((8,), (8, 1), "y = y.reshape(-1)"),
        ((8, 10), (8, 10), "If y is one-hot: y = y.argmax(dim=1)"),
        ((8, 10), (7,), "There must be one label for each prediction"),
    ],
)
def test_a_column_against_a_row_is_an_error_in_accuracy(y_hat: tuple[int, ...], y: tuple[int, ...], said: str) -> None:
    """The book's compares n x n and finds more right than there are labels; here both shapes and the mend are named."""
    with pytest.raises(ShapeError) as caught:
        d2l.accuracy(torch.zeros(y_hat), torch.zeros(y, dtype=torch.int64))
    assert said in str(caught.value)


@pytest.mark.parametrize("targets", [torch.tensor([1, 0]), torch.tensor([1.0, 0.0])])
def test_sigmoid_outputs_given_to_accuracy_are_an_error(targets: Tensor) -> None:
    """The book's cuts .9 down to 0 and counts it wrong."""
    with pytest.raises(DataError, match=r"y_hat holds 0\.9, which is no class index.*Mend: \(y_hat > 0\.5\)"):
        d2l.accuracy(torch.tensor([0.9, 0.0]), targets)
    assert d2l.accuracy(torch.tensor([0.9, 0.2]) > 0.5, targets) == 2


def test_a_regressions_values_are_no_classes() -> None:
    """`train_epoch_ch3` of a regression, as section 4.4 of the book has it, counts none right and goes on."""
    assert d2l.accuracy(torch.tensor([[0.9], [1.5]]), torch.tensor([[0.8], [1.5]])) == 1
    assert d2l.accuracy(torch.tensor([[0.9]]), torch.tensor([[1.0]])) == 0  # one value alone says nothing


def modes(net: nn.Module) -> list[bool]:
    """Every module's mode."""
    return [module.training for module in net.modules()]


@pytest.mark.parametrize("evaluate", [d2l.evaluate_accuracy, d2l.evaluate_accuracy_gpu])
def test_modes_are_restored_after_evaluation(
    evaluate: Callable[[Any, Iterable[Any]], float], classification: tuple[Tensor, Tensor]
) -> None:
    """Each module's own, also after an error; the book's leaves the net in evaluation mode. Dropout is off in it."""
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.BatchNorm1d(8), nn.Linear(8, 3))
    net[2].eval()
    before = modes(net)
    batches = d2l.load_array(classification, 30)
    with torch.no_grad():
        expected = float(
            (nn.Sequential(net[0], net[2], net[3])(classification[0]).argmax(1) == classification[1]).sum()
        )

    assert evaluate(net, batches) == expected / 100
    assert modes(net) == before
    with pytest.raises(RuntimeError):
        evaluate(net, [(torch.zeros(2, 5), torch.zeros(2))])
    assert modes(net) == before


def test_an_empty_iterator_is_an_error() -> None:
    """The book's divides by zero."""
    net = nn.Linear(4, 3)
    for measure in (
        d2l.evaluate_accuracy,
        d2l.evaluate_accuracy_gpu,
        lambda net, data: d2l.evaluate_loss(net, data, nn.MSELoss()),
        lambda net, data: d2l.train_epoch_ch3(net, data, nn.MSELoss(), torch.optim.SGD(net.parameters(), lr=0.1)),
        lambda net, data: d2l.train_ch6(net, data, data, 1, 0.1, "cpu"),
        d2l.predict_ch3,
    ):
        with pytest.raises(DataError, match="the iterator is empty: it yields no batch"):
            measure(net, [])


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_iterator_of_pairs_is_an_error(classification: tuple[Tensor, Tensor]) -> None:
    """A data set's features alone, batches that are no pairs, and a `Data` with several splits."""
    net = nn.Linear(4, 3)
    with pytest.raises(DataError, match="data is a Tensor: expected"):
        d2l.evaluate_accuracy(net, classification[0])
    with pytest.raises(DataError, match="a batch is a tuple of 3: expected a pair"):
        d2l.evaluate_accuracy(net, [(1, 2, 3)])
    with pytest.raises(DataError, match=r"a Data with several splits: pass one of them, as data\.train"):
        d2l.evaluate_accuracy(net, fs.data.from_arrays(*classification, batch_size=10))  # type: ignore[arg-type] # the mistake


def test_evaluate_accuracy_gpu_takes_any_net_and_inputs(classification: tuple[Tensor, Tensor]) -> None:
    """A net without parameters (the book's stops), a plain function, inputs in a list or a dictionary."""
    inputs, targets = classification
    expected = d2l.accuracy(inputs[:, :3], targets) / 100

    class Named(nn.Module):
        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            return batch["features"][:, :3]

    class Listed(nn.Module):
        def forward(self, batch: list[Tensor]) -> Tensor:
            return batch[0][:, :3]

    assert d2l.evaluate_accuracy_gpu(nn.Identity(), [(inputs[:, :3], targets)]) == expected
    assert d2l.evaluate_accuracy_gpu(lambda batch: batch[:, :3], [(inputs, targets)]) == expected
    assert d2l.evaluate_accuracy_gpu(Named(), [({"features": inputs}, targets)]) == expected
    assert d2l.evaluate_accuracy_gpu(Listed(), [([inputs, inputs], targets)], torch.device("cpu")) == expected
    with pytest.raises(DeviceError, match="device 'cuda:99' is not there"):
        d2l.evaluate_accuracy_gpu(nn.Identity(), [(inputs, targets)], "cuda:99")


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_evaluate_loss_is_exact_whatever_the_reduction(reduction: str) -> None:
    """The mean over all items, with a short last batch, labels as a row, a loss module or a function; modes stay."""
    inputs, targets = torch.randn(23, 4), torch.randn(23)
    net = nn.Sequential(nn.Linear(4, 1), nn.Dropout())
    expected = nn.functional.mse_loss(net[0](inputs), targets[:, None]).item()
    batches = d2l.load_array((inputs, targets), 5, is_train=False)

    def plain(y_hat: Tensor, y: Tensor) -> Tensor:
        return nn.functional.mse_loss(y_hat, y, reduction=reduction)

    assert d2l.evaluate_loss(net, batches, nn.MSELoss(reduction=reduction)) == pytest.approx(expected, rel=1e-6)
    assert d2l.evaluate_loss(net, batches, plain) == pytest.approx(expected, rel=1e-6)
    assert net.training


def test_evaluate_loss_of_classes(classification: tuple[Tensor, Tensor]) -> None:
    """Class indices keep their shape; the book's reshape would fail."""
    net = nn.Linear(4, 3)
    expected = nn.functional.cross_entropy(net(classification[0]), classification[1]).item()
    assert d2l.evaluate_loss(net, d2l.load_array(classification, 30), nn.CrossEntropyLoss()) == pytest.approx(
        expected, rel=1e-6
    )


@pytest.mark.gpu
def test_data_on_the_cpu_reaches_a_net_on_the_gpu(classification: tuple[Tensor, Tensor]) -> None:
    """Both evaluations and the losses move the batches to where the net is."""
    net = nn.Linear(4, 3)
    batches = d2l.load_array(classification, 30)
    expected = d2l.evaluate_accuracy(net, batches)
    net.to(d2l.try_gpu())
    assert d2l.evaluate_accuracy(net, batches) == d2l.evaluate_accuracy_gpu(net, batches) == expected
    assert d2l.evaluate_loss(net, batches, nn.CrossEntropyLoss()) > 0
