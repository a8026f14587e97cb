"""What stands in a hostile run's folder in place of files: links that lead out, queues that nobody fills, devices."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from faults.hostile_watch import sparse

Edit = Callable[[Path], Any]


def _instead(name: str, put: Callable[[Path], Any]) -> Edit:
    """Something else in place of a file; `step` in a name is the latest checkpoint, and the others are gone."""

    def edit(run: Path) -> None:
        found = sorted((run / "checkpoints").glob("step-*"))
        for other in found[:-1] if "step" in name else ():
            shutil.rmtree(other)
        path = run / (name.replace("step", f"checkpoints/{found[-1].name}") if found else name)
        if path.is_dir():
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        put(path)

    return edit


def _link(target: str) -> Callable[[Path], Any]:
    return lambda path: path.symlink_to(target)


def _victim(path: Path) -> None:
    """A link to a file that is somebody's."""
    path.symlink_to(next(parent for parent in path.parents if parent.name == "given").parent / "outside" / "victim")


def _outside(path: Path) -> None:
    """A link to a folder that is somebody's."""
    path.symlink_to(next(parent for parent in path.parents if parent.name == "given").parent / "outside")


def _begin_again(run: Path) -> None:
    """No checkpoint, so that the run begins anew, and its rows a link."""
    shutil.rmtree(run / "checkpoints")
    _instead("metrics.jsonl", _victim)(run)
    (run / "run.toml").write_text((run / "run.toml").read_text().replace("epochs = 2", "epochs = 1"))


def _beside(name: str, put: Callable[[Path], Any]) -> Edit:
    """Something more in the latest checkpoints' folders."""

    def edit(run: Path) -> None:
        for path in (run / "checkpoints").glob("step-*"):
            put(path / name)

    return edit


def _weights(path: Path) -> None:
    sparse(path, 10**10)


PLACES: dict[str, tuple[Edit, str]] = {
    "run.toml, a queue": (_instead("run.toml", os.mkfifo), "verify"),
    "run.toml, a device": (_instead("run.toml", _link("/dev/zero")), "resume"),
    "rows, a queue": (_instead("metrics.jsonl", os.mkfifo), "plot"),
    "rows, a device": (_instead("metrics.jsonl", _link("/dev/zero")), "verify"),
    "rows, a terminal": (_instead("metrics.jsonl", _link("/dev/tty")), "plot"),
    "rows, a link out": (_instead("metrics.jsonl", _victim), "resume"),
    "rows, a link out, and no checkpoint": (_begin_again, "resume"),
    "manifest, a queue": (_instead("step/manifest.json", os.mkfifo), "verify"),
    "manifest, a device": (_instead("step/manifest.json", _link("/dev/zero")), "resume"),
    "manifest, 10 GB": (_instead("step/manifest.json", _weights), "verify"),
    "manifest, a folder": (_instead("step/manifest.json", Path.mkdir), "verify"),
    "state, a queue": (_instead("step/state.json", os.mkfifo), "resume"),
    "state, a link out": (_instead("step/state.json", _victim), "resume"),
    "tensors, a queue": (_instead("step/model.safetensors", os.mkfifo), "verify"),
    "tensors, a device": (_instead("step/model.safetensors", _link("/dev/zero")), "resume"),
    "tensors, 10 GB": (_instead("step/model.safetensors", _weights), "verify"),
    "checkpoints, a link out": (_instead("checkpoints", _outside), "resume"),
    "checkpoints, a link out, verified": (_instead("checkpoints", _outside), "verify"),
    "checkpoints, a queue": (_instead("checkpoints", os.mkfifo), "resume"),
    "a checkpoint, a link out": (lambda run: _outside(run / "checkpoints" / "step-00000001"), "resume"),
    "a part, a link out": (lambda run: _outside(run / "checkpoints" / ".part-1-x"), "resume"),
    "lock, a link out": (_instead("run.lock", _victim), "resume"),
    "lock, a link to a new file": (_instead("run.lock", _link("../../outside/new")), "resume"),
    "lock, a queue": (_instead("run.lock", os.mkfifo), "resume"),
    "lock, a folder": (_instead("run.lock", Path.mkdir), "resume"),
    "weights, a queue": (_instead("model.safetensors", os.mkfifo), "predict"),
    "weights, a device": (_instead("model.safetensors", _link("/dev/zero")), "evaluate"),
    "weights, 10 GB": (_instead("model.safetensors", _weights), "evaluate"),
    "weights, a link out": (_instead("model.safetensors", _victim), "resume"),
    "curves, a link out": (_instead("curves.svg", _victim), "plot"),
    "predictions, a link out": (_instead("predictions.png", _victim), "predict"),
    "more in a checkpoint, a queue": (_beside("more", os.mkfifo), "replay"),
    "more in a checkpoint, a link out": (_beside("more", _outside), "replay"),
    "more in a checkpoint, a device": (_beside("more", _link("/dev/zero")), "replay"),
}
