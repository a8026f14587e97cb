"""Hostile run folders: a run that somebody else has packed, to be verified, continued, measured, drawn."""

import hashlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from faults.hostile_places import PLACES
from faults.hostile_settings import ROWS, SETTINGS, Edit, text
from faults.hostile_watch import Case
from faults.hostile_weights import ESCAPES, HEADERS, Evil, command, zipped
from faults.zygote import Failure, answer, start

from fourstep.cli import main
from fourstep.runs.manifest import list_checkpoints, to_manifest

VERIFY, RESUME = command("verify", "FILE"), command("resume", "FILE", "--epochs", "3")
PREDICT, EVALUATE, PLOT = (
    command("predict", "FILE", "--count", "2"),
    command("evaluate", "FILE"),
    command("plot", "FILE"),
)
REPLAY = command("verify", "FILE", "--replay", "50")

_prepared: list[Path] = []


def prepare(root: Path) -> None:
    """Train the run that is made hostile, once; it has two checkpoints."""
    if _prepared and _prepared[0].exists():
        return

    run = root / "hostile-run"
    child = start(lambda: _train(run))
    if child.wait() != 0:
        raise Failure(f"no run to begin with: {child.said()}")
    for name in child.answers:
        with suppress(ImportError):
            import_module(name)  # here, so that it does not count as a file's time
    _prepared[:] = [run]


def _train(run: Path) -> None:
    """Train, use what there is, and answer what was imported for it."""
    os.environ["FOURSTEP_SAVE_EVERY"] = "20"
    before = {*sys.modules}
    shown = (
        ["train", "softmax", "--epochs", "2", "--run"],
        ["predict"],
        ["evaluate"],
        ["plot"],
        ["verify", "--replay", "50"],
    )
    assert [main([*command, str(run)]) for command in shown] == [0] * len(shown)
    for name in sorted({*sys.modules} - before):
        answer(name)


def latest(run: Path) -> Path:
    """The latest checkpoint's folder."""
    return list_checkpoints(run / "checkpoints")[0][0].path


def changed(edit: Edit) -> Callable[[Path], Path]:
    """A copy of the run that something was done to."""

    def make(folder: Path) -> Path:
        run = folder / "run"
        shutil.copytree(_prepared[0], run)
        edit(run)
        return run

    return make


def sealed(name: str, content: bytes | Callable[[Any], Any]) -> Edit:
    """The run with this in all its checkpoints, and with the hashes that belong to it."""

    def edit(run: Path) -> None:
        for checkpoint in list_checkpoints(run / "checkpoints")[0]:
            path = checkpoint.path / name
            if isinstance(content, bytes):
                path.write_bytes(content)
            else:
                state = json.loads(path.read_bytes())
                path.write_text(json.dumps(content(state) or state))
            files = {file: _mark(checkpoint.path / file) for file in checkpoint.files}
            (checkpoint.path / "manifest.json").write_bytes(to_manifest(checkpoint.step, checkpoint.serial, files))

    return edit


def _mark(path: Path) -> tuple[int, str]:
    return path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest()


def manifest(content: bytes | None = None, *, step: int = 0, files: dict[str, tuple[int, str]] | None = None) -> Edit:
    """The run with this manifest in its latest checkpoint, its own hash right."""

    def edit(run: Path) -> None:
        path = latest(run)
        kept = {"model.json": _mark(path / "model.json")}
        made = to_manifest(step or int(path.name.split("-")[1]), 1, {**kept, **(files or {})})
        (path / "manifest.json").write_bytes(made if content is None else content)
        shutil.rmtree(min(path.parent.iterdir()))  # nothing to fall back to

    return edit


def _state(**changes: Any) -> Edit:
    return sealed("state.json", lambda state: state.update(changes))


def _group(**changes: Any) -> Edit:
    return sealed("state.json", lambda state: state["optimizer"]["param_groups"][0].update(changes))


def _rename(state: Any) -> None:
    """Other names for the measured numbers."""
    for shape in state["history"]["shapes"]:
        for pair in shape:
            pair[0] = pair[0].replace("train/loss", f"train/{ESCAPES}")


MANIFESTS: dict[str, Edit] = {
    "a name that leads out": manifest(files={"../../../../outside/victim.json": (5, "0" * 64)}),
    "an absolute name": manifest(files={"/etc/hostname.json": (5, "0" * 64)}),
    "a name of codes": manifest(files={f"{ESCAPES}.json": (5, "0" * 64)}),
    "a name with a zero": manifest(files={"a\0b.json": (5, "0" * 64)}),
    "a size of 10**30": manifest(files={"state.json": (10**30, "0" * 64)}),
    "a negative size": manifest(files={"state.json": (-1, "0" * 64)}),
    "a step of 10**300": manifest(step=10**300),
    "100,000 names": manifest(files={f"{number}.json": (1, "0" * 64) for number in range(100_000)}),
    "deep": manifest(b'{"format":' * 100_000),
    "a number of 100,000 digits": manifest(b'{"format":' + b"9" * 100_000 + b"}"),
    "a list": manifest(b"[]"),
    "50 MB of brackets": manifest(b"[" * 50_000_000),
    "a pickle": manifest(pickle.dumps(Evil())),
}

