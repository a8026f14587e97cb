"""Caches that were torn, damaged, left unfinished by a kill; processes that die; more than the memory."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest
import torch

import fourstep as fs
from fourstep.data import from_images
from fourstep.data.batches import Batches
from fourstep.data.folders import workers
from fourstep.data.folders.cache import BLOCKS, PIXELS

Fill: TypeAlias = Callable[..., Path]


def the_only(cache: Path) -> Path:
    """The one cache that there is."""
    (found,) = cache.glob("*/")
    return found


@pytest.mark.parametrize("place", [0, 64 * 3 * 32 * 32 - 1, 64 * 3 * 32 * 32, 150 * 3 * 32 * 32 - 1])
def test_a_byte_that_changed_is_noticed(fill: Fill, cache: Path, place: int) -> None:
    """In any block; the pixels are decoded again from there on."""
    folder = fill({"a": 75, "b": 75})
    from_images(folder, workers=1)
    pixels = the_only(cache) / PIXELS
    whole = pixels.read_bytes()
    damaged = bytearray(whole)
    damaged[place] ^= 1
    pixels.write_bytes(damaged)

    from_images(folder, workers=1)

    assert pixels.read_bytes() == whole


@pytest.mark.parametrize("keep", [0, 15_000, -1])
def test_a_torn_cache_goes_on(fill: Fill, cache: Path, keep: int) -> None:
    """Wherever its pixels end, or its lines, or both; with rubbish in its place too."""
    folder = fill({"a": 75, "b": 75})
    from_images(folder, size=8, workers=1)
    files = [the_only(cache) / name for name in (PIXELS, BLOCKS)]
    whole = [file.read_bytes() for file in files]
    for torn in ([0], [1], [0, 1]):
        for i in torn:
            files[i].write_bytes(whole[i][:keep])
        from_images(folder, size=8, workers=1)
        assert [file.read_bytes() for file in files] == whole
    for rubbish in (
        b"null\n",
        b"{}\n",
        b"[" * 10_000,
        b"\xff\n",
        b'{"rows": 64, "sha256": "", "damaged": [[1, ""]]}\n',
    ):
        files[1].write_bytes(rubbish)
        from_images(folder, size=8, workers=1)
        assert [file.read_bytes() for file in files] == whole
    files[0].unlink()
    from_images(folder, size=8, workers=1)
    assert [file.read_bytes() for file in files] == whole


def test_only_what_is_missing_is_decoded(fill: Fill, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Blocks that are whole are kept, and counted in the line that says so."""
    folder = fill({"a": 75, "b": 75})
    from_images(folder, size=8, workers=1)
    lines = (the_only(cache) / BLOCKS).read_bytes().splitlines(keepends=True)
    (the_only(cache) / BLOCKS).write_bytes(lines[0] + lines[1][:20])
    capfd.readouterr()

    from_images(folder, size=8, workers=1)

    assert capfd.readouterr().err.endswith(", of which 64 are there\n")


SLOWLY = """
import sys, time
from fourstep.data import from_images
from fourstep.data.folders import workers
decode = workers._HERE["decode"]
def slow(*positional, **named):
    time.sleep(0.3)
    return decode(*positional, **named)
workers._HERE["decode"] = slow
from_images(sys.argv[1], size=16, workers=1)
"""


@pytest.mark.parametrize("kills", [1, pytest.param(4, marks=pytest.mark.slow)])
def test_a_pass_that_was_killed_is_continued(
    fill: Fill, cache: Path, kills: int, capfd: pytest.CaptureFixture[str]
) -> None:
    """By SIGKILL; the cache is that of a pass that was not, in every bit."""
    folder = fill({"a": 320, "b": 320})
    for _ in range(kills):
        begun = lines_in(cache)
        process = subprocess.Popen([sys.executable, "-c", SLOWLY, str(folder)], stderr=subprocess.DEVNULL)
        while lines_in(cache) < begun + 2:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    there = 64 * lines_in(cache)
    capfd.readouterr()

    from_images(folder, size=16)

    assert there >= 128 * kills
    assert capfd.readouterr().err.endswith(f", of which {there} are there\n")
    from_images(folder, size=16, cache=cache.with_name("other"))
    continued, other = the_only(cache), the_only(cache.with_name("other"))
    for name in (PIXELS, BLOCKS):
        assert (continued / name).read_bytes() == (other / name).read_bytes()


