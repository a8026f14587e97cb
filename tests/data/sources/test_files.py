"""Files of arrays: what is found in them, and what is said of those that cannot be read."""

import gzip
import io
import struct
import tracemalloc
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

import fourstep as fs
from fourstep.data.sources.numpy_files import map_npy, read_npz

ToIdx = Callable[[NDArray[np.uint8]], bytes]
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (20, 5, 4), np.uint8)
LABELS = RNG.integers(0, 3, 20)
ROWS = RNG.normal(size=(20, 3))


def whole(split: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """The samples of a split."""
    assert isinstance(split, fs.Batches)
    return split.inputs, split.targets


def npz(folder: Path, arrays: Mapping[str, NDArray[Any]], *, packed: bool = False) -> Path:
    """The arrays in a file of numpy's own."""
    path = folder / "data.npz"
    (np.savez_compressed if packed else np.savez)(path, **dict[str, Any](arrays))
    return path


def npy(array: NDArray[Any]) -> bytes:
    """The array as numpy writes it."""
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    "names", ["x y", "inputs targets", "images labels", "features targets", "data target", "X_train y_train"]
)
def test_finds_the_usual_names(tmp_path: Path, names: str, *, packed: bool) -> None:
    """The same as the arrays themselves give."""
    inputs, targets = names.split()
    path = npz(tmp_path, {"ids": np.arange(20), targets: LABELS, inputs: ROWS}, packed=packed)

    data = fs.data.from_file(path, batch_size=4, val=0.25, seed=3)

    expected = fs.data.from_arrays(ROWS, LABELS, batch_size=4, val=0.25, seed=3)
    assert data.name == "data"
    for (own, truth), (rows, labels) in zip(data.train, expected.train, strict=True):
        assert torch.equal(own, rows)
        assert torch.equal(truth, labels)
    assert torch.equal(whole(data.val)[0], whole(expected.val)[0])


@pytest.mark.parametrize("spelling", ["{name}_{split}", "{split}_{name}"])
@pytest.mark.parametrize("val", ["val", "valid", "validation"])
def test_finds_splits_by_name(tmp_path: Path, spelling: str, val: str) -> None:
    """As Keras and others name them; grey images get their channel."""
    arrays = {}
    for number, split in enumerate(("train", val, "test")):
        arrays[spelling.format(name="images", split=split)] = IMAGES[number::3]
        arrays[spelling.format(name="labels", split=split)] = LABELS[number::3]

    data = fs.data.from_file(npz(tmp_path, arrays), batch_size=4)

    for number, batches in enumerate((data.train, data.val, data.test)):
        images, labels = whole(batches)
        assert np.array_equal(images.numpy(), IMAGES[number::3, None])
        assert np.array_equal(labels.numpy(), LABELS[number::3])
        assert images.dtype == torch.uint8


@pytest.mark.parametrize("names", [("a", "b"), {"train": ("a", "b"), "test": ("b", "a")}])
def test_names_may_be_told(tmp_path: Path, names: Any) -> None:
    """Whatever else is found."""
    path = npz(tmp_path, {"a": ROWS, "b": ROWS[:, 0], "x": LABELS, "y": LABELS})

    data = fs.data.from_file(path, batch_size=4, names=names)

    assert np.array_equal(whole(data.train)[1].numpy(), ROWS[:, 0].astype(np.float32))
    assert list(data.splits()) == (["train"] if isinstance(names, tuple) else ["train", "test"])


def test_npy_files_are_pairs(tmp_path: Path) -> None:
    """Inputs and targets each in a file, memory-mapped; a split may have files of its own."""
    for name, array in (("a", ROWS), ("b", LABELS), ("c", ROWS[:5]), ("d", LABELS[:5])):
        np.save(tmp_path / f"{name}.npy", array)
    pair = tmp_path / "c.npy", str(tmp_path / "d.npy")

    data = fs.data.from_file(
        tmp_path / "a.npy", tmp_path / "b.npy", batch_size=4, test=pair, shuffle=False, name="mine"
    )

    assert isinstance(map_npy(tmp_path / "a.npy"), np.memmap)
    batches = list(data.train)
    assert torch.equal(torch.cat([inputs for inputs, _ in batches]), torch.from_numpy(ROWS).float())
    assert torch.equal(torch.cat([targets for _, targets in batches]), torch.from_numpy(LABELS))
    assert data.test is not None
    assert sum(len(targets) for _, targets in data.test) == 5
    assert data.name == "mine"


