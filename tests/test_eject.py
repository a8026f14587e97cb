"""`fourstep eject`: scripts without fourstep, run where it cannot be imported, end with the same bits and numbers."""

import ast
import gzip
import hashlib
import json
import re
import runpy
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

import fourstep as fs
from fourstep.cli import main
from fourstep.data import catalog, images
from fourstep.data.catalog import DATASETS, FASHION_MNIST
from fourstep.recipes import from_settings, recipe_for, recipe_names, train, with_settings, write_script
from fourstep.recipes.script import as_command
from fourstep.show.labels import number

ROOT = Path(__file__).parent.parent
HEAVY = ("alexnet", "vgg", "nin", "googlenet", "resnet", "densenet")
LIGHT = [name for name in recipe_names() if name not in HEAVY]
ALL = [(name, data) for name in recipe_names() for data in (["synthetic"] if name == "linear" else DATASETS)]
CASES = {  # what of it is not the default in each
    "linear": "",
    "linear, settings": "--lr 0.01 --set val=0.2 --set momentum=0.9 --set accumulate=3 --seed 5 --clean-train-metrics",
    "softmax": "--epochs 2 --clean-train-metrics",
    "softmax, plain": "--epochs 1 --device cpu --set standardize=false --batch-size 100 --set log_every=3 "
    "--set optimizer=adamw",  # whose weight_decay torch would not leave at 0
    "softmax, large": "--epochs 1 --resize 12",  # resized batch by batch
    "mlp": "--epochs 2",
    "mlp, adamw": "--epochs 2 --set optimizer=adamw --set weight_decay=0.1 --set hidden=32,16 --set dropout=0,0.3",
    "mlp, bf16": "--epochs 1 --batch-size 50 --set precision=bf16 --set accumulate=3 --set max_grad_norm=0.5",
    "mlp, fp16": "--epochs 1 --set precision=fp16 --set optimizer=sgd --set weight_decay=0.01 --set max_grad_norm=0.1",
    "mlp, fp16, accumulate": "--epochs 1 --set precision=fp16 --set accumulate=2",
    "dropout": "--epochs 1",
    "lenet": "--epochs 1",
    "lenet, settings": "--epochs 2 --batch-size 50 --resize 20 --set val=0.1 --set accumulate=2 --set log_every=3 "
    "--set max_grad_norm=0.5 --seed 7",
    "batchnorm-lenet": "--epochs 1",
    "batchnorm-lenet, scratch": "--epochs 1 --set scratch=true --set optimizer=sgd --set momentum=0.9",
    "softmax, clothes": "--data fashion-mnist --epochs 2 --set val=0.2 --set standardize=true --resize 14",
    "lenet, clothes": "--data fashion-mnist --epochs 1 --batch-size 30 --set log_every=2",
    "mlp, clothes, large": "--data fashion-mnist --epochs 1 --resize 124 --batch-size 30 --set hidden=8",
}
DRIVER = """
import contextlib, io, json, os, runpy, sys, torch
sys.modules["fourstep"] = None  # an import of it fails
torch.set_num_threads(1)
for folder in sys.argv[1:]:
    os.chdir(folder)
    sys.argv = ["train.py"]
    with contextlib.redirect_stdout(io.StringIO()) as out:
        names = runpy.run_path("train.py", run_name="__main__")
    print(json.dumps({"out": out.getvalue(), **{k: v for k, v in names.items() if isinstance(v, float)}}), flush=True)
"""


@dataclass(frozen=True)
class Pair:
    """What the command left and printed, and what the script that it ejected did."""

    own: dict[str, Tensor]
    ejected: dict[str, Tensor]
    printed: str
    numbers: dict[str, Any]
    rows: Sequence[dict[str, float]]
    script: str


def fourstep(*arguments: str) -> str:
    """What the command prints; it must succeed and say nothing on standard error."""
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        assert (main(arguments), err.getvalue()) == (0, "")
    return out.getvalue()


