"""What could beat the limit, and what exactness it costs: `python benchmarks/stretch.py`, two minutes.

Every way trains over the same ready batches in a process of its own; the ways take turns. `rounding` is the largest
difference of a weight from that of the plain four steps after 20 updates, over the largest weight.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any, TypeAlias

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `benchmarks` is

import torch
from benchmarks.contenders import as_channels_last, ready_batches
from benchmarks.works import WORKS, Work, make_loss, make_model, make_optimizer
from rich.progress import track
from torch import Tensor, nn

import fourstep as fs
from fourstep.scale.memory import keep_freed_memory

EPOCHS = 10  # over which the first step, which may compile, is counted
STEPS = {"linear": 3_000, "softmax": 1_000, "lenet": 120}  # that are timed
REPETITIONS = 3
Step: TypeAlias = Callable[[Tensor, Tensor], Any]


def plain(work: Work, model: nn.Module) -> Step:
    """The four steps: what the others are compared with."""
    loss_fn, optimizer = make_loss(work), make_optimizer(work, model)
    return lambda inputs, targets: fs.four_steps(model, loss_fn, optimizer, inputs, targets)


def lean(work: Work, model: nn.Module) -> Step:
    """`train_step`, with its lean clearing and update."""
    loss_fn, optimizer = make_loss(work), make_optimizer(work, model)
    return lambda inputs, targets: fs.train_step(model, loss_fn, optimizer, [(inputs, targets)])


def without_grad_fields(work: Work, model: nn.Module) -> Step:
    """`torch.autograd.grad`, which fills no `.grad`, and one update for all parameters."""
    loss_fn, parameters = make_loss(work), tuple(model.parameters())

    def step(inputs: Tensor, targets: Tensor) -> None:
        gradients = torch.autograd.grad(loss_fn(model(inputs), targets), parameters)
        with torch.no_grad():
            torch._foreach_add_(parameters, gradients, alpha=-work.lr)

    return step


def compiled(work: Work, model: nn.Module) -> Step:
    """Forward, loss and backward by `torch.compile`."""
    loss_fn, optimizer = make_loss(work), make_optimizer(work, model)
    measure = torch.compile(lambda inputs, targets: loss_fn(model(inputs), targets))

    def step(inputs: Tensor, targets: Tensor) -> None:
        loss = measure(inputs, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step


def bfloat16(work: Work, model: nn.Module) -> Step:
    """The forward in bfloat16."""
    loss_fn, optimizer = make_loss(work), make_optimizer(work, model)
    amp = fs.scale.mixed_precision("bf16", "cpu")
    return lambda inputs, targets: fs.train_step(model, loss_fn, optimizer, [(inputs, targets)], amp=amp)


def two_halves(work: Work, model: nn.Module) -> Step:
    """Two half batches on two Python threads, each with one thread of torch's."""
    loss_fn, parameters = make_loss(work), tuple(model.parameters())
    torch.set_num_threads(1)
    pool = ThreadPoolExecutor(2, initializer=torch.set_num_threads, initargs=(1,))

    def half(inputs: Tensor, targets: Tensor) -> tuple[Tensor, ...]:
        return torch.autograd.grad(loss_fn(model(inputs), targets), parameters)

    def step(inputs: Tensor, targets: Tensor) -> None:
        parts = list(pool.map(half, inputs.chunk(2), targets.chunk(2)))
        shares = [len(part) / len(targets) for part in targets.chunk(2)]
        with torch.no_grad():
            for share, gradients in zip(shares, parts, strict=True):
                torch._foreach_add_(parameters, gradients, alpha=-work.lr * share)

    return step


def one_thread(work: Work, model: nn.Module) -> Step:
    """The four steps on one thread."""
    torch.set_num_threads(1)
    return plain(work, model)


def without_denormals(work: Work, model: nn.Module) -> Step:
    """The four steps, numbers too small for float32's normal range taken as 0."""
    torch.set_flush_denormal(True)
    return plain(work, model)


WAYS = {
    way.__name__: way
    for way in (plain, lean, without_grad_fields, compiled, bfloat16, two_halves, one_thread, without_denormals)
}


def fresh(work: Work) -> nn.Module:
    """The work's model as the limit has it."""
    model = make_model(work)
    return as_channels_last(model) if work.name == "lenet" else model


def measure_way(work: Work, name: str) -> dict[str, float]:
    """Seconds of the first step and of one of the others, and the rounding."""
    keep_freed_memory(torch.device("cpu"))
    batches = [batch for batch in ready_batches(work)[0] if len(batch[1]) == work.batch_size]
    reference, model = fresh(work), fresh(work)
    step = plain(work, reference)
    for inputs, targets in batches[:20]:
        step(inputs, targets)
    step = WAYS[name](work, model)
    started = perf_counter()
    step(*batches[0])
    first = perf_counter() - started
    for inputs, targets in batches[1:20]:
        step(inputs, targets)
    expected, found = (
        torch.cat([parameter.detach().flatten() for parameter in one.parameters()]) for one in (reference, model)
    )
    started = perf_counter()
    for number in range(STEPS[work.name]):
        step(*batches[number % len(batches)])
    seconds = (perf_counter() - started) / STEPS[work.name]
    rounding = ((found - expected).abs().max() / expected.abs().max()).item()
    return {"first": first, "step": seconds, "rounding": rounding}


def table(work: Work, results: dict[str, list[dict[str, float]]]) -> list[str]:
    """A line per way: seconds of ten epochs, the first step counted, over those of the plain steps."""
    steps = EPOCHS * work.steps // work.epochs

    def middle(name: str, value: str) -> float:
        return median(result[value] for result in results[name])

    def seconds(name: str) -> float:
        return middle(name, "first") + steps * middle(name, "step")

    lines = [f"## {work.name}", "", "| way | first step, s | us per step | ten epochs over plain | rounding |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name in results:
        first, step, ratio = middle(name, "first"), middle(name, "step"), seconds(name) / seconds("plain")
        row = f"{first:.3f} | {step * 1e6:,.0f} | {ratio:.2f}x | {middle(name, 'rounding'):.1e}"
        lines.append(f"| {name.replace('_', ' ')} | {row} |")
    return [*lines, ""]


def main() -> None:
    """Measure every way, or one of them in this process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--one", nargs=2, metavar=("WORK", "WAY"), help="measure one here, and print it as JSON")
    one = parser.parse_args().one
    if one is not None:
        print(json.dumps(measure_way(WORKS[one[0]], one[1])))
        return
    results: dict[str, dict[str, list[dict[str, float]]]] = {work: {way: [] for way in WAYS} for work in STEPS}
    plan = [(work, way) for _ in range(REPETITIONS) for work in STEPS for way in WAYS]
    for work, way in track(plan, "measuring"):
        command = [sys.executable, __file__, "--one", work, way]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        results[work][way].append(json.loads(done.stdout.splitlines()[-1]))
    print("\n".join(line for name, found in results.items() for line in table(WORKS[name], found)))


if __name__ == "__main__":
    main()
