"""The command, run as people run it: in an empty folder, looked at by what it prints and leaves."""

import html
import io
import json
import re
import shlex
import shutil
import tomllib
import warnings
from collections.abc import Callable
from contextlib import chdir, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image

import fourstep as fs
from fourstep.cli import main


@dataclass(frozen=True)
class Done:
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


def fourstep(folder: Path, *arguments: str) -> Done:
    """Run the command in a folder, its outputs caught, in this process for speed (test_docs.py starts real ones)."""
    out, err = io.StringIO(), io.StringIO()
    with chdir(folder), redirect_stdout(out), redirect_stderr(err), warnings.catch_warnings():
        try:
            code = main(arguments)
        except SystemExit as done:  # tyro leaves so after --help and wrong usage
            code = int(done.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which an MLP was trained for three epochs."""
    folder = tmp_path_factory.mktemp("trained")
    done = fourstep(folder, "train", "mlp", "--epochs", "3")
    assert (done.returncode, done.stderr) == (0, "")
    (folder / "out.txt").write_text(done.stdout)
    return folder


@pytest.mark.parametrize("command", ["plot", "evaluate", "resume", "verify", "weights show"])
def test_a_name_that_no_file_can_have_is_one_line(command: str, tmp_path: Path) -> None:
    """The system refuses it in its own way."""
    done = fourstep(tmp_path, *command.split(), "x" * 5_000)

    assert done.returncode == 2
    assert re.fullmatch(r"fourstep: .*File name too long.*\n", done.stderr)


def test_training_prints_a_line_per_epoch_and_the_closing_lines(trained: Path) -> None:
    """Where output is no terminal: plain lines, the book's two closing lines, where everything is, what next."""
    lines = (trained / "out.txt").read_text().splitlines()

    assert lines[0] == "mlp on digits: 3 epochs, batch size 64, lr 0.005"
    assert [line.split()[1] for line in lines[1:4]] == ["1/3", "2/3", "3/3"]
    assert re.fullmatch(r"loss \d\.\d{3}, train acc \d\.\d{3}, test acc \d\.\d{3}", lines[4])
    assert re.fullmatch(r"\d+\.\d examples/sec on cpu, data loading included", lines[5])
    assert lines[6:8] == ["curves: runs/mlp/curves.svg", "run:    runs/mlp"]
    assert re.fullmatch(r"next:   \S+ train mlp --data fashion-mnist", lines[8])


def test_the_run_s_folder_is_plain(trained: Path) -> None:
    """Settings, rows, curves, weights and checkpoints, each in its place."""
    run = trained / "runs" / "mlp"
    settings = tomllib.loads((run / "run.toml").read_text())["settings"]["recipe"]
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]

    assert (settings["model"], settings["epochs"], settings["seed"]) == ("mlp", 3, 0)
    assert [row["epoch"] for row in rows] == [1, 2, 3]
    assert {"seconds", "examples_per_second", "train/loss", "test/accuracy"} <= rows[0].keys()
    assert (run / "curves.svg").read_text().startswith("<?xml")
    assert {path.name for path in run.iterdir()} - {"predictions.png"} == {
        "checkpoints",
        "curves.svg",
        "run.lock",
        "metrics.jsonl",
        "model.safetensors",
        "report.html",
        "report.json",
        "run.toml",
    }


