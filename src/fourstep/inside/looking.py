"""Looking at tensors between a step's lines: nothing is drawn, and nothing of the model's is changed."""

from typing import Any

import torch
from torch import Tensor, nn

from fourstep.inside.chance import last_function
from fourstep.inside.facts import OutputFacts, TensorFacts
from fourstep.inside.shapes import dtype_of

_DIES = (nn.ReLU, nn.ReLU6)
# outside of this range of its outputs the derivative of a sigmoid or a tanh is below 0.01: s(1 - s), and 1 - t^2
_SIGMOID_EDGE, _TANH_EDGE = 0.0102, 0.995
_FEW = 8  # samples below which "0 for every sample" says nothing
_NEARLY = 1e-3  # what a sum of rounded shares may be off by


def look_at(tensor: Tensor) -> TensorFacts:
    """What a tensor holds; waits for its device, draws nothing, changes nothing."""
    facts: dict[str, Any] = {
        "shape": tuple(tensor.shape), "dtype": dtype_of(tensor), "device": str(tensor.device)
    }  # fmt: skip
    if not _has_numbers(tensor):
        return TensorFacts(**facts)
    values = as_numbers(tensor)
    low, high, mean, zeros, finite, whole = torch.stack(
        [values.min(), values.max(), values.mean(), (values == 0).to(values.dtype).mean(),
         torch.isfinite(values).all().to(values.dtype), (values == values.round()).all().to(values.dtype)]
    ).tolist()  # fmt: skip
    facts |= {"low": low, "high": high, "mean": mean, "zeros": zeros}
    return TensorFacts(**facts, is_finite=bool(finite), is_whole=bool(whole))


def as_numbers(tensor: Tensor) -> Tensor:
    """A tensor's values as numbers that can be compared and added: float32, or float64 where it is."""
    values = tensor.detach()
    if values.is_sparse:
        values = values.coalesce().values()
    if values.is_complex():
        values = values.abs()
    return values if values.dtype is torch.float64 else values.to(torch.float32)


def norm_of(tensor: Tensor | None) -> float | None:
    """The 2-norm of a gradient; None where there is none."""
    return None if tensor is None else float(torch.linalg.vector_norm(as_numbers(tensor)))


def share_saturated(module: nn.Module, outputs: Tensor) -> float | None:
    """The share of values at the ends of a sigmoid's or tanh's range; None for other modules."""
    if not _has_numbers(outputs) or not isinstance(module, nn.Sigmoid | nn.Tanh):
        return None
    values = as_numbers(outputs)
    is_sigmoid = isinstance(module, nn.Sigmoid)
    ends = (values < _SIGMOID_EDGE) | (values > 1 - _SIGMOID_EDGE) if is_sigmoid else values.abs() > _TANH_EDGE
    return float(ends.to(torch.float32).mean())


def share_dead(module: nn.Module, outputs: Tensor) -> float | None:
    """The share of a ReLU's units (channels of images, last dimension of sequences) that are 0 in the whole batch."""
    if not isinstance(module, _DIES) or not _has_numbers(outputs) or outputs.dim() < 2 or len(outputs) < _FEW:  # noqa: PLR2004 - samples and units
        return None
    unit = outputs.dim() - 1 if outputs.dim() == 3 else 1  # noqa: PLR2004 - (batch, time, features)
    is_zero = (as_numbers(outputs) == 0).transpose(0, unit).reshape(outputs.shape[unit], -1).all(1)
    return float(is_zero.to(torch.float32).mean())


def look_at_outputs(outputs: Tensor) -> OutputFacts:
    """What the model's outputs are like; waits for their device."""
    sums, exp_sums, spread = False, False, None
    if _has_numbers(outputs):
        values = as_numbers(outputs)
        if outputs.dim() > 1 and outputs.shape[1] > 1:
            sums = bool((values >= 0).all()) and _is_one(values.sum(1))
            exp_sums = bool((values <= 0).all()) and _is_one(values.exp().sum(1))
        if outputs.dim() and len(outputs) > 1:
            scale = float(values.abs().max())
            spread = float((values.amax(0) - values.amin(0)).max()) / scale if scale else 0.0
    return OutputFacts(ends_in=last_function(outputs), sums_to_one=sums, exp_sums_to_one=exp_sums, spread=spread)


def _is_one(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < _NEARLY).all())


def _has_numbers(tensor: Tensor) -> bool:
    dense = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_meta and not tensor.is_nested
    return dense and tensor.numel() > 0
