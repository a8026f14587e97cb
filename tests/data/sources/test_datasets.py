"""Data sets of torch's, of other packages and of one's own, read once or by a `DataLoader`."""

import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset

import fourstep as fs
from fourstep.data.sources import reader
from fourstep.data.sources.pairs import Pairing, Pairs, collate, fetch
from fourstep.data.sources.reader import SLOW
from fourstep.data.sources.reading import gather, probe

INPUTS = torch.randn(50, 4, generator=torch.Generator().manual_seed(5))
LABELS = torch.randint(3, (50,), generator=torch.Generator().manual_seed(6))
FLIP = fs.data.augment.Flip()


class Own(Dataset[Any]):
    """Samples that are made one by one, as a user writes it; counts how many were read."""

    def __init__(self, inputs: Any = INPUTS, labels: Any = LABELS, *, draws: Any = None) -> None:
        self.inputs, self.labels, self.draws, self.read = inputs, labels, draws, 0

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        self.read += 1
        noise = 0 if self.draws is None else self.draws()
        return self.inputs[index] + noise, self.labels[index].item()


class Flow(IterableDataset[Any]):
    """The same samples, one behind the other."""

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return zip(INPUTS, LABELS, strict=True)


class Columns:
    """What Hugging Face's `datasets.Dataset` has: features, formats, and samples by column."""

    def __init__(self, kind: str | None = None) -> None:
        self.features = {"id": None, "image": None, "label": type("ClassLabel", (), {"names": ["a", "b", "c"]})()}
        self.format = {"type": kind}

    def with_format(self, type: str) -> "Columns":  # noqa: A002 - their name
        """The same, its samples in that library's tensors."""
        return Columns(type)

    def __len__(self) -> int:
        return 50

    def __getitem__(self, index: int) -> dict[str, Any]:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: list[int]) -> list[dict[str, Any]]:
        assert self.format["type"] == "torch"
        return [{"id": index, "image": INPUTS[index], "label": LABELS[index]} for index in indices]


def batches_of(split: Any) -> fs.Batches:
    """The split as what it is."""
    assert isinstance(split, fs.Batches)
    return split


def loader_of(split: Any) -> DataLoader[Any]:
    """The split as what it is."""
    assert isinstance(split, DataLoader)
    return split


def equal(first: Any, second: Any) -> bool:
    """Are these the same batches?"""
    pairs = list(zip(first, second, strict=True))
    return all(torch.equal(a, c) and torch.equal(b, d) and b.dtype == d.dtype for (a, b), (c, d) in pairs)


@pytest.mark.parametrize(
    "dataset",
    [
        TensorDataset(INPUTS, LABELS),
        Subset(TensorDataset(INPUTS.repeat(2, 1), LABELS.repeat(2)), range(50)),
        Own(),
        Own(INPUTS.double().numpy(), LABELS.numpy()),
        [(row.tolist(), label) for row, label in zip(INPUTS, LABELS.tolist(), strict=True)],
        [{"x": row, "y": label} for row, label in zip(INPUTS, LABELS, strict=True)],
        Columns(),
    ],
    ids=["tensors", "subset", "own", "numpy", "list", "dictionaries", "columns"],
)
def test_what_is_read_once_trains_as_its_arrays_do(dataset: Any) -> None:
    """The same splits and batches, epoch by epoch, whatever the samples come in."""
    data = fs.data.from_dataset(dataset, batch_size=8, val=0.2, test=0.1, seed=4)

    expected = fs.data.from_arrays(INPUTS, LABELS, batch_size=8, val=0.2, test=0.1, seed=4)
    for name, split in data.splits().items():
        for _ in range(2):
            assert equal(batches_of(split), expected.splits()[name])


def test_training_samples_are_augmented_as_arrays_are() -> None:
    """The same pictures, epoch by epoch; what is judged stays as it is."""
    images = INPUTS.reshape(50, 1, 2, 2)
    settings: Any = {"batch_size": 8, "test": 0.2, "seed": 4, "augment": [fs.data.augment.Flip()]}
    data = fs.data.from_dataset(Own(images), **settings)

    expected = fs.data.from_arrays(images, LABELS, **settings)
    plain = fs.data.from_dataset(Own(images), **{**settings, "augment": ()})
    for _ in range(2):
        assert equal(batches_of(data.train), expected.train)
    batches_of(data.train).seek(0)
    assert not equal(batches_of(data.train), plain.train)
    assert equal(batches_of(data.test), plain.test)


