"""The speed benchmark's own machinery: what it counts, what it refuses, and that its contenders do equal work."""

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

import fourstep as fs

# the benchmarks are programs, not a package that is installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks import bars, contenders, equal, measure, plan, tables, works
from benchmarks.sample import Measurement, Result, Sample

WORKER = Path(measure.__file__).with_name("worker.py")
NUM_TEST = 100  # no batch has this length, so that an evaluation in training mode is known by it
EVERY = [(work, name) for work in plan.WORKS for name in plan.OURS]
EVERY += [(work, name) for work in plan.PAIRS for name in plan.SHOWING]


@pytest.fixture
def small_images(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """An empty folder, random images for Fashion-MNIST, the allocator as it is, figures without windows, one thread."""
    images, labels = torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8), torch.randint(10, (500,))
    data = fs.data.from_arrays(images, labels, test=(images, labels), batch_size=100)
    monkeypatch.setattr(fs.data, "fashion_mnist", lambda: data)
    monkeypatch.setattr(contenders, "keep_freed_memory", lambda _: False)
    monkeypatch.chdir(tmp_path)
    mpl.use("agg")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # for so little work more of them only wait for each other
    yield
    torch.set_num_threads(threads)
    plt.close("all")


@pytest.fixture
def seen() -> Iterator[list[int]]:
    """The length of every batch that the model's last layer is trained on."""
    lengths: list[int] = []

    def note(module: nn.Module, inputs: tuple[Any, ...]) -> None:
        if isinstance(module, nn.Linear) and module.out_features in (1, 10) and module.training:
            lengths.extend([len(inputs[0])] * (len(inputs[0]) != NUM_TEST))

    handle = register_module_forward_pre_hook(note)
    yield lengths
    handle.remove()


def sample(measurement: Measurement, seconds: float, *, disturbed: bool = False) -> Sample:
    """A run that took so long, one step and one sample."""
    return Sample(
        measurement=measurement,
        seconds=seconds + 1,
        cpu_seconds=seconds,
        peak_mb=300.0,
        page_faults=1000,
        other_seconds=0.9 if disturbed else 0.0,
        disturbed=disturbed,
        result=Result(seconds=seconds, steps=1, samples=1, train_loss=0.5, score=0.8, page_faults=10),
    )


@pytest.mark.parametrize(("work", "name"), EVERY)
@pytest.mark.filterwarnings("ignore::fourstep.FourstepWarning")  # so few samples do not train a classifier
@pytest.mark.usefixtures("small_images")
def test_every_contender_does_all_of_the_work_and_counts_it_truly(work: str, name: str, seen: list[int]) -> None:
    """Steps and samples are those of the work, and those that the model saw."""
    small = replace(works.WORKS[work], samples=300, epochs=1, num_test=NUM_TEST)

    result = contenders.CONTENDERS[name](small)

    assert (result.steps, result.samples) == (small.steps, 300)
    assert (len(seen), sum(seen)) == (result.steps, result.samples)
    assert result.seconds > 0
    assert math.isfinite(result.score)


def test_the_plan_knows_all_works_and_contenders() -> None:
    """Its names, which spare the measuring process torch, are those of the dictionaries."""
    assert list(plan.WORKS) == list(works.WORKS)
    assert {*plan.OURS, *plan.SHOWING} == set(contenders.CONTENDERS)
    assert works.WORKS["softmax"].samples == plan.OWN_SIZE
    assert works.WORKS["softmax"].batch_size == plan.OWN_BATCH


def test_contenders_take_turns() -> None:
    """All once, then all again, backwards; what two parts need is measured once."""
    planned = plan.make_plan(plan.PARTS[:3], ["linear", "softmax"], ["limit", "fit"], 2)
    order = list(plan.rounds(planned))

    half = len(planned)
    assert half == 2 * 2 + 3 * 2 + 2 * 2  # two works, three sizes, two more batch sizes
    assert order == [*planned, *reversed(planned)]


def test_a_work_is_repeated_until_there_are_enough_samples(small_images: None) -> None:  # noqa: ARG001 - a fixture
    """More samples than there are begin again with the first."""
    data = works.load(replace(works.WORKS["softmax"], samples=1_100))

    assert len(data.train_inputs) == len(data.train_targets) == 1_100
    assert torch.equal(data.train_inputs[:500], data.train_inputs[500:1_000])


@pytest.mark.parametrize(
    ("busy", "child", "own", "expected"), [(10.0, 7.0, 1.0, 2.0), (5.0, 5.1, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)]
)
def test_other_work_is_what_nobody_of_ours_did(busy: float, child: float, own: float, expected: float) -> None:
    """The machine's busy time less the two processes' own, never below 0."""
    assert measure.other_seconds(busy, child, own) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("other", "seconds", "cores", "expected"),
    [
        (0.19, 2.0, 2, False),  # under 5 % of 4 CPU seconds
        (0.21, 2.0, 2, True),
        (0.29, 60.0, 2, False),  # a long run: under 0.3 s
        (0.31, 60.0, 2, True),
        (0.0, 0.01, 1, False),
    ],
)
def test_a_run_is_disturbed_by_a_share_or_by_seconds(
    other: float, seconds: float, cores: int, *, expected: bool
) -> None:
    """5 % of the machine's time or 0.3 CPU seconds, whichever is less."""
    assert measure.is_disturbed(other, seconds, cores) is expected


