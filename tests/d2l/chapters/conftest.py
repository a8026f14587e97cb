"""What every chapter's cells find: a folder as the book's own, and small data under the names of the large."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from fourstep.d2l.hub import DATA_HUB

TRAIN, TEST = 160, 40  # images


@pytest.fixture(autouse=True)
def book(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder above a chapter's, in which `data` and `img` are; seeds, figures and the hub are as at a start."""
    plt.close("all")  # what other tests have left open
    chapter = tmp_path / "chapter"
    for folder in (chapter, tmp_path / "data"):
        folder.mkdir()
    monkeypatch.chdir(chapter)
    random.seed(0)
    np.random.seed(0)  # noqa: NPY002 - the generator that the book's cells draw from
    hub = dict(DATA_HUB)
    with mpl.rc_context():
        yield tmp_path
    plt.close("all")
    DATA_HUB.clear()
    DATA_HUB.update(hub)


def clothes(num: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Grey images in bytes, (N, 28, 28), all ten classes as often: class k is bright in two rows of its own."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(num, dtype=torch.uint8) % 10
    pixels = torch.randint(80, (num, 28, 28), dtype=torch.uint8, generator=generator)
    for row in range(2):
        pixels[torch.arange(num), 4 + 2 * labels.long() + row] += 150
    return pixels, labels


@pytest.fixture
def fashion_mnist(monkeypatch: pytest.MonkeyPatch) -> None:
    """The four files of Fashion-MNIST hold 160 images and 40, which are learnt in a few steps."""
    files = dict(enumerate((*clothes(TRAIN, 1), *clothes(TEST, 2))))
    monkeypatch.setattr("fourstep.data.catalog.read_files", lambda *_: (None, files))


@pytest.fixture
def printed(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """A function that gives the lines printed since it was last called."""

    def lines() -> list[str]:
        return capsys.readouterr().out.splitlines()

    return lines
