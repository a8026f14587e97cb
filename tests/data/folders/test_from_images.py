"""Folders of pictures as data sets: pixels, splits, scale, and what is said of what cannot be."""

import os
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

import fourstep as fs
from fourstep.data import from_images, learn_standardize
from fourstep.data.batches import Batches
from fourstep.data.folders import building, passing, workers
from fourstep.data.folders.encoding import ImageEncoding
from fourstep.data.mapped import Mapped

Fill: TypeAlias = Callable[..., Path]


def split_of(data: fs.Data, name: str) -> Batches:
    """One of the splits."""
    split = data.splits()[name]
    assert isinstance(split, Batches)
    return split


def pixels_of(data: fs.Data, name: str = "train") -> Tensor:
    """A split's pixels, in the order in which they lie."""
    pixels: Tensor = split_of(data, name).inputs[:]
    return pixels


def targets_of(data: fs.Data, name: str = "train") -> list[int]:
    """Its targets."""
    targets: list[int] = split_of(data, name).targets.tolist()
    return targets


def by_pillow(paths: list[Path], size: int, mode: str = "RGB") -> Tensor:
    """The pictures as Pillow gives them."""
    pixels = []
    for path in paths:
        with Image.open(path) as picture:
            fitted = ImageOps.fit(picture.convert(mode), (size, size), Image.Resampling.BILINEAR)
        pixels.append(np.asarray(fitted).reshape(size, size, -1).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(pixels))


def test_digits_as_a_folder_are_the_digits(tmp_path: Path, cache: Path) -> None:  # noqa: ARG001 - not the user's
    """Bit for bit, in the order of their classes; also what is learnt of them."""
    whole = split_of(fs.data.digits(test=None), "train")
    for i, (pixels, label) in enumerate(zip(whole.inputs, whole.targets.tolist(), strict=True)):
        (tmp_path / "digits" / str(label)).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[0].numpy()).save(tmp_path / "digits" / str(label) / f"{i:04}.png")
    order = whole.targets.argsort(stable=True)

    data = from_images(tmp_path / "digits", size=8, test=None, batch_size=100)

    assert torch.equal(pixels_of(data), whole.inputs[order])
    assert targets_of(data) == whole.targets[order].tolist()
    assert data.classes == tuple("0123456789")
    assert data.name == "digits"
    assert split_of(data, "train").prepare == learn_standardize(whole.inputs)


@pytest.mark.parametrize("num_workers", [1, 2])
def test_pixels_are_pillows_and_splits_the_folders(fill: Fill, num_workers: int) -> None:
    """In colour, from JPEG; each split has its own pictures, by class and name."""
    folder = fill({"train/a": 70, "train/b": 3, "val/b": 2, "test/a": 2, "test/b": 1}, suffix=".jpg")

    data = from_images(folder, size=24, workers=num_workers)

    for split, targets in {"train": [0] * 70 + [1] * 3, "val": [1] * 2, "test": [0, 0, 1]}.items():
        assert torch.equal(pixels_of(data, split), by_pillow(sorted((folder / split).rglob("*.jpg")), 24))
        assert targets_of(data, split) == targets


def test_a_csv_file_gives_what_its_folder_gives(fill: Fill) -> None:
    """The same pictures in the same order, so the same splits from the same seed."""
    folder = fill({"a": 10, "b": 10})
    rows = [f"{path.relative_to(folder)},{path.parent.name}" for path in folder.rglob("*.png")]
    (folder / "labels.csv").write_text("\n".join(["file,label", *rows]))

    ours, theirs = from_images(folder / "labels.csv", val=0.2), from_images(folder, val=0.2)

    assert ours.name == "labels"
    for split in ("train", "val", "test"):
        assert torch.equal(pixels_of(ours, split), pixels_of(theirs, split))
        assert targets_of(ours, split) == targets_of(theirs, split)


def test_splits_are_a_function_of_the_seed(fill: Fill) -> None:
    """Every picture is in one; each class has its share; another seed gives others, the same seed the same."""
    folder = fill({"a": 20, "b": 40})
    whole = {pixels.numpy().tobytes() for pixels in pixels_of(from_images(folder, test=None))}

    data, again, other = (from_images(folder, val=0.1, test=0.25, seed=seed) for seed in (3, 3, 4))

    parts = {split: [pixels.numpy().tobytes() for pixels in pixels_of(data, split)] for split in data.splits()}
    assert sorted(pixels for part in parts.values() for pixels in part) == sorted(whole)
    assert {split: targets_of(data, split) for split in parts} == {
        "train": [0] * 13 + [1] * 26,
        "val": [0] * 2 + [1] * 4,
        "test": [0] * 5 + [1] * 10,
    }
    assert all(torch.equal(pixels_of(data, split), pixels_of(again, split)) for split in parts)
    assert not torch.equal(pixels_of(data), pixels_of(other))


