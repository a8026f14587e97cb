"""What stands out in a step: each finding compares numbers of its `Trace` with what they usually are."""

import math
from collections.abc import Iterator

from fourstep.inside.chance import lowest_of_bounded
from fourstep.inside.facts import ParameterFacts, Remark
from fourstep.inside.result import Trace
from fourstep.inside.shapes import short_number

NAMED = 3  # of several of a kind

LARGE_INPUT = 100.0  # above, inputs are hardly scaled
PIXELS = 10.0  # whole numbers from 0 to more than this look like pixels or counts
MUCH_WORSE = 3.0  # times the loss by chance
AS_IF_ADDED = 3.0  # times this step's gradients
MANY_DEAD, MANY_SATURATED = 0.5, 0.5  # shares
SAME = 1e-6  # relative difference between the answers to different samples
HEALTHY = 1e-3  # relative size of an update (A. Karpathy, CS231n, "Neural Networks Part 3", section "Ratio of weights")
TOO_LARGE, TOO_SMALL = 1.0, 1e-7  # likewise

ROUNDING = 1e-6  # of the joint norm, below which a gradient is what rounding leaves, as of a bias before normalisation

SIGMOID = "SigmoidBackward0"  # what torch records
_NOT_NEGATIVE = ("cross_entropy", "nll", "bce", "bce_logits", "mse")


def make_remarks(told: Trace) -> tuple[Remark, ...]:
    """What stands out, in the order of the steps."""
    return (
        *_of_inputs(told),
        *_of_layers(told),
        *_of_loss(told),
        *_of_meeting(told),
        *_of_shapes(told),
        *_of_clearing(told),
        *_of_gradients(told),
        *_of_update(told),
    )


def _of_inputs(told: Trace) -> Iterator[Remark]:
    inputs = told.inputs
    if inputs is None or inputs.low is None or inputs.high is None or not inputs.dtype.startswith(("float", "bfloat")):
        return
    if not inputs.is_finite:
        yield Remark(code="inputs_not_finite", step=1, facts={})
    elif inputs.low >= 0 and inputs.high > PIXELS and inputs.is_whole:
        yield Remark(code="unscaled", step=1, facts={"high": f"{inputs.high:g}"})
    elif max(abs(inputs.low), abs(inputs.high)) > LARGE_INPUT:
        yield Remark(code="large", step=1, facts={"low": short_number(inputs.low), "high": short_number(inputs.high)})


def _of_layers(told: Trace) -> Iterator[Remark]:
    if told.rests:
        yield Remark(code="resting", step=1, facts={})
    strangers = [layer for layer in told.layers if layer.name is None and layer.weights]
    for layer in strangers[:NAMED]:
        yield Remark(code="stranger", step=1, facts={"kind": layer.kind, "weights": f"{layer.weights:,}"})
    bad = next((layer for layer in told.layers if not layer.outputs.is_finite), None)
    if bad is not None and told.inputs is not None and told.inputs.is_finite:
        yield Remark(code="layer_not_finite", step=1, facts={"name": _name(bad.name, bad.kind)})
    for layer in told.layers:
        if layer.dead is not None and layer.dead >= MANY_DEAD:
            facts = {"name": _name(layer.name, layer.kind), "share": f"{layer.dead:.0%}"}
            yield Remark(code="dead", step=1, facts=facts)
        if layer.saturated is not None and layer.saturated >= MANY_SATURATED:
            facts = {"name": _name(layer.name, layer.kind), "share": f"{layer.saturated:.0%}"}
            yield Remark(code="saturated", step=1, facts=facts)


def _of_loss(told: Trace) -> Iterator[Remark]:
    if not math.isfinite(told.loss):
        yield Remark(code="loss_not_finite", step=1, facts={"loss": f"{told.loss:g}"})
        return
    if told.answer is not None and told.answer.spread is not None and told.answer.spread <= SAME and told.samples > 1:
        yield Remark(code="equal", step=1, facts={})
    if told.chance is None:
        return
    if told.chance.classes == 1:
        yield Remark(code="one_class", step=1, facts={})
    elif told.loss > MUCH_WORSE * told.chance.value and told.chance.kind != "mse" and told.chance.value:
        facts = {"loss": short_number(told.loss), "chance": f"{told.chance.value:.3f}"}
        yield Remark(code="worse", step=1, facts=facts)


def _of_meeting(told: Trace) -> Iterator[Remark]:
    """Where outputs and loss do not belong together."""
    answer, outputs = told.answer, told.outputs
    if answer is None or outputs is None:
        return
    if told.loss_kind == "cross_entropy" and len(outputs.shape) > 1:
        classes = outputs.shape[1]
        facts = {"classes": str(classes), "floor": f"{lowest_of_bounded(classes):.3f}"}
        if answer.ends_in == "LogSoftmaxBackward0" or answer.exp_sums_to_one:
            yield Remark(code="log_softmax", step=1, facts={})
        elif answer.ends_in == "SoftmaxBackward0" or answer.sums_to_one:
            yield Remark(code="softmax", step=1, facts=facts)
        elif answer.ends_in == SIGMOID:
            yield Remark(code="sigmoid", step=1, facts=facts)
    if told.loss_kind == "bce_logits" and answer.ends_in == SIGMOID:
        yield Remark(code="sigmoid_twice", step=1, facts={})
    if told.loss_kind == "nll" and not answer.exp_sums_to_one and len(outputs.shape) > 1:
        yield Remark(code="nll_raw", step=1, facts={})