@pytest.mark.parametrize("dataset", [TensorDataset(INPUTS, LABELS), Own(), Columns()])
def test_a_loader_gives_torchs_batches(dataset: Any) -> None:
    """Those of `DataLoader` itself, in the order that the seed gives; its splits are those of the arrays."""
    data = fs.data.from_dataset(dataset, batch_size=8, test=0.2, in_memory=False, seed=4)

    arrays = fs.data.from_arrays(INPUTS, LABELS, batch_size=8, test=0.2, seed=4)
    kept = TensorDataset(batches_of(arrays.train).inputs, batches_of(arrays.train).targets)
    own = loader_of(data.train)
    assert own.generator is not None
    generator = torch.Generator().set_state(own.generator.get_state())
    for _ in range(2):
        assert equal(own, DataLoader(kept, 8, shuffle=True, generator=generator))
    assert equal(loader_of(data.test), arrays.test)


def test_bytes_are_scaled_either_way() -> None:
    """A batch of images is the same from memory and from a loader."""
    images = (INPUTS * 50).abs().to(torch.uint8).reshape(50, 1, 2, 2)
    kept, read = (
        fs.data.from_dataset(Own(images), batch_size=8, shuffle=False, in_memory=way).train for way in (True, False)
    )

    assert equal(kept, read)
    assert batches_of(kept).inputs.dtype == torch.uint8


@pytest.mark.parametrize(
    "draws",
    [
        random.random,
        np.random.random,
        lambda: torch.rand(()),
        np.random.default_rng(0).random,
        lambda: random.random() * 0,  # noqa: S311 - as above
    ],
    ids=["python", "numpy", "torch", "own generator", "drawn for nothing"],
)
@pytest.mark.usefixtures("unchecked_types")
def test_what_draws_is_not_read_once(draws: Any, capsys: pytest.CaptureFixture[str]) -> None:
    """Random transforms would be frozen, whatever they draw from; where the generators stand is left as it was."""
    before = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist(), torch.get_rng_state()  # noqa: NPY002 - likewise

    data = fs.data.from_dataset(Own(draws=draws), batch_size=8)

    loader_of(data.train)
    after = random.getstate(), np.random.get_state(legacy=False)["state"]["key"].tolist(), torch.get_rng_state()  # noqa: NPY002 - likewise
    assert before[:2] == after[:2]
    assert torch.equal(before[2], after[2])
    assert "read once, into" not in capsys.readouterr().err


def test_what_draws_now_and_then_is_found_while_it_is_read() -> None:
    """One sample in fifty is enough, though it was none of those that were read twice."""

    class Rare(Own):
        def __getitem__(self, index: int) -> tuple[Any, Any]:
            return INPUTS[index] + (torch.rand(()) if index == 49 else 0), 0

    assert probe(Rare(), 0).is_same
    loader_of(fs.data.from_dataset(Rare(), batch_size=8).train)


