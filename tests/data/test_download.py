"""Downloads from a real server on this machine: whole and right, or not there."""

import io
import os
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

import pytest

import fourstep as fs
from fourstep.data.download import download_file
from fourstep.data.idx import read_idx


class Mirror(Protocol):
    """The server of conftest.py."""

    file: bytes
    unpacked: bytes
    sha256: str
    asked: list[tuple[str, str | None]]
    arrived: threading.Event
    opened: threading.Event

    def url(self, way: str) -> str:
        """The address of the file served that way."""


Fetch = Callable[..., Path]


@pytest.fixture
def fetch(mirror: Mirror, tmp_path: Path) -> Fetch:
    """Downloads into a new folder from the mirrors of the given ways; a short time-out."""

    def run(*ways: str, timeout: float = 10.0) -> Path:
        path = tmp_path / "new" / "images.gz"
        verify = partial(read_idx, sha256=mirror.sha256)
        download_file([mirror.url(way) for way in ways], path, verify=verify, timeout=timeout)
        return path

    return run


def part_of(folder: Path, content: bytes) -> Path:
    """Leave behind what a download that broke off leaves behind."""
    part = folder / "new" / "images.gz.part"
    part.parent.mkdir()
    part.write_bytes(content)
    return part


def test_fetches_the_file(mirror: Mirror, fetch: Fetch) -> None:
    """What the server has is there under its name, and nothing else is left but the lock."""
    path = fetch("good")

    assert path.read_bytes() == mirror.file
    assert sorted(item.name for item in path.parent.iterdir()) == [".lock", "images.gz"]
    assert mirror.asked == [("good", None)]


def test_a_right_file_is_not_fetched_again(mirror: Mirror, fetch: Fetch) -> None:
    """The second call asks nobody."""
    fetch("good")
    fetch("good")

    assert len(mirror.asked) == 1


def test_a_damaged_file_is_replaced(mirror: Mirror, fetch: Fetch) -> None:
    """What stands there is verified, not trusted."""
    path = fetch("good")
    path.write_bytes(mirror.file[:-1])

    assert fetch("good").read_bytes() == mirror.file


@pytest.mark.parametrize("bad", ["missing", "wrong", "halves", "nothing"])
def test_the_next_mirror_is_tried(mirror: Mirror, fetch: Fetch, bad: str) -> None:
    """A mirror that has no such file, another file, or always breaks off is passed over."""
    assert fetch(bad, "good").read_bytes() == mirror.file


@pytest.mark.parametrize("bad", ["hang", "stall"])
def test_a_silent_mirror_is_given_up(mirror: Mirror, fetch: Fetch, bad: str) -> None:
    """Also where it fell silent half-way: what it sent is kept for the next."""
    assert fetch(bad, "good", timeout=0.2).read_bytes() == mirror.file
    begun = mirror.asked[-1][1]
    assert (begun is None) == (bad == "hang")


def test_a_cut_connection_is_resumed(mirror: Mirror, fetch: Fetch) -> None:
    """The same mirror is asked for the rest alone."""
    assert fetch("half").read_bytes() == mirror.file
    assert mirror.asked == [("half", None), ("half", f"bytes={len(mirror.file) // 2}-")]


def test_a_part_of_an_earlier_call_is_resumed(mirror: Mirror, fetch: Fetch, tmp_path: Path) -> None:
    """What a killed process left behind need not be fetched again."""
    part_of(tmp_path, mirror.file[:1000])

    assert fetch("good").read_bytes() == mirror.file
    assert mirror.asked == [("good", "bytes=1000-")]


def test_a_server_without_ranges_starts_again(mirror: Mirror, fetch: Fetch, tmp_path: Path) -> None:
    """Its whole answer replaces the part, and is not appended to it."""
    part_of(tmp_path, mirror.file[:1000])

    assert fetch("plain").read_bytes() == mirror.file
    assert mirror.asked == [("plain", "bytes=1000-")]