def test_report_writes_pages(trained: Path) -> None:
    """Of one run into its folder; of several into the current one, where a run's own page stays, or another."""
    page = trained / "runs/mlp/report.html"
    page.unlink()
    done = fourstep(trained, "report", "runs/mlp")
    assert (done.returncode, done.stdout, done.stderr) == (0, "runs/mlp/report.html\n", "")
    assert "MLP with 19,210 parameters" in page.read_text()
    other = shutil.copytree(trained / "runs/mlp", trained / "other")
    for output, told in (((), "comparison.html\n"), (("--output", "both.html"), "both.html\n")):
        done = fourstep(other, "report", ".", "../runs/mlp", *output)
        assert (done.returncode, done.stdout, done.stderr) == (0, told, "")
        assert "2 runs compared" in (other / told.strip()).read_text()
    assert (other / "report.html").read_bytes() == page.read_bytes()
    shutil.rmtree(other)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda run: (run / "run.toml").write_text("settings = "), r"run\.toml is damaged"),
        (lambda run: (run / "run.toml").unlink(), r"holds no run\.toml"),
        (lambda run: (run / "metrics.jsonl").unlink(), r"metrics\.jsonl cannot be read"),
        (lambda run: (run / "report.json").write_text("[]"), r"report\.json is damaged: report is \[\]"),
    ],
)
def test_a_damaged_run_is_one_line_for_its_report(
    harm: Callable[[Path], object], message: str, trained: Path, tmp_path: Path
) -> None:
    """Its settings, rows or notes; the page that is there stays."""
    shutil.copytree(trained / "runs/mlp", tmp_path / "run")
    before = (tmp_path / "run/report.html").read_bytes()
    harm(tmp_path / "run")
    for others in ((), (str(trained / "runs/mlp"),)):
        done = fourstep(tmp_path, "report", "run", *others)
        assert (done.returncode, done.stdout) == (2, "")
        assert re.fullmatch(rf"fourstep: .*{message}.*\n", done.stderr)
    assert (tmp_path / "run/report.html").read_bytes() == before


def test_the_command_on_the_page_trains_the_same_weights(trained: Path, tmp_path: Path) -> None:
    """Copied from the page, in an empty folder, and by the run's own settings: bit for bit."""
    page = (trained / "runs/mlp/report.html").read_text()
    commands = [html.unescape(text) for text in re.findall(r"<code>(fourstep train .*?)</code>", page, re.DOTALL)]
    weights = (trained / "runs/mlp/model.safetensors").read_bytes()
    shutil.copytree(trained / "runs/mlp", tmp_path / "mlp")
    assert len(commands) == 2
    for number, command in enumerate(commands):
        program, *arguments = shlex.split(command)
        done = fourstep(tmp_path, *arguments, "--run", f"again-{number}")
        assert (program, done.returncode) == ("fourstep", 0)
        assert (tmp_path / f"again-{number}/model.safetensors").read_bytes() == weights


def test_evaluate_measures_the_trained_model_again(trained: Path) -> None:
    """The test split's numbers are those of the last row."""
    last = json.loads((trained / "runs/mlp/metrics.jsonl").read_text().splitlines()[-1])
    done = fourstep(trained, "evaluate", "runs/mlp")

    assert done.returncode == 0
    assert done.stdout.splitlines()[1] == f"test  loss {last['test/loss']:.4g}  accuracy {last['test/accuracy']:.4g}"


def test_predict_prints_classes_and_draws_them(trained: Path) -> None:
    """A line per sample with class, probability and truth, and a picture of them all."""
    done = fourstep(trained, "predict", "runs/mlp", "--count", "4")
    lines = done.stdout.splitlines()

    assert len(lines) == 6
    assert all(re.fullmatch(r"test \d: \d \(\d+\.\d%\), true: \d", line) for line in lines[:4])
    assert re.fullmatch(r"\d of 4 right", lines[4])
    with Image.open(trained / "runs/mlp/predictions.png") as picture:
        assert min(picture.size) > 50


def test_predict_reads_picture_files(trained: Path) -> None:
    """A test image saved as a picture gets the class that the model gives it, upright and inverted."""
    data = fs.data.digits(size=8)
    assert isinstance(data.test, fs.Batches)
    pixels = data.test.inputs[0, 0]
    Image.fromarray(pixels.numpy()).save(trained / "digit.png")
    Image.fromarray((255 - pixels).numpy()).resize((8, 8)).save(trained / "paper.png")
    expected = fourstep(trained, "predict", "runs/mlp", "--count", "1").stdout.splitlines()[0]
    label = expected.split()[2]

    dark = fourstep(trained, "predict", "runs/mlp", "digit.png")
    bright = fourstep(trained, "predict", "runs/mlp", "paper.png", "--invert")
    assert dark.stdout.splitlines()[0].startswith(f"digit.png: {label} (")
    assert bright.stdout.splitlines()[0].startswith(f"paper.png: {label} (")
    hint = fourstep(trained, "predict", "runs/mlp", "paper.png")
    assert "have a bright border" in hint.stdout


