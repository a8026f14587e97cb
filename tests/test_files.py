"""Files that are written whole or not at all."""

import os
from pathlib import Path

import pytest

import fourstep as fs
from fourstep.files import atomic_write, open_plain, read_toml


def names(folder: Path) -> list[str]:
    """What a folder holds."""
    return sorted(path.name for path in folder.iterdir())


def write(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_write(path) as part:
        part.write_text(text)


def fail(path: Path) -> None:
    """Write half of a file, then fail."""
    with atomic_write(path) as part:
        part.write_text("ne")
        raise ZeroDivisionError


def test_a_file_is_there_when_the_block_ends(tmp_path: Path) -> None:
    """The content is moved to its name, with the permissions of any other new file, and nothing else is left."""
    with atomic_write(tmp_path / "a.txt") as part:
        part.write_text("new")
        assert not (tmp_path / "a.txt").exists()
    (tmp_path / "b.txt").write_text("plain")

    assert (tmp_path / "a.txt").read_text() == "new"
    assert (tmp_path / "a.txt").stat().st_mode == (tmp_path / "b.txt").stat().st_mode
    assert names(tmp_path) == ["a.txt", "b.txt"]


def test_an_error_leaves_the_old_file(tmp_path: Path) -> None:
    """What stood there stands there still, and half a file is nowhere."""
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError):
        fail(path)

    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_a_folder_that_is_not_there_is_named_in_one_line(tmp_path: Path) -> None:
    """The error says which file, why, and what is expected."""
    message = r"none/a\.txt cannot be written: No such file or directory\. Expected a folder that is there, may be"
    with pytest.raises(fs.DataFileError, match=message) as caught:
        write(tmp_path / "none" / "a.txt", "new")

    assert "\n" not in str(caught.value)


def test_a_folder_in_the_files_place_is_refused(tmp_path: Path) -> None:
    """A folder is never replaced by a file."""
    (tmp_path / "a").mkdir()
    with pytest.raises(fs.DataFileError, match=r"a cannot be written: Is a directory"):
        write(tmp_path / "a", "new")

    assert names(tmp_path) == ["a"]


@pytest.mark.skipif(os.name == "nt", reason="has neither queues nor devices among its files")
def test_what_is_no_plain_file_is_not_opened(tmp_path: Path) -> None:
    """A queue that nobody fills would make wait, a device has no end."""
    os.mkfifo(tmp_path / "queue")
    for path in (tmp_path / "queue", Path("/dev/zero")):
        with pytest.raises(OSError, match="it is no plain file"):
            open_plain(path)


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 100_000,
        "a = " + "{a=" * 50_000,
        "a = 1\n" * 800_000,
        "a = " + "9" * 9999,
        f"[{'.'.join('a' * 20_000)}]",
        f"{'.'.join('a' * 20_000)} = 1",
    ],
)
def test_toml_that_takes_too_much_is_refused(text: str, tmp_path: Path) -> None:
    """Too deep, too large, a number of too many digits."""
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError, match=r"too deeply|more than|digits"):
        read_toml(tmp_path / "a.toml")


def test_a_long_list_of_toml_is_not_deep(tmp_path: Path) -> None:
    """As the names of many classes."""
    (tmp_path / "a.toml").write_text(f"classes = {['a.b'] * 20_000}")

    assert len(read_toml(tmp_path / "a.toml")["classes"]) == 20_000
