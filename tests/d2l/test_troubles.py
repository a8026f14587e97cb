"""Where learners of the book get stuck, one test each; the numbers are those of the list that they were collected in.

Left out are what no library can mend: cells of the reader's own, results on two GPUs, conda's OpenMP, slow reading.
"""

import dataclasses
import gzip
import hashlib
import math
import os
import re
import subprocess
import sys
import tomllib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep import d2l
from fourstep.data import catalog

ROOT = Path(__file__).parents[2]
LOSS = nn.CrossEntropyLoss(reduction="none")
ABC = "a9993e364706816aba3e25717850c26c9cd0d89d"  # the SHA-1 of these three letters


def blobs(count: int = 64, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Points of 4 features around a centre for each class."""
    labels = torch.arange(count) % classes
    return torch.randn(count, 4) * 0.3 + 2 * nn.functional.one_hot(labels, 4), labels


def program(source: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a process of its own, without a terminal."""
    (folder / "script.py").write_text(source, encoding="utf-8")
    inherited = {name: value for name, value in os.environ.items() if name != "FOURSTEP_CURVES"}
    command = [sys.executable, "-W", "error", "script.py"]
    return subprocess.run(
        command, cwd=folder, env=inherited | {"MPLBACKEND": "agg"} | environment,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_trouble_01_a_name_is_missing() -> None:
    """The names of zh 2.0 are there; another one says the nearest, one of 1.0 what replaces it."""
    assert callable(d2l.train_ch3)
    assert callable(d2l.predict_ch8)
    assert callable(d2l.plot)
    with pytest.raises(AttributeError, match="did you mean 'predict_ch3'"):
        _ = d2l.predict_ch33
    with pytest.raises(AttributeError, match=r"d2l 1\.0.*fs\.fit"):
        _ = d2l.Trainer


def test_trouble_02_it_does_not_install(tmp_path: Path) -> None:
    """No upper bound, no `==`; what the book's library imports at its top need not be there."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"].values()
    needs = [*project["dependencies"], *(need for extra in optional for need in extra if ">" in need)]
    assert [need for need in needs if set("<=~,") & set(need.replace(">=", ""))] == []
    assert "<" not in project["requires-python"]
    missing = ["pandas", "IPython", "torchvision", "torchaudio", "matplotlib_inline", "requests", "PIL.Image"]
    done = program(
        f"import sys\nfor name in {missing}: sys.modules[name] = None\nfrom fourstep import d2l\n"
        "d2l.use_svg_display(); print(d2l.accuracy(d2l.eye(3), d2l.arange(3)))",
        tmp_path,
    )
    assert (done.stdout, done.stderr) == ("3.0\n", "")


def test_trouble_03_the_display_cannot_be_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor where a notebook lacks matplotlib_inline."""
    monkeypatch.setattr("fourstep.d2l.plotting.notebook_shell", object)
    monkeypatch.setitem(sys.modules, "matplotlib_inline.backend_inline", None)
    d2l.use_svg_display()


def test_trouble_04_there_is_no_chart(tmp_path: Path) -> None:
    """A script without a screen saves a file, and prints no `<Figure ...>`."""
    done = program("from fourstep import d2l\nanimator = d2l.Animator()\nanimator.add(1, 2)", tmp_path)
    assert done.stdout == ""
    assert (tmp_path / "d2l-figure.svg").stat().st_size > 1000


def test_trouble_05_the_chart_flickers() -> None:
    """A notebook gets one picture, and few updates of it, however many points there are."""
    nbformat, nbclient = pytest.importorskip("nbformat"), pytest.importorskip("nbclient")
    kinds: list[str] = []

    class Client(nbclient.NotebookClient):  # type: ignore[misc, name-defined] # imported above
        def process_message(self, msg: Any, cell: Any, cell_index: int) -> Any:
            kinds.append(msg["msg_type"])
            return super().process_message(msg, cell, cell_index)

    cell = "from fourstep import d2l\nanimator = d2l.Animator()\nfor x in range(500): animator.add(x, x)"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the kernel's client's own
        Client(notebook, timeout=100, kernel_name="python3").execute()
    assert kinds.count("display_data") == 1
    assert 1 <= kinds.count("update_display_data") < 20


UNGUARDED = """
import multiprocessing
import torch
from torch.utils.data import DataLoader, TensorDataset
multiprocessing.set_start_method("spawn")
from fourstep import d2l
from fourstep.data import catalog
pixels, labels = torch.zeros(40, 28, 28, dtype=torch.uint8), torch.arange(40, dtype=torch.uint8) % 10
catalog.read_files = lambda *_: (None, dict(enumerate((pixels, labels, pixels[:7], labels[:7]))))
train_iter, test_iter = d2l.load_data_fashion_mnist(16, resize=14)
for X, y in train_iter:
    print(tuple(X.shape), len(y))
loader = DataLoader(TensorDataset(X, y), 4, num_workers=d2l.get_dataloader_workers())
print(len(list(test_iter)), len(list(loader)))
"""


def test_trouble_06_worker_processes_crash(tmp_path: Path) -> None:
    """A script without a guarded `__main__` reads Fashion-MNIST, where processes are spawned as on Windows."""
    done = program(UNGUARDED, tmp_path)
    assert done.stdout.splitlines() == [*["(16, 1, 14, 14) 16"] * 2, "(8, 1, 14, 14) 8", "1 2"]
    assert done.stderr == ""


def test_trouble_07_asserts_end_the_training() -> None:
    """A poor result is returned, and a warning."""
    data = d2l.load_array(blobs(), 16)
    net = nn.Linear(4, 3)
    with pytest.warns(fs.FourstepWarning, match=r"after epoch 1: train loss .* \(expected below 0\.5\).*Likely cause"):
        result = d2l.train_ch3(net, data, data, LOSS, 1, torch.optim.SGD(net.parameters()))
    assert result.train_loss > 0.5


def test_trouble_08_the_loss_is_divided_twice() -> None:
    """The same number for every reduction; a mean, or a sum, that changes the step is a warning."""
    data, numbers = blobs(), []
    for reduction in ("none", "mean", "sum"):
        net = nn.Linear(4, 3)
        nn.init.zeros_(net.weight)
        nn.init.zeros_(net.bias)
        loss, trainer = nn.CrossEntropyLoss(reduction=reduction), torch.optim.SGD(net.parameters(), lr=0)
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            numbers.append(d2l.train_epoch_ch3(net, d2l.load_array(data, 16), loss, trainer)[0])
        assert len(said) == (reduction == "sum")
    assert numbers == pytest.approx([math.log(3)] * 3)
    with pytest.warns(fs.FourstepWarning, match="the updater divides by the batch size once more"):
        d2l.train_epoch_ch3(
            net, d2l.load_array(data, 16), nn.CrossEntropyLoss(), lambda size: d2l.sgd(net.parameters(), 0.0, size)
        )


def test_trouble_09_a_column_against_a_row() -> None:
    """An error that names both shapes and the mend; the book's counts 24 right of 8."""
    with pytest.raises(fs.ShapeError, match=r"\(8, 3\).*\(8, 1\).*y\.reshape\(-1\)"):
        d2l.accuracy(torch.rand(8, 3), torch.zeros(8, 1))
    with pytest.raises(fs.ShapeError, match=r"\(8, 1\).*\(1, 8\)"):
        d2l.squared_loss(torch.rand(8, 1), torch.zeros(1, 8))


def test_trouble_10_evaluation_leaves_the_mode() -> None:
    """Every module has its own back, also after an error."""
    net = nn.Sequential(nn.Linear(4, 3), nn.Dropout(), nn.BatchNorm1d(3))
    net[2].eval()
    d2l.evaluate_accuracy(net, d2l.load_array(blobs(), 16))
    with pytest.raises(fs.ShapeError):
        d2l.evaluate_accuracy(net, [(torch.rand(8, 4), torch.zeros(8, 2))])
    assert [net.training, net[1].training, net[2].training] == [True, True, False]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_trouble_11_fewer_than_five_batches(count: int, capsys: pytest.CaptureFixture[str]) -> None:
    """They train; none at all is an error."""
    data = d2l.load_array(blobs(16 * count), 16)
    d2l.train_ch6(nn.Linear(4, 3), data, data, 2, 0.1, "cpu")
    d2l.train_ch13(net := nn.Linear(4, 3), data, data, LOSS, torch.optim.SGD(net.parameters()), 2)
    assert capsys.readouterr().out.count("examples/sec") == 2
    with pytest.raises(fs.DataError, match="is empty: it yields no batch"):
        d2l.evaluate_accuracy(net, DataLoader(TensorDataset(*blobs(4)), 8, drop_last=True))


def train_by_ch3(net: nn.Module, data: Any) -> None:
    """Three training functions behind one call."""
    d2l.train_epoch_ch3(net, data, LOSS, torch.optim.SGD(net.parameters()))


def train_by_ch6(net: nn.Module, data: Any) -> None:
    """As above."""
    d2l.train_ch6(net, data, data, 1, 0.1, "cpu", init=False)


def train_by_ch13(net: nn.Module, data: Any) -> None:
    """As above."""
    d2l.train_ch13(net, data, data, LOSS, torch.optim.SGD(net.parameters()), 1, ["cpu"])


@pytest.mark.parametrize("train", [train_by_ch3, train_by_ch6, train_by_ch13, d2l.evaluate_accuracy])
def test_trouble_12_every_batch_waits_for_the_device(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As often for forty batches as for ten, on a CPU that is treated as an accelerator."""
    waits = 0

    def counting(own: Any) -> Any:
        def wait(self: Tensor, *args: Any) -> Any:
            nonlocal waits
            waits += 1
            return own(self, *args)

        return wait

    def waits_of(count: int) -> int:
        net, data = nn.Linear(4, 3), list(d2l.load_array(blobs(16 * count), 16))
        before = waits
        train(net, data)
        return waits - before

    monkeypatch.setattr(Tensor, "is_cpu", False)
    for name in ("item", "tolist", "__float__", "__bool__", "__int__", "cpu", "numpy"):
        monkeypatch.setattr(Tensor, name, counting(getattr(Tensor, name)))
    assert waits_of(40) == waits_of(10) > 0


def test_trouble_13_a_softmax_before_cross_entropy() -> None:
    """One warning, and the training goes on."""
    net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    trainer = torch.optim.SGD(net.parameters())
    with pytest.warns(fs.FourstepWarning, match="leave the softmax out of the net") as said:
        d2l.train_epoch_ch3(net, d2l.load_array(blobs(), 16), LOSS, trainer)
    assert len(said) == 1


@pytest.mark.parametrize("clears", [True, False])
def test_trouble_14_gradients_are_not_cleared(*, clears: bool) -> None:
    """An updater of the reader's own that leaves them is a warning, at once and once."""
    net = nn.Linear(4, 3)

    def updater(batch_size: int) -> None:
        with torch.no_grad():
            for param in net.parameters():
                assert param.grad is not None
                param.sub_(0.1 * param.grad / batch_size)
                if clears:
                    param.grad.zero_()

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        d2l.train_epoch_ch3(net, d2l.load_array(blobs(), 16), LOSS, updater)
    expected = [] if clears else ["the updater leaves the gradients as they are, and the next batch's are added to"]
    assert [str(one.message)[: len(expected[0])] for one in said] == expected


@pytest.mark.parametrize("train", [train_by_ch3, train_by_ch6, train_by_ch13])
def test_trouble_15_the_loss_is_nan(train: Any) -> None:
    """It stops there with batch and learning rate, and the net is as before the epoch; the book's runs to the end."""
    net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))
    data = list(d2l.load_array(blobs(64), 16, is_train=False))
    train(net, data)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    data[3] = (torch.full((16, 4), torch.nan), data[3][1])
    with pytest.raises(fs.NonFiniteError, match=r"in batch 4 (of epoch 1 )?with lr 0\..* from before that epoch again"):
        train(net, data)
    assert all(map(torch.equal, net.state_dict().values(), before.values()))


def test_trouble_15_the_last_good_loss_is_told_and_one_may_go_on() -> None:
    """The loss of the epoch before; and `stop_at_nan=False` is the book's way, NaN to the end."""
    inputs, labels = blobs(64)
    net = nn.Linear(4, 3)
    good = d2l.load_array((inputs, labels), 16, is_train=False)

    class Twice:
        passes = 0

        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            self.passes += 1
            return iter(good if self.passes == 1 else [(inputs[:16] * math.inf, labels[:16])])

    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(fs.NonFiniteError, match=r"in batch 1 of epoch 2 with lr 0\.1, after a loss of \d\.\d+: use"):
        d2l.train_ch3(net, Twice(), good, LOSS, 2, trainer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = [
            d2l.train_ch3(net, Twice(), good, LOSS, 2, trainer, stop_at_nan=False),
            d2l.train_ch6(net, Twice(), good, 2, 0.1, "cpu", init=False, stop_at_nan=False),
            d2l.train_ch13(net, Twice(), good, LOSS, trainer, 2, [], stop_at_nan=False),
        ]
    assert all(math.isnan(result.train_loss) for result in results)


def test_trouble_16_the_loss_is_stuck() -> None:
    """Said after the training, with the numbers of guessing."""
    data = d2l.load_array(blobs(600), 4)
    net = nn.Sequential(nn.Linear(4, 3), nn.ReLU())
    nn.init.constant_(net[0].bias, -100.0)  # type: ignore[arg-type] # a layer has one
    with pytest.warns(fs.FourstepWarning, match=r"the net is not learning: .* \(ln 3 = 1\.099\)"):
        d2l.train_ch6(net, data, data, 1, 0.1, "cpu", init=False)


def test_trouble_17_memory_runs_out() -> None:
    """The error says the batch, and what to try."""

    class Hungry(nn.Linear):
        def forward(self, inputs: Tensor) -> Tensor:  # noqa: ARG002 - it does not get so far
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    data = d2l.load_array(blobs(), 16)
    with pytest.raises(fs.DeviceError, match=r"with a batch of 16, .* try batch_size=8"):
        d2l.train_ch6(Hungry(4, 3), data, data, 1, 0.1, "cpu")


def test_trouble_18_labels_are_of_the_wrong_kind() -> None:
    """Type and range are looked at before the first loss; on a GPU a wrong one would end the process."""
    features, labels = blobs()
    net = nn.Linear(4, 3)
    for wrong, said in (
        (labels + 1, r"run from 1 to 3 but .* 3 outputs: .* 0\.\.2"),
        (labels.float(), r"targets float32 .* must be int64"),
    ):
        data = d2l.load_array((features, wrong), 16)
        with pytest.raises(fs.DataError, match=said):
            d2l.train_ch6(net, data, data, 1, 0.1, "cpu")


def test_trouble_19_a_download_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies in the folder is used; else the error says which file goes where, and nothing half is left."""
    monkeypatch.setitem(d2l.DATA_HUB, "text", ("http://127.0.0.1:9/x/text.txt", ABC))
    with pytest.raises(fs.DataFileError, match=r"text\.txt could not be downloaded .* by hand, from http://127"):
        d2l.download("text", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.suffix] == []
    (tmp_path / "text.txt").write_text("abc")
    assert Path(d2l.download("text", tmp_path)).read_text() == "abc"


@pytest.fixture
def clothes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """No network; where Fashion-MNIST is looked for: `../data/FashionMNIST/raw`, the cache, the system's folder."""
    folders = [tmp_path / "data" / "FashionMNIST" / "raw", tmp_path / "cache" / "fashion-mnist", tmp_path / "system"]
    (tmp_path / "chapter").mkdir()
    monkeypatch.chdir(tmp_path / "chapter")
    monkeypatch.setenv("FOURSTEP_CACHE", str(tmp_path / "cache"))
    contents = {name: idx(number) for number, name in enumerate(catalog.FASHION_MNIST.sha256)}
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    files = dataclasses.replace(
        catalog.FASHION_MNIST, sha256=sha256, mirrors=("http://127.0.0.1:9/",), system_folder=folders[2]
    )
    monkeypatch.setattr(catalog, "FASHION_MNIST", files)
    return folders


def idx(number: int) -> bytes:
    """Twenty images, or their labels, as a file of Fashion-MNIST."""
    shape = (20,) if number % 2 else (20, 28, 28)
    header = bytes([0, 0, 8, len(shape), *b"".join(size.to_bytes(4, "big") for size in shape)])
    return header + bytes([number]) * math.prod(shape)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_trouble_19_the_data_lie_here_already(clothes: list[Path], place: int) -> None:
    """Where torchvision put them for the book, in the cache, or in the system's folder: packed or not, offline."""
    clothes[place].mkdir(parents=True)
    for number, name in enumerate(catalog.FASHION_MNIST.sha256):
        path = clothes[place] / name
        if number:
            path.write_bytes(gzip.compress(idx(number)))
        else:
            path.with_suffix("").write_bytes(idx(number))
    train_iter, _ = d2l.load_data_fashion_mnist(8)
    assert [len(y) for _, y in train_iter] == [8, 8, 4]


def test_trouble_19_the_data_are_nowhere(clothes: list[Path]) -> None:
    """The error says the file, its folder and where it is had; a damaged one of the book's is said and passed over."""
    cache = re.escape(str(clothes[1]))
    said = rf"train-images-idx3-ubyte\.gz could not be downloaded .* into {cache} by hand, from http://127"
    with pytest.raises(fs.DataFileError, match=said):
        d2l.load_data_fashion_mnist(8)
    clothes[0].mkdir(parents=True)
    (clothes[0] / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(0))[:50])
    with pytest.warns(fs.FourstepWarning, match="not used: "), pytest.raises(fs.DataFileError, match=said):
        d2l.load_data_fashion_mnist(8)


def test_trouble_21_train_ch6_starts_over(capsys: pytest.CaptureFixture[str]) -> None:
    """As the book has it, but said; `init=False` keeps the weights."""
    data, net = d2l.load_array(blobs(), 16), nn.Linear(4, 3)
    before = net.weight.clone()
    d2l.train_ch6(net, data, data, 1, 0, "cpu", init=False)
    assert torch.equal(net.weight, before)
    assert "re-initialised" not in capsys.readouterr().out
    with pytest.warns(
        fs.FourstepWarning, match=r"the net was trained before, .* start again now: init=False trains on"
    ):
        d2l.train_ch6(net, data, data, 1, 0, "cpu")
    assert not torch.equal(net.weight, before)
    assert "re-initialised 1 layer (init=False keeps the weights)" in capsys.readouterr().out


@pytest.mark.parametrize("devices", [[], None, ["cpu"]])
def test_trouble_22_train_ch13_without_a_gpu(devices: list[str] | None) -> None:
    """It trains on the CPU; a GPU that is not there is said."""
    data, net = d2l.load_array(blobs(), 16), nn.Linear(4, 3)
    loss, trainer = LOSS, torch.optim.SGD(net.parameters(), lr=0.01)
    assert d2l.train_ch13(net, data, data, loss, trainer, 2, devices).train_acc > 0
    assert d2l.try_all_gpus()
    with pytest.raises(fs.DeviceError, match="cuda:77"):
        d2l.train_ch13(net, data, data, loss, trainer, 1, ["cuda:77"])


def test_trouble_24_apples_gpu_is_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is; the documentation says how to have the CPU."""
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert d2l.try_gpu() == torch.device("mps")
    assert 'torch.device("cpu")' in (d2l.try_gpu.__doc__ or "")


def test_trouble_25_values_are_left_out_silently() -> None:
    """Too few or too many are an error; more than four curves are drawn."""
    with pytest.raises(fs.ConfigError, match="has 3 slots but add got 2 values"):
        d2l.Accumulator(3).add(1, 2)
    animator = d2l.Animator()
    animator.add(1, range(6))
    assert len(animator.axes[0].get_lines()) == 6
    with pytest.raises(fs.ConfigError, match="6 curves"):
        animator.add(2, range(5))
