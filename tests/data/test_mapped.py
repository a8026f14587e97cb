"""Memory-mapped arrays: the batches that the array in memory would give, and never the array in memory."""

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import fourstep as fs
from fourstep.data import from_arrays
from fourstep.data.batches import Batches
from fourstep.data.dataset import Data
from fourstep.data.mapped import Mapped, is_mapped

LABELS = np.arange(40) % 4
TYPES = ["uint8", "float16", "float32", "float64", "uint16", "int64", ">f4", ">i2", "bool"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """An array of 40 samples of 3 x 2 float32."""
    return save(tmp_path / "big.npy", np.arange(240, dtype=np.float32).reshape(40, 3, 2))


def save(path: Path, array: NDArray[Any]) -> Path:
    """The array's file."""
    np.save(path, array)
    return path


def opened(path: Path, mode: Any = "r") -> NDArray[Any]:
    """As a user opens it."""
    array: NDArray[Any] = np.load(path, mmap_mode=mode)
    return array


def kinds(data: Data) -> dict[str, type]:
    """What each split's inputs are."""
    return {name: type(split.inputs) for name, split in data.splits().items() if isinstance(split, Batches)}


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_are_those_of_the_array_in_memory(tmp_path: Path, kind: str, *, shuffle: bool) -> None:
    """Of every type, also those that have to be converted; split by fraction; one fingerprint."""
    whole = (np.arange(240).reshape(40, 3, 2) % 250).astype(kind)
    file = save(tmp_path / "big.npy", whole)
    settings: Any = {"batch_size": 7, "val": 0.2, "test": 0.3, "seed": 3, "shuffle": shuffle, "stratify": True}
    mapped, in_memory = (from_arrays(array, LABELS, **settings) for array in (opened(file), whole))

    assert set(kinds(mapped).values()) == {Mapped}
    for ours, theirs in zip(mapped.splits().values(), in_memory.splits().values(), strict=True):
        assert isinstance(ours, Batches)
        assert isinstance(theirs, Batches)
        assert ours.fingerprint() == theirs.fingerprint()
        assert ours.inputs.shape == theirs.inputs.shape
        for (inputs, targets), (expected, labels) in zip(ours, theirs, strict=True):
            assert inputs.dtype == expected.dtype
            assert torch.equal(inputs, expected)
            assert torch.equal(targets, labels)
        assert all(torch.equal(ours.dataset[place][0], theirs.dataset[place][0]) for place in range(len(ours.dataset)))


@pytest.mark.parametrize("view", [np.s_[5:30], np.s_[::-2], np.s_[:, 1:], np.s_[:, ::-1, ::2]])
def test_a_part_of_a_mapping_is_one_too(file: Path, view: Any) -> None:
    """Whatever its steps and strides."""
    part = opened(file)[view]
    train = from_arrays(part, LABELS[: len(part)], batch_size=4, shuffle=False).train
    assert isinstance(train, Batches)

    assert isinstance(train.inputs, Mapped)
    assert np.array_equal(torch.cat([inputs for inputs, _ in train]).numpy(), part)


@pytest.mark.parametrize("mode", ["r", "r+", "c"])
def test_nothing_is_written_to_the_file(file: Path, mode: str) -> None:
    """By whoever works on a batch, a sample or the prepared inputs in place; also where the file could be written."""
    before = hashlib.sha256(file.read_bytes()).hexdigest()
    array = opened(file, mode)

    def in_place(inputs: torch.Tensor) -> torch.Tensor:
        return inputs.mul_(0)

    for shuffle in (True, False):
        train = from_arrays(array, array, batch_size=4, shuffle=shuffle, prepare=in_place).train
        assert isinstance(train, Batches)
        for inputs, targets in train:
            inputs.add_(1)
            targets.add_(1)
        for sample in (train.dataset[3], train.inputs[:], train.take(slice(0, 2))[0]):
            (sample if isinstance(sample, torch.Tensor) else sample[1]).add_(1)
    fs.predict(nn.Flatten(), array, prepare=in_place)

    assert hashlib.sha256(file.read_bytes()).hexdigest() == before
    assert hashlib.sha256(np.asarray(array).tobytes()).hexdigest() == hashlib.sha256(opened(file).tobytes()).hexdigest()


def test_labels_in_a_file_are_read(tmp_path: Path) -> None:
    """One per sample, they are few; masks stay where they are, become int64 by the batch, and are checked."""
    masks = np.arange(160).reshape(40, 2, 2).astype(np.uint8) % 3
    labels = opened(save(tmp_path / "labels.npy", LABELS.astype(np.uint8)))
    kept = opened(save(tmp_path / "masks.npy", masks))
    one, other = (from_arrays(np.zeros((40, 2)), targets, batch_size=40).train for targets in (labels, kept))
    assert isinstance(one, Batches)
    assert isinstance(other, Batches)
    _, batch = next(iter(other))

    assert one.targets.tolist() == LABELS.tolist()
    assert isinstance(other.targets, Mapped)
    assert batch.dtype == torch.int64
    with pytest.raises(fs.DataError, match="train labels run from 0 to 2 but there are 2 classes"):
        from_arrays(np.zeros((40, 2)), kept, batch_size=4, classes=["a", "b"])
    with pytest.raises(fs.ConfigError, match="stratify=True with targets of mapped int64 2x2: expected class indices"):
        from_arrays(np.zeros((40, 2)), kept, batch_size=4, val=0.5, stratify=True)


def test_it_trains_and_predicts_beside_tensors(file: Path) -> None:
    """Several inputs, one of them in a file: the weights of the same in memory, whatever device was asked for."""

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(7, 4)

        def forward(self, inputs: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
            return self.layer(torch.cat([inputs[0].flatten(1) / 240, inputs[1]], 1))  # type: ignore[no-any-return]

    beside = np.linspace(0, 1, 40)[:, None]
    weights, outputs = [], []
    for array in (opened(file), np.load(file)):
        torch.manual_seed(0)
        model = Model()
        data = from_arrays((array, beside), LABELS, batch_size=8, test=0.25)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=2, show="none")
        weights.append(model.layer.weight)
        outputs.append(fs.predict(model, (array, torch.tensor(beside).float()), batch_size=9))

    assert torch.equal(*weights)
    assert torch.equal(*outputs)


def test_another_device_is_given_the_batches_alone(file: Path) -> None:
    """The samples stay in the file; indices and samples are looked up where they lie."""
    train = from_arrays((opened(file), LABELS), LABELS, batch_size=8).train
    assert isinstance(train, Batches)
    moved = train.to(torch.device("meta"))
    (inputs, other), targets = next(iter(moved))

    assert moved.inputs is train.inputs
    assert {inputs.device.type, other.device.type, targets.device.type} == {"meta"}
    assert (inputs.shape, moved.device.type, train.device.type) == ((8, 3, 2), "meta", "cpu")


def test_it_says_what_it_is(file: Path) -> None:
    """And which arrays are mapped: those over a file, whatever view they are seen through."""
    array = opened(file)
    train = from_arrays(array, LABELS, batch_size=8).train

    assert repr(train) == "Batches(40 samples of mapped float32 3x2, 5 batches of 8)"
    assert is_mapped(np.asarray(array)[3:].reshape(-1))
    assert not is_mapped(np.array(array))
    assert not is_mapped([1, 2])


def test_texts_in_a_file_are_refused(tmp_path: Path) -> None:
    """As texts in memory are."""
    with pytest.raises(fs.DataError, match="train inputs are texts: expected numbers"):
        from_arrays(opened(save(tmp_path / "texts.npy", np.array(["a", "b"]))), [0, 1], batch_size=1)


PROGRAM = """
import resource, sys
import numpy as np, torch
import fourstep as fs

path, mode, limit = sys.argv[1:]
model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
warm = fs.data.from_arrays(torch.zeros(64, 784), torch.zeros(64).long(), batch_size=32)
fs.fit(model, warm, torch.nn.CrossEntropyLoss(), optimizer, epochs=1, show="none")
used = 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1])
resource.setrlimit(resource.RLIMIT_DATA, (used + int(limit), used + int(limit)))
try:
    inputs = np.load(path, mmap_mode=mode or None)
    data = fs.data.from_arrays(inputs, np.arange(len(inputs)) % 10, batch_size=512, val=0.1)
    data.train.fingerprint()
    run = fs.fit(model, data, torch.nn.CrossEntropyLoss(), optimizer, epochs=1, show="none")
    print("trained", run.history.rows[-1]["val/loss"] > 0)
except MemoryError:
    print("no memory")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
@pytest.mark.parametrize(
    ("kind", "mode", "said"),
    [
        ("uint8", "r", "trained True"),
        pytest.param("float64", "r", "trained True", marks=pytest.mark.slow),
        ("uint8", "", "no memory"),
    ],
)
def test_three_times_the_memory_trains(tmp_path: Path, kind: str, mode: str, said: str) -> None:
    """Under a limit of a third of the file, which the array in memory breaks; also where its type is converted."""
    size = 96 * 2**20 // 784 // np.dtype(kind).itemsize
    path = tmp_path / "big.npy"
    made = np.lib.format.open_memmap(path, mode="w+", dtype=np.dtype(kind), shape=(size, 784))
    made[:1000] = 1
    made.flush()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), mode, str(32 * 2**20)], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == said
    assert done.stderr == ""
