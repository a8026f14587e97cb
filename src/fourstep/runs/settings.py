"""What `run.toml` says of a run: what was set, on what it was trained, where; and whether two of them say the same."""

import hashlib
import platform
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader, TensorDataset

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data, num_batches
from fourstep.data.loader import LoaderBatches
from fourstep.errors import RunFolderError
from fourstep.runs.packing import digest

IDENTITY = ("settings", "data", "model", "optimizer")  # the tables that make a run what it is
SURROUNDINGS = ("versions", "machine", "speed")  # those by which numbers may round another way
NAMED = 3  # differences, as many fit a line
EPOCHS = "epochs"  # a setting that may change: a run can be made longer


def describe(
    model: nn.Module, optimizer: Optimizer, data: Data, where: torch.device, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """What `run.toml` holds."""
    packages = ("fourstep", "torch", "numpy")
    return {
        "settings": to_toml(settings),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "machine": {"platform": platform.platform(), "device": str(where), **_describe_device(where)},
        "model": {
            "kind": type(model).__name__,
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
            "layers": hashlib.sha256(_plain_text(model).encode()).hexdigest()[:16],
        },
        "optimizer": {
            "kind": type(optimizer).__name__,
            **{f"group{index}": _plain_values(group) for index, group in enumerate(optimizer.param_groups)},
        },
        "data": describe_data(data),
    }


def describe_data(data: Data) -> dict[str, Any]:
    """The data's part of it: its name, its classes, and a table for each split."""
    splits = {name: _describe_split(split) for name, split in data.splits().items()}
    return {"name": data.name, "classes": list(data.classes), **splits}


def _plain_values(group: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of an optimizer's group that a text can hold."""
    kept = (bool, int, float, str, tuple)
    return {name: to_toml(value) for name, value in group.items() if isinstance(value, kept)}


def _describe_device(where: torch.device) -> dict[str, str]:
    return {"device_name": torch.cuda.get_device_name(where)} if where.type == "cuda" else {}


def _describe_split(split: Iterable[Any]) -> dict[str, Any]:
    """How much there is of a split, and for `Batches` a fingerprint of every byte."""
    if isinstance(split, Batches):
        sizes = {"samples": split.num_items, "batches": len(split), "batch_size": split.batch_size}
        order = {} if split.seed is None else {"seed": split.seed}
        augment = {"augment": [_plain_text(one) for one in split.augment]} if split.augment else {}
        return {**sizes, **order, **augment, "fingerprint": split.fingerprint()}
    split = split.loader if isinstance(split, LoaderBatches) else split
    batches = num_batches(split)
    counted = {} if batches is None else {"batches": batches}
    return {"kind": type(split).__name__, **counted, **(_describe_loader(split) if type(split) is DataLoader else {})}


def _describe_loader(loader: DataLoader[Any]) -> dict[str, Any]:
    """What of a loader can be told from another's."""
    dataset: Any = loader.dataset
    described: dict[str, Any] = {"dataset": type(dataset).__name__, "sampler": type(loader.sampler).__name__}
    with suppress(TypeError):
        described["samples"] = len(dataset)
    if loader.batch_size is not None:
        described["batch_size"] = loader.batch_size
    if type(dataset) is TensorDataset:
        described["fingerprint"] = digest([*dataset.tensors])
    return described


def to_toml(value: Any) -> Any:
    """The value as TOML can hold it: tables without `None`, lists, numbers, truth values; all else as text.

    >>> to_toml({"lr": 0.1, "folder": Path("runs/a"), "device": None, "sizes": (1, 2)})
    {'lr': 0.1, 'folder': 'runs/a', 'sizes': [1, 2]}
    """
    if isinstance(value, Mapping):
        return {str(key): to_toml(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [to_toml(item) for item in value]
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return value if isinstance(value, bool | int | float | str) else _plain_text(value)


def _plain_text(value: Any) -> str:
    """How it prints, without addresses, which are others every time."""
    return re.sub(r" at 0x[0-9a-fA-F]+", "", str(value))


def differences(before: Mapping[str, Any], now: Mapping[str, Any], tables: Sequence[str] = IDENTITY) -> list[str]:
    """In what two descriptions differ, each as `settings.lr 0.1, now 0.2`; `epochs` may differ."""
    return [line for name in tables for line in _differ(name, before.get(name, {}), to_toml(now[name]))]


def refuse_another(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Let a run go on in a folder only if that holds the same one.

    Raises:
        RunFolderError: it holds another; the first differences are named.
    """
    if not differences(before, now, ("settings",)):  # which are why the data may well be another
        refuse_other_data(path, before, now["data"])
    others = differences(before, now)
    if others:
        more = f", and {len(others) - NAMED} more" if len(others) > NAMED else ""
        raise RunFolderError(
            f"{path} holds another run: {'; '.join(others[:NAMED])}{more}. Choose another folder, or the settings of "
            "the run to continue it"
        )


def refuse_other_data(path: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    """Let a run be judged, or go on, only by the samples that it was trained on and tested by.

    Args:
        path: the run's folder, for the message.
        before: what its `run.toml` holds.
        now: what `describe_data` says.

    Raises:
        RunFolderError: a split has other samples, or is gone; the data, or its file, is named.
    """
    old = before.get("data", {})
    changes = [line for name in _splits_of(old) for line in _changes(name, old[name], now.get(name, {}))]
    if changes:
        source = before.get("settings", {}).get("recipe", {}).get("data") or now["name"]
        raise RunFolderError(
            f"{path} holds another run: {source} is not what it was trained on: {'; '.join(changes)}. Bring the old "
            "data back, or train in another folder"
        )


def _splits_of(described: Mapping[str, Any]) -> list[str]:
    return [name for name, split in described.items() if isinstance(split, Mapping)]


def _changes(name: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """In which samples a split differs; nothing where one of the two has no fingerprint, as most loaders."""
    if "fingerprint" not in before or ("fingerprint" not in now and now):
        return
    if before["samples"] != now.get("samples", 0):
        yield f"{name} had {before['samples']:,} samples, now {now.get('samples', 0):,}"
    elif before["fingerprint"] != now["fingerprint"]:
        yield f"{name} has other values"


def _differ(name: str, before: Any, now: Any) -> Iterator[str]:
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*before, *now]):
            if key != EPOCHS:
                yield from _differ(f"{name}.{key}", before.get(key), now.get(key))
    elif before != now and not (before != before and now != now):  # noqa: PLR0124 - NaN is NaN
        yield f"{name} {_short(before)}, now {_short(now)}"


def _short(value: Any) -> str:
    return "not there" if value is None else str(value)[:60]
