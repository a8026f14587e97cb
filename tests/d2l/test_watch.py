"""What the book's training functions look out for: troubles 13, 16, 17 and 18 of its learners, each in one line."""

import gc
import math
import subprocess
import sys
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from fourstep.d2l.chapter3 import train_ch3, train_epoch_ch3
from fourstep.d2l.chapter6 import train_ch6
from fourstep.d2l.chapter13 import train_ch13
from fourstep.d2l.data import load_array
from fourstep.d2l.watch import Watch, out_of_memory
from fourstep.errors import DataError, DeviceError, FourstepWarning, NonFiniteError

CPU = torch.device("cpu")
TOO_MUCH = 2**55  # bytes that no machine has

Train: TypeAlias = Callable[[nn.Module, Any], Any]


def by_ch3(net: nn.Module, data: Any) -> Any:
    """The three training functions behind one call."""
    return train_ch3(net, data, data, nn.CrossEntropyLoss(), 1, torch.optim.SGD(net.parameters(), lr=0.0))


def by_epoch_ch3(net: nn.Module, data: Any) -> Any:
    """As above."""
    return train_epoch_ch3(net, data, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.0))


def by_ch6(net: nn.Module, data: Any) -> Any:
    """As above."""
    return train_ch6(net, data, data, 1, 0.0, CPU, init=False)


def by_ch13(net: nn.Module, data: Any) -> Any:
    """As above."""
    loss = nn.CrossEntropyLoss(reduction="none")
    return train_ch13(net, data, data, loss, torch.optim.SGD(net.parameters(), lr=0.0), 1, [])


ALL = pytest.mark.parametrize("train", [by_ch3, by_epoch_ch3, by_ch6, by_ch13])
AT_THE_END = pytest.mark.parametrize("train", [by_ch3, by_ch6, by_ch13])


def said_by(train: Train, net: nn.Module, data: Any) -> list[str]:
    """The warnings that training gives, but for the book's expectations of Fashion-MNIST."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(net, data)
    assert all(issubclass(one.category, FourstepWarning) for one in caught)
    return [str(one.message) for one in caught if "Fashion-MNIST" not in str(one.message)]


def blobs(count: int = 600, classes: int = 3) -> tuple[Tensor, Tensor]:
    """Features without any meaning, and labels."""
    return torch.randn(count, 4), torch.arange(count) % classes


@ALL
def test_a_softmax_before_cross_entropy_is_said_once(train: Train) -> None:
    """Trouble 13: it trains, slowly, and nothing says why; the same net without it gives no warning."""
    data = load_array(blobs(60), 10)
    (said,) = said_by(train, nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1)), data)
    assert said.startswith("the net's outputs are probabilities already (each row sums to 1), and cross-entropy")
    assert said.endswith("leave the softmax out of the net")
    assert said_by(train, nn.Linear(4, 3), data) == []
    assert said_by(train, nn.Sequential(nn.Linear(4, 3), nn.LogSoftmax(dim=1)), data) == []


def test_a_loss_of_one_s_own_may_want_probabilities() -> None:
    """The book's cross-entropy from scratch takes a softmax's."""

    def own(y_hat: Tensor, y: Tensor) -> Tensor:
        return -torch.log(y_hat[range(len(y_hat)), y])

    net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    train_epoch_ch3(net, load_array(blobs(30), 10), own, optimizer)
    with pytest.warns(FourstepWarning, match="probabilities already"):
        train_epoch_ch3(net, load_array(blobs(30), 10), F.cross_entropy, optimizer)


@AT_THE_END
@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_net_that_does_not_learn_is_said(train: Train, classes: int) -> None:
    """Trouble 16: the loss stays at ln(classes) and the accuracy at 1/classes; one warning, at the end, no error."""
    dead = nn.Linear(4, classes)
    nn.init.zeros_(dead.weight)
    nn.init.zeros_(dead.bias)
    (said,) = said_by(train, dead, load_array(blobs(600, classes), 5))
    assert said.startswith(
        f"the net is not learning: after epoch 1 the train loss is {math.log(classes):.3f} and the train accuracy "
        f"{1 / classes:.3f}, as of guessing among {classes} classes (ln {classes} = {math.log(classes):.3f})"
    )
    assert "learning rate" in said
    assert "another seed" in said


@AT_THE_END
def test_a_net_that_learns_or_has_only_begun_is_not_said(train: Train) -> None:
    """A few updates show nothing; and a net that is right has learnt."""
    dead = nn.Linear(4, 3)
    nn.init.zeros_(dead.weight)
    assert said_by(train, dead, load_array(blobs(60), 10)) == []
    right = nn.Linear(3, 3)
    with torch.no_grad():
        right.weight.copy_(torch.eye(3))
    labels = torch.arange(600) % 3
    assert said_by(train, right, load_array((F.one_hot(labels, 3).float() * 5, labels), 5)) == []


def test_guessing_is_measured_on_both_numbers() -> None:
    """Near ln(10) and 1/10; a regression has no classes."""
    watch = Watch(CPU)
    watch.check(None, torch.randn(4, 10), torch.zeros(4, dtype=torch.long), [])
    watch.updates = 235
    assert watch.is_guessing(2.303, 0.1)
    assert not watch.is_guessing(2.2, 0.1)
    assert not watch.is_guessing(2.303, 0.2)
    assert not watch.is_guessing(7.0, 0.1)
    watch.check(None, torch.randn(4, 10), torch.zeros(4, 10), [])
    assert not watch.is_guessing(2.303, 0.1)


class Greedy(nn.Module):
    """Asks for more memory than there is, while it holds what it has made so far."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(1, 1)
        self.held: weakref.ref[Tensor] | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """Fail."""
        hidden: Tensor = self.linear(inputs.reshape(-1, 1))
        self.held = weakref.ref(hidden)
        return hidden + torch.empty(TOO_MUCH, dtype=torch.uint8)


