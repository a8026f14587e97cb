"""A model as the lines of Python that build it: its layers with their numbers and shapes, its start, its own blocks.

What stands there is read from the model that `make_model` built and from the source of `fourstep.models`, so that a
script cannot say something else.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from fourstep import models

Shapes: TypeAlias = dict[nn.Module, str]

INDENT = "    "


def write_layers(model: nn.Module, inputs: Tensor) -> str:
    """The lines that build a model of the same layers, under the same names, drawing its weights in the same order.

    Args:
        model: its children are applied one after the other, as `nn.Sequential` applies them; on the device "meta", so
            that nothing is computed.
        inputs: one sample of what it takes, there too.

    Returns:
        Statements that end with `model` built; a comment says a layer's output shape where it changes.
    """
    shapes = _output_shapes(model, inputs)
    lines = [f"model = nn.Sequential()  # takes {_shape(inputs)}"]
    for name, child in model.named_children():
        written = _write(child, shapes)
        comment = f"  # {shapes[child]}" if not isinstance(child, nn.Sequential) and child in shapes else ""
        lines.append(f"model.{name} = {written}{comment}")
    return "\n".join(lines)


def _output_shapes(model: nn.Module, inputs: Tensor) -> Shapes:
    """The shape after each layer that changes it; the layers within a block are the block's own matter."""
    seen: list[tuple[nn.Module, str]] = [(model, _shape(inputs))]
    layers = [layer for layer in model.modules() if type(layer) in _ARGUMENTS]
    within = {part for layer in layers for part in layer.modules() if part is not layer}
    for layer in layers:
        if layer not in within:
            layer.register_forward_hook(lambda layer, _, outputs: seen.append((layer, _shape(outputs))))
    with torch.no_grad():
        model.eval()(inputs)
    return {layer: shape for (_, before), (layer, shape) in pairwise(seen) if shape != before}


def _shape(tensor: Tensor) -> str:
    return f"(B, {', '.join(map(str, tensor.shape[1:]))})"


def _write(module: nn.Module, shapes: Shapes) -> str:
    """The expression that builds a layer, or layers in a row, one a line."""
    if not isinstance(module, nn.Sequential):
        kind = type(module)
        own = "" if kind.__module__.startswith(models.__name__) else "nn."
        return f"{own}{kind.__name__}({_ARGUMENTS[kind](module)})"
    lines = ["nn.Sequential("]
    for layer in module:
        comment = f"  # {shapes[layer]}" if layer in shapes else ""
        lines.append(textwrap.indent(f"{_write(layer, shapes)},{comment}", INDENT))
    return "\n".join([*lines, ")"])


def _options(**values: tuple[Any, Any]) -> str:
    """Keyword arguments, each given as its value and the default at which it is left out."""
    return "".join(f", {name}={value}" for name, (value, default) in values.items() if value != default)


def _convolution(layer: Any) -> str:
    options = _options(stride=(layer.stride[0], 1), padding=(layer.padding[0], 0))
    return f"{layer.in_channels}, {layer.out_channels}, kernel_size={layer.kernel_size[0]}{options}"


def _pool(layer: Any) -> str:
    return f"kernel_size={layer.kernel_size}, stride={layer.stride}{_options(padding=(layer.padding, 0))}"


def _residual(block: Any) -> str:
    first = block.conv1
    options = _options(use_1x1conv=(block.conv3 is not None, False), strides=(first.stride[0], 1))
    return f"{first.in_channels}, {first.out_channels}{options}"


def _inception(block: Any) -> str:
    widths = [[layer.out_channels for layer in path if isinstance(layer, nn.Conv2d)] for path in block.children()]
    (path1,), path2, path3, (path4,) = widths
    return f"{block.path1[0].in_channels}, {path1}, {tuple(path2)}, {tuple(path3)}, {path4}"


def _dense_block(block: Any) -> str:
    first = block.layers[0][2]
    return f"{len(block.layers)}, {first.in_channels}, {first.out_channels}"


_ARGUMENTS: dict[type[nn.Module], Callable[[Any], str]] = {
    nn.Linear: lambda layer: f"{layer.in_features}, {layer.out_features}",
    nn.Conv2d: _convolution,
    nn.AvgPool2d: _pool,
    nn.MaxPool2d: _pool,
    nn.AdaptiveAvgPool2d: lambda layer: f"{layer.output_size}",
    nn.BatchNorm1d: lambda layer: f"{layer.num_features}",
    nn.BatchNorm2d: lambda layer: f"{layer.num_features}",
    nn.Dropout: lambda layer: f"{layer.p}",
    nn.Flatten: lambda _: "",
    nn.ReLU: lambda _: "",
    nn.Sigmoid: lambda _: "",
    models.BatchNorm: lambda layer: f"{len(layer.weight)}",
    models.Residual: _residual,
    models.Inception: _inception,
    models.DenseBlock: _dense_block,
}


def write_blocks(model: nn.Module) -> str:
    """The classes of `fourstep.models` that a model has within it, each with the constants that it uses."""
    kinds = {type(module): None for module in model.modules() if module is not model}
    own = [kind for kind in kinds if kind.__module__.startswith(models.__name__)]
    return "\n\n\n".join("\n".join(filter(None, (_constants(kind), plain_source(kind)))) for kind in own)


def _constants(kind: type) -> str:
    """The constants of a class's module that it uses, with their comments, and two blank lines to part them from it."""
    source = inspect.getsource(sys.modules[kind.__module__])
    used = {node.id for node in ast.walk(ast.parse(inspect.getsource(kind))) if isinstance(node, ast.Name)}
    lines = [
        source.splitlines()[node.lineno - 1]
        for node in ast.parse(source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in used
    ]
    return "\n".join([*lines, "", ""]) if lines else ""


def plain_source(thing: type) -> str:
    """A class's source without its types, with the first sentence of every docstring, and no word to a linter."""
    source = inspect.getsource(thing)
    lines: list[str | None] = list(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.AnnAssign) and node.value is None:
            lines[node.lineno - 1] = None
        if isinstance(node, ast.FunctionDef):
            _replace(lines, node.lineno, node.body[0].lineno - 1, f"def {node.name}({_bare(node.args)}):")
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and (said := ast.get_docstring(node)):
            docstring = node.body[0]
            _replace(lines, docstring.lineno, docstring.end_lineno or 0, f'"""{said.splitlines()[0]}"""')
    kept = "\n".join(re.sub(r"  # noqa.*", "", line) for line in lines if line is not None)
    return re.sub(r"\n{3,}", "\n\n", kept)


def _replace(lines: list[str | None], first: int, last: int, text: str) -> None:
    """Put one line in the place of some, counted from 1, as far in as the first of them."""
    old = lines[first - 1] or ""
    lines[first - 1] = old[: len(old) - len(old.lstrip())] + text
    lines[first:last] = [None] * (last - first)


def _bare(arguments: ast.arguments) -> str:
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    return ast.unparse(arguments)


def write_body(start: Callable[[Any], None]) -> str:
    """What a function does to `model`, as statements, under its first sentence as a comment."""
    source = textwrap.dedent(inspect.getsource(start))
    function = ast.parse(source).body[0]
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - ours
    sentence = (ast.get_docstring(function) or "").splitlines()[0]
    body = textwrap.dedent("\n".join(source.splitlines()[function.body[1].lineno - 1 :]))
    return f"# {sentence}\n{body}"


def names_in(source: str) -> Iterable[str]:
    """The names that a source uses."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}
