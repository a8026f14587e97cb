"""A table's rows: a model's modules as a tree, in the order in which a pass calls them."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from fourstep.inside.counts import place_of
from fourstep.inside.forward import Visit
from fourstep.inside.shapes import is_ready


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A module of a model.

    Attributes:
        name: its path in the model, `""` for the model itself; the class in brackets for one that the model calls but
            does not hold.
        kind: its class.
        depth: how many modules it is inside of.
        calls: how often the pass called it.
        outputs: what it gave the last time, shapes in the nesting that it has; None where it was not called.
        parameters: numbers of its own, not of the modules inside it, and not those that an earlier row has.
        multiply_adds: of its own code in all calls; None where they are not known.
        kept_bytes: what its own code keeps from step 1 to step 3 (backward), in all calls.
        remark: what else is to be said of it; empty in most cases.
    """

    name: str
    kind: str
    depth: int
    calls: int
    outputs: Any
    parameters: int
    multiply_adds: int | None
    kept_bytes: int
    remark: str


def shapes_of(value: Any) -> Any:
    """A nesting of tensors with every tensor's shape in its place."""
    if isinstance(value, Tensor):
        return value.shape
    if isinstance(value, PackedSequence):
        return value.data.shape
    if isinstance(value, Mapping):
        return {key: shapes_of(item) for key, item in value.items()}
    return tuple(map(shapes_of, value)) if isinstance(value, tuple | list) else None


def make_rows(model: nn.Module, visits: list[Visit], touched: set[int]) -> tuple[Layer, ...]:
    """A row for every module, and for every other that was called.

    Args:
        model: as it is after the pass.
        visits: the pass's calls, in the order in which they ended.
        touched: places in memory that operations have read.
    """
    calls: dict[int, list[Visit]] = {}
    for visit in visits:
        calls.setdefault(id(visit.module), []).append(visit)
    tree = _Tree(model, list(calls), touched)
    names: dict[int, str] = {}  # where a module or a parameter was met first
    rows: list[Layer] = []

    def add(path: str, depth: int, *, in_idle: bool) -> None:
        module = tree.modules[path]
        if id(module) in names:
            rows.append(_row(path, module, depth, [], 0, f"the same as {names[id(module)]}, counted there"))
            return
        names[id(module)] = path
        parameters, remark = _count_own(path, module, names)
        idle = tree.is_idle(path)
        remark = remark or ("not called" if idle and not in_idle else "")
        rows.append(_row(path, module, depth, calls.get(id(module), []), parameters, remark))
        for child in sorted(tree.children[path], key=tree.called_at):
            add(child, depth + 1, in_idle=idle)

    add("", 0, in_idle=False)
    rows += [_stranger(found) for found in calls.values() if found[0].name is None]
    return tuple(rows)


class _Tree:
    """A model's modules by path, each with those inside it, and when the pass first left one of them."""

    def __init__(self, model: nn.Module, called: list[int], touched: set[int]) -> None:
        self.modules = dict(model.named_modules(remove_duplicate=False))
        self.children: dict[str, list[str]] = {path: [] for path in self.modules}
        for path in filter(None, self.modules):
            self.children[path.rpartition(".")[0]].append(path)
        self._order = {module: number for number, module in enumerate(called)}
        self._touched = touched

    def called_at(self, path: str) -> float:
        """Where it, or the first inside it, is in the order; infinite where none of them was called."""
        own = self._order.get(id(self.modules[path]), inf)
        return min([float(own), *map(self.called_at, self.children[path])])

    def is_idle(self, path: str) -> bool:
        """Neither it nor one inside it was called, and nobody else has read its weights."""
        weights = filter(is_ready, self.modules[path].parameters())
        return self.called_at(path) == inf and not any(place_of(weight) in self._touched for weight in weights)


def _count_own(path: str, module: nn.Module, names: dict[int, str]) -> tuple[int, str]:
    """How many numbers of its own a module has that no earlier row has, and what is to be said of the others."""
    count, remarks = 0, []
    for name, parameter in module.named_parameters(recurse=False, remove_duplicate=False):
        if not is_ready(parameter):
            remarks.append("lazy, and never called")
        elif id(parameter) in names:
            remarks.append(f"{name} is {names[id(parameter)]}, counted there")
        else:
            names[id(parameter)] = f"{path}.{name}" if path else name
            count += parameter.numel()
    return count, "; ".join(dict.fromkeys(remarks))


def _row(path: str, module: nn.Module, depth: int, calls: list[Visit], parameters: int, remark: str) -> Layer:
    unknown = any(call.has_unknown for call in calls)
    return Layer(
        name=path,
        kind=type(module).__name__,
        depth=depth,
        calls=len(calls),
        outputs=calls[-1].outputs if calls else None,
        parameters=parameters,
        multiply_adds=None if unknown else sum(call.multiply_adds for call in calls),
        kept_bytes=sum(call.kept_bytes for call in calls),
        remark=remark,
    )


def _stranger(calls: list[Visit]) -> Layer:
    """A module that the model calls and does not hold."""
    module = calls[0].module
    weights = sum(parameter.numel() for parameter in module.parameters() if is_ready(parameter))
    remark = f"its {weights:,} weights are not the model's, and will not be learnt: keep it in an nn.ModuleList"
    kind = type(module).__name__
    return _row(f"({kind})", module, 1, calls, 0, remark if weights else "made in forward")
