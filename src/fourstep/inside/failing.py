"""A layer whose forward failed, in one line: which one, what it was given, and the value that would fit."""

from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from fourstep.errors import DataError, FourstepError, ShapeError
from fourstep.inside.shapes import dtype_of, is_ready, kinds_in, tensors_in

if TYPE_CHECKING:
    from fourstep.inside.forward import Visit  # which imports this module

LONGEST = 160  # characters of torch's own message


def explain_failure(visit: "Visit | None", error: Exception) -> NoReturn:
    """Raise the one-line cause of an error inside a module; an error elsewhere as it is.

    Raises:
        ShapeError: the layer takes another shape; the line says which value would fit.
        DataError: it failed otherwise.
    """
    if visit is None or isinstance(error, FourstepError | torch.OutOfMemoryError):
        raise error
    kind = type(visit.module).__name__
    where = f"layer {visit.name!r} ({kind})" if visit.name else f"the model ({kind})" if visit.name == "" else kind
    given = _given(visit.arguments or ())
    mend = _mend(visit.module, next(tensors_in(visit.arguments), None))
    if mend is not None:
        raise ShapeError(f"{where} cannot take its input, {given}: {mend}") from error
    said = str(error).strip().split("\n", maxsplit=1)[0][:LONGEST].rstrip(". ")
    hint = _other_mend(visit.module, visit.arguments)
    raise DataError(f"{where} failed on {given}: {type(error).__name__}: {said}. {hint}") from error


def _given(arguments: tuple[Any, ...]) -> str:
    """The tensors, or else the types, of what was passed by position."""
    if any(True for _ in tensors_in(arguments)):
        return kinds_in(arguments)
    return ", ".join(f"a {type(argument).__name__}" for argument in arguments) or "what it was called with by name"


def _mend(module: nn.Module, tensor: Tensor | None) -> str | None:
    """What a layer expects and how to give it that; None where its shape is not the reason."""
    if tensor is None or not tensor.dim():
        return None
    for kinds, explain in _EXPLAINED:
        if isinstance(module, kinds):
            return explain(module, tensor)
    return None


def _linear(module: Any, tensor: Tensor) -> str | None:
    given, expected = tensor.shape[-1], module.in_features
    if isinstance(module, nn.LazyLinear) or given == expected:
        return None
    said = f"it has in_features={expected}, but the last dimension holds {given}"
    if tensor.dim() > 2 and prod(tensor.shape[1:]) == expected:  # noqa: PLR2004 - samples and features
        return f"{said}. Mend: put nn.Flatten() before it, which makes {(len(tensor), expected)} of it"
    bias = "" if module.bias is not None else ", bias=False"
    return f"{said}. Mend: nn.Linear({given}, {module.out_features}{bias})"


def _convolution(module: Any, tensor: Tensor) -> str | None:
    sides = len(module.kernel_size)  # 2 for images
    expected = module.in_channels
    if tensor.dim() not in (sides + 1, sides + 2):
        wanted = "(batch, channels, height, width)" if sides == 2 else f"{sides + 2} dimensions"  # noqa: PLR2004 - images
        flat = "nn.Flatten() comes too early, or " if tensor.dim() == 2 else ""  # noqa: PLR2004 - samples and features
        return f"it takes {wanted}, and this has {tensor.dim()}. Mend: {flat}inputs.reshape to that shape"
    channels = tensor.shape[-sides - 1]
    if channels != expected:
        said = f"it has in_channels={expected}, but dimension {tensor.dim() - sides - 1} holds {channels}"
        if tensor.dim() == sides + 1 and expected == 1:
            return f"{said}. Mend: inputs.unsqueeze(1), which gives every sample its one channel"
        if tensor.shape[-1] == expected:
            order = (
                *range(tensor.dim() - sides - 1),
                tensor.dim() - 1,
                *range(tensor.dim() - sides - 1, tensor.dim() - 1),
            )
            return f"{said}. The channels come last: mend: inputs.permute{order}"
        name = type(module).__name__
        return f"{said}. Mend: {name}({channels}, {module.out_channels}, kernel_size={_short(module.kernel_size)}, ...)"
    smallest = tuple(
        (size - 1) * step + 1 - (0 if isinstance(edge, str) else 2 * edge)
        for size, step, edge in zip(module.kernel_size, module.dilation, _each(module.padding, sides), strict=True)
    )
    small = any(side < least for side, least in zip(tensor.shape[-sides:], smallest, strict=True))
    if small and not module.transposed:
        return (
            f"its kernel {_short(module.kernel_size)} needs at least {_short(smallest)} values a side, and there are "
            f"{_short(tuple(tensor.shape[-sides:]))}. Mend: larger inputs, padding, or fewer layers that shrink before"
        )
    return None


