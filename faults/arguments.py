"""Odd arguments for the command `fourstep`, run in this process: no network, and at most two steps of training."""

import functools
import io
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import pairwise
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import matplotlib.font_manager  # noqa: F401 - asks programs for fonts, once: before anybody watches

import fourstep.cli.train
import fourstep.cli.tryout
from fourstep.cli import main
from fourstep.recipes import Recipe, train
from fourstep.step import train_step

STEPS = 2  # of training
ENDS = (0, 1, 2, 130)  # exit codes that the package documents

NAMES = ("linear", "softmax", "mlp", "lenet", "digits", "fashion-mnist", "synthetic", "lenett", "recipe.toml")
PATHS = ("run", "run/run.toml", "own", "broken", "nothing", "empty", "folder", "file.toml", "weights.pt", "picture.png")
TEXTS = (
    *(
        "",
        " ",
        "-",
        "--",
        "-1",
        "0",
        "1",
        "3",
        "1e999",
        "nan",
        "inf",
        "9" * 30,
        "9" * 5_000,
        "0.5",
        "1_0",
        "\u0663",
        "0x10",
    ),
    *(
        "a\nb",
        "\x1b[31mred",
        "\udcff.png",
        "\u4e2d\u6587",
        "x" * 300,
        "x" * 5_000,
        "a/" * 2_500,
        "..",
        "/",
        "/dev/null",
    ),
    *("none", "None", "True", "{}", "[1]", "a=b", "=", "%s", "*", "~", "$HOME", "@file.toml", "--help", "-h", "\u202e"),
)
SETTINGS = ("model", "data", "epochs", "batch_size", "lr", "optimizer", "momentum", "weight_decay", "resize", "val")
MORE_SETTINGS = (
    "standardize",
    "hidden",
    "dropout",
    "ratio",
    "scratch",
    "accumulate",
    "max_grad_norm",
    "precision",
    "log_every",
    "device",
    "seed",
    "data_folder",
)

COMMANDS: dict[str, tuple[int, tuple[str, ...]]] = {  # how many names follow, and the options that there are
    "train": (
        1,
        (
            *("--data", "--epochs", "--batch-size", "--lr", "--resize", "--device", "--seed", "--run", "--set"),
            *("--trace", "--clean-train-metrics"),
        ),
    ),
    "resume": (1, ("--epochs",)),
    "verify": (1, ("--replay",)),
    "verify-resume": (1, ("--kills", "--seed")),
    "evaluate": (1, ()),
    "predict": (2, ("--count", "--invert", "--output")),
    "plot": (1, ("--output", "--lr")),
    "report": (1, ("--output",)),
    "show": (1, ("--data", "--batch-size", "--resize", "--set")),
    "eject": (1, ("--data", "--epochs", "--lr", "--resize", "--device", "--seed", "--set", "--output")),
    "data list": (0, ()),
    "data get": (1, ("--to",)),
    "data show": (1, ("--count", "--output")),
    "weights show": (1, ("--key",)),
    "weights compare": (2, ("--key",)),
    "weights convert": (2, ("--key",)),
}


def draw_arguments(draw: Random) -> list[str]:
    """A command line that is nearly right."""
    command = draw.choice(list(COMMANDS))
    count, options = COMMANDS[command]
    words = command.split()
    words += [_draw_word(draw) for _ in range(draw.choice((count, count, count, count, 0, 3)))]
    for _ in range(draw.choice((0, 1, 1, 2, 3))):
        option = draw.choice((*options, "--nothing", "--help")) if draw.random() < 0.9 else draw.choice(TEXTS)  # noqa: PLR2004 - a share
        value = _draw_setting(draw) if option == "--set" else _draw_word(draw)
        words += draw.choice(([option, value], [option, value], [f"{option}={value}"], [option]))
    if draw.random() < 0.1:  # noqa: PLR2004 - a share
        words.insert(draw.randrange(len(words) + 1), draw.choice(TEXTS))
    if draw.random() < 0.05:  # noqa: PLR2004 - a share
        draw.shuffle(words)
    return [_few(word, before).replace("\0", "") for before, word in pairwise(["", *words])]  # no system passes it


def _few(word: str, before: str) -> str:
    """At most a hundred pictures where a count of them is asked for: thousands take the time that they take."""
    option, equals, value = word.partition("=")
    asked = value if equals and option == "--count" else word if before == "--count" else ""
    try:
        return word.replace(asked, "100") if int(asked) > 100 else word  # noqa: PLR2004 - as the docstring says
    except ValueError:
        return word


