"""Multiply-adds and memory of a forward pass, counted where they happen, operation by operation.

What is counted are the products of matrices and convolutions, which are nearly all of a network's work: a product and
the addition that follows it are one multiply-add. Activations, pooling and normalisation do a few operations per value
and count for nothing. The counts per operation are torch's own (`torch.utils.flop_counter`, whose unit is half of
ours); what it has none for is counted here by its definition, or is unknown.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from fourstep.inside.forward import Visit, Watch
from fourstep.inside.shapes import is_ready, tensors_in

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}
# operations with products inside that nothing here counts, by the words of their names and how some of these end
_UNKNOWN = {
    "rnn", "lstm", "gru", "fft", "linalg", "cdist", "trilinear", "transformer", "attention", "quantized", "sparse",
    "conv", "matmul", "solve", "inverse", "pinverse", "cholesky", "qr", "geqrf", "orgqr", "ormqr", "svd", "mkldnn",
    "xnnpack",
}  # fmt: skip
_UNKNOWN_ENDS = ("mm", "convolution", "conv1d", "conv2d", "conv3d", "depthwise2d", "depthwise3d")
_HARMLESS = ("linalg_vector_norm", "linalg_cross")
_OURS = ("aten", "prim", "prims", "profiler")  # torch's namespaces whose operations are known by their names


class Counting(TorchDispatchMode):
    """Adds every operation's multiply-adds to the module whose own code it is in, and notes what memory was read."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # torch's
        self._watch = watch
        self.touched: set[int] = set()  # storages that operations have read

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        outputs = func(*args, **(kwargs or {}))
        self.touched.update(place_of(tensor) for tensor in tensors_in((args, kwargs or {})))
        if self._watch.open:
            _count(self._watch.open[-1], func, args, kwargs or {}, outputs)
        return outputs


def _count(visit: Visit, func: Any, args: Any, kwargs: Any, outputs: Any) -> None:
    packet = func._overloadpacket  # noqa: SLF001 - the registry's key
    name = packet.__name__
    if packet in flop_registry:
        visit.multiply_adds += flop_registry[packet](*args, **kwargs, out_val=outputs) // 2
    elif name in _COUNTED:
        visit.multiply_adds += _COUNTED[name](args)
    elif func.namespace not in _OURS or (name not in _HARMLESS and _is_unknown(name)):
        visit.has_unknown = True


def _is_unknown(name: str) -> bool:
    words = name.split("_")
    return not _UNKNOWN.isdisjoint(words) or any(word.endswith(_UNKNOWN_ENDS) for word in words)


def _attention(args: Any) -> int:
    """Queries against keys, and the weights that this gives against values."""
    query, key, value = args[:3]
    *rows, num_queries, size = query.shape
    return int(prod(rows) * num_queries * key.shape[-2] * (size + value.shape[-1]))


_COUNTED: dict[str, Any] = {
    "mv": lambda args: args[0].numel(),
    "addmv": lambda args: args[1].numel(),
    "dot": lambda args: args[0].numel(),
    "vdot": lambda args: args[0].numel(),
    "addr": lambda args: args[1].numel() * args[2].numel(),
    "addbmm": lambda args: args[1].numel() * args[2].shape[-1],
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
}


def count_by_definition(visit: Visit, outputs: Any) -> None:
    """Replace a call's count by the layer's own formula, where its operations hide it."""
    module = visit.module
    if isinstance(module, nn.RNNBase) and type(module).forward in (nn.RNN.forward, nn.LSTM.forward, nn.GRU.forward):
        visit.multiply_adds, visit.has_unknown = _recurrent(module, next(tensors_in(outputs))), False
    elif type(module) is nn.Bilinear:
        visit.multiply_adds = outputs.numel() * (module.in1_features + 1) * module.in2_features
        visit.has_unknown = False


def _recurrent(module: nn.RNNBase, states: Tensor) -> int:
    """For each value of each sequence: every gate is a product with the input and one with the last state."""
    directions = 2 if module.bidirectional else 1
    hidden, state = module.hidden_size, module.proj_size or module.hidden_size
    steps = states.numel() // (directions * state)
    per_step = 0
    for layer in range(module.num_layers):
        width = module.input_size if layer == 0 else state * directions
        gates = _GATES[module.mode] * hidden * (width + state)
        per_step += directions * (gates + (hidden * state if module.proj_size else 0))
    return int(steps * per_step)


@contextmanager
def keeping_count(watch: Watch, model: nn.Module) -> Iterator[None]:
    """Add what is kept for the backward pass to the module whose own code keeps it; nothing is really kept for it.

    What is kept twice counts once, and the model's parameters and buffers not at all.
    """
    kept: dict[int, tuple[Tensor, Visit]] = {}  # the tensors too, so that no place is used again for something else

    def keep(tensor: Tensor) -> None:
        if watch.open:
            kept.setdefault(place_of(tensor), (tensor.detach(), watch.open[-1]))

    with torch.autograd.graph.saved_tensors_hooks(keep, _refuse):
        yield
    own = _places_of(model)  # now that also lazy layers have theirs
    for place, (tensor, visit) in kept.items():
        visit.kept_bytes += 0 if place in own else bytes_of(tensor)


def _places_of(model: nn.Module) -> set[int]:
    tensors = (tensor for source in (model.parameters(), model.buffers()) for tensor in source)
    return {place_of(tensor) for tensor in tensors if is_ready(tensor)}


def bytes_of(tensor: Tensor) -> int:
    """What the memory that a tensor lies in takes, the whole of it where it is a part."""
    return tensor.untyped_storage().nbytes() if _has_storage(tensor) else tensor.numel() * tensor.element_size()


def place_of(tensor: Tensor) -> int:
    """Where a tensor lies, the same for all views of it."""
    return int(tensor.untyped_storage()._cdata) if _has_storage(tensor) else id(tensor)  # noqa: SLF001 - on "meta" nothing else tells


def _has_storage(tensor: Tensor) -> bool:
    return tensor.layout is torch.strided and type(tensor) in (Tensor, nn.Parameter)


def _refuse(_: Any) -> Tensor:
    raise AssertionError("nothing is computed backward here")