@pytest.mark.parametrize("packed", [False, True])
def test_mnists_files_are_found_in_their_folder(tmp_path: Path, to_idx: ToIdx, *, packed: bool) -> None:
    """Plain or packed, by the names that they are published under; two of them may be named instead."""
    ending = ".gz" if packed else ""
    for start, part in (("train", slice(0, 15)), ("t10k", slice(15, 20))):
        for what, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS.astype(np.uint8))):
            content = to_idx(array[part])
            (tmp_path / f"{start}-{what}-ubyte{ending}").write_bytes(gzip.compress(content) if packed else content)

    data = fs.data.from_file(tmp_path, batch_size=4)
    named = fs.data.from_file(
        tmp_path / f"train-images-idx3-ubyte{ending}", tmp_path / f"train-labels-idx1-ubyte{ending}", batch_size=4
    )

    assert np.array_equal(whole(data.train)[0].numpy(), IMAGES[:15, None])
    assert np.array_equal(whole(data.test)[1].numpy(), LABELS[15:])
    assert torch.equal(whole(named.train)[0], whole(data.train)[0])
    with pytest.raises(fs.ConfigError, match=r"test=0.1, but .* has a test split of its own. Leave test out"):
        fs.data.from_file(tmp_path, batch_size=4, test=0.1)


