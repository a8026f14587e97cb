"""Any state as JSON and tensors, and back."""

import json
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import fourstep as fs
from fourstep.runs.packing import pack, unpack

TREES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=4) | st.sampled_from(["$float", "$tuple", "$"]), inner, max_size=4)
        | st.dictionaries(st.integers() | st.tuples(st.integers(), st.text()), inner, max_size=4)
    ),
    max_leaves=12,
)


def through_json(tree: Any) -> Any:
    """The tree after it was packed, written as strict JSON, read and unpacked."""
    packed, tensors = pack(tree, "it")
    return unpack(json.loads(json.dumps(packed, allow_nan=False)), tensors)


def same(one: Any, other: Any) -> bool:
    """Equal in type and every bit; nan equals nan."""
    if type(one) is not type(other):
        return False
    match one:
        case torch.Tensor():
            equal = one.dtype == other.dtype and one.stride() == other.stride() and bits(one) == bits(other)
        case np.ndarray() | np.generic():
            equal = one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
        case float():
            equal = repr(one) == repr(other)
        case dict():
            equal = list(one) == list(other) and all(map(same, one.values(), other.values()))
        case list() | tuple():
            equal = len(one) == len(other) and all(map(same, one, other))
        case _:
            equal = one == other
    return bool(equal)


def bits(tensor: torch.Tensor) -> bytes:
    """A tensor's bytes in the order of its indices."""
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


@given(TREES)
def test_a_tree_comes_back_as_it_was(tree: Any) -> None:
    """Types, order, signs of zero, infinities, keys that are no texts, and keys that look like marks."""
    assert same(through_json(tree), tree)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.0),
        torch.tensor([]),
        torch.arange(6).reshape(2, 3),
        torch.tensor([True, False]),
        torch.tensor([math.nan, math.inf, -0.0]),
        torch.randn(3, dtype=torch.bfloat16),
        torch.randn(3, dtype=torch.float64),
        torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2),
        torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        torch.arange(10.0)[2:5],
        torch.arange(10.0)[::3].contiguous(),
    ],
    ids=lambda tensor: f"{tensor.dtype}{tuple(tensor.shape)}",
)
def test_a_tensor_comes_back_with_its_bits_and_its_memory_format(tensor: torch.Tensor) -> None:
    """Sums round by the order in memory, so that is kept too."""
    assert same(through_json({"a": [tensor]}), {"a": [tensor]})


def test_arrays_and_numbers_of_numpy_come_back_as_they_were() -> None:
    """A generator's state holds them."""
    tree = {"key": np.arange(4, dtype=np.uint32), "gauss": np.float64(0.5), "shape": np.zeros((2, 0))}

    assert same(through_json(tree), tree)


def test_a_tensor_with_two_names_is_kept_once() -> None:
    """Tied weights come back equal, and take room once."""
    tied = torch.randn(4)
    packed, tensors = pack({"a": tied, "b": tied, "c": tied.clone()}, "it")

    assert sorted(tensors) == ["a", "c"]
    assert torch.equal(unpack(packed, tensors)["b"], tied)


def test_names_that_read_alike_are_told_apart() -> None:
    """A dot in a name and a level of nesting look the same in a tensor's name."""
    tree = {"a.b": torch.tensor(1), "a": {"b": torch.tensor(2)}}

    assert same(through_json(tree), tree)


@pytest.mark.parametrize(("cls", "settings"), [
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.Adam, {"amsgrad": True}),
    (torch.optim.AdamW, {}),
    (torch.optim.Adagrad, {}),
    (torch.optim.RMSprop, {"centered": True, "momentum": 0.5}),
    (torch.optim.NAdam, {}),
    (torch.optim.Rprop, {}),
    (torch.optim.LBFGS, {}),
])  # fmt: skip
def test_any_optimizer_s_state_comes_back(cls: Any, settings: dict[str, Any]) -> None:
    """After the state is put into a fresh optimizer, the next update gives the same bits."""
    models = []
    for resumed in (False, True):
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = cls(model.parameters(), lr=0.05, **settings)
        for step in range(4):
            if resumed and step == 2:
                state = through_json(optimizer.state_dict())
                optimizer = cls(model.parameters(), lr=0.05, **settings)
                optimizer.load_state_dict(state)

            def closure(model: nn.Module = model, optimizer: Any = optimizer, step: int = step) -> Any:
                optimizer.zero_grad()
                loss = model(torch.full((5, 3), step + 1.0)).square().mean()
                loss.backward()
                return loss

            optimizer.step(closure)
        models.append(model)

    assert same(OrderedDict(models[0].state_dict()), OrderedDict(models[1].state_dict()))


def test_what_can_not_be_kept_is_named() -> None:
    """Whose it is, where in it, of which kind, and what is expected."""
    with pytest.raises(
        fs.RunFolderError, match=r"the hook cannot be saved: its counts\.1 is a set\. Expected tensors, numbers, texts"
    ):
        pack({"counts": [1, {2}]}, "the hook")
    with pytest.raises(fs.RunFolderError, match="cannot be saved: its state is a Linear"):
        pack(nn.Linear(1, 1), "it")


@pytest.mark.parametrize(
    "packed",
    [
        {"$nothing": 1},
        {"$float": "one"},
        {"$tensor": "b"},
        {"$tensor": "a", "order": [0, 0]},
        {"$tuple": 3},
        {"$dict": [1]},
    ],
)
def test_what_pack_has_not_made_is_refused(packed: Any) -> None:
    """The errors are those that the reader of a checkpoint turns into a line."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        unpack(packed, {"a": torch.zeros(2, 2)})
