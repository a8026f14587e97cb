"""Measuring and using a model leaves it as it was."""

import pytest
import torch
from torch import Tensor, nn

import fourstep as fs
from fourstep.evaluation import evaluating


def mixed_modes() -> nn.Sequential:
    """A model in training mode with one module frozen in evaluation mode."""
    model = nn.Sequential(nn.Linear(4, 4), nn.Dropout(), nn.BatchNorm1d(4), nn.Linear(4, 3))
    model[2].eval()
    return model


def test_evaluation_restores_every_modules_own_mode(classification: tuple[Tensor, Tensor]) -> None:
    """Also after an error inside."""
    model = mixed_modes()
    before = [module.training for module in model.modules()]
    fs.evaluate(model, fs.Batches(*classification, batch_size=10), nn.CrossEntropyLoss())
    fs.predict(model, classification[0])
    assert [module.training for module in model.modules()] == before
    with evaluating(model):
        assert not any(module.training for module in model.modules())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        fs.predict(model, torch.zeros(2, 5))
    assert [module.training for module in model.modules()] == before


def test_evaluation_changes_nothing_and_drops_nothing(classification: tuple[Tensor, Tensor]) -> None:
    """Dropout and batch statistics are off: two evaluations agree, buffers and gradients stay."""
    model = mixed_modes().train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    batches = fs.Batches(*classification, batch_size=30)
    first = fs.evaluate(model, batches, nn.CrossEntropyLoss())
    assert first == pytest.approx(fs.evaluate(model, batches, nn.CrossEntropyLoss()), rel=1e-6)
    for name, value in model.state_dict().items():
        assert torch.equal(value, state[name])
    assert all(parameter.grad is None for parameter in model.parameters())


def test_prediction_keeps_the_order_and_the_bits(classification: tuple[Tensor, Tensor]) -> None:
    """Outputs come in the order of the inputs, from a tensor or from batches, and may be trained on."""
    inputs, targets = classification
    model = nn.Linear(4, 3)
    expected = model(inputs).detach()
    torch.testing.assert_close(fs.predict(model, inputs, batch_size=7), expected)
    torch.testing.assert_close(fs.predict(model, fs.Batches(inputs, targets, batch_size=9, shuffle=False)), expected)
    assert not fs.predict(model, inputs).is_inference()


def test_prediction_scales_bytes_as_training_does() -> None:
    """uint8 images are seen by the model as 0..1."""
    images = torch.randint(256, (5, 4), dtype=torch.uint8)
    model = nn.Linear(4, 3)
    torch.testing.assert_close(fs.predict(model, images), model(images / 255).detach())


def test_prediction_prepares_a_tensor_as_training_did() -> None:
    """A data set's own `prepare` gives the outputs that its batches give."""
    data = fs.data.digits(batch_size=100, standardize=True)
    assert isinstance(data.test, fs.Batches)
    model = fs.models.SoftmaxRegression(64)
    from_tensor = fs.predict(model, data.test.inputs, prepare=data.test.prepare)
    torch.testing.assert_close(from_tensor, fs.predict(model, data.test))


def test_nothing_to_evaluate_or_predict_is_said() -> None:
    """An empty iterable is an error, not a zero."""
    with pytest.raises(fs.DataError, match="nothing to evaluate: the data yields no batch"):
        fs.evaluate(nn.Linear(4, 3), [], nn.CrossEntropyLoss())
    with pytest.raises(fs.DataError, match="nothing to predict: there are no inputs"):
        fs.predict(nn.Linear(4, 3), torch.zeros(0, 4))
    with pytest.raises(fs.ConfigError, match="batch_size 0: expected a whole number of 1 or more"):
        fs.predict(nn.Linear(4, 3), torch.zeros(2, 4), batch_size=0)