def test_in_memory_freezes_by_the_seed() -> None:
    """Who asks for it gets random transforms drawn once, as the seed has it."""
    first, second, other = (
        batches_of(
            fs.data.from_dataset(Own(draws=lambda: torch.rand(())), batch_size=8, in_memory=True, seed=seed).train
        ).inputs
        for seed in (1, 1, 2)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_every_sample_is_read_once() -> None:
    """Besides those that are read twice to see whether they stay."""
    dataset = Own()
    data = fs.data.from_dataset(dataset, batch_size=8)
    after = dataset.read

    for _ in range(3):
        list(data.train)

    assert after == dataset.read == 50 + 2 * 16


def test_it_is_said_what_was_read(capsys: pytest.CaptureFixture[str]) -> None:
    """Where it is, how much memory it takes, and how to have it otherwise; tensors need no word."""
    fs.data.from_dataset(Own(), batch_size=8)
    assert capsys.readouterr().err == (
        "fourstep: train: 50 samples were read once, into 0.0 MB of memory: those that were read twice were the same. "
        "in_memory=False reads them in every epoch\n"
    )

    fs.data.from_dataset(TensorDataset(INPUTS, LABELS), batch_size=8)
    assert capsys.readouterr().err == ""


class Slow(Own):
    """Samples that take their time."""

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        for _ in range(400):
            torch.zeros(1).item()
        return super().__getitem__(index)


@pytest.mark.parametrize(
    ("settings", "draws", "largest", "mend"),
    [
        ({"in_memory": False}, None, 2**30, r"in_memory=True reads each once, into 0.0 MB of memory"),
        ({}, torch.randn, 2**30, r"num_workers=\d+ reads .*; without what it draws at random, in_memory=True could"),
        ({}, None, 10, r"num_workers=\d+ reads .*; all would take 0.0 MB of memory, which in_memory=True allows"),
    ],
)
def test_a_slow_data_set_is_measured(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    settings: dict[str, Any],
    draws: Any,
    largest: int,
    mend: str,
) -> None:
    """What a sample and an epoch cost, and what would make it fast, in one line."""
    monkeypatch.setattr(reader, "MOST_BYTES", largest)
    dataset = Slow(draws=None if draws is None else lambda: draws(()))

    fs.data.from_dataset(dataset, batch_size=8, **settings)

    said = capsys.readouterr().err
    assert said.count("\n") == 1
    took = r"a sample takes ([\d,]+) microseconds to read, 50 of them [\d.]+ s in every epoch"
    found = re.fullmatch(rf"fourstep: train: {took}. {mend}.*\n", said)
    assert found is not None
    assert float(found[1].replace(",", "")) > SLOW * 1e6


def test_a_fast_data_set_needs_no_word(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """And none that workers read already."""
    monkeypatch.setattr(reader, "SLOW", 1.0)
    fs.data.from_dataset(Own(), batch_size=8, in_memory=False)
    monkeypatch.setattr(reader, "SLOW", 0.0)
    fs.data.from_dataset(Own(), batch_size=8, in_memory=False, num_workers=2)

    assert capsys.readouterr().err == ""


def test_workers_read_the_same() -> None:
    """Two processes, the same batches in the same order."""
    first, second = (
        fs.data.from_dataset(Columns(), batch_size=8, in_memory=False, num_workers=workers).train for workers in (0, 2)
    )

    assert equal(first, second)


@pytest.mark.parametrize("dataset", [Flow(), [Flow()], "columns"], ids=["torch", "plain", "columns"])
def test_an_iterable_is_read_in_its_order(dataset: Any) -> None:
    """In every epoch from its beginning."""

    class Plain:
        def __iter__(self) -> Iterator[Any]:
            return iter(Flow())

    class Streamed(IterableDataset[Any]):
        features = None

        def with_format(self, type: str) -> "Streamed":  # noqa: A002 - their name
            assert type == "torch"
            return self

        def __iter__(self) -> Iterator[dict[str, Any]]:
            return ({"label": label, "image": row} for row, label in Flow())

    source = Streamed() if dataset == "columns" else Plain() if isinstance(dataset, list) else dataset
    data = fs.data.from_dataset(source, batch_size=8, test=Own())

    for _ in range(2):
        assert equal(data.train, DataLoader(TensorDataset(INPUTS, LABELS), 8))
    assert batches_of(data.test).num_items == 50


def test_a_mapping_has_splits() -> None:
    """As Hugging Face's `DatasetDict`, with its names."""
    data = fs.data.from_dataset({"train": Columns(), "validation": Own(), "test": Columns()}, batch_size=8)

    assert list(data.splits()) == ["train", "val", "test"]
    assert data.classes == ("a", "b", "c")


def test_classes_come_with_the_data_set() -> None:
    """As torchvision's have them; labels beyond them are refused, and one's own names win."""
    dataset = Own()
    dataset.classes = ["a", "b", "c"]  # type: ignore[attr-defined]

    assert fs.data.from_dataset(dataset, batch_size=8).classes == ("a", "b", "c")
    assert fs.data.from_dataset(dataset, batch_size=8, classes="xyz").classes == ("x", "y", "z")
    with pytest.raises(fs.DataError, match="train labels run from 0 to 2 but there are 2 classes"):
        fs.data.from_dataset(dataset, batch_size=8, classes="xy")


def test_several_inputs_are_gathered_each() -> None:
    """A nesting of samples becomes the same nesting of whole tensors, a list in it one tensor; so do batches of it."""
    samples = [
        ({"a": row, "b": (row[:2].double(), row.tolist())}, label) for row, label in zip(INPUTS, LABELS, strict=True)
    ]

    pairs = Pairs(samples, Pairing(columns=None))

    (inputs, targets, drew), (batch, labels) = gather(pairs, "train", 0), collate(fetch(pairs, range(8)))

    assert torch.equal(inputs["a"], INPUTS)
    assert isinstance(inputs["b"], tuple)
    assert torch.equal(inputs["b"][0], INPUTS[:, :2])
    assert torch.equal(inputs["b"][1], INPUTS)
    assert torch.equal(targets, LABELS)
    assert not drew
    assert torch.equal(batch["b"][1], INPUTS[:8])
    assert torch.equal(labels, LABELS[:8])


@pytest.mark.parametrize("way", ["drawn", "streamed"])
def test_a_run_goes_on_exactly(tmp_path: Path, capsys: pytest.CaptureFixture[str], way: str) -> None:
    """From a loader, the weights of two halves are those of a whole, bit for bit; of an iterable it is said on what."""

    def train(folder: Path, epochs: int) -> list[Tensor]:
        torch.manual_seed(3)
        model = nn.Linear(4, 3)
        dataset = Own(draws=lambda: torch.randn(4)) if way == "drawn" else Flow()
        data = fs.data.from_dataset(dataset, batch_size=8)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=epochs, folder=folder, show="none")
        return [parameter.detach().clone() for parameter in model.parameters()]

    whole = train(tmp_path / "whole", 2)
    train(tmp_path / "halves", 1)
    capsys.readouterr()
    halves = train(tmp_path / "halves", 2)

    assert all(map(torch.equal, whole, halves))
    said = "fourstep: the data is an iterable without positions: when the run goes on it is read again, and must yield"
    assert (said in capsys.readouterr().err) == (way == "streamed")


class Changing(Own):
    """Samples that are others from the 300th on."""

    def __init__(self, other: Any) -> None:
        super().__init__(INPUTS.repeat(20, 1), LABELS.repeat(20))
        self.other = other

    def __getitem__(self, index: int) -> Any:
        return super().__getitem__(index) if index < 300 else self.other


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ([], "train has no samples: expected at least one"),
        ([1, 2], r"a sample is a int: expected a pair \(inputs, target\), or a dictionary with columns="),
        ([(1, 2, 3)], "a sample is a tuple of 3: expected a pair"),
        ([("one", 1)], "inputs hold a text, 'one': expected numbers"),
        ([(1.0, "one")], "targets hold a text, 'one': expected numbers"),
        ([{"a": 1, "b": 2}], "a sample has a, b: expected to find one that is the inputs and one that is the target"),
        ([{"a": 1, "b": 2, "label": 2}], "a sample has a, b, label: expected to find one that is the inputs"),
        ([(torch.zeros(2), 1), (torch.zeros(3), 1)], "samples cannot become a batch .*: expected tensors, arrays or"),
        ([(Image.new("L", (2, 2)), 1)], r"samples cannot become a batch .*Image.*let the data set's transform make"),
        (TensorDataset(INPUTS), r"train's samples have 1 tensors: expected a pair"),
        (Changing((torch.zeros(5), 0)), "samples cannot become a batch .*: expected tensors"),
        (
            Changing((torch.zeros(4), 0.5)),
            r"samples 256 to 511 are float32 \(4,\), float32 \(\), but the first ones float32 \(4,\), int64 \(\):",
        ),
        ([(["a", "b"], 1)], r"samples cannot become a batch .*<U1"),
    ],
)
def test_wrong_samples_are_refused(dataset: Any, said: str) -> None:
    """In one line."""
    with pytest.raises(fs.DataError, match=said):
        fs.data.from_dataset(dataset, batch_size=2, in_memory=True)