def test_val_is_held_out_of_train_where_the_folder_has_none(fill: Fill) -> None:
    """And test stays as it is, whatever the default share."""
    folder = fill({"train/a": 10, "train/b": 10, "test/a": 2, "test/b": 2})
    data = from_images(folder, val=0.2)

    assert {name: split_of(data, name).num_items for name in data.splits()} == {"train": 16, "val": 4, "test": 4}
    assert list(from_images(folder).splits()) == ["train", "test"]


def test_mean_and_deviation_are_the_training_splits_alone(fill: Fill) -> None:
    """For each channel, numpy's in float64; white pictures in the others change nothing."""
    folder = fill({"train/a": 9, "train/b": 9, "val/a": 2, "test/b": 2})
    for path in [*folder.glob("val/*/*"), *folder.glob("test/*/*")]:
        Image.new("RGB", (40, 40), "white").save(path)
    data = from_images(folder)
    encoding = data.encoding
    assert isinstance(encoding, ImageEncoding)
    assert encoding.standardize is not None
    values = pixels_of(data).numpy() / 255

    assert encoding.standardize.mean == pytest.approx(values.mean((0, 2, 3)), rel=1e-12)
    assert encoding.standardize.std == pytest.approx(values.std((0, 2, 3)), rel=1e-9)
    batch, _ = next(iter(data.train))
    assert batch.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-5)


def test_without_standardize_values_are_in_0_to_1(fill: Fill) -> None:
    """The bytes by 255."""
    data = from_images(fill({"a": 3, "b": 3}), test=None, standardize=False, batch_size=6)
    batch, _ = next(iter(data.train))
    assert torch.equal(batch.sum((1, 2, 3)).sort().values, (pixels_of(data) / 255).sum((1, 2, 3)).sort().values)


@pytest.mark.parametrize("color", [True, False])
def test_a_file_is_the_same_tensor_in_training_and_later(fill: Fill, tmp_path: Path, color: bool) -> None:  # noqa: FBT001 - a parameter
    """Bit for bit, by the data's encoding and by the one that a run kept; alone, in a list, or in a folder."""
    folder = fill({"a": 4, "b": 4}, color=color, suffix=".jpg")
    data = from_images(folder, test=None, batch_size=8, size=16)
    seen = {int(inputs[0].numpy().view(np.int32).sum()): inputs for batch, _ in data.train for inputs in batch}
    model = nn.Sequential(nn.Flatten(), nn.Linear((3 if color else 1) * 256, 2))
    fs.fit(model, data, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters()), epochs=1, folder=tmp_path / "run")
    encoding = fs.data.load_encoding(tmp_path / "run")

    paths = sorted(folder.rglob("*.jpg"))
    assert encoding == data.encoding
    inputs = encoding.to_inputs(folder)
    assert inputs.shape == (8, 3 if color else 1, 16, 16)
    for path, own in zip(paths, inputs, strict=True):
        assert torch.equal(seen[int(own[0].numpy().view(np.int32).sum())], own)
        assert torch.equal(data.to_inputs(path)[0], own)
    assert torch.equal(data.to_inputs(list(map(str, paths))), inputs)


def test_grey_is_found_where_all_are_grey(fill: Fill) -> None:
    """One picture with colour makes three channels; either can be chosen."""
    folder = fill({"a": 3, "b": 3}, color=False)
    assert pixels_of(from_images(folder, test=None)).shape[1] == 1
    assert pixels_of(from_images(folder, test=None, color="color")).shape[1] == 3
    Image.new("RGB", (9, 9), "red").save(folder / "a" / "red.png")
    assert pixels_of(from_images(folder, test=None)).shape[1] == 3
    grey = from_images(folder, test=None, color="grey", size=20)
    assert torch.equal(pixels_of(grey), by_pillow(sorted(folder.rglob("*.png")), 20, "L"))


