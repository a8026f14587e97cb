"""A summary as a table: a row per module, and below it what all of it comes to."""

from typing import Any

import torch
from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fourstep.errors import one_line
from fourstep.inside.inventory import Summary
from fourstep.inside.rows import Layer
from fourstep.inside.shapes import short_bytes, short_count

SHORT = ("not called", "made in forward")  # remarks that have room in a row
CONTAINERS = ("Sequential", "ModuleList", "ModuleDict")


def summary_table(summary: Summary) -> Group:
    """What rich prints for a summary."""
    title = Text(one_line(summary.kind), style="bold")
    title.append(f"  for {one_line(summary.given)}{_where(summary)}", style="not bold")
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False, header_style="bold")
    table.add_column("layer", overflow="fold")
    table.add_column("output shape", overflow="fold")
    for heading in ("parameters", "multiply-\nadds", "kept for\nbackward"):
        table.add_column(heading, justify="right", no_wrap=True)
    notes = Table.grid(padding=(0, 1))
    for layer in summary.layers:
        label = _label(layer)
        if layer.remark in SHORT:
            label.append(f" {layer.remark}", style="yellow")
        elif layer.remark:
            mark = f"({notes.row_count + 1})"
            label.append(f" {mark}", style="yellow")
            notes.add_row(Text(mark, style="yellow"), Text(one_line(layer.remark)))
        table.add_row(Padding.indent(label, 2 * layer.depth), *_cells(layer, summary.samples))
    more: list[Text | Table] = [Text(), notes] if notes.row_count else []
    return Group(title, Text(), table, *more, Text(), _totals(summary))


def _where(summary: Summary) -> str:
    where = "" if summary.device.type == "meta" else f" on {summary.device}"
    return f"{where}, in {'training' if summary.is_training else 'evaluation'} mode"


def _label(layer: Layer) -> Text:
    """A module's own name, its class, and how often it was called."""
    own = "" if layer.name.startswith("(") else layer.name.rpartition(".")[2]
    label = Text(f"{one_line(own)} " if own else "", style="dim" if own.isdigit() else "")
    label.append(one_line(layer.kind), style="" if layer.kind in CONTAINERS else "not dim cyan")
    if layer.calls > 1:
        label.append(f" x{layer.calls}", style="not dim bold")
    return label


def _cells(layer: Layer, samples: int) -> list[Text]:
    return [
        Text(_shape(layer.outputs)),
        Text(f"{layer.parameters:,}" if layer.parameters else ""),
        _products(layer, samples),
        Text(short_bytes(layer.kept_bytes) if layer.kept_bytes else ""),
    ]


def _products(layer: Layer, samples: int) -> Text:
    if layer.multiply_adds is None:
        return Text("unknown", style="yellow")
    return Text(short_count(layer.multiply_adds / max(1, samples)) if layer.multiply_adds else "")


def _shape(outputs: Any) -> str:
    """The first shape, and how many more there are."""
    shapes = _flat(outputs)
    if not shapes:
        return ""
    return str(tuple(shapes[0])) + (f" +{len(shapes) - 1}" if len(shapes) > 1 else "")


def _flat(outputs: Any) -> list[torch.Size]:
    if isinstance(outputs, torch.Size):
        return [outputs]
    items = outputs.values() if isinstance(outputs, dict) else outputs or ()
    return [shape for item in items for shape in _flat(item)]


def _totals(summary: Summary) -> Table:
    """The sums, each with what it is made of."""
    frozen = summary.parameters - summary.trainable
    kinds = "all of them learnt" if not frozen else f"{summary.trainable:,} learnt, {frozen:,} frozen"
    products = f"{short_count(summary.multiply_adds_per_sample)} per sample"
    if summary.samples > 1:
        products += f", {short_count(float(summary.multiply_adds))} for the {summary.samples}"
    if summary.unknown:
        products += f", without {len(summary.unknown)} unknown"
    parts = (
        f"parameters {short_bytes(summary.parameter_bytes)} + gradients {short_bytes(summary.gradient_bytes)} + kept "
        f"for backward {short_bytes(summary.activation_bytes)}"
    )
    if summary.buffer_bytes:
        parts += f" + buffers {short_bytes(summary.buffer_bytes)}"
    more = summary.gradient_bytes
    rows = {
        "parameters": f"{summary.parameters:,}, {kinds}" if summary.parameters else "none",
        "multiply-adds": products,
        "memory": f"about {short_bytes(summary.peak_bytes)} to train on these inputs: {parts}. "
        f"Momentum adds {short_bytes(more)}, Adam {short_bytes(2 * more)}",
    }
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column()
    for name, value in rows.items():
        grid.add_row(name, value)
    return grid
