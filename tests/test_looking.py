"""`fourstep show` and `fourstep train --trace`: a recipe or a run looked at before it trains, or one line why not."""

import re
from contextlib import chdir
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import fourstep as fs
from fourstep.cli import main
from fourstep.recipes import recipe_for, summarise


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")


def test_a_recipe_a_file_and_a_run_are_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is that of `summary`, of the model with the settings that were asked for."""
    (tmp_path / "mine.toml").write_text('model = "mlp"\nhidden = [7]\n', encoding="utf-8")
    assert main(["train", "softmax", "--epochs", "1", "--run", "run"]) == 0
    capsys.readouterr()
    for arguments, recipe in {
        "lenet": recipe_for("lenet"),
        "mine.toml": fs.recipes.from_settings({"model": "mlp", "hidden": [7]}),
        "run --batch-size 9": fs.recipes.with_settings(recipe_for("softmax"), {"batch_size": 9}),
    }.items():
        assert main(["show", *arguments.split()]) == 0
        assert capsys.readouterr() == (f"{summarise(recipe)}\n", "")


def test_a_run_from_python_is_not_a_recipe_s(capsys: pytest.CaptureFixture[str]) -> None:
    """The line says what shows it."""
    model = torch.nn.Linear(2, 1)
    data = fs.data.from_arrays(*fs.data.synthetic_regression([1.0, 2.0], 0.5, 20), batch_size=10)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fs.fit(model, data, torch.nn.MSELoss(), optimizer, epochs=1, folder="python", show="none")

    assert main(["show", "python"]) == 2
    assert "python was trained from Python, not from a recipe: use fourstep.summary" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("lennet", "unknown recipe 'lennet': did you mean 'lenet'"),
        ("none.toml", "none.toml: there is no such file"),
        (".", "holds no run.toml: expected the folder of a run"),
        ("lenet --resize 0", "resize 0: expected a whole number of 1 or more"),
        ("lenet --resize 8", "resize 8: LeNet needs images of 12 pixels or more a side"),
        ("lenet --resize 5000", "resize=5000: expected at most 4,096"),
        ("lenet --batch-size 0", "batch_size 0: expected a whole number of 1 or more"),
        ("lenet --batch-size -3", "batch_size -3: expected a whole number of 1 or more"),
        ("lenet --set optimizer=adamm", "unknown optimizer 'adamm'"),
        ("mlp --set hidden=0", r"hidden \(0,\), num_classes 10: expected 1 or more each"),
        ("linear --resize 5", "resize=5: the data is synthetic, which has no images"),
    ],
)
def test_what_training_refuses_is_not_shown(arguments: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    assert main(["show", *arguments.split()]) == 2
    out, err = capsys.readouterr()

    assert out == ""
    assert re.fullmatch(f"fourstep: .*{said}.*\n", err)


@pytest.mark.parametrize("command", ["show", "eject", "train"])
def test_a_recipe_of_a_data_set_without_a_name_is_refused(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found by odd recipes: it was a traceback."""
    (tmp_path / "mine.toml").write_text('model = "lenet"\ndata = ""\n')

    assert main([command, str(tmp_path / "mine.toml")]) == 2
    assert capsys.readouterr().err == "fourstep: unknown data set '': there are: digits, fashion-mnist\n"


def test_a_traced_run_trains_to_the_same_bits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page comes first, in the environment's language; the run is that of the command without it."""
    monkeypatch.setenv("LC_ALL", "zh_CN.UTF-8")
    for name, more in {"plain": [], "traced": ["--trace"]}.items():
        with chdir(tmp_path):
            assert main(["train", "dropout", "--epochs", "1", "--run", name, *more]) == 0
    plain, traced = (load_file(tmp_path / name / "model.safetensors") for name in ("plain", "traced"))

    assert "一步训练的慢动作" in capsys.readouterr().out
    assert all(torch.equal(plain[name], traced[name]) for name in plain)