@pytest.mark.parametrize(
    ("arrays", "settings", "said"),
    [
        ({"a": ROWS, "b": LABELS}, {}, r"no pair of inputs and targets to train on by its names; there are a, b. Name"),
        ({"x_test": ROWS, "y_test": LABELS}, {}, "no pair of inputs and targets to train on .* x_test, y_test"),
        ({"x": ROWS, "y": LABELS, "images": ROWS, "labels": LABELS}, {}, r"more than one pair: .*'x', 'y'.*'images'"),
        ({"x": ROWS, "y": LABELS[:5]}, {}, "train: 20 inputs but 5 targets"),
        ({"x": ROWS, "y": np.array([1, "a"], object)}, {}, r"'y' in .*data.npz holds Python objects: expected numbers"),
        ({"x": np.array(["a", "b"]), "y": LABELS}, {}, r"'x' in .* holds values of type <U1: expected numbers"),
        ({"x": ROWS[:0], "y": LABELS[:0]}, {}, r"'[xy]' in .* is empty: its header says 0 .*= 0 bytes"),
        ({"x": ROWS, "y": LABELS}, {"names": ("x", "z")}, "unknown array 'z': there are: x, y"),
        ({"x": ROWS, "y": LABELS}, {"names": ("x",)}, r"names of train are .*: expected a pair \(inputs, targets\)"),
        ({"x": ROWS, "y": LABELS}, {"names": {"test": ("x", "y")}}, "names has test: expected a pair for 'train'"),
        ({"x": ROWS, "y": LABELS}, {"names": {"train": ("x", "y"), "dev": ("x", "y")}}, "unknown split 'dev'"),
        ({"x": ROWS, "y": LABELS}, {"targets": "y.npy"}, r"data.npz holds several arrays: expected no second file"),
        ({"x": ROWS, "y": LABELS}, {"val": ("a.npy",)}, "val has 1 parts: expected a fraction, or a pair of files"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_wrong_archives_are_refused(
    tmp_path: Path, arrays: dict[str, NDArray[Any]], settings: dict[str, Any], said: str
) -> None:
    """In one line that says what is in it."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_file(npz(tmp_path, arrays), **{"batch_size": 4, **settings})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.csv", "is a table, which from_file does not read. Mend: fourstep.data.from_table"),
        ("a.JPG", "is a picture, which from_file does not read. Mend: fourstep.data.from_images"),
        ("a.txt", "is a text, which from_file does not read. Mend: fourstep.data.from_text"),
        (".", "is a folder, which from_file does not read. Mend: fourstep.data.from_images"),
        ("a.pkl", "is pickled, and would run what is in it: expected .npz, .npy, and IDX files"),
        ("a.h5", "a.h5 has an ending that is not known: expected .npz, .npy, and IDX files"),
        ("a.npy", r"a.npy holds one array: expected two files. Mend: fourstep.data.from_file\(inputs, targets"),
        ("a.npz", "a.npz is not there: expected a .npz file. Is the path right"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, said: str) -> None:
    """With the function that is for them, or with those that are known."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_file(tmp_path / name, batch_size=2)
    with pytest.raises(fs.FourstepError, match=r"names are given, but .* is no \.npz file"):
        fs.data.from_file(tmp_path / "a.npy", batch_size=2, names=("x", "y"))


def header(shape: tuple[int, ...], descr: str = "<f8") -> bytes:
    """The header of an `.npy` file that says this."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).ljust(117) + "\n"
    return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is damaged or not a .npy file"),
        (b"PK\3\4", "is damaged or not a .npy file"),
        (npy(ROWS)[:60], "is damaged or not a .npy file"),
        (npy(ROWS)[:-1], r"is cut short .* 20 x 3 float64 = 480 bytes, but it holds 479. Get it again"),
        (npy(ROWS) + b"\0", "is cut short or not what it says: .* but it holds 481"),
        (header((10**5, 10**6)) + bytes(64), "100000 x 1000000 float64 = 800,000,000,000 bytes, but it holds 64"),
        (header((-1, 8)) + bytes(64), "= -64 bytes, but it holds 64"),
        (header((2**40, 2**40)) + bytes(64), "but it holds 64"),
        (header((8,), "|O") + bytes(64), "holds Python objects: expected numbers"),
        (header((8,), "<M8[s]") + bytes(64), r"holds values of type datetime64\[s\]: expected numbers"),
        (b"\x93NUMPY\1\0\x20\0" + b"__import__('os').mkdir('canary')", "is damaged or not a .npy file"),
        (b"\x93NUMPY\2\0" + struct.pack("<I", 2**31) + bytes(64), "is damaged or not a .npy file"),
        (b"\x80\x04\x95cos\nsystem\n", "is damaged or not a .npy file"),
    ],
)
def test_damaged_arrays_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """In one line, before anything is allocated for what a header says; the same within an archive."""
    (tmp_path / "a.npy").write_bytes(content)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
        archive.writestr("a.npy", content)
    tracemalloc.start()

    with pytest.raises(fs.FourstepError, match=said):
        map_npy(tmp_path / "a.npy")
    with pytest.raises(fs.FourstepError, match=said.replace("npy file", "npz file")):
        read_npz(tmp_path / "a.npz", ["a"])

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    """An array that is packed a thousand times would fill the memory; one that claims to be stored is no larger."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.npy", "w") as file:
        file.write(header((2**27,), "|u1"))
        for _ in range(2**7):
            file.write(bytes(2**20))

    with pytest.raises(fs.DataFileError, match=r"'a' in .*: packed more than 20 times, .* would take 134,2.* unzip"):
        read_npz(tmp_path / "a.npz", ["a"])


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_numpy_does_not_write_is_refused(tmp_path: Path, method: int) -> None:
    """These pack a thousand times tighter than what their limits were chosen for."""
    with zipfile.ZipFile(tmp_path / "a.npz", "w", method) as archive:
        archive.writestr("a.npy", npy(ROWS))

    with pytest.raises(fs.DataFileError, match=r"'a' in .* is packed as numpy does not pack"):
        read_npz(tmp_path / "a.npz", ["a"])


@given(where=st.integers(0), bit=st.integers(0, 7), packed=st.booleans())
def test_no_damage_goes_unseen(*, tmp_path_factory: pytest.TempPathFactory, where: int, bit: int, packed: bool) -> None:
    """One flipped bit anywhere in an archive gives the right content or an error of ours, nothing else."""
    path = npz(tmp_path_factory.mktemp("flipped"), {"a": ROWS, "b": LABELS}, packed=packed)
    content = bytearray(path.read_bytes())
    content[where % len(content)] ^= 1 << bit
    path.write_bytes(content)

    try:
        data = fs.data.from_file(path, batch_size=4, names=("a", "b"))
    except fs.FourstepError:
        return

    assert np.array_equal(whole(data.train)[0].numpy(), ROWS.astype(np.float32))
    assert np.array_equal(whole(data.train)[1].numpy(), LABELS)
