"""What the tests of the book's names share."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor

from fourstep.d2l.hub import DATA_HUB

os.environ.setdefault("MPLBACKEND", "agg")  # as on a machine without a screen


class Images(NamedTuple):
    """Random images with labels that a net can learn: class k is brightest in its k-th rows."""

    train: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]


@pytest.fixture(scope="session")
def images() -> Images:
    """50 images to train on and 23 to test, 28 x 28, ten classes; no multiples of the batch sizes used."""
    generator = torch.Generator().manual_seed(3)
    labels = torch.randint(10, (73,), generator=generator)
    pixels = torch.rand(73, 1, 28, 28, generator=generator) * 0.5
    pixels[torch.arange(73), 0, 2 * labels] += 0.5
    return Images((pixels[:50], labels[:50]), (pixels[50:], labels[50:]))


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], None]:
    """A function that puts a text in the place of a file of the hub, as one that lies in `../data` already."""
    here = tmp_path / "book" / "chapter"
    here.mkdir(parents=True)
    monkeypatch.chdir(here)

    def put(name: str, text: str) -> None:
        path = here.parent / "data" / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        sha1 = hashlib.sha1(path.read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(DATA_HUB, name, (f"http://127.0.0.1:9/{path.name}", sha1))

    return put