def lines_in(cache: Path) -> int:
    """How many blocks are done."""
    return sum(len(file.read_bytes().splitlines()) for file in cache.glob(f"*/{BLOCKS}"))


def test_several_processes_give_what_one_gives(fill: Fill, cache: Path) -> None:
    """The same cache, in every bit; damaged pictures at their places."""
    folder = fill({"a": 100, "b": 100})
    (folder / "a" / "7.png").write_bytes(b"")
    (folder / "b" / "99.png").write_bytes((folder / "b" / "99.png").read_bytes()[:60])
    contents = []
    for count in (1, 3):
        with pytest.warns(fs.FourstepWarning, match="2 of 200"):
            from_images(folder, damaged="skip", workers=count, cache=cache / str(count))
        contents.append([(the_only(cache / str(count)) / name).read_bytes() for name in (PIXELS, BLOCKS)])

    assert contents[0] == contents[1]
    rows = [json.loads(line)["rows"] for line in contents[0][1].splitlines()]
    assert sum(rows) == 198


@pytest.mark.parametrize("program", ["import os; os._exit(3)", "print('hello')", "input()"])
def test_a_process_that_dies_is_named(fill: Fill, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """With the files that it was given; nothing waits for it for ever."""
    folder = fill({"a": 100, "b": 100})
    monkeypatch.setattr(workers, "_program", lambda: [sys.executable, "-c", program])
    with pytest.raises(fs.DataFileError, match=r"the process that read .*a/.*\.png and 63 files after it ended"):
        from_images(folder, workers=2)


TRAIN = """
import resource, sys
import torch, fourstep as fs
from fourstep.data.folders import building
building.MOST_BYTES = 0
fs.data.from_images(sys.argv[2])  # what is imported on the way
model = torch.nn.Sequential(torch.nn.AvgPool2d(16), torch.nn.Flatten(), torch.nn.Linear(3 * 32 * 32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
used = int(status["VmData"].split()[0]) * 1024
limit = int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (used + limit, used + limit))
try:
    torch.ones(3 * limit, dtype=torch.uint8)
except RuntimeError:
    print("limited")
data = fs.data.from_images(sys.argv[1], size=512, workers=2, batch_size=2)
assert data.train.inputs.array.nbytes == 3 * limit
fs.fit(model, data, torch.nn.CrossEntropyLoss(), optimizer, epochs=1)
print("trained")
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux limits a process's data")
def test_a_cache_three_times_the_memory_trains(fill: Fill, tmp_path: Path) -> None:
    """Made, verified, standardised, trained on and evaluated, with a third of its size for everything."""
    folder = fill({"a": 300, "b": 300}, suffix=".jpg")
    (tmp_path / "few").mkdir()
    for label in "ab":
        (tmp_path / "few" / label).mkdir()
        for i in range(3):
            os.link(folder / label / f"{i}.jpg", tmp_path / "few" / label / f"{i}.jpg")
    limit = 600 * 512 * 512  # 157 MB, of which the stacks of five threads are a quarter
    arguments = [str(folder), str(tmp_path / "few"), str(limit)]
    done = subprocess.run([sys.executable, "-c", TRAIN, *arguments], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout.splitlines()[0], done.stdout.splitlines()[-1]) == (0, "limited", "trained"), (
        done.stderr
    )


@pytest.mark.slow
def test_a_second_process_waits(fill: Fill, cache: Path) -> None:
    """And finds what the first one made."""
    folder = fill({"a": 200, "b": 200})
    several = [subprocess.Popen([sys.executable, "-c", SLOWLY, str(folder)], stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1].decode() for process in several]

    assert [process.returncode for process in several] == [0, 0]
    assert sum("are decoded once" in text for text in said) == 1
    train = from_images(folder, size=16, test=None).train
    assert isinstance(train, Batches)
    assert isinstance(train.inputs, torch.Tensor)
    assert len(the_only(cache).joinpath(PIXELS).read_bytes()) == 400 * 3 * 16 * 16