def _of_shapes(told: Trace) -> Iterator[Remark]:
    """A column against a row."""
    outputs, targets = told.outputs, told.targets
    if outputs is None or targets is None or {len(outputs.shape), len(targets.shape)} != {1, 2}:
        return
    column, row = sorted((outputs.shape, targets.shape), key=len, reverse=True)
    if column[1] != 1 or row[0] == 1 or told.loss_kind in ("cross_entropy", "nll"):
        return
    facts = {
        "outputs": str(outputs.shape),
        "targets": str(targets.shape),
        "mend": "targets.reshape(-1, 1)" if column is outputs.shape else "targets.reshape(-1)",
        "count": f"{column[0]:,}",
        "pairs": f"{column[0] * row[0]:,}",
    }
    if told.loss_in_shape is None:
        yield Remark(code="broadcast", step=1, facts=facts)
        return
    losses = {"loss": short_number(told.loss), "right": short_number(told.loss_in_shape)}
    yield Remark(code="broadcast_loss", step=1, facts=facts | losses)


def _of_clearing(told: Trace) -> Iterator[Remark]:
    kept = [one.name for one in told.parameters if one.norm_cleared]
    if kept:
        yield Remark(code="not_cleared", step=2, facts={"names": _names(kept)})
    norms = told.norms
    if norms.before > AS_IF_ADDED * norms.gradient > 0:
        facts = {"times": short_number(norms.before / norms.gradient)}
        yield Remark(code="as_if_added", step=2, facts=facts)


def _of_gradients(told: Trace) -> Iterator[Remark]:
    learnt = [one for one in told.parameters if one.is_trainable]
    missing = [one.name for one in learnt if one.grad_norm is None]
    if missing:
        yield Remark(code="no_gradient", step=3, facts={"names": _names(missing)})
    zero = [one.name for one in learnt if one.grad_norm == 0]
    if zero and math.isfinite(told.loss):
        yield Remark(code="zero_gradient", step=3, facts={"names": _names(zero)})
    bad = [one.name for one in learnt if one.grad_norm is not None and not math.isfinite(one.grad_norm)]
    if bad and math.isfinite(told.loss):
        yield Remark(code="gradient_not_finite", step=3, facts={"names": _names(bad)})


def _of_update(told: Trace) -> Iterator[Remark]:
    learnt = [one for one in told.parameters if one.is_trainable and one.grad_norm]
    strange = [one.name for one in learnt if not one.is_held]
    if strange:
        yield Remark(code="not_held", step=4, facts={"names": _names(strange), "optimizer": told.optimizer})
    if told.rates and not any(told.rates):
        yield Remark(code="zero_rate", step=4, facts={})
    else:
        enough = ROUNDING * told.norms.gradient
        still = [one.name for one in learnt if one.is_held and one.update_norm == 0 and (one.grad_norm or 0.0) > enough]
        if still:
            yield Remark(code="not_updated", step=4, facts={"names": _names(still)})
    yield from _of_size(told, [one for one in learnt if one.is_held and len(one.shape) > 1 and one.ratio])


def _of_size(told: Trace, matrices: list[ParameterFacts]) -> Iterator[Remark]:
    """Biases and scales are left out: many start at 0, from where every update is large."""
    ratios = [(one.ratio or 0.0, one.name) for one in matrices if one.is_finite]
    if not ratios:
        return
    rates = ", ".join(f"{rate:g}" for rate in dict.fromkeys(told.rates))
    worst, name = max(ratios)
    if worst > TOO_LARGE and told.rates:
        smaller = told.rates[0] * 10 ** math.floor(math.log10(0.1 / worst))  # to at most a tenth of the weights
        facts = {"name": name, "times": short_number(worst), "lr": rates, "smaller": f"{smaller:.1g}"}
        yield Remark(code="update_larger", step=4, facts=facts)
    elif worst < TOO_SMALL:
        yield Remark(code="update_tiny", step=4, facts={"ratio": short_number(worst), "lr": rates})
    if told.loss_kind in _NOT_NEGATIVE and 0 < told.loss < -told.slope and worst > TOO_LARGE:
        facts = {"loss": short_number(told.loss), "slope": short_number(-told.slope)}
        yield Remark(code="overshoot", step=4, facts=facts)


def _name(name: str | None, kind: str) -> str:
    return f"{name} ({kind})" if name else kind


def _names(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" +{len(names) - NAMED}" if len(names) > NAMED else "")
