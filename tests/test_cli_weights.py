"""`fourstep weights`, run as people run it."""

import io
import os
import pickle
import re
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

import fourstep as fs
from fourstep.cli import main
from fourstep.runs.weights import save_weights


def weights(folder: Path, *arguments: str) -> tuple[int, list[str], str]:
    """Run `fourstep weights` in a folder: exit code, lines without the spaces at their ends, errors."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err):
        code = main(["weights", *arguments])
    return code, [line.rstrip() for line in out.getvalue().splitlines()], err.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkpoint of a wrapped model with another head, and a run's folder."""
    old = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1000), nn.PReLU()).half()
    state = {f"module.{name}": value for name, value in old.state_dict().items()}
    torch.save({"epoch": 3, "state_dict": state}, tmp_path / "old.pth")
    (tmp_path / "run").mkdir()
    save_weights(nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2), nn.BatchNorm1d(1)), tmp_path / "run/model.safetensors")
    return tmp_path


def test_show_lists_every_tensor(folder: Path) -> None:
    """Name, shape, type and numbers; a line of totals."""
    code, lines, errors = weights(folder, "show", "old.pth")

    assert (code, errors) == (0, "")
    assert [line.split(maxsplit=1)[0] for line in lines] == [
        "name", "module.0.weight", "module.0.bias", "module.1.weight", "module.1.bias", "module.2.weight", "5",
    ]  # fmt: skip
    assert lines[1].split() == ["module.0.weight", "(3,", "4)", "float16", "12"]
    assert lines[-1] == "5 tensors, 4,016 numbers, 0.0 MB"


def test_show_lets_a_file_write_nothing_but_names(tmp_path: Path) -> None:
    """Neither the marks of a table nor the codes of a terminal; a long name stays on its line."""
    long = "layer." * 60 + "weight"
    torch.save({"[red]a[/red]": torch.ones(1), "b\x1b[2J\n": torch.ones(1), long: torch.ones(1)}, tmp_path / "a.pt")
    _, lines, _ = weights(tmp_path, "show", "a.pt")

    assert [line.split()[0] for line in lines[1:4]] == ["[red]a[/red]", r"'b\x1b[2J\n'", long]


def test_show_takes_a_key(tmp_path: Path) -> None:
    """Where there are several sets of weights, it must be said which."""
    torch.save({"model": {"a": torch.ones(1)}, "ema": {"b": torch.ones(1)}}, tmp_path / "a.pt")

    assert weights(tmp_path, "show", "a.pt", "--key", "ema")[1][1].split()[0] == "b"
    code, lines, errors = weights(tmp_path, "show", "a.pt")
    assert (code, lines) == (2, [])
    assert errors == "fourstep: a.pt holds weights under model, ema: say which, as key='model'\n"


def test_compare_lists_what_differs(folder: Path) -> None:
    """Names, shapes and types, against a run's folder; the wrapper's mark is of no account."""
    code, lines, errors = weights(folder, "compare", "old.pth", "run")
    rows = dict(line.split(maxsplit=1) for line in lines[:-1])

    assert (code, errors) == (0, "")
    assert rows == {
        "name": "difference",
        "1.weight": "shape (1000, 3), in OTHER (2, 3)",
        "1.bias": "shape (1000,), in OTHER (2,)",
        "2.weight": "type float16, in OTHER float32",
        "0.weight": "type float16, in OTHER float32",
        "0.bias": "type float16, in OTHER float32",
        **dict.fromkeys(["2.bias", "2.running_mean", "2.running_var", "2.num_batches_tracked"], "only in OTHER"),
    }
    assert lines[-1] == "3 fit (3 in another type), 6 do not"
    back = [line.split(maxsplit=1) for line in weights(folder, "compare", "run", "old.pth")[1]]
    assert ["2.bias", "only in FILE"] in back
    assert weights(folder, "compare", "run", "run")[1] == ["9 fit, 0 do not"]


def test_convert_writes_safetensors_that_python_loads(folder: Path) -> None:
    """The same names and bits; never over another file."""
    code, lines, errors = weights(folder, "convert", "old.pth", "new.safetensors")
    state = torch.load(folder / "old.pth", weights_only=True)["state_dict"]
    back = load_file(folder / "new.safetensors")

    assert (code, errors) == (0, "")
    assert lines == [
        "new.safetensors: 5 tensors, 0.0 MB",
        "next:   fourstep.load_foreign_weights(model, 'new.safetensors') in Python",
    ]
    assert back.keys() == state.keys()
    assert all(torch.equal(value, state[name]) for name, value in back.items())
    model = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 1000), nn.PReLU()).half()
    fs.load_foreign_weights(model, folder / "new.safetensors")
    assert torch.equal(model.state_dict()["1.bias"], state["module.1.bias"])
    code, _, errors = weights(folder, "convert", "old.pth", "new.safetensors")
    assert code == 2
    assert errors.startswith("fourstep: new.safetensors is there already: expected the name of a new file.")


class Evil:
    """Makes a folder when it is unpickled."""

    def __reduce__(self) -> Any:
        """What pickle calls on reading."""
        return os.mkdir, ("canary",)


@pytest.mark.parametrize(
    "command", [("show", "a.pt"), ("convert", "a.pt", "b.safetensors"), ("compare", "a.pt", "a.pt")]
)
def test_a_file_that_would_run_code_is_refused(command: tuple[str, ...], tmp_path: Path) -> None:
    """Exit code 2 and one line; nothing has run."""
    (tmp_path / "a.pt").write_bytes(pickle.dumps({"a": Evil()}, protocol=2))
    code, lines, errors = weights(tmp_path, *command)

    assert (code, lines) == (2, [])
    assert errors.startswith("fourstep: a.pt is refused: it asks for ")
    assert errors.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt"]


SHORT = """
import resource, sys
from fourstep.cli import main
import safetensors.torch
size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (size + 2**26, size + 2**26))
sys.exit(main(["weights", "show", sys.argv[1]]))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux tells how much memory a process has")
def test_memory_that_runs_out_is_one_line(tmp_path: Path) -> None:
    """Whoever it is that wanted more."""
    save_file({"weight": torch.zeros(2**25)}, tmp_path / "large.safetensors")

    done = subprocess.run(
        [sys.executable, "-c", SHORT, tmp_path / "large.safetensors"], capture_output=True, text=True, check=False
    )

    assert done.returncode == 1
    assert re.fullmatch(r"fourstep: the memory ran out: .*\. Close other programs, or use less\n", done.stderr)
