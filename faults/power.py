"""The power goes: what was not on the disk is lost, torn, or there in another order. Each such state is continued.

What a run does to its files is recorded: every `mkdir`, `rename`, removal and `fsync` that it asks of the system, and
at an `fsync` what the file holds. (Everything that fourstep writes is brought to the disk by it, but the rows of
metrics.jsonl, which are read from a checkpoint.) After any number of these a state is drawn: a name that its folder was
not synced for may be there or not, each for itself; a file that was not synced may be empty, torn or whole.
"""

import json
import os
import random
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from faults.subjects import Subject, train_and_tell
from faults.trial import Fault, Site
from faults.zygote import Failure, answer, start

from fourstep import keeping

SUBJECT = Subject("cnn", "loop")
SECTORS = (512, 4096)


@dataclass
class Op:
    """Something that was done to a folder.

    Attributes:
        kind: `mkdir`, `file` (a file's content was synced), `rename`, `remove`, `sync` (a folder was), `saved`.
        path: of what.
        to: the new name of a rename; the blob of a file.
    """

    kind: str
    path: str
    to: str = ""


def cut_and_resume(site: Site, draw: random.Random, number: int) -> int:  # noqa: ARG001 - all is drawn
    """Build one state after a power cut, and let the run go on from it."""
    ops, folder = _recorded(site)
    end = draw.randrange(len(ops) + 1)
    state = _State(folder.parent, draw)
    for op in ops[:end]:
        state.do(op)
    shutil.rmtree(folder, ignore_errors=True)
    whole = sum(op.kind == "saved" for op in ops[:end])
    steps = [0, *(int(op.path) for op in ops if op.kind == "saved")]
    state.build(torn=next((op for op in ops[end:] if op.kind != "saved"), None))
    try:
        found = site.resume(SUBJECT, folder)
    except Failure as failure:
        raise Failure(f"after {end} of {len(ops)} calls, the last {ops[max(end - 1, 0)]}: {failure}") from failure
    if found["start"] not in steps[whole : whole + 2]:
        raise Failure(f"after {end} calls, taken up at step {found['start']}, not at one of {steps[whole : whole + 2]}")
    return 1


def _recorded(site: Site) -> tuple[list[Op], Path]:
    """What an undisturbed run does, recorded once; and the folder that it does it to."""
    base = site.root / "power"
    log = base / "log"
    folder = base / "disk" / "run"
    if not log.exists():
        folder.parent.mkdir(parents=True)
        child = start(lambda: _record(folder, base))
        site.finished(child)
        log.write_text(json.dumps([op for op in child.answers if isinstance(op, list)]))
    return [Op(*op) for op in json.loads(log.read_text())], folder


def _record(folder: Path, base: Path) -> None:
    """Train, and answer every operation."""
    recorder = _Recorder(folder, base)
    _after("mkdir", lambda path, *_, **__: _tell("mkdir", path))
    _after("rename", lambda path, to, **__: _tell("rename", path, to))
    _after("replace", lambda path, to, **__: _tell("rename", path, to))
    _after("fsync", recorder.note_sync)
    for name in ("unlink", "remove", "rmdir"):
        _after(name, _note_removal)
    sys.addaudithook(recorder.note_rows)
    _note_saves()
    train_and_tell(SUBJECT, folder)


def _tell(kind: str, path: Any, to: Any = "") -> None:
    answer([kind, os.fspath(path), os.fspath(to)])


def _after(name: str, note: Callable[..., None]) -> None:
    """Let a function of `os` tell what it has done."""
    original = getattr(os, name)

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        done = original(*args, **kwargs)
        note(*args, **kwargs)
        return done

    setattr(os, name, wrapped)


def _note_removal(path: Any, *, dir_fd: int | None = None) -> None:
    _tell("remove", path if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink() / path)