@pytest.mark.parametrize(
    ("dataset", "settings", "said"),
    [
        (INPUTS, {}, r"train is a Tensor: expected a data set of samples. Mend: from_arrays\(inputs, targets"),
        (INPUTS.numpy(), {}, "train is a ndarray: .* Mend: from_arrays"),
        ("data.csv", {}, "train is a str: .* Mend: from_file, from_text, from_table or from_images"),
        (Path("data"), {}, "train is a PosixPath: .* Mend: from_file"),
        (DataLoader(Own()), {}, r"train is a DataLoader: .* Mend: fit\(model, loader, ...\) takes it as it is"),
        (fs.Batches(INPUTS, LABELS, batch_size=2), {}, "train is a Batches: .* Mend: fit takes them as they are"),
        (iter([1]), {}, "train is a list_iterator: .* Mend: a list of what it yields"),
        (3, {}, "train is a int: .* Mend: a torch Dataset"),
        (None, {}, "train is a NoneType: .* Mend: a torch Dataset"),
        (Own(), {"val": DataLoader(Own())}, "val is a DataLoader"),
        (Own(), {"val": 2.0}, r"val=2.0: expected a fraction between 0 and 1"),
        (Own(), {"batch_size": 0}, "batch_size 0: expected a whole number of 1 or more"),
        (Own(), {"num_workers": -1}, "num_workers -1: expected a whole number of 0 or more"),
        (Flow(), {"val": 0.1}, "val cannot be split off an iterable, whose samples have no index"),
        (Flow(), {"in_memory": True}, r"in_memory=True, but train is an iterable, which may have no end: pass list"),
        ({1: 2}.keys(), {"num_workers": 1}, "num_workers 1, but train is a plain iterable, of which each would read"),
        (
            Own(),
            {"in_memory": False, "augment": [FLIP]},
            r"train's samples are read anew in every epoch: in_memory=True",
        ),
        (Flow(), {"augment": [FLIP]}, r"train's samples are read anew in every epoch: pass list\(dataset\), if it has"),
        (Own(draws=random.random), {"augment": [FLIP]}, "else let the data set itself change them"),
        ({"train": Own(), "extra": Own()}, {}, "unknown split 'extra'"),
        ({"test": Own()}, {}, "the mapping has test: expected a data set for 'train'"),
        ({"train": Own(), "test": Own()}, {"test": 0.1}, "test is given, but the mapping has a test split of its own"),
        ([{"a": 1, "b": 2}], {"columns": ("a", "c")}, "a sample has no 'c': there are a, b"),
    ],
)
def test_wrong_settings_are_refused(dataset: Any, settings: Mapping[str, Any], said: str) -> None:
    """Each in one line, with what is meant instead."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_dataset(dataset, **{"batch_size": 2, **settings})


def test_hugging_faces_own_data_sets() -> None:
    """The real thing, where it is installed: images with their classes, in memory and streamed."""
    datasets = pytest.importorskip("datasets")
    pictures = [Image.fromarray(np.full((4, 4), index, np.uint8)) for index in range(20)]
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["even", "odd"])})
    table = {"image": pictures, "label": [index % 2 for index in range(20)]}
    dataset = datasets.Dataset.from_dict(table, features=features)

    data = fs.data.from_dataset(datasets.DatasetDict({"train": dataset, "test": dataset}), batch_size=4, shuffle=False)
    streamed = fs.data.from_dataset(dataset.to_iterable_dataset(), batch_size=4)

    train = batches_of(data.train)
    assert torch.equal(train.inputs, torch.arange(20, dtype=torch.uint8)[:, None, None, None].expand(20, 1, 4, 4))
    assert train.targets.tolist() == table["label"]
    assert data.classes == streamed.classes == ("even", "odd")
    assert equal(data.train, streamed.train)