def run_scripts(folders: Sequence[Path]) -> list[dict[str, Any]]:
    """Run each folder's `train.py`, one after the other in a fresh process that cannot import fourstep."""
    command = [sys.executable, "-I", "-W", "error", "-c", DRIVER, *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


def write_idx(path: Path, values: NDArray[np.uint8]) -> str:
    """Write an IDX file packed by gzip; the SHA-256 of its content."""
    content = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content, mtime=0))
    return hashlib.sha256(content).hexdigest()


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As the driver has: sums round by the number of threads, and small networks are as quick with one."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clothes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a small stand-in for Fashion-MNIST, which fourstep takes for the whole."""
    folder, draws = tmp_path_factory.mktemp("clothes"), np.random.default_rng(0)
    hashes = {}
    for name in FASHION_MNIST.sha256:
        count = 200 if name.startswith("train") else 50
        labels = np.arange(count, dtype=np.uint8) % 10
        pixels = draws.integers(0, 256, (count, 28, 28), np.uint8)
        hashes[name] = write_idx(folder / name, pixels if "images" in name else labels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "FASHION_MNIST", replace(FASHION_MNIST, sha256=hashes))
        yield folder


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory, clothes: Path) -> dict[str, Pair]:
    """Every case trained by the command, and by its script."""
    base, printed = tmp_path_factory.mktemp("pairs"), {}
    folders = {name: base / name.replace(", ", "-") for name in CASES}
    for name, folder in folders.items():
        folder.mkdir()
        own = ["--set", f"data_folder={clothes}"] if "clothes" in name else []
        arguments = [name.partition(",")[0], *CASES[name].split(), *own]
        with chdir(folder), pytest.MonkeyPatch.context() as patch:
            if name == "softmax, large":
                patch.setattr(images, "MOST_BYTES", 1000)
            fourstep("eject", *arguments, "--output", "train.py")
            printed[name] = fourstep("train", *arguments, "--run", "run")
    numbers = dict(zip(folders, run_scripts(list(folders.values())), strict=True))
    return {
        name: Pair(
            own=load_file(folder / "run/model.safetensors"),
            ejected=torch.load(folder / f"{name.partition(',')[0]}.pt", weights_only=True),
            printed=printed[name],
            numbers=numbers[name],
            rows=[json.loads(line) for line in (folder / "run/metrics.jsonl").read_text().splitlines()],
            script=(folder / "train.py").read_text(encoding="utf-8"),
        )
        for name, folder in folders.items()
    }


def bits(tensors: dict[str, Tensor]) -> dict[str, bytes]:
    """Every tensor's bytes, in which also 0 and -0 differ."""
    return {name: tensor.contiguous().numpy().tobytes() for name, tensor in tensors.items()}


@pytest.mark.parametrize("name", CASES)
def test_a_script_ends_with_the_command_s_weights_to_the_bit(name: str, pairs: dict[str, Pair]) -> None:
    """Under the same names, whatever settings the recipe has."""
    assert bits(pairs[name].ejected) == bits(pairs[name].own)


@pytest.mark.parametrize("name", CASES)
def test_a_script_prints_the_command_s_lines(name: str, pairs: dict[str, Pair]) -> None:
    """Epoch by epoch the same, but for the speed; and the numbers behind them are equal in every digit."""
    pair = pairs[name]
    lines = [line.rpartition("  ")[0] for line in pair.printed.splitlines() if line.startswith("epoch ")]
    last = {key.replace("/", "_").replace("-", "_"): value for key, value in pair.rows[-1].items() if "/" in key}

    assert [line for line in pair.numbers["out"].splitlines() if line.startswith("epoch ")] == lines != []
    assert {key: pair.numbers[key] for key in last} == last


@pytest.mark.parametrize("name", [name for name in CASES if "log_every" in CASES[name]])
def test_running_numbers_are_printed_where_the_command_writes_them_down(name: str, pairs: dict[str, Pair]) -> None:
    """A line per row within an epoch."""
    rows = [row for row in pairs[name].rows if not row["epoch"].is_integer()]
    expected = [
        f"step {row['step']}  train: loss {number(row['train/loss'])}, accuracy {number(row['train/accuracy'])}"
        for row in rows
    ]
    assert [line for line in pairs[name].numbers["out"].splitlines() if line.startswith("step ")] == expected != []