def _pooling(module: Any, tensor: Tensor) -> str | None:
    sides = 1 if "1d" in type(module).__name__ else 2 if "2d" in type(module).__name__ else 3
    left = tuple(tensor.shape[-sides:])
    needed = tuple(
        size - 2 * edge
        for size, edge in zip(_each(module.kernel_size, sides), _each(module.padding, sides), strict=True)
    )
    if all(side >= least for side, least in zip(left, needed, strict=False)):
        return None
    return (
        f"it pools over {_short(_each(module.kernel_size, sides))}, and only {_short(left)} is left. Mend: larger "
        "inputs, or fewer layers before it that shrink"
    )


def _normalisation(module: Any, tensor: Tensor) -> str | None:
    expected, given = module.num_features, tensor.shape[1] if tensor.dim() > 1 else None
    name = type(module).__name__
    if given is not None and given != expected:
        return f"it has num_features={expected}, but dimension 1 holds {given}. Mend: nn.{name}({given})"
    if given is not None and module.training and tensor.numel() == given:
        return "in training it needs more than one value per channel. Mend: two samples or more, or model.eval()"
    fits = {2: "1d", 3: "1d", 4: "2d", 5: "3d"}.get(tensor.dim())
    if fits is not None and not name.endswith(fits):
        return f"it has no use for {tensor.dim()} dimensions. Mend: nn.BatchNorm{fits}({expected})"
    return None


def _layer_norm(module: Any, tensor: Tensor) -> str | None:
    expected = tuple(module.normalized_shape)
    given = tuple(tensor.shape[-len(expected) :])
    if given == expected:
        return None
    return f"it has normalized_shape={expected}, but the last dimensions are {given}. Mend: nn.LayerNorm({given})"


def _embedding(module: Any, tensor: Tensor) -> str | None:
    if tensor.is_floating_point():
        return f"it takes whole numbers, the positions in its table. Mend: inputs.long() in place of {dtype_of(tensor)}"
    if not tensor.numel() or tensor.is_meta:
        return None
    low, high = int(tensor.min()), int(tensor.max())
    if low >= 0 and high < module.num_embeddings:
        return None
    rows = module.num_embeddings
    said = f"its table has {rows} rows, 0..{rows - 1}, and the inputs run from {low} to {high}"
    least = f"Mend: nn.Embedding({high + 1}, {module.embedding_dim})"
    return f"{said}. {least if low >= 0 else 'Mend: number them from 0'}"


def _recurrent(module: Any, tensor: Tensor) -> str | None:
    given, expected = tensor.shape[-1], module.input_size
    if given == expected:
        return None
    name = type(module).__name__
    return (
        f"it has input_size={expected}, but the last dimension holds {given}. "
        f"Mend: nn.{name}({given}, {module.hidden_size}, ...)"
    )


_EXPLAINED: tuple[tuple[Any, Callable[[Any, Tensor], str | None]], ...] = (
    (nn.Linear, _linear),
    ((nn.modules.conv._ConvNd,), _convolution),  # noqa: SLF001 - torch has no public name for all of them
    ((nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d, nn.AvgPool2d, nn.AvgPool3d), _pooling),
    ((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), _normalisation),
    (nn.LayerNorm, _layer_norm),
    (nn.Embedding, _embedding),
    ((nn.RNNBase, nn.RNNCellBase), _recurrent),
)


def _other_mend(module: nn.Module, arguments: Any) -> str:
    """What to do where the shapes are not known to be wrong: devices and number formats, else to look at the shapes."""
    own = next((parameter for parameter in module.parameters() if is_ready(parameter)), None)
    given = next(tensors_in(arguments), None)
    if isinstance(arguments, tuple) and arguments and isinstance(arguments[0], tuple | list):
        return "It was given a tuple: pass what the layer takes, such as the inputs of a batch alone"
    if arguments and given is None:
        return "Expected tensors: torch.as_tensor(array) makes one of an array, torch.zeros(2, 4) one of a shape"
    if own is not None and given is not None and own.device != given.device:
        return f"Its weights are on {own.device}, the input on {given.device}: mend: inputs.to({str(own.device)!r})"
    if own is not None and given is not None and own.dtype != given.dtype and own.is_floating_point():
        scaled = " / 255" if given.dtype is torch.uint8 else ""
        mend = f"inputs.to({own.dtype}){scaled}" if own.dtype is not torch.float32 else f"inputs.float(){scaled}"
        return f"Its weights are {dtype_of(own)}: mend: {mend}"
    return "Expected what its forward takes: compare with the shapes before it"


def _each(value: Any, count: int) -> tuple[Any, ...]:
    return value if isinstance(value, tuple) else (value,) * count


def _short(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
