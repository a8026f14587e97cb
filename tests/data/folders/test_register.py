"""CSV and TSV files that name pictures, and what is said of their mistakes, with the line."""

from pathlib import Path

import pytest

import fourstep as fs
from fourstep.data.folders.register import list_register


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four pictures' names."""
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog, old.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def written(folder: Path, content: str | bytes, name: str = "labels.csv") -> Path:
    """The file beside the pictures."""
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_names_pictures_and_classes(folder: Path) -> None:
    """By paths from its own folder, in the order of classes and names; other columns are left alone."""
    rows = 'note,label,file\n1,dog,"dog, old.png"\n"two\nlines",dog,dog/1.png\n\n3,cat,./cat/2.png\n4,cat,cat\\1.png\n'
    listing = list_register(written(folder, "\ufeff" + rows.replace("\n", "\r\n")))

    assert [(picture.name, picture.label) for picture in listing.pictures] == [
        ("cat/1.png", "cat"),
        ("cat/2.png", "cat"),
        ("dog, old.png", "dog"),
        ("dog/1.png", "dog"),
    ]
    assert listing.root == folder.resolve()


def test_says_splits(folder: Path) -> None:
    """In a third column; tabs in a TSV file."""
    rows = "file\tlabel\tsplit\ncat/1.png\tcat\ttest\ncat/2.png\tcat\ttrain\ndog/1.png\tdog\ttrain\n"
    listing = list_register(written(folder, rows, "labels.tsv"))

    assert [picture.split for picture in listing.pictures] == ["train", "train", "test"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "labels.csv is empty: expected a first line file,label"),
        (b"file,label\n", "labels.csv has no pictures: expected pictures of two classes"),
        (b"file,label\ncat/1.png,c\xe4t\n", "labels.csv is not UTF-8: byte 23 is no part of a character"),
        (b"file,labels\ncat/1.png,cat\n", r"has no column 'label' but 'file', 'labels'.*; rename 'labels'"),
        (b"price,rooms\n1,2\n", r"has no column 'file' but 'price', 'rooms'.*for fourstep\.data\.from_table"),
        (b"file,label\ncat/1.png,cat\ncat/2.png\n", "line 3: 1 values for 2 columns"),
        (b'file,label\n"cat/1.png,cat\n', "line 2: unexpected end of data. Expected quotes that end"),
        (b"file,label\ncat/1.png,cat\ncat/3.png,cat\n", r"line 3: .*cat/3\.png cannot be read: No such file"),
        (b"file,label\ncat/1.png,cat\ncat/1.png,dog\n", r"line 3: 'cat/1\.png' stands in line 2 already"),
        (b"file,label\ncat/1.png,\n", "line 2: no label: expected a picture's path and its class"),
        (b"file,label\n,cat\n", "line 2: no file: expected a picture's path and its class"),
        (b"file,label\nlabels.csv,cat\n", r"line 2: 'labels\.csv' does not end as a picture does"),
        (b"file,label\n../1.png,cat\n", r"\.\./1\.png leads out of "),
        (b"file,label\n/etc/1.png,cat\n", r"/etc/1\.png leads out of "),
        (b"file,label,split\ncat/1.png,cat,trian\n", "line 2: unknown split 'trian': did you mean 'train'"),
        (b"file,label\ncat/1.png,cat\ncat/2.png,cat\n", "labels.csv has one class alone, 'cat'"),
    ],
)
def test_a_mistake_is_said_with_its_line(folder: Path, content: bytes, message: str) -> None:
    """What is wrong, where, what was expected; one line."""
    with pytest.raises(fs.FourstepError, match=message) as caught:
        list_register(written(folder, content))
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    with pytest.raises(fs.DataFileError, match=r"none\.csv cannot be read: No such file"):
        list_register(tmp_path / "none.csv")
