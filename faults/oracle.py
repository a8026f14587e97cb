"""What must be equal: every bit that a run leaves behind, but the clock's."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn
from torch.optim import Optimizer

CLOCKS = ("seconds", "examples_per_second")


def digest(model: nn.Module, optimizer: Optimizer, rows: Sequence[Mapping[str, float]], folder: Path | None) -> str:
    """SHA-256 over the final tensors of model and optimizer, their settings, and the rows without the clock's fields.

    Args:
        model: as it is after training.
        optimizer: likewise.
        rows: the run's history.
        folder: where its files must say the same; None for a run without one.
    """
    state = optimizer.state_dict()
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in _flatten(state["state"])}
    told = [_without_clocks(row) for row in rows]
    hashed = hashlib.sha256()
    for name in sorted(tensors):
        _add(hashed, name, tensors[name])
    hashed.update(repr(state["param_groups"]).encode())
    hashed.update(json.dumps(told).encode())
    if folder is not None:
        _check_files(folder, model, told)
    return hashed.hexdigest()


def _check_files(folder: Path, model: nn.Module, told: list[dict[str, float]]) -> None:
    lines = (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [_without_clocks(json.loads(line)) for line in lines] == told, "metrics.jsonl differs from the history"
    steps = [row["step"] for row in told]
    assert steps == sorted(steps), "metrics.jsonl is out of order"
    assert len(set(map(json.dumps, told))) == len(told), "metrics.jsonl repeats a row"
    kept = load_file(str(folder / "model.safetensors"))
    state = model.state_dict()
    assert kept.keys() == state.keys(), "model.safetensors has other names than the model"
    assert all(_raw(kept[name]) == _raw(state[name]) for name in kept), "model.safetensors differs from the model"
    assert (folder / "curves.svg").stat().st_size > 0, "curves.svg is empty"


def _flatten(tree: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            yield from _flatten(value, f"{path}.{key}")
    else:
        yield path, tree


def _add(hashed: Any, name: str, value: Any) -> None:
    if isinstance(value, Tensor):
        hashed.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        hashed.update(_raw(value))
    else:
        hashed.update(f"{name} {value!r};".encode())


def _raw(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()


def _without_clocks(row: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in row.items() if name not in CLOCKS}