def test_the_machine_is_seen_working() -> None:
    """What this process works, the machine works."""
    before, own = measure.busy_seconds(), measure.own_seconds()
    if before is None:
        pytest.skip("this system has no /proc/stat")
    while measure.own_seconds() < own + 0.2:
        pass

    assert (measure.busy_seconds() or 0) - before >= 0.15  # it counts in hundredths


def test_a_measured_process_has_a_terminal(tmp_path: Path) -> None:
    """Of 100 columns and 30 lines; its seconds and its usage are told."""
    program = "import os, sys; sys.exit(os.get_terminal_size(sys.stdout.fileno()) != (100, 30))"

    seconds, usage = measure.run_on_terminal([sys.executable, "-c", program], str(tmp_path))

    assert seconds > 0
    assert usage.ru_maxrss > 0


def test_a_failed_process_shows_the_end_of_its_output(tmp_path: Path) -> None:
    """The error has what the process said."""
    with pytest.raises(measure.WorkerError, match=r"(?s)ended with 3.*the reason"):
        measure.run_on_terminal([sys.executable, "-c", "print('the reason'); raise SystemExit(3)"], str(tmp_path))


def test_a_worker_writes_its_result(tmp_path: Path) -> None:
    """One contender in a process of its own, with other settings than the work's."""
    out = tmp_path / "result.json"
    command = [sys.executable, str(WORKER), "hand", "linear", "--out", str(out)]
    subprocess.run([*command, "--samples", "600", "--batch-size", "20", "--epochs", "1"], check=True, cwd=tmp_path)

    result = Result(**json.loads(out.read_text()))
    assert (result.steps, result.samples) == (30, 600)
    assert [path.name for path in tmp_path.iterdir()] == ["result.json"]


def test_equal_work_is_told_from_unequal() -> None:
    """Another number of steps or a score far off is a line; the rest is not."""
    fair = Result(seconds=1.0, steps=300, samples=100, train_loss=0.5, score=0.80)
    runs = {"limit": [fair], "fit": [replace(fair, score=0.82)], "hand": [fair]}

    assert equal.compare("softmax: all", "softmax", runs) == []
    assert equal.compare("softmax: all", "softmax", runs | {"d2l": [replace(fair, steps=299)]}) == [
        "softmax: all: d2l did 299 steps over 100 samples, the others 300 over 100"
    ]
    for score in (0.7, math.nan):
        (line,) = equal.compare("softmax: all", "softmax", runs | {"run": [replace(fair, score=score)]})
        assert line.startswith(f"softmax: all: run scored {score:.4g}, the middle one is 0.8")
    assert equal.compare("lenet: all", "lenet", runs | {"run": [replace(fair, score=0.7)]}) == []
    early = [replace(fair, steps=100, score=score) for score in (0.7, 0.78)]
    assert equal.compare("softmax: all", "softmax", {"limit": early[:1], "fit": early[1:]}) == []


def test_a_disturbed_table_is_refused() -> None:
    """It says which measurement and how busy the machine was, prints no number, and its bars count as not measured."""
    limit, fit = (Measurement(contender=name, work="lenet") for name in ("limit", "fit"))
    clean = {limit: [sample(limit, 1.0)], fit: [sample(fit, 1.05)]}
    spoiled = clean | {fit: [sample(fit, 1.05, disturbed=True)]}

    assert "| fit | 1,050,000 | 1,050,000-1,050,000 | 1.050 | 1.00x | 2.05 | 300 | 10.0 |" in tables.make_tables(clean)
    text = "\n".join(tables.make_tables(spoiled))
    assert "not reported: lenet: fit: other work used 0.90 CPU seconds" in text
    assert "|" not in text
    assert [bar.holds for bar in bars.make_bars(clean) if bar.measured is not None] == [True]
    assert [bar for bar in bars.make_bars(spoiled) if bar.measured is not None] == []


def test_only_what_was_measured_has_a_table() -> None:
    """A softmax regression of its own batch size has one table, not one more among the batch sizes."""
    fit, large = plan.at_batch("fit", plan.OWN_BATCH), plan.at_batch("fit", plan.BATCHES[-1])
    runs = {fit: [sample(fit, 1.0)], large: [sample(large, 4.0)]}

    assert [line for line in tables.make_tables({fit: runs[fit]}) if line.startswith("##")] == ["## softmax"]
    titles = [line for line in tables.make_tables(runs) if line.startswith("##")]
    assert titles == ["## softmax", "## softmax, batch sizes"]


def test_what_is_compared_is_of_one_round() -> None:
    """A machine that is three times as slow in two of three rounds, within one of them too, does not shift a ratio."""
    fit, hand = (Measurement(contender=name, work="lenet") for name in ("fit", "hand"))
    samples = {
        fit: [sample(fit, seconds) for seconds in (1.0, 3.0, 3.0)],
        hand: [sample(hand, seconds) for seconds in (2.0, 2.0, 6.0)],
    }

    assert tables.ratio_of(samples, hand, fit) == 2.0
    assert tables.ratio_of({fit: samples[fit]}, hand, fit) is None