class _Recorder:
    """Keeps what files hold when they are synced."""

    def __init__(self, folder: Path, base: Path) -> None:
        self._rows, self._base, self._count = folder / "metrics.jsonl", base, 0
        self._torn_row = base / "torn-row"
        self._torn_row.write_bytes(b'{"epoch": 0.4166, "step": 5, "tr')  # rows are not synced: any part may be there

    def note_sync(self, handle: int) -> None:
        path = Path(f"/proc/self/fd/{handle}").readlink()
        if path.is_dir():
            _tell("sync", path)
            return
        self._count += 1
        blob = self._base / f"blob-{self._count}"
        blob.write_bytes(path.read_bytes())
        _tell("file", path, blob)

    def note_rows(self, event: str, details: Any) -> None:
        if event == "open" and str(details[0]) == str(self._rows) and details[2] & os.O_CREAT:
            _tell("file", self._rows, self._torn_row)


def _note_saves() -> None:
    """Answer the step of each checkpoint once it is said to be saved."""
    original = keeping.save_checkpoint  # type: ignore[attr-defined] # it is imported there, and patched in this process alone

    def wrapped(place: Path, step: int, parts: Any) -> Any:
        saved = original(place, step, parts)
        answer(["saved", str(step), ""])
        return saved

    keeping.save_checkpoint = wrapped  # type: ignore[attr-defined] # as above


class _State:
    """A file system of names that are on the disk, and of changes to names that are not yet."""

    def __init__(self, root: Path, draw: random.Random) -> None:
        self._root, self._draw = root, draw
        self._nodes: dict[int, str] = {0: ""}  # what each file holds: a blob; nothing for a folder
        self._now: dict[str, int] = {str(root): 0}  # by its path
        self._pending: list[tuple[set[str], Op, int]] = []  # the folders that have to be synced for it

    def do(self, op: Op) -> None:
        """Do one operation."""
        if op.kind == "saved":
            return
        if op.kind == "sync":
            for folders, _, _ in self._pending:
                folders.discard(op.path)
            return
        if op.kind == "file" and op.path in self._now:
            self._nodes[self._now[op.path]] = op.to
            return
        node = self._now.get(op.path, len(self._nodes))
        self._nodes.setdefault(node, op.to)
        folders = {str(Path(path).parent) for path in (op.path, op.to if op.kind == "rename" else op.path)}
        self._pending.append((folders, op, node))
        _change(self._now, op, node)

    def build(self, torn: Op | None) -> None:
        """Make what is on the disk, each change that is not certain with an even chance, and what was being written."""
        names: dict[str, int] = {str(self._root): 0}
        for folders, op, node in self._pending:
            if not folders or self._draw.random() < 0.5:  # noqa: PLR2004 - a coin
                _change(names, op, node)
        if torn is not None and torn.kind == "file" and torn.path not in self._now and self._draw.random() < 0.7:  # noqa: PLR2004 - mostly
            names[torn.path] = -1
            self._nodes[-1] = torn.to
        for path in sorted(names, key=lambda path: path.count("/")):
            if names[path] != 0 and Path(path).parent.is_dir():
                self._make(Path(path), names[path])

    def _make(self, path: Path, node: int) -> None:
        blob = self._nodes[node]
        if not blob:
            path.mkdir(exist_ok=True)
            return
        content = Path(blob).read_bytes()
        if node == -1:
            sectors = self._draw.choice(SECTORS)
            kept = self._draw.randrange(len(content) // sectors + 2) * sectors
            hole = b"\0" * (len(content) - kept) if self._draw.random() < 0.5 else b""  # noqa: PLR2004 - a coin
            content = content[:kept] + hole
        path.write_bytes(content)


def _change(names: dict[str, int], op: Op, node: int) -> None:
    """Change names as an operation does; where what it is done to is not there, nothing."""
    if op.kind in ("mkdir", "file"):
        names[op.path] = node
        return
    moved = [path for path in names if path == op.path or path.startswith(op.path + "/")]
    if op.kind == "rename":
        for path in [path for path in names if path == op.to or path.startswith(op.to + "/")]:
            del names[path]
    if op.kind == "rename":
        names[op.to] = node  # also where the old name was never on the disk
    for path in moved:
        held = names.pop(path)
        if op.kind == "rename":
            names[op.to + path.removeprefix(op.path)] = held


POWER = Fault(
    name="power",
    what="a power cut after any call of a run: unsynced names and contents lost, torn or in another order",
    short=100,
    long=300,
    body=cut_and_resume,
)
