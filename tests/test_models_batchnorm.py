"""Batch normalisation from scratch, and LeNet with it, against torch's own."""

import pytest
import torch
from torch import nn

from fourstep import models


@pytest.mark.parametrize("shape", [(8, 5), (4, 5, 3, 3), (2, 5, 1, 1)])
def test_batchnorm_from_scratch_is_torch_s(shape: tuple[int, ...]) -> None:
    """Outputs, gradients and running statistics over training batches, then the outputs of evaluation."""
    ours, theirs = models.BatchNorm(5), (nn.BatchNorm1d(5) if len(shape) == 2 else nn.BatchNorm2d(5))
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.get_parameter("weight").copy_(torch.linspace(0.5, 2, 5))
            norm.get_parameter("bias").copy_(torch.linspace(-1, 1, 5))
    for _ in range(3):
        inputs = torch.randn(shape) * 3 + 2
        grads = []
        for norm in (ours, theirs):
            leaf = inputs.clone().requires_grad_()
            outputs = norm(leaf)
            norm.zero_grad()
            (outputs * torch.linspace(0, 1, outputs.numel()).view(shape)).sum().backward()
            grads.append([outputs, leaf.grad, *[parameter.grad for parameter in norm.parameters()]])
        torch.testing.assert_close(*grads, rtol=1e-4, atol=1e-5)
    for norm in (ours, theirs):
        norm.eval()

    torch.testing.assert_close(ours(inputs), theirs(inputs))
    torch.testing.assert_close(ours.state_dict(), {name: theirs.state_dict()[name] for name in ours.state_dict()})


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16])
def test_batchnorm_from_scratch_takes_other_types(kind: torch.dtype) -> None:
    """As torch's layer: the type stays, and the statistics are float32's."""
    inputs = torch.randn(16, 3, 4, 4).to(kind)
    ours, theirs = models.BatchNorm(3), nn.BatchNorm2d(3)
    outputs, expected = ours(inputs), theirs(inputs)
    assert outputs.dtype == kind
    assert ours.running_mean.dtype == torch.float32
    torch.testing.assert_close(outputs.float(), expected.float(), rtol=0.02, atol=0.02)
    torch.testing.assert_close(ours.running_var, theirs.running_var, rtol=0.01, atol=1e-3)


def test_batchnorm_from_scratch_needs_two_values_to_train() -> None:
    """As torch's does; an answer alone is fine."""
    norm = models.BatchNorm(5)
    with pytest.raises(ValueError, match="1 value per feature: batch normalisation needs 2 or more to train"):
        norm(torch.ones(1, 5))
    assert torch.isfinite(norm.eval()(torch.ones(1, 5))).all()
    assert torch.equal(norm.running_mean, torch.zeros(5))


def test_batchnorm_lenet_from_scratch_is_the_one_of_torch_s_layers() -> None:
    """The same weights by name, and the same logits up to rounding, in training and in evaluation."""
    torch.manual_seed(6)
    scratch = models.BatchNormLeNet(scratch=True)
    torch.manual_seed(6)
    layers = models.BatchNormLeNet()
    inputs = torch.rand(16, 1, 28, 28)

    assert dict(scratch.named_parameters()).keys() == dict(layers.named_parameters()).keys()
    torch.testing.assert_close(scratch(inputs), layers(inputs), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(scratch.eval()(inputs), layers.eval()(inputs), rtol=1e-4, atol=1e-4)
