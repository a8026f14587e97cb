"""The network for tables: embeddings beside numbers, outputs in the target's units, and as good as a linear model."""

from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine
from sklearn.linear_model import LogisticRegression, Ridge
from torch import nn

import fourstep as fs


def test_the_output_is_an_mlp_of_numbers_and_embeddings() -> None:
    """As plain torch computes it, in the target's units."""
    net = fs.models.TableNet(2, (3, 40), hidden=(8,), num_outputs=2, target_mean=(10.0, 20.0), target_std=(2.0, 3.0))
    inputs = torch.tensor([[0.5, -1.0, 2, 39], [0.1, 0.2, 0, 1]])
    first, second = (module.weight for module in net.embeddings if isinstance(module, nn.Embedding))
    row = torch.cat([inputs[:, :2], first[[2, 0]], second[[39, 1]]], dim=1)
    layers = [module for module in net.layers if isinstance(module, nn.Linear)]
    hidden = torch.relu(row @ layers[0].weight.T + layers[0].bias)
    expected = (hidden @ layers[1].weight.T + layers[1].bias) * torch.tensor([2.0, 3.0]) + torch.tensor([10.0, 20.0])

    torch.testing.assert_close(net(inputs), expected)
    assert [first.shape[1], second.shape[1]] == [round(1.6 * 3**0.56), round(1.6 * 40**0.56)]
    assert not first[0].any()


def test_what_is_unknown_says_nothing_and_stays_so() -> None:
    """The embedding of code 0 is 0 and gets no gradient."""
    net = fs.models.TableNet(0, (4,), dropout=0.5)

    net(torch.zeros(3, 1)).sum().backward()

    weight = net.embeddings[0].weight
    assert isinstance(weight, torch.Tensor)
    assert weight.grad is not None
    assert not weight.grad.any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"num_numbers": 0}, "num_numbers 0, category_sizes (), hidden (128, 64), num_outputs 1: expected a number or"),
        ({"num_numbers": 2, "hidden": (0,)}, "num_numbers 2, category_sizes (), hidden (0,), num_outputs 1: expected"),
        ({"num_numbers": 2, "dropout": 1.0}, "dropout 1.0: expected a probability from 0 to below 1"),
        ({"num_numbers": 2, "target_std": 0.0}, "target_std 0.0: expected above 0"),
    ],
)
def test_what_no_network_can_be_made_of_is_refused(settings: dict[str, Any], message: str) -> None:
    """With its value."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the message is compared whole
        fs.models.TableNet(**settings)

    assert str(caught.value).startswith(message)


def test_rows_of_another_width_are_refused() -> None:
    """With both widths."""
    with pytest.raises(ValueError, match="inputs have 3 values per row: expected 2 numbers and 0 codes"):
        fs.models.TableNet(2)(torch.zeros(1, 3))


@pytest.mark.parametrize("load", [load_wine, load_breast_cancer, load_diabetes])
def test_a_file_trains_in_a_few_lines(load: Any, tmp_path: Path) -> None:
    """Real data from a file: not far from a linear model of scikit-learn on the same rows."""
    table = load(as_frame=True).frame
    is_regression = load is load_diabetes
    table.to_csv(tmp_path / "table.csv", index=False)

    data = fs.data.from_table(tmp_path / "table.csv", target="target", batch_size=32, stratify=not is_regression)
    model = fs.models.TableNet(**data.encoding.network_sizes(), hidden=(32,))  # type: ignore[union-attr]
    loss_fn = nn.MSELoss() if is_regression else nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    metrics = {} if is_regression else {"accuracy": fs.accuracy}
    run = fs.fit(model, data, loss_fn, optimizer, epochs=15, metrics=metrics, show="none")

    row = run.history.rows[-1]
    assert isinstance(data.train, fs.Batches)
    assert isinstance(data.test, fs.Batches)
    (train, truth), (test, judged) = (
        (split.inputs.numpy(), split.targets.numpy().squeeze()) for split in (data.train, data.test)
    )
    if is_regression:
        error = ((Ridge().fit(train, truth).predict(test) - judged) ** 2).mean()
        assert row["test/loss"] < 1.3 * error
    else:
        assert row["test/accuracy"] > LogisticRegression().fit(train, truth).score(test, judged) - 0.06
    assert torch.equal(
        fs.predict(model, data.to_inputs(table)), fs.predict(model, data.to_inputs(table[table.columns[::-1]]))
    )
