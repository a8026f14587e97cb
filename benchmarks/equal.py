"""Did the contenders do equal work? Batches and samples must be the same, and the scores must agree."""

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from benchmarks.sample import Measurement, Result, Sample

# How far a score may be from the middle one: a test accuracy by its difference, the linear MSE by its share.
TOLERANCES = {"linear": 0.1, "softmax": 0.03, "mlp": 0.06, "lenet": 0.2, "resnet": 0.2}
FEW, EARLY = 200, 0.1  # after fewer updates an accuracy still shows the weights that the training began with


def find_unequal(samples: Mapping[Measurement, Sequence[Sample]]) -> list[str]:
    """A line for every contender whose work is not that of the others; empty where all is equal."""
    groups: dict[Measurement, dict[str, list[Result]]] = defaultdict(lambda: defaultdict(list))
    for measurement, runs in samples.items():
        group = replace(measurement, contender="all")
        groups[group][measurement.contender] += [run.result for run in runs if run.result is not None]
    return [line for group, results in groups.items() for line in compare(str(group), group.work, results)]


def compare(title: str, work: str, results: Mapping[str, Sequence[Result]]) -> list[str]:
    """The same for one work at one size.

    Args:
        title: how a line begins.
        work: whose tolerance holds.
        results: contender -> what it did, once or more.
    """
    every = [(contender, result) for contender, runs in results.items() for result in runs]
    if not every:
        return []
    counts = statistics.mode((result.steps, result.samples) for _, result in every)
    middle = statistics.median(result.score for _, result in every)
    allowed = TOLERANCES[work] * middle if work == "linear" else TOLERANCES[work]
    if work != "linear" and counts[0] < FEW:
        allowed = max(allowed, EARLY)
    lines = []
    for contender, result in every:
        if (result.steps, result.samples) != counts:
            lines.append(
                f"{title}: {contender} did {result.steps:,} steps over {result.samples:,} samples, the others "
                f"{counts[0]:,} over {counts[1]:,}"
            )
        if not abs(result.score - middle) <= allowed:  # also where it is nan
            lines.append(
                f"{title}: {contender} scored {result.score:.4g}, the middle one is {middle:.4g}: expected a "
                f"difference of at most {allowed:.3g}"
            )
    return list(dict.fromkeys(lines))
