"""The book's results, remade: all recipes, three seeds each, through the command and through `fourstep.d2l`.

`python benchmarks/results.py` writes docs/results.md; about a quarter of an hour on two cores.
"""

import json
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import torch
from rich.progress import track
from torch import nn

import fourstep
from fourstep import d2l

SEEDS = (0, 1, 2)
Numbers = dict[str, float]

# What the book's own builds printed, as median [lowest-highest] over n of them, and the band that we hold ourselves to.
BOOK: dict[str, dict[str, tuple[str, tuple[float, float] | None]]] = {
    "linear": {"loss": ("1.01e-4 [.92e-4-1.16e-4], n 56", (0.0, 2e-4))},
    "softmax": {
        "train loss": (".4473 [.4461-.4483], n 41", (0.4442, 0.4502)),
        "train acc": (".8481 [.8463-.8489]", (0.845, 0.851)),
        "test acc": (".8318 [.8243-.8348]", None),
    },
    "mlp": {
        "train loss": (".3828 [.3795-.3859], n 26", (0.377, 0.389)),
        "train acc": (".8647 [.8633-.8664]", (0.8633, 0.8664)),
        "test acc": (".8448 [.7922-.8548]", None),
    },
    "lenet": {
        "train loss": (".468 [.449-.497], n 59", (0.449, 0.497)),
        "train acc": (".824 [.811-.833]", (0.811, 0.833)),
        "test acc": (".807 [.752-.828]", None),
    },
}


@dataclass(frozen=True)
class Result:
    """What three seeds gave through one door."""

    recipe: str
    door: str
    numbers: list[Numbers]


def by_command(recipe: str, seed: int) -> Numbers:
    """`fourstep train`, in a process of its own; its last row."""
    with tempfile.TemporaryDirectory() as folder:
        data = "synthetic" if recipe == "linear" else "fashion-mnist"
        command = [sys.executable, "-m", "fourstep", "train", recipe, "--data", data]
        command += ["--seed", str(seed), "--run", f"{folder}/run"]
        subprocess.run(command, check=True, capture_output=True)
        row = json.loads((Path(folder) / "run/metrics.jsonl").read_text().splitlines()[-1])
    if recipe == "linear":
        return {"loss": row["test/loss"]}
    return {"train loss": row["train/loss"], "train acc": row["train/accuracy"], "test acc": row["test/accuracy"]}


def linear_by_d2l() -> Numbers:
    """The book's linear regression: the loss over all samples after three epochs."""
    features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 1000)
    layer, loss = nn.Linear(2, 1), nn.MSELoss()
    nn.init.normal_(layer.weight, 0, 0.01)
    nn.init.zeros_(layer.bias)
    net = nn.Sequential(layer)
    trainer = torch.optim.SGD(net.parameters(), lr=0.03)
    data_iter = d2l.load_array((features, labels), 10)
    for _ in range(3):
        for inputs, targets in data_iter:
            value = loss(net(inputs), targets)
            trainer.zero_grad()
            value.backward()
            trainer.step()
    return {"loss": float(loss(net(features), labels).detach())}


def start_small(module: nn.Module) -> None:
    """The book's start for the linear layers of chapters 3 and 4."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.01)


def chapter_3_by_d2l(net: nn.Module) -> Numbers:
    """`train_ch3` for ten epochs with lr .1."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net.apply(start_small)
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    return named(d2l.train_ch3(net, train_iter, test_iter, nn.CrossEntropyLoss(reduction="none"), 10, trainer))


def lenet_by_d2l() -> Numbers:
    """`train_ch6` for ten epochs with lr .9."""
    train_iter, test_iter = d2l.load_data_fashion_mnist(256)
    net = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip
    return named(d2l.train_ch6(net, train_iter, test_iter, 10, 0.9, d2l.try_gpu()))


def named(result: d2l.TrainResult) -> Numbers:
    """A training function's result under the table's names."""
    return {"train loss": result.train_loss, "train acc": result.train_acc, "test acc": result.test_acc}


BY_D2L: dict[str, Callable[[], Numbers]] = {
    "linear": linear_by_d2l,
    "softmax": lambda: chapter_3_by_d2l(nn.Sequential(nn.Flatten(), nn.Linear(784, 10))),
    "mlp": lambda: chapter_3_by_d2l(nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))),
    "lenet": lenet_by_d2l,
}


def by_d2l(recipe: str, seed: int) -> Numbers:
    """The book's way, in this process."""
    torch.manual_seed(seed)
    return BY_D2L[recipe]()


def table(results: list[Result]) -> list[str]:
    """A line per recipe, number and door."""
    lines = [
        "| recipe | number | through | median [lowest-highest] | the book | in the band |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for name in result.numbers[0]:
            values = sorted(numbers[name] for numbers in result.numbers)
            median = statistics.median(values)
            book, band = BOOK[result.recipe][name]
            inside = "-" if band is None else "yes" if band[0] <= median <= band[1] else "**no**"
            spread = f"{median:.4g} [{values[0]:.4g}-{values[-1]:.4g}]"
            lines.append(f"| {result.recipe} | {name} | {result.door} | {spread} | {book} | {inside} |")
    return lines


HEAD = """# Results

The book's recipes on all of their data, remade by `make results`: Fashion-MNIST's 60,000 training images for softmax
regression (batch 256, lr .1, 10 epochs), the MLP (256, .1, 10) and LeNet (256, .9, 10); 1,000 synthetic samples for
linear regression (batch 10, lr .03, 3 epochs); three seeds each. *The book* is what its official builds printed, as
median [lowest-highest] over n builds. Train numbers are running means over the last epoch, as the book's are.
A median is *in the band* or not; test accuracies swing too much between runs to have one.

The bands: linear regression loss at most 2e-4; softmax loss .4472 +- .003 and accuracy .848 +- .003; MLP loss .383 +-
.006 and accuracy .8633-.8664; LeNet loss .449-.497 and accuracy .811-.833.
"""


def page(results: list[Result]) -> str:
    """All of docs/results.md."""
    versions = f"fourstep {fourstep.__version__}, torch {torch.__version__.partition('+')[0]}"
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, CPU"
    made = f"Made with {versions}, {machine}, {torch.get_num_threads()} threads."
    return "\n".join([HEAD, *table(results), "", made, ""])


def main() -> None:
    """Train everything, write the page, fail where a median is outside its band."""
    mpl.use("agg")
    doors = {"`fourstep train`": by_command, "`fourstep.d2l`": by_d2l}
    work = [(recipe, door) for recipe in BOOK for door in doors]
    results = [
        Result(recipe, door, [doors[door](recipe, seed) for seed in SEEDS])
        for recipe, door in track(work, description="training")
    ]
    text = page(results)
    (Path(__file__).parent.parent / "docs" / "results.md").write_text(text, encoding="utf-8")
    print(text)
    if "**no**" in text:
        sys.exit("a median is outside its band")


if __name__ == "__main__":
    main()