@pytest.mark.parametrize("extra", [b"", b"more than there is"], ids=["whole", "too long"])
def test_a_part_that_lacks_nothing_is_verified(mirror: Mirror, fetch: Fetch, tmp_path: Path, extra: bytes) -> None:
    """A whole part becomes the file; a wrong one is thrown away and fetched from the start."""
    part_of(tmp_path, mirror.file + extra)

    assert fetch("good").read_bytes() == mirror.file
    assert len(mirror.asked) == (2 if extra else 1)


def test_a_part_of_another_file_is_thrown_away(mirror: Mirror, fetch: Fetch, tmp_path: Path) -> None:
    """A beginning from elsewhere does not spoil the file: it is fetched once more from the start."""
    part_of(tmp_path, b"x" * 1000)

    assert fetch("good").read_bytes() == mirror.file
    assert mirror.asked == [("good", "bytes=1000-"), ("good", None)]


def test_all_failures_are_in_one_line(mirror: Mirror, fetch: Fetch, tmp_path: Path) -> None:
    """Each mirror with its reason, what to put where by hand, and no file under the name."""
    with pytest.raises(fs.DataFileError) as caught:
        fetch("missing", "wrong", "hang", timeout=0.2)

    message = str(caught.value)
    assert message.startswith("images.gz could not be downloaded (127.0.0.1:")
    for reason in ("HTTP 404 Not Found", "the file it gave is not the right one", "timed out"):
        assert reason in message
    assert f"put the file into {tmp_path / 'new'} by hand, from {mirror.url('missing')} or " in message
    assert "\n" not in message
    assert [item.name for item in (tmp_path / "new").iterdir()] == [".lock"]


def test_a_failed_download_keeps_its_part(mirror: Mirror, fetch: Fetch, tmp_path: Path) -> None:
    """The next call goes on from there; until then nothing bears the file's name."""
    with pytest.raises(
        fs.DataFileError, match=f"cut off after {len(mirror.file) // 2:,} of {len(mirror.file):,} bytes"
    ):
        fetch("halves")
    assert not (tmp_path / "new" / "images.gz").exists()

    fetch("good")

    assert mirror.asked[-1] == ("good", f"bytes={len(mirror.file) // 2}-")


def test_no_server_at_all(tmp_path: Path) -> None:
    """A refused connection is one line like the others."""
    with pytest.raises(fs.DataFileError, match=r"127.0.0.1:1: .*[Rr]efused"):
        download_file(["http://127.0.0.1:1/images.gz"], tmp_path / "images.gz", verify=read_idx)


def test_a_folder_that_cannot_be_made(mirror: Mirror, tmp_path: Path) -> None:
    """The disk's failure is not taken for the mirror's: nobody is asked."""
    (tmp_path / "taken").write_text("a file")

    with pytest.raises(fs.DataFileError, match=r"cannot be written \(.*\): .* FOURSTEP_CACHE"):
        download_file([mirror.url("good")], tmp_path / "taken" / "images.gz", verify=read_idx)
    assert not mirror.asked


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")
def test_two_processes_download_once(mirror: Mirror, fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second says that it waits for the first, and takes its file; threads hold the lock as processes do."""
    said = io.StringIO()
    monkeypatch.setattr(sys, "stderr", said)
    first, second = (threading.Thread(target=fetch, args=("gate",)) for _ in range(2))
    first.start()
    assert mirror.arrived.wait(10)
    second.start()
    while "waiting" not in said.getvalue() and second.is_alive():
        second.join(0.01)
    mirror.opened.set()
    first.join(10)
    second.join(10)

    assert "waiting for another process that downloads into" in said.getvalue()
    assert len(mirror.asked) == 1


def test_without_a_terminal_one_plain_line(fetch: Fetch, capfd: pytest.CaptureFixture[str]) -> None:
    """A log file gets no bar, and stdout nothing at all."""
    fetch("good")

    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith("downloading images.gz from 127.0.0.1:")
    assert err.count("\n") == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pty")
def test_on_a_terminal_a_bar(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the file and reaches the end."""
    ours, theirs = os.openpty()
    monkeypatch.setenv("TERM", "xterm")
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        fetch("good")
    shown = os.read(ours, 1 << 16).decode()
    os.close(ours)

    assert "images.gz from 127.0.0.1" in shown
    assert "━" in shown
