"""The benchmark's tables, in Markdown."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import TypeAlias

from benchmarks.plan import (
    BATCHES,
    GROWING,
    OURS,
    OWN_BATCH,
    OWN_SIZE,
    PAIRS,
    PEERS,
    SHOWING,
    SIZES,
    STARTUP,
    WORKS,
    at_batch,
    at_showing,
    at_size,
)
from benchmarks.sample import Measurement, Result, Sample

Samples: TypeAlias = Mapping[Measurement, Sequence[Sample]]
Table: TypeAlias = Callable[[Samples, Sequence[Measurement]], list[str]]

WORK_COLUMNS = ("us per step", "min-max", "s", "fit's speed-up", "process, s", "peak, MB", "page faults per step")


def make_tables(samples: Samples) -> list[str]:
    """All tables that there are samples for, each under its title; where one stayed disturbed, lines that say so."""
    lines, seen = [], set[Measurement]()
    for title, measurements, table in tables():
        there = [measurement for measurement in measurements if measurement in samples]
        if not seen.issuperset(there):  # batch sizes share measurements with the works
            lines += [f"## {title}", "", *(refusal(samples, there) or table(samples, there)), ""]
            seen.update(there)
    return lines


def tables() -> list[tuple[str, list[Measurement], Table]]:
    """Every table's title, what is in it, and what makes its lines."""
    works = {name: [Measurement(contender=contender, work=name) for contender in (*OURS, *PEERS)] for name in WORKS}
    sizes = [at_size(contender, size) for contender in GROWING for size in SIZES]
    batches = [at_batch(contender, size) for size in BATCHES for contender in GROWING]
    startup = [Measurement(contender=name, work="startup") for name in STARTUP]
    showing = [at_showing(contender, name) for name in PAIRS for contender in SHOWING]
    return [
        *[(name, measurements, work_table) for name, measurements in works.items()],
        ("softmax, more and less data", sizes, size_table),
        ("softmax, batch sizes", batches, batch_table),
        ("start-up", startup, startup_table),
        ("showing", showing, showing_table),
    ]


