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


def test_prediction_takes_numpy_arrays_and_leaves_the_inputs_alone() -> None:
    """float64 arrays are seen as float32; a model that works in place changes a copy."""
    model = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(4, 3))
    inputs = torch.randn(5, 4)
    before = inputs.clone()
    found = fs.predict(model, inputs.double().numpy())
    torch.testing.assert_close(found, fs.predict(model, inputs))
    assert torch.equal(inputs, before)


@pytest.mark.usefixtures("unchecked_types")
def test_a_data_set_is_no_split(classification: tuple[Tensor, Tensor]) -> None:
    """The error says to pass one of its splits."""
    data = fs.data.from_arrays(*classification, batch_size=10)
    with pytest.raises(fs.DataError, match="got a Data with several splits: pass one of them"):
        fs.evaluate(nn.Linear(4, 3), data, nn.CrossEntropyLoss())  # type: ignore[arg-type]  # wrong on purpose


def test_a_model_may_keep_tensors_between_evaluation_and_training() -> None:
    """What a forward caches while it is evaluated may be trained with."""

    class Caching(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)
            self.scale: Tensor | None = None

        def forward(self, inputs: Tensor) -> Tensor:
            if self.scale is None:
                self.scale = torch.ones(4) * 2
            outputs: Tensor = self.linear(inputs * self.scale)
            return outputs

    model = Caching()
    batches = fs.Batches(torch.randn(8, 4), torch.randint(3, (8,)), batch_size=4)
    fs.evaluate(model, batches)
    fs.fit(model, batches, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=1, show="none")


def test_nothing_to_evaluate_or_predict_is_said() -> None:
    """An empty iterable is an error, not a zero."""
    with pytest.raises(fs.DataError, match="nothing to evaluate: the data yields no batch"):
        fs.evaluate(nn.Linear(4, 3), [], nn.CrossEntropyLoss())
    with pytest.raises(fs.DataError, match="nothing to predict: there are no inputs"):
        fs.predict(nn.Linear(4, 3), torch.zeros(0, 4))
    with pytest.raises(fs.ConfigError, match="batch_size 0: expected a whole number of 1 or more"):
        fs.predict(nn.Linear(4, 3), torch.zeros(2, 4), batch_size=0)