def test_pictures_are_decoded_once(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when the folder has been moved, a file touched, a class renamed; and for every seed."""
    folder = fill({"a": 5, "b": 5})
    before = pixels_of(from_images(folder, test=None))
    monkeypatch.setattr(passing, "write_blocks", None)
    from_images(folder, val=0.2, seed=7)
    os.utime(folder / "a" / "1.png")
    (folder / "b").rename(folder / "c")
    shutil.copytree(folder, folder.with_name("copy"))

    for place in (folder, folder.with_name("copy")):
        data = from_images(place, test=None)
        assert torch.equal(pixels_of(data), before)
        assert data.classes == ("a", "c")


def test_files_that_are_as_they_were_are_not_read_again(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not where they changed a moment ago: a disk may have coarse times."""
    folder = fill({"a": 5, "b": 5})
    reads: list[str] = []
    look = workers._HERE["look"]

    def counted(paths: list[str], *, find_color: bool) -> Any:
        reads.extend(paths)
        return look(paths, find_color=find_color)

    monkeypatch.setitem(workers._HERE, "look", counted)
    for path in folder.rglob("*.png"):
        os.utime(path, (0, 0))
    monkeypatch.setattr("time.time_ns", lambda: 2**62)

    for _ in range(3):
        from_images(folder)
    assert len(reads) == 10
    from_images(folder, color="color")
    assert len(reads) == 10
    Image.new("RGB", (9, 9)).save(folder / "a" / "1.png")
    from_images(folder)
    assert len(reads) == 20


def test_a_file_that_changed_is_noticed(fill: Fill) -> None:
    """Also one of the same size and the same time; what was open before keeps its own pixels."""
    folder = fill({"a": 3, "b": 3}, suffix=".bmp")
    path = folder / "a" / "0.bmp"
    first = from_images(folder, test=None)
    before, times = pixels_of(first).clone(), path.stat()
    content = bytearray(path.read_bytes())
    content[-400:] = bytes(400)
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    assert not torch.equal(pixels_of(from_images(folder, test=None)), before)
    assert torch.equal(pixels_of(first), before)


def test_a_file_that_changes_meanwhile_stops_the_pass(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its pixels would stand under another content's name; the next call makes the cache whole."""
    folder = fill({"a": 3, "b": 3})
    decode = workers._HERE["decode"]

    def late(*positional: Any, **named: Any) -> Any:
        shutil.copy(folder / "b" / "1.png", folder / "b" / "2.png")
        return decode(*positional, **named)

    monkeypatch.setitem(workers._HERE, "decode", late)
    with pytest.raises(fs.DataFileError, match=r"b/2\.png has changed since it was listed: .* Call again"):
        from_images(folder, test=None)
    monkeypatch.setitem(workers._HERE, "decode", decode)
    assert torch.equal(pixels_of(from_images(folder, test=None)), by_pillow(sorted(folder.rglob("*.png")), 32))


def test_damaged_pictures_stop_or_are_skipped(fill: Fill) -> None:
    """The first is named with the number of all; or all are listed, and the others stay what they are."""
    folder = fill({"a": 40, "b": 40}, suffix=".jpg")
    paths = sorted(folder.rglob("*.jpg"))
    before = pixels_of(from_images(folder, test=None))
    paths[3].write_bytes(b"")
    paths[70].write_bytes(paths[70].read_bytes()[:-100])
    name = paths[3].relative_to(folder)

    with pytest.raises(fs.DataFileError, match=rf"2 of 80 pictures in .* the first: {name} is empty: .*damaged='skip'"):
        from_images(folder, test=None)
    with pytest.warns(fs.FourstepWarning, match=rf"2 of 80 .* left out: {name} is empty: expected a picture; b/.*read"):
        data = from_images(folder, test=None, damaged="skip")
    assert torch.equal(pixels_of(data), before[[i for i in range(80) if i not in (3, 70)]])
    assert targets_of(data) == [0] * 39 + [1] * 39


def test_many_damaged_pictures_are_counted(fill: Fill) -> None:
    """A warning stays readable; a class of which nothing is left cannot be trained on."""
    folder = fill({"a": 30, "b": 30})
    for path in sorted((folder / "a").iterdir())[:25]:
        path.write_bytes(b"")
    with pytest.warns(fs.FourstepWarning, match=r"; and 5 more$"):
        assert split_of(from_images(folder, test=None, damaged="skip"), "train").num_items == 35
    for path in (folder / "a").iterdir():
        path.write_bytes(b"")
    with (
        pytest.warns(fs.FourstepWarning, match="30 of 60"),
        pytest.raises(fs.DataError, match="class 'a' has no whole picture to train on"),
    ):
        from_images(folder, test=None, damaged="skip")


def test_what_is_left_out_is_said(fill: Fill, capfd: pytest.CaptureFixture[str]) -> None:
    """And before the cache is made, its size and place; afterwards nothing."""
    folder = fill({"a": 3, "b": 3})
    (folder / "a" / "Thumbs.db").touch()
    from_images(folder, size=100)
    said = capfd.readouterr().err.splitlines()

    assert len(said) == 2
    assert said[0].endswith("1 files are no pictures of a class, such as a/Thumbs.db")
    assert f"6 pictures of {folder} are decoded once, to 100 x 100: 180 kB in {folder.parent}/cache/images/" in said[1]
    from_images(folder, size=100)
    assert len(capfd.readouterr().err.splitlines()) == 1


def test_a_cache_without_room_is_refused_before_it_is_made(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """With what is needed, what is there, and three ways out."""
    folder = fill({"a": 3, "b": 3})
    free = shutil.disk_usage(folder)._replace(free=17_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: free)
    with pytest.raises(fs.DataFileError, match=r"needs 18\.4 kB for 6 pictures of 32 x 32, .* has 17 kB left"):
        from_images(folder)


def test_a_cache_that_cannot_be_written(fill: Fill, tmp_path: Path) -> None:
    """The system's reason, and how to name another place."""
    folder = fill({"a": 3, "b": 3})
    (tmp_path / "file").touch()
    with pytest.raises(fs.DataFileError, match=r"cannot be written: .*pass cache=, or set FOURSTEP_CACHE"):
        from_images(folder, cache=tmp_path / "file")


def test_a_cache_may_lie_elsewhere(fill: Fill, tmp_path: Path, cache: Path) -> None:
    """In the folder that is named, and in no other."""
    from_images(fill({"a": 3, "b": 3}), cache=tmp_path / "mine")
    assert list((tmp_path / "mine").glob("*/pixels.bin"))
    assert not cache.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 0}, "size 0: expected a whole number of 1 or more"),
        ({"batch_size": 0}, "batch_size 0: expected"),
        ({"workers": 0}, "workers 0: expected"),
        ({"color": "gray"}, "color 'gray': expected 'grey', 'color', or None for what the files say"),
        ({"damaged": "ignore"}, "damaged 'ignore': expected 'stop' or 'skip'"),
        ({"test": 1.0}, "test=1.0: expected a fraction between 0 and 1"),
        ({"test": 0.2}, r"test=0\.2 cannot be split off: class b has 2 samples"),
        ({"source": torch.ones(3)}, r"source is a Tensor: expected the path .*from_arrays takes arrays"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_settings_that_cannot_be(fill: Fill, cache: Path, wrong: dict[str, Any], message: str) -> None:
    """One line with the value, before anything is decoded."""
    source = wrong.pop("source", None)
    with pytest.raises(fs.FourstepError, match=message):
        from_images(fill({"a": 9, "b": 2}) if source is None else source, **wrong)
    assert not cache.exists()


def test_a_share_for_val_beside_a_val_of_its_own(fill: Fill) -> None:
    """One of them would go unused."""
    with pytest.raises(fs.ConfigError, match=r"val=0\.5, and .* has a val split of its own"):
        from_images(fill({"train/a": 2, "train/b": 2, "val/a": 2}), val=0.5)


def test_without_pillow_the_extra_is_named(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read."""
    folder = fill({"a": 3, "b": 3})
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(fs.MissingExtraError, match=r"pip install 'fourstep\[images\]'"):
        from_images(folder)


def test_a_script_needs_no_guard(fill: Fill, tmp_path: Path) -> None:
    """Its lines are run once, whatever the platform starts processes by; and nothing but it is said."""
    folder = fill({"a": 100, "b": 100})
    script = tmp_path / "script.py"
    script.write_text(
        f"import fourstep as fs\nprint(fs.data.from_images({str(folder)!r}, workers=2).train.num_items)\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", str(script)], capture_output=True, text=True, check=True)

    assert done.stdout == "160\n"
    assert len(done.stderr.splitlines()) == 1


def test_what_is_larger_stays_in_its_file(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batches, the splits and what is learnt are the same bits."""
    folder = fill({"a": 30, "b": 30})
    small = from_images(folder, val=0.2, batch_size=7)
    monkeypatch.setattr(building, "MOST_BYTES", 60 * 3 * 32 * 32 - 1)
    large = from_images(folder, val=0.2, batch_size=7)

    assert isinstance(split_of(small, "train").inputs, Tensor)
    assert isinstance(split_of(large, "train").inputs, Mapped)
    assert small.encoding == large.encoding
    for ours, theirs in zip(large.splits().values(), small.splits().values(), strict=True):
        for (inputs, targets), (pixels, labels) in zip(ours, theirs, strict=True):
            assert torch.equal(inputs, pixels)
            assert torch.equal(targets, labels)


def test_nothing_is_warned_of(fill: Fill) -> None:
    """Not of tensors that cannot be written to, nor of odd metadata."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = from_images(fill({"a": 3, "b": 3}))
        next(iter(data.train))
    assert caught == []
