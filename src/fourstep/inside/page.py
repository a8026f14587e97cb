"""A traced step as a page: the four steps, each with its lines of code, what it did, and what stands out in it."""

import math
from typing import Any

from rich import box
from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from fourstep.errors import one_line
from fourstep.inside.facts import LayerFacts, ParameterFacts, TensorFacts
from fourstep.inside.result import Trace
from fourstep.inside.shapes import short_bytes, short_number
from fourstep.inside.words import say
from fourstep.inside.wrapping import Sentence

CODE = {
    "forward": "outputs = model(inputs)\nloss = loss_fn(outputs, targets)",
    "clear": "optimizer.zero_grad()",
    "backward": "loss.backward()",
    "update": "optimizer.step()",
}
DECADES = (-6, 1)  # of the strip: from 1e-6 to 10
PER_DECADE = 2  # characters
HEALTHY = -3  # the decade of a usual update
BAR = 16  # characters of the longest bar
NEAR = 0.15  # of the loss by chance, within which a loss is about as good
TELLING = 0.005  # a share below which it says nothing


def trace_page(told: Trace) -> Group:
    """What rich prints for a trace."""

    def word(code: str, **facts: Any) -> str:
        return say(code, told.language, **facts)

    rates = ", ".join(f"{rate:g}" for rate in dict.fromkeys(told.rates)) or "-"
    setting = word(
        "setting", model=told.model, samples=f"{told.samples:,}", loss=told.loss_name, optimizer=told.optimizer,
        rates=rates,
    )  # fmt: skip
    count = len(told.remarks)
    verdict = word("several", count=count) if count > 1 else word("one") if count else word("fine")
    parts: list[Any] = [
        Text(word("title"), style="bold"),
        Sentence(one_line(setting)),
        Sentence(verdict, style="yellow" if count else "green"),
    ]
    bodies = (_forward(told), _clear(told), _backward(told), _update(told))
    for number, (name, body) in enumerate(zip(CODE, bodies, strict=True), start=1):
        remarks = [_remark(say(one.code, told.language, **one.facts)) for one in told.remarks if one.step == number]
        inside = [Text(CODE[name], style="cyan"), Text(), *body, *remarks]
        parts += [Text(), Text(word(name), style="bold"), Padding(Group(*inside), (0, 0, 0, 3))]
    parts += [Text(), Text(word("time"), style="bold"), Padding(Group(*_times(told)), (0, 0, 0, 3))]
    return Group(*parts)


def _remark(text: str) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(Text("!", style="bold yellow"), Sentence(one_line(text), style="yellow"))
    return grid


def _forward(told: Trace) -> list[Any]:
    language = told.language
    table = _table(*(say(name, language) for name in ("layer", "shape", "low", "high", "mean", "telling")))
    common = told.outputs or told.inputs
    ends = {name: Text(say(name, language), style="italic") for name in ("inputs", "targets")}
    if told.inputs is not None:
        table.add_row(ends["inputs"], *_numbers(told.inputs), Text(_unlike(told.inputs, common)))
    for layer in told.layers:
        name = Text(one_line(layer.name or "") + (" " if layer.name else ""))
        name.append(one_line(layer.kind), style="cyan")
        if layer.calls > 1:
            name.append(f" x{layer.calls}", style="bold")
        table.add_row(name, *_numbers(layer.outputs), _telling(told, layer, common))
    if told.targets is not None:
        table.add_row(ends["targets"], *_numbers(told.targets), Text(_unlike(told.targets, common)))
    said = [] if common is None else [say("where", language, dtype=common.dtype, device=common.device)]
    between = " " if language == "en" else ""
    said.append(between.join((say("loss_is", language, loss=f"{told.loss:.4g}"), *_chance(told))))
    said.append(say("kept", language, bytes=short_bytes(told.kept_bytes)))
    return [table, Text(), *map(Sentence, said)]


def _numbers(facts: TensorFacts) -> list[Text]:
    values = [Text("" if value is None else short_number(value)) for value in (facts.low, facts.high, facts.mean)]
    return [Text(str(facts.shape)), *values]


def _telling(told: Trace, layer: LayerFacts, common: TensorFacts | None) -> Text:
    """What else there is to say of a layer's values."""
    text = Text()
    outputs = layer.outputs
    if layer.saturated is not None and layer.saturated >= TELLING:
        text.append(say("share_saturated", told.language, share=f"{layer.saturated:.0%}"))
    elif outputs.zeros is not None and outputs.zeros >= TELLING:
        text.append(say("share_zeros", told.language, share=f"{outputs.zeros:.0%}"))
    text.append((" " if text else "") + _unlike(outputs, common))
    return text