@ALL
@pytest.mark.parametrize(
    ("shape", "mend"),
    [((8, 1, 6, 6), r"batch of 8, inputs of shape \(8, 1, 6, 6\): try batch_size=4, or smaller images \(resize\)"),
     ((1, 5), r"batch of 1, inputs of shape \(1, 5\): use smaller inputs, or a smaller net")],
)  # fmt: skip
def test_out_of_memory_says_what_to_try(train: Train, shape: tuple[int, ...], mend: str) -> None:
    """Trouble 17: the batch, its shape, half of its size to try; what the step held is free while the error lives."""
    net = Greedy()
    data = load_array((torch.ones(shape), torch.zeros(shape[0], dtype=torch.long)), 8)
    with pytest.raises(DeviceError, match=f"^out of memory on cpu with a {mend}$") as caught:
        train(net, data)
    gc.collect()
    assert net.held is not None
    assert net.held() is None
    assert caught.value.__suppress_context__


def test_memory_may_end_in_the_loss_too() -> None:
    """Where the loss's own explanation of its failure is not the right one."""

    def greedy(outputs: Tensor, targets: Tensor) -> Tensor:  # noqa: ARG001 - its call
        return torch.empty(TOO_MUCH, dtype=torch.uint8)

    net = nn.Linear(4, 3)
    with pytest.raises(DeviceError, match="out of memory on cpu with a batch of 10"):
        train_epoch_ch3(net, load_array(blobs(30), 10), greedy, torch.optim.SGD(net.parameters(), lr=0.1))
    with pytest.raises(RuntimeError, match="another fault"), Watch(CPU):
        raise RuntimeError("another fault")


def test_a_gpu_s_memory_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """The peak, and how much there is in all; also before the first batch."""
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda _: 7.5 * 2**30)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (0, 8 * 2**30))
    gpu = torch.device("cuda:0")
    assert out_of_memory([torch.ones(256, 1, 2, 2)], gpu) == (
        "out of memory on cuda:0 (peak 7.5 of 8.0 GiB) with a batch of 256, inputs of shape (256, 1, 2, 2): "
        "try batch_size=128, or smaller images (resize)"
    )
    assert out_of_memory(None, gpu) == "out of memory on cuda:0 (peak 7.5 of 8.0 GiB): use a smaller net"


@ALL
@pytest.mark.parametrize("label", [3, -1])
def test_labels_that_are_no_classes_are_an_error_before_the_first_loss(train: Train, label: int) -> None:
    """Trouble 18: also those of a later batch, which would end the process on a GPU; both sides are named."""
    inputs, targets = blobs(60)
    targets[57] = label
    low, high = min(label, 0), max(label, 2)
    seen: list[int] = []
    net = nn.Linear(4, 3)
    net.register_forward_hook(lambda *_: seen.append(1))
    said = rf"labels run from {low} to {high} but the model has 3 outputs: expected labels in 0\.\.2"
    with pytest.raises(DataError, match=said):
        train(net, load_array((inputs, targets), 10, is_train=False))
    assert seen == [1]