STATES: dict[str, Edit] = {
    "a pickle for JSON": sealed("state.json", pickle.dumps(Evil(), protocol=0)),
    "a pickle for tensors": sealed("model.safetensors", zipped(pickle.dumps(Evil(), protocol=2))),
    **{f"tensors, {lie}": sealed("model.safetensors", content) for lie, content in HEADERS.items()},
    "deep": sealed("state.json", b"[" * 200_000),
    "deep and whole": sealed("state.json", b"[" * 900 + b"]" * 900),
    "an unknown mark": _state(optimizer={"$call": "os.system"}),
    "a key that is a list": _state(optimizer={"$dict": [[[1], 2]]}),
    "a tensor that is not there": _state(optimizer={"$tensor": "nowhere"}),
    "an order that lies": sealed("model.json", lambda state: {k: {**v, "order": [5, 5]} for k, v in state.items()}),
    "no model": sealed("model.json", b"{}"),
    "no state": sealed("state.json", b"{}"),
    "a text for the state": sealed("state.json", b'"text"'),
    "a rate that is a text": _group(lr="0.1"),
    "a rate that is nothing": _group(lr=None),
    "groups of others": _group(params=[5, 6, 7]),
    "epochs that are a text": _state(epochs_done="x"),
    "epochs below 0": _state(epochs_done=-5),
    "seconds that are a text": _state(seconds="x"),
    "generators that are none": _state(generators={"torch": [1]}),
    "no generators": _state(generators=None),
    "a guard that is none": _state(guard=["x"]),
    "a best that is none": _state(best=["x"]),
    "rows that are none": _state(history={"shapes": [], "kinds": {"$tuple": []}, "numbers": []}),
    "an epoch that is none": _state(epoch={"x": 1}),
}

HARMLESS: dict[str, Edit] = {
    "a group's flags": _group(foreach="x", fused=True, capturable=True),
    "10**18 epochs": _state(epochs_done=10**18),
    "registered that is none": _state(registered=5),
    "names of codes": sealed("state.json", _rename),
    "a reason of codes": _state(stopped=ESCAPES),
}


def _svg_is_harmless(given: Path) -> str:
    drawn = (given / "run" / "curves.svg").read_text(encoding="utf-8")
    return "HTML in the picture" if "<script" in drawn or not drawn.replace("\n", "").isprintable() else ""


def _draws(name: str) -> Edit:
    row = {"epoch": 1.0, "step": 1, f"train/{name}": 0.5, f"val/{name}": 0.25}
    return text("metrics.jsonl", json.dumps(row) + "\n" + json.dumps({**row, "epoch": 2.0}) + "\n")


NAMES = {
    "codes and HTML": ESCAPES,
    "mathtext": "$\\frac{",
    "a dollar": "$x^$",
    "long": "x" * 20_000,
    "empty": "",
    "a format": "%s{0}",
}


DOORS = {
    "verify": VERIFY, "resume": RESUME, "predict": PREDICT, "evaluate": EVALUATE, "plot": PLOT, "replay": REPLAY,
}  # fmt: skip


def run_cases() -> list[Case]:
    """All, each at a door where it counts."""
    cases = []
    for kind, edits, doors, shown in (
        ("manifest", MANIFESTS, (VERIFY, RESUME), False),
        ("checkpoint", STATES, (RESUME,), False),
        ("checkpoint", HARMLESS, (RESUME,), True),
        ("settings", SETTINGS, (RESUME, PREDICT), True),
        ("rows", ROWS, (PLOT,), True),
    ):
        for number, (name, edit) in enumerate(edits.items()):
            opened = doors[number % len(doors)]
            cases.append(Case(name=f"{kind}: {name}", make=changed(edit), open=opened, shown=shown))
    for name, content in HEADERS.items():
        made = changed(text("model.safetensors", content))
        cases.append(Case(name=f"final weights: {name}", make=made, open=EVALUATE))
    for name, drawn in NAMES.items():
        made = changed(_draws(drawn))
        cases.append(Case(name=f"drawn: {name}", make=made, open=PLOT, shown=True, look=_svg_is_harmless))
    for name, (edit, door) in PLACES.items():
        cases.append(Case(name=f"place: {name}", make=changed(edit), open=DOORS[door], shown=True))
    return cases
