"""The checkpoint protocol: whole and sound, or not at all."""

import json
import math
import os
import random
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

import fourstep as fs
from fourstep.runs.checkpoint import load_checkpoint, load_latest, prune_checkpoints, save_checkpoint, verify_checkpoint
from fourstep.runs.manifest import NewerFormatError, list_checkpoints, read_manifest
from fourstep.runs.manifest import _signed as signed


def parts(step: int) -> dict[str, Any]:
    """A state that is another for every step."""
    return {"model": {"weight": torch.full((3, 4), float(step))}, "state": {"step": step, "lr": 0.1, "lost": None}}


def is_of(step: int, loaded: Any) -> bool:
    """Is this what `parts(step)` was?"""
    return bool(
        loaded["state"] == parts(step)["state"]
        and torch.equal(loaded["model"]["weight"], parts(step)["model"]["weight"])
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the checkpoints of steps 10 and 20."""
    for step in (10, 20):
        save_checkpoint(tmp_path / "checkpoints", step, parts(step))
    return tmp_path / "checkpoints"


@contextmanager
def files_up_to(size: int) -> Iterator[None]:
    """No file may grow beyond `size` bytes: the disk is full there."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_was_saved_is_loaded(place: Path) -> None:
    """The latest one, by its step and not by any clock."""
    os.utime(place / "step-00000010", (2e9, 2e9))
    found = load_latest(place)

    assert found is not None
    assert found[0].step == 20
    assert is_of(20, found[1])
    assert sorted(path.name for path in found[0].path.iterdir()) == [
        "manifest.json", "model.json", "model.safetensors", "state.json",
    ]  # fmt: skip


def test_the_later_of_two_of_one_step_is_the_latest(place: Path) -> None:
    """As a save inside an epoch's last batch and one at its end."""
    save_checkpoint(place, 20, parts(21))
    found = load_latest(place)

    assert found is not None
    assert (found[0].age, found[0].path.name) == ((20, 2), "step-00000020-2")
    assert is_of(21, found[1])


def test_nothing_saved_is_nothing_found(tmp_path: Path) -> None:
    """A folder that is not there, and one that is empty."""
    assert load_latest(tmp_path / "none") is None
    assert load_latest(tmp_path) is None


def test_every_flipped_bit_is_found(place: Path) -> None:
    """In any byte of any file, the manifest's too: the file is named, and the earlier checkpoint is taken."""
    files = sorted((place / "step-00000020").iterdir())
    bits = [(path, bit) for path in files for bit in range(8 * path.stat().st_size)]
    for path, bit in random.Random(0).sample(bits, 250):  # noqa: S311 - no secret
        sound = path.read_bytes()
        damaged = bytearray(sound)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.warns(fs.FourstepWarning, match=rf"{path} is damaged: .*\. Continued from step-00000010"):
            found = load_latest(place)
        assert found is not None
        assert found[0].step == 10
        assert is_of(10, found[1])
        path.write_bytes(sound)


def test_a_flipped_format_is_damage_and_no_newer_version(place: Path) -> None:
    """Every bit of the number: refused as a newer one, no earlier checkpoint would be taken."""
    path = place / "step-00000020" / "manifest.json"
    sound = path.read_bytes()
    for bit in range(8):
        damaged = bytearray(sound)
        damaged[sound.index(b'"format": 1') + 10] ^= 1 << bit
        path.write_bytes(damaged)
        with pytest.warns(fs.FourstepWarning, match=r"manifest\.json is damaged"):
            assert is_of(10, (load_latest(place) or [None, None])[1])


@pytest.mark.parametrize("name", ["format", "step", "serial"])
def test_a_number_without_end_is_damage(place: Path, name: str) -> None:
    """JSON may hold an infinite one, also under the right hash."""
    path = place / "step-00000020" / "manifest.json"
    content = {**json.loads(path.read_text()), name: math.inf}
    del content["sha256"]
    path.write_bytes(signed(content))
    with pytest.warns(fs.FourstepWarning, match=r"manifest\.json is damaged"):
        assert is_of(10, (load_latest(place) or [None, None])[1])


@pytest.mark.parametrize("name", ["manifest.json", "model.json", "model.safetensors", "state.json"])
def test_every_truncation_is_found(place: Path, name: str) -> None:
    """At every length from nothing to all but one byte, and a file that is gone."""
    path = place / "step-00000020" / name
    sound = path.read_bytes()
    for length in range(0, len(sound), max(1, len(sound) // 60)):
        path.write_bytes(sound[:length])
        with pytest.warns(fs.FourstepWarning, match=f"{name} is damaged"):
            assert is_of(10, (load_latest(place) or [None, None])[1])
    path.unlink()
    with pytest.warns(fs.FourstepWarning, match=f"{name} is damaged: (it is not there|No such file)"):
        assert is_of(10, (load_latest(place) or [None, None])[1])


def test_files_of_two_checkpoints_do_not_mix(place: Path) -> None:
    """Each sound by itself: an old manifest with new files, and files swapped."""
    shutil.copy(place / "step-00000010" / "manifest.json", place / "step-00000020" / "manifest.json")
    with pytest.warns(fs.FourstepWarning, match=r"step-00000020/manifest\.json is damaged: it is that of step 10"):
        found = load_latest(place)

    assert found is not None
    assert is_of(10, found[1])


def test_where_all_are_damaged_nothing_is_begun_anew(place: Path) -> None:
    """Training from the start would throw away what may be mended."""
    for path in place.glob("*/model.safetensors"):
        path.write_bytes(b"")
    with pytest.raises(fs.RunFolderError, match="No sound checkpoint is left: train again into another folder"):
        load_latest(place)


def test_a_newer_format_is_refused_and_an_older_checkpoint_not_taken(place: Path) -> None:
    """It is no damage: what is in it would be lost."""
    path = place / "step-00000020" / "manifest.json"
    content = {**json.loads(path.read_text()), "format": 2}
    del content["sha256"]
    path.write_bytes(signed(content))
    with pytest.raises(NewerFormatError, match="has format 2, and this fourstep reads up to 1: pip install --upgrade"):
        load_latest(place)


@pytest.mark.parametrize("size", [0, 30, 60, 100, 150, 200, 300, 400])
def test_a_full_disk_leaves_what_was_there(place: Path, size: int) -> None:
    """At whatever byte it is full: one line with what is needed, no half checkpoint, and a later save succeeds."""
    with (
        files_up_to(size),
        pytest.raises(
            fs.RunFolderError,
            match=r"no checkpoint could be saved in .* \(about 0\.0 MB needed, [\d.]+ MB free\); the earlier ones",
        ) as caught,
    ):
        save_checkpoint(place, 30, parts(30))

    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in place.iterdir()) == ["step-00000010", "step-00000020"]
    assert save_checkpoint(place, 30, parts(30)).path.name == "step-00000030"


@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir"])
def test_a_failing_call_is_one_line_and_leaves_what_was_there(
    place: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the calls in turn, wherever in the save it happens; the folder is abandoned."""
    raised: list[int] = []
    for number in range(20):
        calls = iter(range(100))

        def failing(
            *arguments: Any, real: Callable[..., Any], calls: Iterator[int] = calls, number: int = number
        ) -> Any:
            if next(calls) == number:
                raised.append(number)
                raise OSError(5, "Input/output error")
            return real(*arguments)

        real = getattr(os, call)
        monkeypatch.setattr(os, call, lambda *given, real=real, failing=failing: failing(*given, real=real))
        try:
            save_checkpoint(place, 30 + number, parts(30 + number))
            monkeypatch.undo()
        except fs.RunFolderError as error:
            assert "Input/output error" in str(error)  # noqa: PT017 - the last round raises nothing
            found = load_latest(place)
            assert found is not None
            assert is_of(found[0].step, found[1])
        finally:
            monkeypatch.undo()
        if number not in raised:
            break
    assert raised == list(range(number))
    assert raised


def test_pruning_keeps_what_it_is_told_and_clears_what_died(place: Path) -> None:
    """Foreign files stay; a process that was killed while it saved or pruned leaves nothing for ever."""
    for name in (".part-30-aaaa", ".old-bbbb"):
        (place / name).mkdir()
        (place / name / "model.json").write_text("half")
    (place / "notes.txt").write_text("mine")
    (place / "step-00000010-mine").mkdir()
    prune_checkpoints(place, [place / "step-00000020"])

    assert sorted(path.name for path in place.iterdir()) == ["notes.txt", "step-00000010-mine", "step-00000020"]


def test_a_name_that_leads_elsewhere_is_refused(place: Path, tmp_path: Path) -> None:
    """In a manifest whose hash is right."""
    (tmp_path / "secret.json").write_text("{}")
    from fourstep.runs.manifest import to_manifest  # noqa: PLC0415 - a stranger's tool

    for name in ("../../secret.json", str(tmp_path / "secret.json"), "model.pt"):
        (place / "step-00000020" / "manifest.json").write_bytes(to_manifest(20, 1, {name: (2, "0")}))
        with pytest.raises(fs.RunFolderError, match="is no name of a checkpoint's file"):
            read_manifest(place / "step-00000020")


def test_a_manifest_of_too_many_names_is_refused_unread(place: Path) -> None:
    """To hash it would take seconds."""
    path = place / "step-00000020" / "manifest.json"
    content = json.loads(path.read_text())
    del content["sha256"]
    content["files"] |= {f"{number}.json": {"size": 1, "sha256": "0" * 64} for number in range(10_000)}
    path.write_bytes(signed(content))

    with pytest.raises(
        fs.RunFolderError, match=r"manifest\.json is damaged: it has 1,\d+,\d+ bytes, more than 1,048,576"
    ):
        read_manifest(place / "step-00000020")


def test_a_link_is_no_file_of_a_checkpoint(place: Path) -> None:
    """Its content could be anything the next moment."""
    path = place / "step-00000020" / "model.json"
    path.rename(place / "model.json")
    path.symlink_to(place / "model.json")
    checkpoint = next(found for found in list_checkpoints(place)[0] if found.step == 20)
    with pytest.raises(fs.RunFolderError, match=r"model\.json is damaged: it is not there"):
        verify_checkpoint(checkpoint)
    with pytest.raises(fs.RunFolderError, match=r"model\.json is damaged: it is not there"):
        load_checkpoint(checkpoint)
