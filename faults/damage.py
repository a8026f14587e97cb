"""Bits flipped, files cut, lost and swapped in the latest checkpoint: found, named, and passed over."""

import os
import random
import shutil
import warnings
from pathlib import Path

from faults.subjects import SUBJECTS, Subject
from faults.trial import Fault, Site
from faults.zygote import Failure, answer, start

import fourstep as fs
from fourstep.errors import FourstepError
from fourstep.runs.checkpoint import load_latest
from fourstep.runs.manifest import MANIFEST, list_checkpoints

AT_ONCE = 250  # injuries in a trial; the last one is resumed from
KINDS = {"flip": 75, "cut": 15, "garbage": 4, "lose": 3, "swap": 3}


def damage_and_load(site: Site, draw: random.Random, number: int) -> int:
    """Damage the latest checkpoint in many ways, one after the other, and resume from one of them."""
    subject = SUBJECTS[number % 4]
    folder = site.fresh("run")
    shutil.copytree(_prepare(site, subject), folder)
    many = _flip_all if number == 0 else _damage_many
    child = start(lambda: many(folder, draw))
    if child.wait() != 0 or not isinstance(child.answers[-1], int):
        raise Failure(f"{subject}: {child.answers} {child.said()[-1500:]}")
    place = folder / "checkpoints"
    _damage(sorted(place.glob("step-*")), draw)
    site.resume(subject, folder)
    return child.answers[-1] + 1


def _prepare(site: Site, subject: Subject) -> Path:
    """A finished run, made once."""
    prepared = site.root / f"prepared-{subject.kind}-{subject.way}"
    if not prepared.exists():
        site.finished(site.train(subject, prepared))
    return prepared


def _damage_many(folder: Path, draw: random.Random) -> None:
    """Damage the latest checkpoint at random, again and again; answers how often, or what was not met as promised."""
    place, sound = _list_sound(folder)
    for _ in range(AT_ONCE - 1):
        path, content, how = _damage(sorted(sound), draw)
        wrong = _look(place, sound[1], path)
        if wrong:
            answer(f"{how}: {wrong}")
            return
        path.write_bytes(content)
    answer(AT_ONCE - 1)


def _flip_all(folder: Path, _: random.Random) -> None:
    """Flip each bit of the latest manifest, one at a time; answers as `_damage_many`."""
    place, sound = _list_sound(folder)
    path = sound[0] / MANIFEST
    content = path.read_bytes()
    for number in range(8 * len(content)):
        changed = bytearray(content)
        changed[number // 8] ^= 1 << number % 8
        path.write_bytes(changed)
        wrong = _look(place, sound[1], path)
        if wrong:
            answer(f"bit {number % 8} of byte {number // 8} of {path.name}: {wrong}")
            return
    path.write_bytes(content)
    answer(8 * len(content))


def _list_sound(folder: Path) -> tuple[Path, list[Path]]:
    place = folder / "checkpoints"
    sound = [checkpoint.path for checkpoint in list_checkpoints(place)[0]]
    assert len(sound) > 1, "there is nothing to fall back to"
    return place, sound


def _damage(checkpoints: list[Path], draw: random.Random) -> tuple[Path, bytes, str]:
    """Damage a file of the latest checkpoint; its path, what it held, and what was done."""
    path = draw.choice(sorted(checkpoints[-1].iterdir()))
    content = path.read_bytes()
    kind = draw.choices(list(KINDS), list(KINDS.values()))[0]
    where = draw.randrange(len(content))
    bit = 1 << draw.randrange(8)
    other = (checkpoints[-2] / path.name).read_bytes()
    if kind == "swap" and other == content:
        kind = "lose"
    if kind == "lose":
        path.unlink()
    else:
        changed = {
            "flip": content[:where] + bytes([content[where] ^ bit]) + content[where + 1 :],
            "cut": content[:where],
            "garbage": content[:where] + os.urandom(len(content) - where),
            "swap": other,
        }[kind]
        path.write_bytes(changed)
    return path, content, f"{path.name}, {kind} at byte {where} of {len(content)}, bit {bit}"


def _look(place: Path, expected: Path, damaged: Path) -> str:
    """What is wrong with how the damage was met; nothing where it was found and named."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", fs.FourstepWarning)
        try:
            found = load_latest(place)
        except FourstepError as error:
            return f"refused all: {error}"
        except Exception as error:  # noqa: BLE001 - a finding
            return f"{type(error).__name__}: {error}"
    if found is None or found[0].path != expected:
        return f"took {found and found[0].path.name}"
    said = " ".join(str(one.message) for one in told)
    return "" if str(damaged) in said else f"did not name the file: {said}"


DAMAGE = Fault(
    name="damage",
    what="every bit of a manifest flipped; at random, bits of all files flipped, files cut, overwritten, lost, swapped",
    short=8,
    long=41,
    body=damage_and_load,
)