def test_what_was_held_out_for_the_test_is_measured_at_the_end(pairs: dict[str, Pair]) -> None:
    """Where the epochs are judged by the validation split; as `fourstep evaluate` does."""
    pair = pairs["lenet, settings"]
    settings = dict(setting.split("=") for setting in re.findall(r"--set (\S+)", CASES["lenet, settings"]))
    recipe = with_settings(recipe_for("lenet"), {**settings, "resize": 20, "batch_size": 50, "seed": 7})
    data = fs.data.digits(batch_size=50, size=20, val=0.1, standardize=True, seed=7)
    model = fs.models.LeNet(image_size=recipe.resize)
    model.load_state_dict(pair.own)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # torch's types know it with a tensor only
    assert data.test is not None
    measured = fs.evaluate(model, data.test, torch.nn.CrossEntropyLoss(), metrics={"accuracy": fs.accuracy})

    assert (pair.numbers["test_loss"], pair.numbers["test_accuracy"]) == (measured["loss"], measured["accuracy"])
    assert pair.numbers["out"].splitlines()[-1].startswith(f"test: loss {number(measured['loss'])}")


@pytest.fixture
def few_digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four images of each digit in the package's place: for large networks, which take their time."""
    whole = fs.data.digits(test=None).train
    assert isinstance(whole, fs.Batches)
    chosen = torch.cat([(whole.targets == label).nonzero().flatten()[:4] for label in range(10)])
    pixels = (whole.inputs[chosen, 0].int() * 16 // 255).to(torch.uint8)
    folder = tmp_path / "assets"
    folder.mkdir()
    write_idx(folder / "digits-images-idx3-ubyte.gz", pixels.numpy())
    write_idx(folder / "digits-labels-idx1-ubyte.gz", whole.targets[chosen].byte().numpy())
    monkeypatch.setattr(catalog, "_ASSETS", folder)


@pytest.mark.slow
@pytest.mark.usefixtures("few_digits")
@pytest.mark.parametrize("names", [HEAVY[2:], HEAVY[:2]], ids=",".join)
def test_large_networks_end_with_the_same_bits(names: Sequence[str], tmp_path: Path) -> None:
    """After two steps each."""
    folders, own = [], {}
    for name in names:
        recipe = replace(recipe_for(name), epochs=1, batch_size=16)
        folder = tmp_path / name
        folder.mkdir()
        folders.append(folder)
        fs.data.copies.copy_dataset("digits", folder)
        (folder / "train.py").write_text(write_script(recipe), encoding="utf-8")
        run = train(recipe, show="none")
        assert run.step == 2
        own[name] = {key: tensor.clone() for key, tensor in run.model.state_dict().items()}
    run_scripts(folders)

    for name, folder in zip(names, folders, strict=True):
        assert bits(torch.load(folder / f"{name}.pt", weights_only=True)) == bits(own[name]), name


@pytest.fixture(scope="module")
def scripts(pairs: dict[str, Pair]) -> dict[str, str]:
    """Every recipe on every data set as it stands, and the cases above."""
    plain = {f"{name} on {data}": write_script(recipe_for(name, data)) for name, data in ALL}
    return {**plain, **{name: pair.script for name, pair in pairs.items()}}


def test_a_script_imports_torch_numpy_and_what_python_has(scripts: dict[str, str]) -> None:
    """Nothing else, and nothing that it does not use (which the linter below says)."""
    for name, script in scripts.items():
        imports = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Import | ast.ImportFrom)]
        modules = {
            module.split(".")[0]
            for node in imports
            for module in ([str(node.module)] if isinstance(node, ast.ImportFrom) else [a.name for a in node.names])
        }
        assert modules <= {"torch", "numpy", *sys.stdlib_module_names}, name
        assert {"torch", "numpy"} <= modules, name


