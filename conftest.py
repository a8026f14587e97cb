"""Runs the Python blocks of README and docs as tests, each page in a folder of its own."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib as mpl
import pytest
from sybil import Sybil
from sybil.integration.pytest import SybilItem
from sybil.parsers.markdown import PythonCodeBlockParser

os.environ["FOURSTEP_CURVES"] = "off"  # no file beside the tests for every Animator
PAGES = ["README.md", "README.zh-CN.md", "docs/*.md"]
NO_PAGES = [
    "docs/from-the-book*.md",  # run by tests/test_from_the_book.py, each block on its own
    "docs/eject*.md",  # held by tests/test_eject.py
]

# The four steps stand alone at the top of the README: these are the names that they need.
FOUR_STEPS = """
import torch
model, loss_fn = torch.nn.Linear(3, 2), torch.nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
inputs, targets = torch.randn(4, 3), torch.tensor([0, 1, 1, 0])
"""


def setup_page(namespace: dict[str, Any]) -> None:
    """Begin a page in an empty folder, with the four steps' names."""
    mpl.use("agg")
    namespace["came_from"], namespace["folder_of_page"] = Path.cwd(), TemporaryDirectory()
    os.chdir(namespace["folder_of_page"].name)
    exec(FOUR_STEPS, namespace)  # noqa: S102 - our own text, above


def teardown_page(namespace: dict[str, Any]) -> None:
    """Go back."""
    os.chdir(namespace["came_from"])
    namespace["folder_of_page"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()], patterns=PAGES, excludes=NO_PAGES, setup=setup_page, teardown=teardown_page
).pytest()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the pages first and each from top to bottom, however the tests are shuffled: a block needs those above it."""
    blocks = [item for item in items if isinstance(item, SybilItem)]
    blocks.sort(key=lambda item: (item.path, item.example.line))
    items[:] = blocks + [item for item in items if not isinstance(item, SybilItem)]