def test_plot_draws_into_any_kind_of_file(trained: Path) -> None:
    """The ending says how."""
    done = fourstep(trained, "plot", "runs/mlp", "--output", "mlp.png")
    assert done.stdout.strip() == "mlp.png"
    assert (trained / "mlp.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_run_gets_a_folder_of_its_own(trained: Path) -> None:
    """Nothing is overwritten; a run's own settings train it again to the same numbers."""
    done = fourstep(trained, "train", "runs/mlp/run.toml")
    again = trained / "runs" / "mlp-2"

    assert done.returncode == 0
    assert (again / "model.safetensors").read_bytes() == (trained / "runs/mlp/model.safetensors").read_bytes()


def test_a_flag_wins_over_set_and_set_over_the_file(tmp_path: Path) -> None:
    """The nearest word counts."""
    (tmp_path / "mine.toml").write_text('model = "softmax"\nepochs = 7\nlr = 0.1\nbatch_size = 100\n')
    done = fourstep(tmp_path, "train", "mine.toml", "--set", "epochs=2", "--set", "lr=0.2", "--epochs", "1")
    assert done.stdout.splitlines()[0] == "softmax on digits: 1 epoch, batch size 100, lr 0.2"


def test_the_linear_recipe_goes_all_the_way(tmp_path: Path) -> None:
    """Training, evaluation and prediction of values instead of classes."""
    assert "train loss" in fourstep(tmp_path, "train", "linear").stdout.splitlines()[4]
    assert fourstep(tmp_path, "evaluate", "runs/linear").stdout.splitlines()[1].startswith("test  loss ")
    lines = fourstep(tmp_path, "predict", "runs/linear", "--count", "2").stdout.splitlines()
    assert all(re.fullmatch(r"test \d: -?\d+\.\d{3}, true: -?\d+\.\d{3}", line) for line in lines)


def test_predict_tells_all_and_draws_as_many_as_a_picture_holds(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each sample, and at the end how many of them are drawn."""
    monkeypatch.setattr("fourstep.show.grid.MOST_IMAGES", 2)
    lines = fourstep(trained, "predict", "runs/mlp", "--count", "3", "--output", "few.png").stdout.splitlines()

    assert len(lines) == 5
    assert lines[4] == "picture: few.png, the first 2, true label above, predicted below"


def test_data_sets_are_listed_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, licences and places; counts per class and a picture."""
    monkeypatch.setenv("COLUMNS", "200")
    listed = fourstep(tmp_path, "data", "list").stdout
    assert "digits" in listed
    assert "fashion-mnist" in listed
    assert "CC BY 4.0" in listed
    shown = fourstep(tmp_path, "data", "show", "digits", "--count", "10").stdout.splitlines()
    counts = [sum(map(int, line.split()[1:])) for line in shown[3:13]]
    assert sum(counts) == 1797
    assert (tmp_path / "digits.png").exists()
    assert "its content is right" in fourstep(tmp_path, "data", "get", "digits").stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("train lennet", "unknown recipe 'lennet': did you mean 'lenet'?"),
        ("train lenet --data fashon", "unknown data set 'fashon': did you mean 'fashion-mnist'?"),
        ("train lenet --batch-size 0", "batch_size 0: expected a whole number of 1 or more"),
        ("train lenet --epochs 0", "epochs 0: expected a whole number of 1 or more"),
        ("train lenet --epochs many", "epochs='many': expected a whole number"),
        ("train lenet --device tpu", "'tpu' is not a device: expected one of cpu"),
        ("train lenet --seed -1", "seed -1"),
        ("train lenet --set lr", "--set lr: expected NAME=VALUE"),
        ("train mlp --run=", "--run is empty: expected a folder's name"),
        ("train mlp --set hidden=-5", "hidden (-5,), num_classes 10: expected 1 or more each"),
        ("train mlp --set momentum=0.9", "momentum 0.9 with adam: only sgd has it"),
        ("train mlp --set max_grad_norm=-1", "max_grad_norm -1.0: expected a norm above 0"),
        ("train nowhere.toml", "nowhere.toml: there is no such file"),
        ("train lenet --data fashion-mnist --set data_folder=nowhere", "nowhere"),
        ("evaluate runs/nowhere", "runs/nowhere is not there"),
        ("predict .", ". holds no run.toml"),
        ("plot runs/nowhere", "runs/nowhere is not there"),
        ("data get mnist", "unknown data set 'mnist'"),
        ("data show digits --count 0", "count 0: expected a whole number of 1 or more"),
        ("data show digits --count 401", "count 401: expected at most 400, as many as one picture holds"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(arguments: str, message: str, tmp_path: Path) -> None:
    """What, where, how to mend it; no traceback."""
    done = fourstep(tmp_path, *arguments.split())

    assert done.returncode == 2
    assert done.stderr.startswith("fourstep: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_folder_with_another_run_is_refused(trained: Path) -> None:
    """The folder is named, and nothing in it changes."""
    before = (trained / "runs/mlp/model.safetensors").stat().st_mtime_ns
    done = fourstep(trained, "train", "softmax", "--run", "runs/mlp")

    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "runs/mlp holds another run: settings.recipe.model mlp, now softmax; " in done.stderr
    assert (trained / "runs/mlp/model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["cut", "flipped", "not a picture"])
def test_damaged_files_are_named(damage: str, trained: Path, tmp_path: Path) -> None:
    """Cut weights, a wrong magic number, a text that calls itself a picture: one line each."""
    if damage == "cut":
        run = tmp_path / "run"
        run.mkdir()
        for name in ("run.toml", "metrics.jsonl"):
            (run / name).write_bytes((trained / "runs/mlp" / name).read_bytes())
        (run / "model.safetensors").write_bytes((trained / "runs/mlp/model.safetensors").read_bytes()[:500])
        done = fourstep(tmp_path, "evaluate", "run")
    elif damage == "flipped":
        for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
            (tmp_path / f"{name}-ubyte").write_bytes(b"\x01\x02\x03\x04" * 10)
        done = fourstep(tmp_path, "train", "lenet", "--data", "fashion-mnist", "--set", "data_folder=.")
    else:
        (tmp_path / "text.png").write_text("no picture")
        done = fourstep(tmp_path, "predict", str(trained / "runs/mlp"), "text.png")

    assert done.returncode == 2
    assert done.stderr.startswith("fourstep: ")
    assert done.stderr.count("\n") == 1


def test_a_training_that_fails_exits_with_1(tmp_path: Path) -> None:
    """A loss that becomes NaN is the training's failure, not wrong usage."""
    done = fourstep(tmp_path, "train", "linear", "--lr", "1000", "--epochs", "5")

    assert done.returncode == 1
    assert "the training loss became NaN or infinite in batch" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_long_epoch_is_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the line of settings, also where a run goes on; images have the size that was asked for."""
    monkeypatch.setattr("fourstep.recipes.estimate.WORTH_SAYING", 0.0)
    done = fourstep(tmp_path, "train", "batchnorm-lenet", "--resize", "16", "--epochs", "1")
    resumed = fourstep(tmp_path, "resume", "runs/batchnorm-lenet", "--epochs", "2")
    settings = tomllib.loads((tmp_path / "runs/batchnorm-lenet/run.toml").read_text())["settings"]["recipe"]

    assert settings["resize"] == 16
    assert re.fullmatch(r"an epoch will take about \d+ s on \S+( \(\d+ threads?\))?", done.stdout.splitlines()[1])
    assert resumed.stdout.startswith("an epoch will take about")


@pytest.mark.parametrize("arguments", [[], ["--help"], ["train", "--help"], ["predict", "--help"], ["data", "--help"]])
def test_help_teaches(arguments: list[str], tmp_path: Path) -> None:
    """With examples to type, and every flag explained."""
    done = fourstep(tmp_path, *arguments)
    assert done.returncode == 0
    assert "fourstep" in done.stdout
    assert not re.search(r"--[a-z-]+ [A-Z{]\S* +\(default", done.stdout)


def test_weights_are_those_of_the_run(trained: Path) -> None:
    """`model.safetensors` holds what the recipe trained, name by name."""
    from safetensors.torch import load_file  # noqa: PLC0415 - for this test alone

    from fourstep.recipes import from_settings, load_recipe, train  # noqa: PLC0415 - as above

    model = train(from_settings(load_recipe(trained / "runs/mlp/run.toml")), show="none").model
    saved = load_file(trained / "runs/mlp/model.safetensors")
    assert saved.keys() == model.state_dict().keys()
    for name, weight in model.state_dict().items():
        assert torch.equal(saved[name], weight)


def test_an_interrupted_run_goes_on_by_one_command(trained: Path, tmp_path: Path) -> None:
    """To the end of a run that was not interrupted; verified, replayed and made longer on the way."""
    assert fourstep(tmp_path, "train", "mlp", "--epochs", "2", "--run", "a").returncode == 0
    refused = fourstep(tmp_path, "train", "mlp", "--epochs", "3", "--lr", "0.1", "--run", "a")
    assert "a holds another run: settings.recipe.lr 0.005, now 0.1; " in refused.stderr
    longer = fourstep(tmp_path, "resume", "a", "--epochs", "3")
    assert (longer.returncode, longer.stderr) == (0, "fourstep: continued at step 46 of a, 2 of 3 epochs done\n")
    assert (tmp_path / "a/model.safetensors").read_bytes() == (trained / "runs/mlp/model.safetensors").read_bytes()
    assert fourstep(tmp_path, "resume", "a").stderr.startswith(
        "fourstep: finished at step 69 of a, 3 of 3 epochs done."
    )
    verified = fourstep(tmp_path, "verify", "a", "--replay", "50")
    assert verified.returncode == 0
    assert "a/checkpoints/step-00000069: sound, step 69, " in verified.stdout
    assert "23 steps from step-00000046 on, done again: equal to step-00000069 in every bit" in verified.stdout
    fewer = fourstep(tmp_path, "verify", "a", "--replay", "5")
    assert "5 steps from step-00000046 on, done twice: equal to the first time in every bit" in fewer.stdout


def test_what_verify_finds_is_an_error(trained: Path, tmp_path: Path) -> None:
    """Damage is named, and so is a run with nothing to verify or replay, or nothing to continue."""
    shutil.copytree(trained / "runs" / "mlp", tmp_path / "run")
    for earlier in sorted((tmp_path / "run" / "checkpoints").glob("step-*"))[:-1]:  # that a slow machine has saved
        shutil.rmtree(earlier)
    alone = fourstep(tmp_path, "verify", "run", "--replay", "5")
    assert (alone.returncode, alone.stderr.count("\n")) == (2, 1)
    assert "run has no two checkpoints of different steps: expected one to begin at" in alone.stderr
    weights = next((tmp_path / "run" / "checkpoints").glob("*/model.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    damaged = fourstep(tmp_path, "verify", "run")
    assert damaged.returncode == 2
    assert "model.safetensors is damaged: its SHA-256 differs. A run continues from the latest sound" in damaged.stderr
    resumed = fourstep(tmp_path, "resume", "run")
    assert resumed.returncode == 2
    assert "No sound checkpoint is left: train again into another folder" in resumed.stderr
    shutil.rmtree(tmp_path / "run" / "checkpoints")
    nothing = fourstep(tmp_path, "verify", "run")
    assert "run/checkpoints holds no checkpoint: expected a run that was saved at least once" in nothing.stderr


SCRIPT = """
import torch, fourstep as fs
torch.manual_seed(SEED)
data = fs.data.from_arrays(*fs.data.synthetic_blobs(200), batch_size=10)
model = torch.nn.Linear(2, 3)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
fs.fit(model, data, torch.nn.CrossEntropyLoss(), optimizer, epochs=30, folder="run", saving=fs.Saving(every_steps=7))
"""


@pytest.mark.parametrize(
    ("seed", "ending"),
    [
        ("0", "model, optimizer and numbers"),
        pytest.param("hash(object())", "exactly: another model", marks=pytest.mark.slow),
    ],
)
def test_a_script_s_resuming_can_be_tried(seed: str, ending: str, tmp_path: Path) -> None:
    """It is really killed; one whose start is another each time is found out."""
    (tmp_path / "train.py").write_text(SCRIPT.replace("SEED", seed))
    done = fourstep(tmp_path, "verify-resume", "train.py", "--kills", "1")

    assert ending in done.stdout + done.stderr
    assert done.returncode == (0 if seed == "0" else 2)


def test_a_script_that_fails_or_keeps_nothing_is_named(tmp_path: Path) -> None:
    """With its last line, or with what it needs."""
    (tmp_path / "wrong.py").write_text("raise SystemExit('no data here')")
    (tmp_path / "none.py").write_text("pass")

    assert "wrong.py failed with 1: no data here" in fourstep(tmp_path, "verify-resume", "wrong.py").stderr
    assert "the run left no checkpoint: give it a folder" in fourstep(tmp_path, "verify-resume", "none.py").stderr