def refusal(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """Why a table of these cannot be reported: a line for each measurement that stayed disturbed; empty where none."""
    lines = []
    for measurement in measurements:
        disturbed = [sample for sample in samples[measurement] if sample.disturbed]
        if disturbed:
            worst = max(disturbed, key=lambda sample: sample.other_seconds or 0)
            lines.append(
                f"not reported: {measurement}: other work used {worst.other_seconds:.2f} CPU seconds of this machine "
                f"within the {worst.seconds:.2f} s that it ran. Stop other programs, then measure again"
            )
    return lines


def results_of(samples: Samples, measurement: Measurement) -> list[Result]:
    """What the runs of a measurement did; empty where it was not run."""
    return [sample.result for sample in samples.get(measurement, ()) if sample.result is not None]


def seconds_of(samples: Samples, measurement: Measurement) -> float | None:
    """The median seconds of training and evaluation; None where it was not run."""
    seconds = [result.seconds for result in results_of(samples, measurement)]
    return median(seconds) if seconds else None


def row(*cells: object) -> str:
    """A line of a table."""
    return f"| {' | '.join(map(str, cells))} |"


def head(*cells: str) -> list[str]:
    """A table's first lines; all columns but the first are numbers."""
    return [row(*cells), "|---|" + "---:|" * (len(cells) - 1)]


def work_table(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """The contenders at one work."""
    cells = [row(measurement.contender, *work_cells(samples, measurement)) for measurement in measurements]
    return [*head("contender", *WORK_COLUMNS), *cells]


def batch_table(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """The same for several batch sizes."""
    cells = [
        row(measurement.contender, f"{measurement.batch_size or OWN_BATCH:,}", *work_cells(samples, measurement))
        for measurement in measurements
    ]
    return [*head("contender", "batch", *WORK_COLUMNS), *cells]


def work_cells(samples: Samples, measurement: Measurement) -> list[str]:
    """What a contender took, under `WORK_COLUMNS`."""
    results, runs = results_of(samples, measurement), samples[measurement]
    steps = [result.seconds / result.steps * 1e6 for result in results]
    faults = [result.page_faults / result.steps for result in results if result.page_faults is not None]
    seconds = median(result.seconds for result in results)
    fit = seconds_of(samples, replace(measurement, contender="fit"))
    return [
        f"{median(steps):,.0f}",
        f"{min(steps):,.0f}-{max(steps):,.0f}",
        f"{seconds:.3f}",
        "-" if fit is None else f"{seconds / fit:.2f}x",
        f"{median(run.seconds for run in runs):.2f}",
        f"{median(run.peak_mb for run in runs):.0f}",
        f"{median(faults):.1f}" if faults else "-",
    ]


def size_table(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """Seconds per epoch as the data grows, and how they compare with 60,000 samples' times the ratio of the sizes."""
    lines = head("contender", "samples", "s per epoch", "min-max", "against linear growth", "peak, MB")
    for measurement in measurements:
        assert measurement.samples is not None
        size = measurement.samples
        epochs = [result.seconds * size / result.samples for result in results_of(samples, measurement)]
        growth = growth_of(samples, measurement.contender, size)
        lines.append(
            row(
                measurement.contender,
                f"{size:,}",
                f"{median(epochs):.3f}",
                f"{min(epochs):.3f}-{max(epochs):.3f}",
                "-" if growth is None else f"{growth * OWN_SIZE / size:.2f}",
                f"{median(run.peak_mb for run in samples[measurement]):.0f}",
            )
        )
    return lines


def growth_of(samples: Samples, contender: str, size: int) -> float | None:
    """How many times as long as over 60,000 samples an epoch takes; None where either was not run."""
    return ratio_of(samples, at_size(contender, size), at_size(contender, OWN_SIZE))


def ratio_of(samples: Samples, one: Measurement, other: Measurement) -> float | None:
    """The median over all rounds of one's seconds over the other's; None where either was not run.

    Of one round: the machine may have been another one in the next.
    """
    ratios = ratios_of(samples, one, other)
    return median(ratios) if ratios else None


def ratios_of(samples: Samples, one: Measurement, other: Measurement) -> list[float]:
    """One's seconds over the other's, for each round in which both were run."""
    pairs = zip(results_of(samples, one), results_of(samples, other), strict=False)
    return [result.seconds / beside.seconds for result, beside in pairs]


def startup_table(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """Whole processes of the commands."""
    lines = head("command", "s", "min-max", "peak, MB")
    for measurement in measurements:
        seconds = [run.seconds for run in samples[measurement]]
        peak = median(run.peak_mb for run in samples[measurement])
        spread = f"{min(seconds):.2f}-{max(seconds):.2f}"
        lines.append(row(f"`{measurement.contender}`", f"{median(seconds):.2f}", spread, f"{peak:.0f}"))
    return lines


def showing_table(samples: Samples, measurements: Sequence[Measurement]) -> list[str]:
    """What display, rows and files add to a run, by pairs of neighbouring runs."""
    lines = head("work", "shown or kept", "s", "over fit-silent", "min-max", "pairs")
    for measurement in measurements:
        ratios = pairs_of(samples, measurement.work, measurement.contender)
        seconds = median(result.seconds for result in results_of(samples, measurement))
        compared = [f"{median(ratios):.3f}x", f"{min(ratios):.3f}-{max(ratios):.3f}"] if ratios else ["-", "-"]
        lines.append(row(measurement.work, measurement.contender, f"{seconds:.3f}", *compared, len(ratios)))
    return lines


def pairs_of(samples: Samples, work: str, contender: str) -> list[float]:
    """The seconds of a contender's runs over those of `fit-silent` in the same round."""
    return ratios_of(samples, at_showing(contender, work), at_showing("fit-silent", work))