def _unlike(facts: TensorFacts, common: TensorFacts | None) -> str:
    """Number format and device, where they are not those of the rest."""
    if common is None:
        return ""
    dtype = facts.dtype if facts.dtype != common.dtype else ""
    return " ".join(filter(None, (dtype, facts.device if facts.device != common.device else "")))


def _chance(told: Trace) -> list[str]:
    if told.chance is None or not math.isfinite(told.loss):
        return []
    value = told.chance.value
    code = "chance_classes" if told.chance.classes else "chance_mean"
    near = abs(told.loss - value) <= NEAR * value
    verdict = "near" if near else "better" if told.loss < value else "worse_than"
    said = say(code, told.language, classes=told.chance.classes, chance=f"{value:.4g}")
    return [said, say(verdict, told.language)]


def _clear(told: Trace) -> list[Any]:
    norms = told.norms
    if not any(one.norm_before for one in told.parameters):
        return [Sentence(say("no_leftover", told.language))]
    facts = {name: short_number(value) for name, value in vars(norms).items()}
    return [Sentence(say("leftover", told.language, **facts))]


def _backward(told: Trace) -> list[Any]:
    language = told.language
    table = _table(*(say(name, language) for name in ("parameter", "shape", "norm", "strength")), left=(0, 1, 3))
    largest = max(
        (one.grad_norm for one in told.parameters if one.grad_norm and math.isfinite(one.grad_norm)), default=0.0
    )
    for one in told.parameters:
        if one.grad_norm is None:
            norm = Text(
                say("none" if one.is_trainable else "frozen", language), style="yellow" if one.is_trainable else "dim"
            )
        else:
            norm = Text(short_number(one.grad_norm))
        table.add_row(
            Text(one_line(one.name)), Text(str(one.shape)), norm, Text(_bar(one.grad_norm, largest), style="green")
        )
    return [table, Text(), Text(say("joint", language, gradient=short_number(told.norms.gradient)))]


def _bar(norm: float | None, largest: float) -> str:
    """A bar by the number of digits: a step of one character is a factor of about two."""
    if not norm or not math.isfinite(norm) or not largest:
        return ""
    return "#" * max(1, BAR + math.floor(math.log2(norm / largest)))


def _update(told: Trace) -> list[Any]:
    language = told.language
    headings = [say(name, language) for name in ("parameter", "weights", "change", "ratio")]
    table = _table(*headings, "1e-6  1e-3   10", left=(0, 4))
    for one in told.parameters:
        ratio = say("from_zero", language) if one.ratio is None else short_number(one.ratio)
        table.add_row(
            Text(one_line(one.name)), Text(short_number(one.weight_norm)), Text(short_number(one.update_norm)),
            Text(ratio if one.update_norm else "0"), _strip(one),
        )  # fmt: skip
    said = [say("ruler", language)]
    if any(one.code == "overshoot" for one in told.remarks):
        pass  # which says of the slope what there is to say
    elif told.slope < 0:
        said.append(say("slope", language, slope=short_number(-told.slope)))
    elif told.norms.update:
        said.append(say("slope_up", language))
    return [table, Text(), *map(Sentence, said)]


def _strip(one: ParameterFacts) -> Text:
    """Where the relative size of an update lies, on a scale of factors of ten."""
    low, high = DECADES
    length = (high - low) * PER_DECADE + 1
    marks = ["."] * length
    marks[(HEALTHY - low) * PER_DECADE] = "|"
    if one.ratio and math.isfinite(one.ratio):
        place = min(max(round((math.log10(one.ratio) - low) * PER_DECADE), 0), length - 1)
        marks[place] = "O"
    text = Text("".join(marks), style="dim")
    text.highlight_regex("O", style="not dim bold")
    return text


def _times(told: Trace) -> list[Any]:
    total = sum(step.seconds for step in told.steps.values()) or 1.0
    grid = Table.grid(padding=(0, 2))
    for name, step in told.steps.items():
        share = step.seconds / total
        peak = "" if step.peak_bytes is None else say("peak", told.language, bytes=short_bytes(step.peak_bytes))
        bar = Text("#" * round(share * 40), style="green")
        grid.add_row(
            name,
            Text(f"{step.seconds * 1e3:.3g} ms", justify="right"),
            Text(f"{share:.0%}", justify="right"),
            bar,
            peak,
        )
    return [grid, Sentence(say("first", told.language), style="dim")]


def _table(*headings: str, left: tuple[int, ...] = (0, 1, 5)) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), show_edge=False, header_style="bold")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="left" if number in left else "right", overflow="fold")
    return table
