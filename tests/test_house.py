"""The house itself: sizes, names, floors, what an import costs."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import fourstep as fs

SOURCE = Path(fs.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))
MAX_MODULE_LINES = 250
MAX_FUNCTION_LINES = 40


def functions_of(path: Path) -> Iterator[tuple[str, int]]:
    """Every function of a file with its length in lines, its docstring not counted."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = node.body[0] if ast.get_docstring(node) else None
            said = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
            yield node.name, (node.end_lineno or 0) - node.lineno + 1 - said


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_fits_on_a_few_screens(path: Path) -> None:
    """At most 250 lines, and no function of more than 40."""
    assert len(path.read_text(encoding="utf-8").splitlines()) <= MAX_MODULE_LINES
    assert [(name, lines) for name, lines in functions_of(path) if lines > MAX_FUNCTION_LINES] == []


def test_the_four_steps_fit_on_one_screen() -> None:
    """The specification is nine lines, and the step around it no more than a screen."""
    lengths = dict(functions_of(SOURCE / "step.py"))
    assert lengths["four_steps"] <= 10
    assert lengths["train_step"] <= 35


def test_no_module_bears_the_name_of_a_public_function() -> None:
    """`fourstep.fit` is the function, never a module that an import puts in its place."""
    functions = {name for name in dir(fs) if callable(getattr(fs, name))}
    assert functions & {path.stem for path in SOURCE.glob("*.py")} == set()


def test_everything_public_is_documented() -> None:
    """Every public name says what it is."""
    public = [
        name for name in dir(fs) if not name.startswith("_") and name != "jaxtyping"
    ]  # the tests' import hook adds it
    assert [name for name in public if not (getattr(fs, name).__doc__ or "").strip()] == []


def test_the_book_and_the_trace_are_imported_when_they_are_asked_for() -> None:
    """By attribute as by `from fourstep import d2l`; and a name that is not there is an error as in any module."""
    program = (
        "import sys, fourstep as fs; before = {'fourstep.d2l', 'fourstep.inside'} & set(sys.modules); fs.d2l.accuracy;"
        "from fourstep import d2l, trace; assert not before and d2l is fs.d2l and trace is fs.trace; fs.nothing"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1] == "AttributeError: module 'fourstep' has no attribute 'nothing'"


def test_torch_is_imported_first() -> None:
    """By the package itself, before any of its modules: from within them it takes a tenth of a second longer."""
    asked = [sys.executable, "-X", "importtime", "-c", "import fourstep"]
    done = subprocess.run(asked, capture_output=True, text=True, check=True)
    names = [line.rpartition("|")[2][1:] for line in done.stderr.splitlines()]  # two spaces more for each level

    assert "  torch" in names
    assert not [name for name in names[: names.index("  torch")] if name.strip().startswith("fourstep.")]


@pytest.mark.alone
def test_import_is_light() -> None:
    """`import fourstep` takes at most 0.1 s on top of torch, and no drawing, table or screen library with it."""
    heavy = [
        "fourstep.d2l",
        "fourstep.inside",
        "fourstep.data.augment",
        "matplotlib",
        "rich",
        "pandas",
        "plotille",
        "tyro",
        "IPython",
        "PIL",
        "safetensors",
        "torchmetrics",
        "polars",
    ]
    program = (
        "import time, sys, torch; before = set(sys.modules); start = time.perf_counter(); import fourstep;"
        "seconds = time.perf_counter() - start; new = set(sys.modules) - before;"
        f"print(seconds, sorted((new | {{name.split('.')[0] for name in new}}) & set({heavy!r})))"
    )
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # as installed
    results = [
        subprocess.run([sys.executable, "-c", program], env=kept, capture_output=True, text=True, check=True)
        for _ in range(3)
    ]
    seconds = min(float(result.stdout.split(maxsplit=1)[0]) for result in results)

    assert results[0].stdout.split(maxsplit=1)[1].strip() == "[]"
    assert seconds <= 0.1