def test_a_script_keeps_to_the_linter_and_the_format(scripts: dict[str, str], tmp_path: Path) -> None:
    """By ruff's own rules, at 120 columns."""
    for name, script in scripts.items():
        (tmp_path / f"{name.replace(', ', '_').replace(' ', '_').replace('-', '_')}.py").write_text(script)
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--isolated", "--line-length", "120", str(tmp_path)]
        done = subprocess.run(ruff, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_a_light_recipe_s_script_has_at_most_120_lines(scripts: dict[str, str]) -> None:
    """A few more where there are more layers, or lines within an epoch; the large networks' layers take their room."""
    lengths = {name: script.count("\n") for name, script in scripts.items() if " on " in name}
    light = {name: lines for name, lines in lengths.items() if name.split()[0] in LIGHT}
    more = {"lenet on fashion-mnist": 121, "batchnorm-lenet on digits": 124, "batchnorm-lenet on fashion-mnist": 125}

    assert {name: lines for name, lines in light.items() if lines > more.get(name, 120)} == {}
    assert max(lengths.values()) <= 175


def test_a_script_says_which_command_wrote_it(scripts: dict[str, str]) -> None:
    """In its first line, with every setting that is not the recipe's own."""
    first = scripts["mlp, adamw"].splitlines()[0]
    assert first.endswith(
        "as written by: fourstep eject mlp --epochs 2 --set optimizer=adamw --set weight_decay=0.1 "
        "--set hidden=32,16 --set dropout=0.0,0.3"
    )


def test_a_script_says_what_fourstep_does_beside_it_for_speed() -> None:
    """Where it may train on a CPU: that freed memory is kept, which changes no bit."""
    said = "fourstep keeps the memory that they free"
    scripts = {device: write_script(replace(recipe_for("lenet"), device=device)) for device in ("auto", "cpu", "cuda")}

    assert {device: said in script for device, script in scripts.items()} == {"auto": True, "cpu": True, "cuda": False}


@pytest.mark.parametrize(("name", "data"), ALL)
def test_the_command_of_a_recipe_makes_it_again(name: str, data: str) -> None:
    """Every setting comes back from the command's words."""
    own = recipe_for(name, data)
    recipe = replace(own, epochs=3, seed=9, lr=1e-5, weight_decay=0.25, batch_size=own.batch_size + 1, val=0.125)
    _, verb, model, *words = as_command(recipe, "train").split()
    pairs = zip(words[::2], words[1::2], strict=True)
    given = {}
    for flag, value in pairs:
        name_of, _, said = value.partition("=") if flag == "--set" else (flag[2:].replace("-", "_"), "", value)
        given[name_of] = said

    assert (verb, from_settings({"model": model, **given})) == ("train", recipe)


def test_without_output_the_script_is_printed_and_the_digits_are_told_of(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """The script alone on standard output; a line on standard error, where there is something to fetch."""
    with chdir(tmp_path):
        assert (
            main(["eject", "lenet"]) == main(["eject", "linear"]) == main(["data", "get", "digits", "--to", "."]) == 0
        )
    out, err = capsys.readouterr()

    assert out == write_script(recipe_for("lenet")) + write_script(recipe_for("linear")) + "digits.npz\n"
    assert err == "fourstep: it reads digits.npz beside it: fourstep data get digits --to .\n"
    with np.load(tmp_path / "digits.npz") as arrays:
        assert (arrays["images"].shape, arrays["images"].dtype) == ((1797, 1, 8, 8), np.uint8)
        assert np.bincount(arrays["labels"]).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_a_script_without_its_data_says_where_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line each: the command for the digits, the address for the clothes, the folders that were looked through."""
    (tmp_path / "digits.py").write_text(write_script(recipe_for("mlp")))
    clothes = replace(recipe_for("mlp", "fashion-mnist"), data_folder=str(tmp_path / 'no \\ "such'))
    (tmp_path / "clothes.py").write_text(write_script(clothes))
    nowhere = write_script(recipe_for("mlp", "fashion-mnist")).replace("/usr/share", "/nowhere")
    (tmp_path / "nowhere.py").write_text(nowhere)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["train.py"])

    with pytest.raises(SystemExit, match=r"digits.npz is not there: `fourstep data get digits --to \S+` writes it"):
        runpy.run_path(str(tmp_path / "digits.py"))
    with pytest.raises(SystemExit, match=r'ubyte.gz is in none of \S+/no \\ "such'):
        runpy.run_path(str(tmp_path / "clothes.py"))
    with pytest.raises(SystemExit, match=r"none of data, .*get it from https://\S+/train-images-idx3-ubyte.gz$"):
        runpy.run_path(str(tmp_path / "nowhere.py"))


def test_a_run_and_a_file_are_ejected_as_they_were_trained(tmp_path: Path) -> None:
    """With the settings that they hold; a flag wins."""
    with chdir(tmp_path):
        fourstep("train", "softmax", "--epochs", "1", "--lr", "0.25", "--run", "run")
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):  # it says that it continues
            assert main(["resume", "run", "--epochs", "2"]) == 0
        Path("mine.toml").write_text('model = "mlp"\nhidden = [7]\n', encoding="utf-8")
        of_run, of_longer = fourstep_script("run"), fourstep_script("run", "--epochs", "3")
        of_file = fourstep_script("mine.toml", "--seed", "4")

    longer = replace(recipe_for("softmax"), lr=0.25, epochs=2)
    assert of_run == write_script(longer)
    assert of_longer == write_script(replace(longer, epochs=3))
    assert of_file == write_script(replace(recipe_for("mlp"), hidden=(7,), seed=4))


def fourstep_script(*arguments: str) -> str:
    """The script that the command prints."""
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(StringIO()):
        assert main(["eject", *arguments]) == 0
    return out.getvalue()


def test_nothing_of_one_s_own_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A script that is there stays, and so do the digits beside it."""
    with chdir(tmp_path):
        Path("digits.npz").write_text("mine")
        assert main(["eject", "softmax", "--output", "new/../train.py"]) == 0
        Path("train.py").write_text("mine")
        assert main(["eject", "softmax", "--output", "train.py"]) == 2

        assert Path("train.py").read_text() == Path("digits.npz").read_text() == "mine"
    assert capsys.readouterr().err == (
        "fourstep: --output train.py is there already: expected a new file, as a script is for changing\n"
    )
    assert main(["eject", "softmax", "--output", ""]) == 2
    assert capsys.readouterr().err == "fourstep: --output '' is no file's name: expected one such as train.py\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("lennet", "unknown recipe 'lennet': did you mean 'lenet'"),
        ("runs/nothing", r"runs/nothing is not there: expected the folder of a run"),
        ("python", r"python was trained from Python, not from a recipe: its script is plain already"),
        ("mlp --set data_folder=x", "data_folder=x: digits is not read from there. Leave it out"),
        ("linear --set data_folder=x", "data_folder=x: synthetic is not read from there"),
        ("linear --resize 9", "resize=9: the data is synthetic, which has no images"),
        ("mlp --epochs 0", "epochs 0: expected a whole number of 1 or more"),
        ("mlp --batch-size 0", "batch_size 0: expected a whole number of 1 or more"),
        ("mlp --set accumulate=0", "accumulate 0: expected a whole number of 1 or more"),
        ("mlp --set log_every=-1", "log_every=-1: expected 0 for none, or more"),
        ("mlp --set max_grad_norm=-1", "max_grad_norm=-1.0: expected 0 for none, or more"),
        ("mlp --lr nan", "lr=nan: expected a finite number"),
        ("mlp --lr -1", "adam refused its settings"),
        ("mlp --set momentum=0.9", "momentum 0.9 with adam: only sgd has it"),
        ("mlp --set optimizer=adamm", "unknown optimizer 'adamm'"),
        ("mlp --set precision=int8", "precision 'int8' is unknown"),
        ("mlp --seed -1", "seed -1: expected a whole number in"),
        ("mlp --set val=1.5", "val=1.5: expected a fraction between 0 and 1"),
        ("mlp --set val=0.9", r"val \+ test = 1.1: expected less than 1"),
        ("linear --set val=0.0001", "val=0.0001 cannot be split off: there are 1000 samples"),
        ("mlp --device gpu", "'gpu' is no device: expected auto, cpu, cuda, cuda:1, mps or xpu"),
        ("lenet --resize 8", "resize 8: LeNet needs images of 12 pixels or more a side"),
        ("mlp --resize 5000", "resize=5000: expected at most 4,096"),
        ("mlp --resize 0", "resize 0: expected a whole number of 1 or more"),
        ("mlp --set scratch=true", "scratch=True: mlp does not use it"),
    ],
)
def test_what_cannot_be_ejected_is_refused_in_one_line(
    arguments: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    if arguments == "python":
        model = torch.nn.Linear(2, 1)
        data = fs.data.from_arrays(*fs.data.synthetic_regression([1.0, 2.0], 0.5, 20), batch_size=10)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fs.fit(model, data, torch.nn.MSELoss(), optimizer, epochs=1, folder=tmp_path / "python", show="none")
    with chdir(tmp_path):
        assert main(["eject", *arguments.split(), "--output", "train.py"]) == 2
    out, err = capsys.readouterr()

    assert out == ""
    assert re.fullmatch(f"fourstep: .*{said}.*\n", err)
    assert not (tmp_path / "train.py").exists()


def test_the_page_shows_what_the_command_writes() -> None:
    """The script in docs/eject.md is LeNet's, line by line."""
    page = (ROOT / "docs" / "eject.md").read_text(encoding="utf-8")
    assert re.findall(r"```python\n(.*?)```", page, re.DOTALL) == [write_script(recipe_for("lenet"))]
