"""Which pictures there are: classes, splits, order; and what is said of folders that are none."""

import os
import sys
from pathlib import Path

import pytest

import fourstep as fs
from fourstep.data.folders.listing import Listing, list_folder


def touch(root: Path, *names: str) -> Path:
    """Files that are there; nothing is in them."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def names_of(listing: Listing) -> list[str]:
    """Of the pictures, in their order."""
    return [picture.name for picture in listing.pictures]


def test_a_folder_for_each_class(tmp_path: Path) -> None:
    """Sorted by class and name, whatever order the disk has; all endings, however deep."""
    touch(tmp_path, "b/2.JPG", "b/10.png", "a/z.webp", "a/deep/er/1.tiff", "b/1.jpeg")

    listing = list_folder(tmp_path)

    assert names_of(listing) == ["a/deep/er/1.tiff", "a/z.webp", "b/1.jpeg", "b/10.png", "b/2.JPG"]
    assert [picture.label for picture in listing.pictures] == ["a", "a", "b", "b", "b"]
    assert listing.classes == ("a", "b")
    assert not listing.has_splits


def test_the_order_is_not_the_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read backwards, a folder lists the same."""
    touch(tmp_path, *(f"{label}/{i}.png" for label in "abc" for i in range(5)))
    listed = list_folder(tmp_path)
    scan = os.scandir

    class Backwards:
        def __init__(self, path: Path) -> None:
            self.path = path

        def __enter__(self) -> list[os.DirEntry[str]]:
            with scan(self.path) as entries:
                return sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Backwards)

    assert list_folder(tmp_path) == listed


def test_splits_come_in_their_own_order(tmp_path: Path) -> None:
    """Train, val, test, each in one piece; a class may lack in val."""
    touch(tmp_path, "test/a/1.png", "val/b/1.png", "train/b/1.png", "train/a/1.png")

    listing = list_folder(tmp_path)

    assert names_of(listing) == ["train/a/1.png", "train/b/1.png", "val/b/1.png", "test/a/1.png"]
    assert [picture.split for picture in listing.pictures] == ["train", "train", "val", "test"]


def test_train_may_be_what_is_in_the_pictures(tmp_path: Path) -> None:
    """Beside other vehicles, and with pictures in it rather than classes."""
    touch(tmp_path, "train/1.png", "bus/1.png")
    assert list_folder(tmp_path).classes == ("bus", "train")


def test_what_is_no_picture_is_left_out_and_named(tmp_path: Path) -> None:
    """Hidden ones, other kinds, pictures beside the classes; a queue is not waited for."""
    touch(tmp_path, "a/1.png", "b/1.png", "a/Thumbs.db", "a/.DS_Store", ".git/a.png", "a/.hidden.png", "loose.png")
    expected = {"a/Thumbs.db", "a/.DS_Store", ".git", "a/.hidden.png", "loose.png"}
    if sys.platform != "win32":
        os.mkfifo(tmp_path / "b" / "queue.png")
        expected.add("b/queue.png")

    listing = list_folder(tmp_path)

    assert names_of(listing) == ["a/1.png", "b/1.png"]
    assert set(listing.ignored) == expected


def test_a_link_may_not_lead_out(tmp_path: Path) -> None:
    """Neither a file's nor a folder's; one within may, a folder's is not followed and so may form a circle."""
    root = touch(tmp_path / "root", "a/1.png", "b/1.png")
    touch(tmp_path / "other", "2.png")
    (root / "a" / "again.png").symlink_to("1.png")
    (root / "a" / "circle").symlink_to(root)
    assert names_of(list_folder(root)) == ["a/1.png", "a/again.png", "b/1.png"]

    for link, target in (("b/2.png", "other/2.png"), ("c", "other")):
        (root / link).symlink_to(tmp_path / target)
        with pytest.raises(fs.DataFileError, match=r"leads out of .*root, to .*other.*: expected a file in it"):
            list_folder(root)
        (root / link).unlink()


def test_a_folder_may_be_named_by_a_link(tmp_path: Path) -> None:
    """What it leads to is the folder."""
    touch(tmp_path / "root", "a/1.png", "b/1.png")
    (tmp_path / "link").symlink_to(tmp_path / "root")

    assert list_folder(tmp_path / "link") == list_folder(tmp_path / "root")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "has no class folders: expected class/name.jpg"),
        (("1.png", "2.png"), "has 2 pictures but no class folders: expected class/name.jpg"),
        (("a/1.png",), "has one class alone, 'a': expected pictures of two classes or more"),
        (("a/1.png", "b/readme.txt"), "b has no pictures: expected some of class 'b', or no such folder"),
        (("train/1.png", "test/1.png"), "has 2 pictures but no class folders"),
        (("train/a/1.png", "train/b/1.png", "tests/a/1.png"), "unknown split folder .* 'tests': did you mean 'test'"),
        (("val/a/1.png", "test/b/1.png"), "has pictures for test and val and none to train on: add train"),
        (("train/a/1.png", "train/b/1.png", "val/c/1.png"), "class 'c' is in val but not in train"),
        (tuple(f"{i}/1.png" for i in range(12)), "has 12 classes for 12 pictures, such as '0': .* an identifier"),
    ],
)
def test_what_is_said_of_folders_that_cannot_be(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    """One line, with the folder and the mend."""
    touch(tmp_path, *names)
    with pytest.raises(fs.FourstepError, match=message) as caught:
        list_folder(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_what_is_no_folder(tmp_path: Path) -> None:
    """Not there, or a file, which another builder may be for."""
    with pytest.raises(fs.DataFileError, match="none is not there: expected a folder of pictures"):
        list_folder(tmp_path / "none")
    with pytest.raises(fs.DataFileError, match=r"is a file: expected a folder .* Tables are for .*from_table"):
        list_folder(touch(tmp_path, "a.parquet") / "a.parquet")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    (touch(tmp_path, "a/1.png", "b/1.png") / "b").chmod(0)
    with pytest.raises(fs.DataFileError, match="b cannot be read: Permission denied"):
        list_folder(tmp_path)
    (tmp_path / "b").chmod(0o700)
