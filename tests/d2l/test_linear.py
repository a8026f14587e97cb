"""Linear regression from scratch, and where its pieces are misused."""

from typing import Any

import pytest
import torch

from fourstep import d2l
from fourstep.errors import ConfigError, ShapeError


def test_synthetic_data_lies_on_the_plane() -> None:
    """Labels are a column, off the plane by noise of deviation 0.01, and repeat under a seed."""
    w, b = torch.tensor([2, -3.4]), 4.2
    features, labels = d2l.synthetic_data(w, b, 1000)
    noise = labels - (features @ w.reshape(-1, 1) + b)

    assert features.shape == (1000, 2)
    assert labels.shape == (1000, 1)
    assert noise.std().item() == pytest.approx(0.01, rel=0.1)
    assert noise.mean().item() == pytest.approx(0, abs=0.002)
    torch.manual_seed(0)
    assert torch.equal(features, d2l.synthetic_data(w, b, 1000)[0])


def test_synthetic_data_takes_whole_weights_and_columns() -> None:
    """Integer weights, and weights that are a column, as section 4.5 of the book has them."""
    assert d2l.synthetic_data(torch.tensor([2, -3]), 4, 5)[1].shape == (5, 1)
    assert d2l.synthetic_data(torch.ones((200, 1)) * 0.01, 0.05, 5)[1].shape == (5, 1)
    with pytest.raises(ConfigError, match="num_examples 0: expected a whole number of 1 or more"):
        d2l.synthetic_data(torch.ones(2), 0, 0)


def test_squared_loss_takes_a_row_for_its_column() -> None:
    """`(n, 1)` against `(n,)` is half the squared error of each pair, as in the book, and never n x n values."""
    y_hat, y = torch.randn(5, 1), torch.randn(5)

    assert torch.equal(d2l.squared_loss(y_hat, y), (y_hat - y[:, None]) ** 2 / 2)
    assert torch.equal(d2l.squared_loss(y, y_hat), (y - y_hat[:, 0]) ** 2 / 2)
    assert d2l.squared_loss(torch.tensor([[1.0]]), torch.tensor([3.0])).item() == 2


@pytest.mark.parametrize(("left", "right"), [((1, 4), (4, 1)), ((4, 1), (1, 4)), ((2, 3), (6,)), ((4, 1), (3,))])
def test_squared_loss_refuses_a_row_against_a_column(left: tuple[int, ...], right: tuple[int, ...]) -> None:
    """What `reshape` would pair up silently, or not at all, is said with both shapes."""
    with pytest.raises(ShapeError) as caught:
        d2l.squared_loss(torch.zeros(left), torch.zeros(right))
    assert f"y_hat has shape {left} but y {right}: expected the same shape. Mend" in str(caught.value)


def test_sgd_says_which_parameter_has_no_gradient() -> None:
    """Before any parameter is changed."""
    w, b = torch.ones(2, requires_grad=True), torch.zeros(1, requires_grad=True)
    (w * 2).sum().backward()
    with pytest.raises(
        ConfigError, match=r"parameter 2 of 2, of shape \(1,\), has no gradient: expected requires_grad"
    ):
        d2l.sgd([w, b], 0.1, 4)
    with pytest.raises(ConfigError, match="batch_size 0: expected 1 or more"):
        d2l.sgd([w], 0.1, 0)
    assert torch.equal(w, torch.ones(2))


@pytest.mark.usefixtures("unchecked_types")
def test_a_list_of_weights_and_a_lone_parameter() -> None:
    """The first will do, the second is told."""
    w: Any = [2, -3.4]
    features, labels = d2l.synthetic_data(w, 4.2, 100)
    assert (labels - (features @ torch.tensor(w)[:, None] + 4.2)).abs().max() < 0.1
    with pytest.raises(ConfigError, match=r"params is one tensor, of shape \(2,\): .* Mend: \[w\]"):
        d2l.sgd(torch.zeros(2, requires_grad=True), 0.1, 1)
