"""Hostile settings and rows of a run: what `run.toml` and `metrics.jsonl` say."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.hostile_watch import sparse

Edit = Callable[[Path], Any]


def text(name: str, content: str | bytes) -> Edit:
    """The run with this in one of its files."""
    return lambda run: (run / name).write_bytes(content.encode() if isinstance(content, str) else content)


def setting(line: str) -> Edit:
    """The run with another line in its recipe."""

    def edit(run: Path) -> None:
        name = line.split(" ", maxsplit=1)[0]
        path = run / "run.toml"
        lines = path.read_text().splitlines()
        lines = [old for old in lines if not old.startswith(f"{name} = ")]
        where = lines.index("[settings.recipe]")
        path.write_text("\n".join([*lines[: where + 1], line, *lines[where + 1 :]]) + "\n")

    return edit


def _data_in_a_queue(run: Path) -> None:
    setting("data = 'fashion-mnist'")(run)
    setting(f"data_folder = '{run}'")(run)
    os.mkfifo(run / "train-images-idx3-ubyte.gz")


SETTINGS: dict[str, Edit] = {
    "no TOML": text("run.toml", b"\x80\x04\x95"),
    "a deep list": text("run.toml", "a = " + "[" * 100_000),
    "a deep table": text("run.toml", "[" + ".".join("a" * 50_000) + "]\n"),
    "a deep inline table": text("run.toml", "a = " + "{a=" * 50_000),
    "a number of 100,000 digits": text("run.toml", "a = " + "9" * 100_000),
    "10 MB of one name": text("run.toml", "a" * 10_000_000 + " = 1"),
    "10 GB of nothing": lambda run: sparse(run / "run.toml", 10**10),
    "a recipe that is a list": lambda run: (run / "run.toml").write_text(
        "[settings]\nrecipe = [1]\n[data]\nclasses = []\n[versions]\n[machine]\n"
    ),
    **{
        f"recipe, {line[:40]}": setting(line)
        for line in (
            "model = 'os.system'", "model = '\\u001b'", 'model = "\\u001b]52;c;aGE=\\u0007"', 'data = "\\u001b[2J"',
            "data = '../../etc'", 'optimizer = "\\u202e\\u009b31m"', 'device = "cuda\\u001b[2J"', "device = 'x;y'",
            "hidden = [1000000000000, 1000000000000]", "hidden = [-1]", "hidden = [99999999999999999999999]",
            "resize = 1000000", "resize = -1", "batch_size = 0", "batch_size = 999999999999999999999999999",
            f"seed = {'9' * 400}", "seed = -1", "lr = inf", "lr = nan", "lr = '__import__(\"os\")'", "val = 2.0",
            "val = -1e308", "accumulate = -1", "log_every = -1", "precision = '__class__'", "epochs = {a = 1}",
            f"epochs = {'9' * 400}", "momentum = 1e308", "command = 'mkdir canary'", '"\\u001b[2J" = 1',
        )
    },
    "data elsewhere": lambda run: (setting("data = 'fashion-mnist'")(run), setting("data_folder = '/etc'")(run)),
    "data in a queue": _data_in_a_queue,
}  # fmt: skip

ROWS: dict[str, Edit] = {
    "no rows": text("metrics.jsonl", b"\x80\x04\x95"),
    "deep": text("metrics.jsonl", "[" * 100_000),
    "deep in a row": text("metrics.jsonl", '{"a":' * 100_000),
    "10 GB of nothing": lambda run: sparse(run / "metrics.jsonl", 10**10),
    "a number of 400 digits": text("metrics.jsonl", '{"epoch":1,"train/loss":' + "9" * 400 + "}\n"),
    "a number of 100,000 digits": text("metrics.jsonl", '{"epoch":1,"train/loss":' + "9" * 100_000 + "}\n"),
    "a number that is a text": text("metrics.jsonl", '{"epoch":1,"train/loss":"\\u001b[2J"}\n'),
    "no epoch": text("metrics.jsonl", '{"train/loss":1}\n'),
    "codes": text("metrics.jsonl", "\x1b[2J\x1b]52;c;aGE=\x07\n"),
    "an epoch that is none": text("metrics.jsonl", '{"epoch":null,"train/loss":1}\n{"epoch":1e999,"train/loss":1}\n'),
}
