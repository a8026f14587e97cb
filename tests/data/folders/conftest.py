"""Folders of pictures, and a cache of their own."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
from PIL import Image

Fill: TypeAlias = Callable[..., Path]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, not the user's."""
    monkeypatch.setenv("FOURSTEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "images"


@pytest.fixture
def fill(tmp_path: Path, cache: Path) -> Fill:  # noqa: ARG001 - no test may write into the user's cache
    """A function that makes a folder: class -> number of pictures; `"train/cat"` for one with splits."""

    def make(counts: Mapping[str, int], *, color: bool = True, suffix: str = ".png", **settings: Any) -> Path:
        random = np.random.default_rng(0)
        for label, count in counts.items():
            (tmp_path / "pictures" / label).mkdir(parents=True)
            for i in range(count):
                size = random.integers(20, 40, 2)
                pixels = random.integers(0, 256, (*size, 3) if color else size, np.uint8)
                Image.fromarray(pixels).save(tmp_path / "pictures" / label / f"{i}{suffix}", **settings)
        return tmp_path / "pictures"

    return make
