"""The book's results, remade: `python benchmarks/book.py` writes docs/results.md; a quarter of an hour on two cores.

What two cores can do is done in full, with three seeds, through the command and through `fourstep.d2l`; the large
networks of chapter 7 in small, once.
"""

import os
import platform
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # where the package `benchmarks` is

import matplotlib as mpl
import torch
from benchmarks.book_bands import BOOK, WHOLE, Printed
from benchmarks.book_runs import BY_D2L, Numbers, Reduced, by_command, by_d2l, in_small
from rich.progress import track

import fourstep
from fourstep.recipes import recipe_names

SEEDS = (0, 1, 2)
DOORS = {"`fourstep train`": by_command, "`fourstep.d2l`": by_d2l}
IN_SMALL = {
    "alexnet": Reduced(4000, 67, 10, 32),
    "vgg": Reduced(4000, 64, 6, 32),
    "nin": Reduced(4000, 67, 6, 32),
    "googlenet": Reduced(4000, 64, 6, 32),
    "resnet": Reduced(3000, 64, 4, 64),
    "densenet": Reduced(3000, 64, 4, 64),
}


@dataclass(frozen=True)
class Result:
    """What the seeds gave through one door."""

    recipe: str
    door: str
    numbers: list[Numbers]


def table(results: list[Result]) -> list[str]:
    """A line per recipe, number and door."""
    lines = [
        "| recipe | number | through | median [lowest-highest] | the book | in the band |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        for name in result.numbers[0]:
            values = sorted(numbers[name] for numbers in result.numbers)
            median, book = statistics.median(values), BOOK[result.recipe][name]
            spread = f"{median:.4g} [{values[0]:.4g}-{values[-1]:.4g}]"
            lines.append(
                f"| {result.recipe} | {name} | {result.door} | {spread} | {book.text} | {inside(median, book)} |"
            )
    return lines


def inside(median: float, book: Printed) -> str:
    """Is it in the band?"""
    return "-" if book.band is None else "yes" if book.band[0] <= median <= book.band[1] else "**no**"


def small_table(results: dict[str, Numbers]) -> list[str]:
    """A line per network: its size here, its numbers, and those of the book's whole run."""
    lines = [
        "| recipe | images, side, epochs, batch | train loss | train acc | test acc | the book, whole |",
        "|---|---|---|---|---|---|",
    ]
    for recipe, numbers in results.items():
        size, book = IN_SMALL[recipe], "; ".join(f"{name} {text}" for name, text in WHOLE[recipe].items())
        shape = f"{size.images:,}, {size.side}, {size.epochs}, {size.batch_size}"
        figures = " | ".join(f"{numbers[name]:.3f}" for name in ("train loss", "train acc", "test acc"))
        lines.append(f"| {recipe} | {shape} | {figures} | {book} |")
    return lines


HEAD = """# Results

The book's recipes, remade by `make results`; the last two sections it leaves as `benchmarks/nin.py` and
`benchmarks/own_results.py` measured them. *The book* is what its official builds printed, as median [lowest-highest]
over n builds; *in the band* is a median of ours between its lowest and highest. Test accuracies swing too much between
equal runs to have a band, and where the book's spread is not known, none is claimed.

## In full

All of Fashion-MNIST's 60,000 training images: softmax regression (batch 256, lr .1, 10 epochs), the MLP (256, .1, 10),
the MLP with dropout (256, .5, 10), LeNet (256, .9, 10), LeNet with batch normalisation (256, 1.0, 10); 1,000 synthetic
samples for linear regression (10, .03, 3). Chapter 4's polynomial, weight decay and house prices are as their sections
have them, the houses' file made up in its shape, so that the book's own numbers are no band for it. Three seeds each.
Train numbers are running means over the last epoch, as the book's are.
"""
SMALL = """
## In small

The networks of chapter 7 take hours on two cores as the book trains them. Here they are trained with its optimizer and
learning rate on the first images of Fashion-MNIST, made smaller, in smaller batches, for few epochs; the test is on a
thousand images. These numbers show that each learns, not what it reaches. They are recipes, so
`fourstep train resnet --data fashion-mnist --resize 96` is the book's own run. NiN alone begins from a start of our
own, told below; the book's column is NiN as published.
"""


def page(results: list[Result], small: dict[str, Numbers], nin: str) -> str:
    """All of docs/results.md."""
    versions = f"fourstep {fourstep.__version__}, torch {torch.__version__.partition('+')[0]}"
    machine = f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, CPU"
    made = f"Made with {versions}, {machine}, {torch.get_num_threads()} thread(s)."
    return "\n".join([HEAD, *table(results), SMALL, *small_table(small), nin, made, ""])


def kept_section(path: Path, title: str) -> str:
    """A section of the page that another program measures, as it stands there; empty where it does not."""
    body, _, _ = path.read_text(encoding="utf-8").rpartition("\nMade with ")
    _, found, section = body.partition(f"\n## {title}\n")
    return f"\n## {title}\n{section.rstrip()}\n" if found else ""


def main() -> None:
    """Train everything, write the page, fail where a median is outside its band."""
    mpl.use("agg")
    os.environ["FOURSTEP_CURVES"] = "off"
    work = [
        (recipe, door) for recipe in BOOK for door in DOORS if recipe in recipe_names() or door != "`fourstep train`"
    ]
    results = [
        Result(recipe, door, [DOORS[door](recipe, seed) for seed in SEEDS])
        for recipe, door in track(work, description="in full")
    ]
    small = {recipe: in_small(recipe, size, 0) for recipe, size in track(IN_SMALL.items(), description="in small")}
    path = Path(__file__).parent.parent / "docs" / "results.md"
    text = page(results, small, kept_section(path, "NiN"))
    path.write_text(text, encoding="utf-8")
    print(text)
    if "**no**" in text:
        sys.exit("a median is outside its band")


if __name__ == "__main__":
    assert set(BOOK) == set(BY_D2L)
    main()