def _draw_word(draw: Random) -> str:
    return draw.choice(draw.choice((NAMES, PATHS, TEXTS, TEXTS)))


def _draw_setting(draw: Random) -> str:
    name = draw.choice((*SETTINGS, *MORE_SETTINGS, *TEXTS))
    return draw.choice((f"{name}={draw.choice((*NAMES, *TEXTS))}", name))


def prepare_command(folder: Path) -> Callable[[Random], Callable[[], Any]]:
    """The command line, in a folder of its own that is made anew after each command that has changed it."""
    pristine, place = folder / "pristine", folder / "place"
    pristine.mkdir()
    for name in ("run", "own"):
        shutil.move(folder / name, pristine / name)
    _add_oddities(pristine)
    os.environ |= {"HOME": str(folder), "XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "100"}
    tempfile.tempdir = str(folder)
    platform.processor()  # asks a program, once
    vars(fourstep.cli.train)["train"] = _train_a_little
    vars(fourstep.cli.tryout)["subprocess"] = SimpleNamespace(Popen=_Failing)
    stood: list[Any] = []

    def attempt(draw: Random) -> Callable[[], Any]:
        if not stood or _state(place) != stood[0]:
            os.chdir(folder)
            shutil.rmtree(place, ignore_errors=True)
            shutil.copytree(pristine, place)
            stood[:] = [_state(place)]
        os.chdir(place)
        words = draw_arguments(draw)
        return lambda: run_command(words)

    return attempt


def _add_oddities(folder: Path) -> None:
    """What the arguments name beside the two runs."""
    (folder / "recipe.toml").write_text('model = "softmax"\ndata = "digits"\nepochs = 2\n')
    (folder / "file.toml").write_text("a = 1\n")
    (folder / "empty").write_bytes(b"")
    (folder / "folder").mkdir()
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    (folder / "weights.pt").write_bytes(b"PK\x03\x04")
    shutil.copytree(folder / "run", folder / "broken")
    (folder / "broken" / "metrics.jsonl").write_text("{}\n[]\n")
    for path in (folder / "broken" / "checkpoints").rglob("*.json"):
        path.write_text("[]")


def _state(folder: Path) -> list[tuple[str, int, int]]:
    """What would show that a command has written something."""
    state = []
    for root, _, names in os.walk(folder):
        for path in (root, *(os.path.join(root, name) for name in names)):  # noqa: PTH118 - a thousand times a second
            status = os.lstat(path)
            state.append((path, status.st_mtime_ns, status.st_size))
    return sorted(state)


class Enough(BaseException):
    """So many steps are enough."""


def _train_a_little(recipe: Recipe, **more: Any) -> Any:
    """As `recipes.train`, up to a few steps."""
    done = 0

    @functools.wraps(train_step)
    def counted(*given: Any, **named: Any) -> Any:
        nonlocal done
        done += 1
        if done > STEPS:
            raise Enough
        return train_step(*given, **named)

    return train(recipe, step=counted, **more)


class _Failing:
    """A process that fails at once, in place of the trainings that `verify-resume` starts."""

    returncode = 3

    def __init__(self, *given: Any, **named: Any) -> None:
        pass

    def poll(self) -> int:
        return self.returncode

    def wait(self) -> int:
        return self.returncode

    def kill(self) -> None:
        pass


def run_command(words: list[str]) -> None:
    """Run the command, and look at what it has printed and how it ended.

    Raises:
        AssertionError: it did not end as documented.
    """
    output, errors = (io.TextIOWrapper(io.BytesIO(), "utf-8", policy) for policy in ("strict", "backslashreplace"))
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            code: Any = main(words)
        except SystemExit as left:  # of wrong usage, and of --help
            code = left.code
            assert code in (0, 2), f"usage ended with {code}"
            return
        except Enough:
            return
    errors.flush()
    said = errors.buffer.getvalue().decode()
    assert code in ENDS, f"ended with {code}: {said}"
    assert "Traceback" not in said, said
    last = (said.splitlines() or [""])[-1]
    assert code == 0 or last.startswith("fourstep: "), f"ended with {code} and not by a line of ours: {said[-500:]}"
    assert code == 0 or "fourstep: warning: " not in last, f"ended with {code} and a warning alone: {said[-500:]}"
