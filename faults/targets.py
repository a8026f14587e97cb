"""What is given odd input: each reader of files that the package has, and its command line, in this process."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
from faults.arguments import prepare_command
from faults.mutators import mutate_bytes, mutate_idx, mutate_json, mutate_lines, mutate_safetensors, mutate_toml
from faults.reports import prepare_report
from faults.subjects import SUBJECTS, make_data, make_model
from torch.optim.lr_scheduler import CosineAnnealingLR

import fourstep as fs
from fourstep.data.idx import read_idx
from fourstep.device import pick_device
from fourstep.history import History
from fourstep.recipes import TABLE, from_settings, is_own, load_recipe, make_parts, recipe_for
from fourstep.recipes.build import make_optimizer
from fourstep.recipes.networks import make_model as make_recipe_model
from fourstep.runs.checkpoint import load_checkpoint, load_latest
from fourstep.runs.folder import CHECKPOINTS, ROWS, SETTINGS, RunFolder
from fourstep.runs.manifest import MANIFEST, list_checkpoints, to_manifest
from fourstep.runs.reading import read_tensors
from fourstep.runs.record import load_run
from fourstep.runs.settings import describe, differences
from fourstep.runs.weights import WEIGHTS, load_weights, save_weights
from fourstep.show import save_curves

Attempt = Callable[[Random], Callable[[], Any]]  # writes an odd input, and gives what reads it

DRAWN = 0.003  # of the inputs that can be drawn, trained or the like: what that takes is not what is looked for


@dataclass(frozen=True)
class Target:
    """Something that reads.

    Attributes:
        name: for the report.
        prepare: is given a fresh folder that holds a run of a recipe in `run` and one of a script in `own`.
    """

    name: str
    prepare: Callable[[Path], Attempt]


def prepare_checkpoint(folder: Path) -> Attempt:
    """A checkpoint whose files are changed; mostly with the right hashes in its manifest."""
    place = folder / "own" / CHECKPOINTS
    latest, *earlier = list_checkpoints(place)[0]
    for checkpoint in earlier:
        shutil.rmtree(checkpoint.path)
    whole = {name: (latest.path / name).read_bytes() for name in latest.files}
    subject, data = SUBJECTS[2], make_data(SUBJECTS[2])
    rows = RunFolder(folder / "rows")

    def read() -> None:
        found = load_latest(place)
        assert found is not None
        model = make_model(subject.kind)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        run = fs.Run(model, optimizer, data, metrics={"accuracy": fs.accuracy}, folder=rows.path, device="cpu")
        run.register("schedule", CosineAnnealingLR(optimizer, 30))
        assert run.keeper is not None
        run.keeper._restore(rows, *found)  # noqa: SLF001 - the part of resuming that reads what a file says

    def attempt(draw: Random) -> Callable[[], Any]:
        files = dict(whole)
        for name in draw.sample(list(files), draw.choice((1, 1, 1, 2))):
            files[name] = (mutate_json if name.endswith(".json") else mutate_safetensors)(draw, files[name])
        for name, content in files.items():
            (latest.path / name).write_bytes(content)
        if draw.random() < 0.95:  # noqa: PLR2004 - a share
            marks = {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in files.items()}
            (latest.path / MANIFEST).write_bytes(to_manifest(latest.step, latest.serial, marks))
        return read

    return attempt


def prepare_manifest(folder: Path) -> Attempt:
    """A manifest that is changed; mostly with the right hash of itself."""
    place = folder / "own" / CHECKPOINTS
    latest = list_checkpoints(place)[0][0]
    path = latest.path / MANIFEST
    whole = path.read_bytes()
    signed = b',\n "sha256": "'

    def read() -> None:
        for checkpoint in list_checkpoints(place)[0]:
            if checkpoint.path == latest.path:
                load_checkpoint(checkpoint)

    def attempt(draw: Random) -> Callable[[], Any]:
        content = mutate_json(draw, whole)
        if draw.random() < 0.9:  # noqa: PLR2004 - a share
            content = mutate_json(draw, whole[: whole.rindex(signed)] + b"\n}")
            content = _sign(content)
        path.write_bytes(content)
        return read

    return attempt


def _sign(content: bytes) -> bytes:
    """The content as `to_manifest` would have written it, where that can be."""
    try:
        tree = json.loads(content)
        text = json.dumps(tree, indent=1)
        digest = hashlib.sha256(text.encode()).hexdigest()
        return (json.dumps({**tree, "sha256": digest}, indent=1) + "\n").encode()
    except (ValueError, TypeError, RecursionError):
        return content


def prepare_weights(folder: Path) -> Attempt:
    """A weights file: safetensors, or what torch.save wrote."""
    model = torch.nn.Linear(8, 4)
    torch.save(model.state_dict(), folder / "whole.pt")
    save_weights(model, folder / "whole.safetensors")
    safe, pickled = (folder / "whole.safetensors").read_bytes(), (folder / "whole.pt").read_bytes()

    def attempt(draw: Random) -> Callable[[], Any]:
        is_pickled = draw.random() < 0.3  # noqa: PLR2004 - a share
        path = folder / ("odd.pt" if is_pickled else WEIGHTS)
        path.write_bytes(mutate_bytes(draw, pickled) if is_pickled else mutate_safetensors(draw, safe))
        if is_pickled or draw.random() < 0.5:  # noqa: PLR2004 - a share
            return lambda: read_tensors(path)
        return lambda: load_weights(model, path)

    return attempt


def prepare_idx(folder: Path) -> Attempt:
    """An IDX file, plain or packed."""
    whole = (
        bytes((0, 0, 8, 1, 0, 0, 0, 40)) + bytes(range(40)),
        bytes((0, 0, 8, 3, 0, 0, 0, 4, 0, 0, 0, 6, 0, 0, 0, 5)) + bytes(range(120)),
    )
    path = folder / "odd.gz"

    def attempt(draw: Random) -> Callable[[], Any]:
        path.write_bytes(mutate_idx(draw, draw.choice(whole)))
        return lambda: read_idx(path)

    return attempt


def prepare_recipe(folder: Path) -> Attempt:
    """A recipe in TOML; where it can be used, model and optimizer, and now and then the data."""
    run = (folder / "run" / SETTINGS).read_bytes()
    recipe = run[run.index(b"[settings.recipe]") :].split(b"\n\n")[0]
    plain = recipe.partition(b"\n")[2]
    path = folder / "odd.toml"

    def attempt(draw: Random) -> Callable[[], Any]:
        path.write_bytes(mutate_toml(draw, draw.choice((plain, plain, recipe))))
        makes_all = draw.random() < DRAWN

        def read() -> None:
            recipe = from_settings(load_recipe(path))
            pick_device(recipe.device)
            if makes_all or is_own(recipe.data) or recipe.model == TABLE:
                make_parts(recipe)
            else:
                make_optimizer(recipe, make_recipe_model(recipe, 10))

        return read

    return attempt


def prepare_settings(folder: Path) -> Attempt:
    """A run's `run.toml`."""
    path = folder / "run" / SETTINGS
    whole = path.read_bytes()
    model, data, _, optimizer = make_parts(recipe_for("softmax"))
    now = {**describe(model, optimizer, data, torch.device("cpu"), {}), "speed": {}}

    def attempt(draw: Random) -> Callable[[], Any]:
        path.write_bytes(mutate_toml(draw, whole))
        if draw.random() < 0.5:  # noqa: PLR2004 - a share

            def read() -> None:
                record = load_run(path.parent)
                _ = record.classes
                if "recipe" in record.settings:
                    from_settings(record.settings["recipe"])

            return read
        return lambda: differences(RunFolder(path.parent).read_settings() or {}, now)

    return attempt


def prepare_metrics(folder: Path) -> Attempt:
    """A run's `metrics.jsonl`, and what is made of its rows."""
    path = folder / "run" / ROWS
    whole = path.read_bytes()

    def attempt(draw: Random) -> Callable[[], Any]:
        path.write_bytes(mutate_lines(draw, whole))
        is_drawn = draw.random() < DRAWN

        def read() -> None:
            history = load_run(path.parent).history
            for name in history.curves():
                history.series(name)
            repr(history)
            history.to_columns()
            history.save_csv(folder / "rows.csv")
            history.save_jsonl(folder / "rows.jsonl")
            again = History()
            again.load_state_dict(history.state_dict())
            if is_drawn:
                save_curves(history, folder / "curves.svg")

        return read

    return attempt


TARGETS = (
    Target("checkpoint", prepare_checkpoint),
    Target("manifest", prepare_manifest),
    Target("weights", prepare_weights),
    Target("idx", prepare_idx),
    Target("recipe", prepare_recipe),
    Target("settings", prepare_settings),
    Target("metrics", prepare_metrics),
    Target("report", prepare_report),
    Target("command", prepare_command),
)