@ALL
@pytest.mark.parametrize("dtype", [torch.float32, torch.int32])
def test_labels_of_another_type_are_an_error(train: Train, dtype: torch.dtype) -> None:
    """Trouble 18: what both are, and what they must be."""
    inputs, targets = blobs(60)
    with pytest.raises(DataError, match=r"outputs are float32 \(10, 3\), targets .*32 \(10,\)\. Class indices must be"):
        train(nn.Linear(4, 3), load_array((inputs, targets.to(dtype)), 10))


def test_labels_to_be_ignored_are_no_error() -> None:
    """-100, or what the loss was told."""
    inputs, targets = blobs(30)
    targets[3] = 255
    net = nn.Linear(4, 3)
    loss = nn.CrossEntropyLoss(ignore_index=255)
    train_epoch_ch3(net, load_array((inputs, targets), 10), loss, torch.optim.SGD(net.parameters(), lr=0.1))


def test_what_has_no_values_yet_and_what_is_no_module_train_on(images: Any) -> None:
    """There is nothing to keep of a lazy layer before its first batch, nor of a function; a later epoch's are kept."""
    net = nn.Sequential(nn.Flatten(), nn.LazyLinear(10))
    good = list(load_array(images.train, 25))
    bad = [*good, (torch.full((25, 1, 28, 28), torch.nan), good[0][1])]
    loss = nn.CrossEntropyLoss()
    with pytest.raises(NonFiniteError):
        train_epoch_ch3(net, bad, loss, torch.optim.SGD(net.parameters(), lr=0.1))
    nn.init.ones_(net[1].weight)  # type: ignore[arg-type] # a layer has one
    with pytest.raises(NonFiniteError, match="The net has its weights from before that epoch again"):
        train_epoch_ch3(net, bad, loss, torch.optim.SGD(net.parameters(), lr=0.1))
    assert torch.equal(net[1].weight, torch.ones(10, 784))  # type: ignore[arg-type] # as above

    weight = torch.zeros(784, 10, requires_grad=True)
    with pytest.raises(NonFiniteError, match=r"look for NaN in the inputs$"):
        train_epoch_ch3(lambda inputs: inputs.flatten(1) @ weight, bad, loss, torch.optim.SGD([weight], lr=0.1))


@pytest.mark.parametrize("make", [partial(torch.optim.Adam, lr=0.01), partial(torch.optim.SGD, lr=0.1, momentum=0.9)])
def test_after_nan_the_same_optimizer_trains_on(make: Callable[..., torch.optim.Optimizer]) -> None:
    """Its state is that from before the pass too: the next one is that of a net and an optimizer which saw no NaN."""
    inputs, labels = torch.randn(60, 8), torch.randint(3, (60,))
    bad = inputs.clone()
    bad[5] = math.inf
    loss = nn.CrossEntropyLoss(reduction="none")
    weights = []
    for meets_nan in (True, False):
        torch.manual_seed(0)
        net = nn.Linear(8, 3)
        optimizer = make(net.parameters())
        train_epoch_ch3(net, load_array((inputs, labels), 20, is_train=False), loss, optimizer)
        if meets_nan:
            with pytest.raises(NonFiniteError):
                train_epoch_ch3(net, load_array((bad, labels), 20, is_train=False), loss, optimizer)
        train_epoch_ch3(net, load_array((inputs, labels), 20, is_train=False), loss, optimizer)
        weights.append(net.weight)

    assert torch.equal(*weights)


READER = """
import torch
from torch import nn
from fourstep import d2l
batches = d2l.load_array((torch.randn(40, 4), torch.randint(3, (40,))), 20)
for kind in ("ch3", "ch6", "ch13"):
    net = nn.Sequential(nn.Linear(4, 3), nn.Softmax(dim=1))
    optimizer, loss = torch.optim.SGD(net.parameters(), 0.1), nn.CrossEntropyLoss(reduction="none")
    if kind == "ch3":
        d2l.train_ch3(net, batches, batches, loss, 1, optimizer)
    elif kind == "ch6":
        d2l.train_ch6(net, batches, batches, 1, 0.1, "cpu")
    else:
        d2l.train_ch13(net, batches, batches, loss, optimizer, 1, [])
"""


def test_the_softmax_warning_names_the_reader_s_line(tmp_path: Path) -> None:
    """The line that trains, whichever function it calls, and not one of ours."""
    (tmp_path / "reader.py").write_text(READER, encoding="utf-8")
    done = subprocess.run([sys.executable, "reader.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    places = [line.split(" ")[0] for line in done.stderr.splitlines() if "probabilities already" in line]
    calls = [number for number, line in enumerate(READER.splitlines(), start=1) if "d2l.train_" in line]
    assert [(Path(place.split(":")[0]).name, int(place.split(":")[1])) for place in places] == [
        ("reader.py", number) for number in calls
    ]
