"""Timed blocks, parted batches, and training as in chapter 13: against plain torch, bit for bit; the traps mended."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fourstep.d2l.chapter13 import train_batch_ch13, train_ch13
from fourstep.d2l.counters import Accumulator
from fourstep.d2l.data import load_array
from fourstep.d2l.multi_gpu import Benchmark, split_batch
from fourstep.d2l.plotting import Animator
from fourstep.errors import ConfigError, DeviceError, FourstepWarning, NonFiniteError, ShapeError

CPU = torch.device("cpu")
PER_ITEM = nn.CrossEntropyLoss(reduction="none")


def test_a_block_is_timed(capsys: pytest.CaptureFixture[str]) -> None:
    """And its seconds printed under a description; a block that fails prints none."""
    with Benchmark() as benchmark:
        pass
    with Benchmark("GPU1 time"):
        pass
    with pytest.raises(KeyError), Benchmark("fails"):
        raise KeyError
    assert benchmark.description == "Done"
    assert re.fullmatch(r"Done: 0\.00\d\d sec\nGPU1 time: 0\.00\d\d sec\n", capsys.readouterr().out)


@pytest.mark.parametrize("samples", [1, 2, 5, 7, 8])
@pytest.mark.parametrize("devices", [[CPU], ["cpu", CPU], [CPU] * 4])
def test_a_batch_is_parted_as_torch_parts_it(samples: int, devices: list[Any]) -> None:
    """In order, by `chunk`, which `nn.parallel.scatter` uses for GPUs alone."""
    inputs, targets = torch.randn(samples, 3), torch.arange(samples)
    parts, labels = split_batch(inputs, targets, devices)
    expected = inputs.chunk(len(devices))

    assert len(parts) == len(labels) == len(expected)
    assert all(map(torch.equal, parts, expected))
    assert torch.equal(torch.cat(labels), targets)


def test_a_batch_that_cannot_be_parted_is_said() -> None:
    """The book's asserts; without devices it fails elsewhere."""
    with pytest.raises(ShapeError, match="X has 3 samples but y 2: expected a label for each"):
        split_batch(torch.ones(3, 1), torch.ones(2), [CPU])
    with pytest.raises(ConfigError, match="devices is empty: expected one or more, such as try_all_gpus"):
        split_batch(torch.ones(3, 1), torch.ones(3), [])
    with pytest.raises(DeviceError, match="device 'cuda:98' is not there"):
        split_batch(torch.ones(3, 1), torch.ones(3), ["cuda:98"])


class TwoInputs(nn.Module):
    """Takes a list of two tensors, as the nets of chapter 15 do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 3)

    def forward(self, inputs: list[Tensor]) -> Tensor:
        """Their difference."""
        outputs: Tensor = self.linear(inputs[0] - inputs[1])
        return outputs


def test_a_batch_is_an_update_by_the_sum() -> None:
    """The loss's sum and how many are right, as in plain torch; a net in evaluation mode, a list of inputs."""
    inputs, targets = [torch.randn(8, 4), torch.randn(8, 4)], torch.randint(3, (8,))
    torch.manual_seed(1)
    net = TwoInputs().eval()
    torch.manual_seed(1)
    twin = TwoInputs()
    total, right = train_batch_ch13(net, inputs, targets, PER_ITEM, torch.optim.SGD(net.parameters(), lr=0.1), [CPU])
    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1)
    outputs = twin(inputs)
    value = nn.functional.cross_entropy(outputs, targets, reduction="none")
    value.sum().backward()
    optimizer.step()

    assert net.training
    assert (total, right) == (value.sum(), (outputs.argmax(1) == targets).sum())
    assert not total.requires_grad
    assert all(map(torch.equal, net.parameters(), twin.parameters()))
    metric = Accumulator(2)  # the book's readers add them up
    metric.add(total, right)
    assert metric[1] == float(right)


def test_a_mean_loss_is_reported_right_and_said() -> None:
    """The book's step would be a batch size smaller without a word, and so its loss; a sum is as meant."""
    inputs, targets = torch.randn(8, 4), torch.randint(3, (8,))
    net = nn.Linear(4, 3)
    frozen = torch.optim.SGD(net.parameters(), lr=0.0)
    expected, _ = train_batch_ch13(net, inputs, targets, PER_ITEM, frozen, [])
    total, _ = train_batch_ch13(net, inputs, targets, nn.CrossEntropyLoss(reduction="sum"), frozen, [CPU])
    with pytest.warns(FourstepWarning, match=r"the step is 1/batch_size of the intended one\. Use reduction='none'"):
        mean, _ = train_batch_ch13(net, inputs, targets, nn.CrossEntropyLoss(), frozen, ["cpu"])

    torch.testing.assert_close(torch.stack([total, mean]), expected.expand(2))
    with pytest.warns(FourstepWarning, match="the loss is a mean") as caught:
        train_ch13(net, load_array((inputs, targets), 2), [(inputs, targets)], nn.CrossEntropyLoss(), frozen, 2, [])
    assert len(caught) == 1


def small_net() -> nn.Sequential:
    """With batch normalisation and dropout, so that modes and draws count."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(1, 2, 5), nn.BatchNorm2d(2), nn.ReLU(), nn.Flatten(), nn.Dropout(0.1), nn.Linear(2 * 24 * 24, 10)
    )


def book(net: nn.Module, train_iter: Any, test_iter: Any, num_epochs: int) -> tuple[float, float, float]:
    """Section 13.1 in plain torch."""
    trainer = torch.optim.Adam(net.parameters(), lr=1e-3)
    for _ in range(num_epochs):
        net.train()
        loss, right, items = 0.0, 0, 0
        for inputs, targets in train_iter:
            trainer.zero_grad()
            outputs = net(inputs)
            value = nn.functional.cross_entropy(outputs, targets, reduction="none")
            value.sum().backward()
            trainer.step()
            loss += float(value.detach().sum())
            right += int((outputs.argmax(1) == targets).sum())
            items += len(targets)
        net.eval()
        with torch.no_grad():
            tested = [(net(inputs).argmax(1) == targets) for inputs, targets in test_iter]
    return loss / items, right / items, float(torch.cat(tested).float().mean())


@pytest.mark.parametrize("loader", ["ours", "torch"])
def test_training_is_the_book_s_bit_for_bit(images: Any, loader: str) -> None:
    """The same weights and numbers, from our batches and from torch's."""

    def batches(pair: tuple[Tensor, Tensor], *, shuffle: bool) -> Any:
        if loader == "ours":
            return load_array(pair, 16, is_train=shuffle)
        return DataLoader(TensorDataset(*pair), 16, shuffle=shuffle)

    net, twin = small_net(), small_net()
    trainer = torch.optim.Adam(net.parameters(), lr=1e-3)
    torch.manual_seed(2)
    data = batches(images.train, shuffle=True), batches(images.test, shuffle=False)
    result = train_ch13(net, *data, PER_ITEM, trainer, 3, [CPU])
    torch.manual_seed(2)
    expected = book(twin, batches(images.train, shuffle=True), batches(images.test, shuffle=False), 3)

    assert result == pytest.approx(expected, rel=1e-7)
    assert all(map(torch.equal, net.state_dict().values(), twin.state_dict().values()))
    assert all(module.training for module in net.modules())


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Animator]:
    """The charts that are drawn."""
    charts: list[Animator] = []

    class Watched(Animator):
        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            charts.append(self)

    monkeypatch.setattr("fourstep.d2l.chapter13.Animator", Watched)
    return charts


def test_it_prints_and_draws_as_the_book_does(
    images: Any, drawn: list[Animator], capsys: pytest.CaptureFixture[str]
) -> None:
    """Two lines, the devices as a list; five points an epoch and the test's at its end."""
    net = small_net()
    batches = load_array(images.train, 5)  # 10 batches
    result = train_ch13(net, batches, batches, PER_ITEM, torch.optim.SGD(net.parameters(), lr=1e-3), 2, [CPU])
    (animator,), lines = drawn, capsys.readouterr().out.splitlines()
    axes, legend = animator.axes[0], animator.axes[0].get_legend()

    assert lines[0] == f"loss {result.train_loss:.3f}, train acc {result.train_acc:.3f}, test acc {result.test_acc:.3f}"
    assert re.fullmatch(r"\d+\.\d examples/sec on \[device\(type='cpu'\)\]", lines[1])
    assert len(lines) == 2
    assert animator.X is not None
    assert animator.X[0] == animator.X[1] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4, 1.6, 1.8, 2])
    assert animator.X[2] == [1, 2]
    assert (axes.get_xlabel(), axes.get_xlim(), axes.get_ylim()) == ("epoch", (1, 2), (0, 1))
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["train loss", "train acc", "test acc"]


@pytest.mark.parametrize("batch_size", [50, 25, 13])
@pytest.mark.parametrize("devices", [None, [], ["cpu"]])
def test_few_batches_and_any_devices_work(images: Any, batch_size: int, devices: Any) -> None:
    """The book's divides by zero below five batches, and version 1.0.3 fails without a GPU: trouble 11 and 22."""
    net, batches = small_net(), load_array(images.train, batch_size)
    result = train_ch13(net, batches, batches, PER_ITEM, torch.optim.SGD(net.parameters(), lr=1e-3), 1, devices)
    assert result.train_loss > 0


def test_the_devices_are_those_of_the_call(images: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book's default is made when the library is imported."""
    net, batches = small_net(), load_array(images.train, 25)
    asked: list[int] = []

    def found() -> list[torch.device]:
        asked.append(1)
        return [CPU]

    monkeypatch.setattr("fourstep.d2l.chapter13.try_all_gpus", found)
    train_ch13(net, batches, batches, PER_ITEM, torch.optim.SGD(net.parameters(), lr=1e-3), 1)
    assert asked == [1]


def test_every_pixel_may_have_a_label() -> None:
    """As in section 13.11: accuracy counts labels, the loss is that of an image; batches without a length."""
    inputs, targets = torch.randn(6, 2, 4, 5), torch.randint(3, (6, 4, 5))
    net = nn.Conv2d(2, 3, 1)

    class Endless:
        def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
            return zip(inputs.split(4), targets.split(4), strict=True)

    def image_loss(outputs: Tensor, labels: Tensor) -> Tensor:
        return nn.functional.cross_entropy(outputs, labels, reduction="none").mean(1).mean(1)

    frozen = torch.optim.SGD(net.parameters(), lr=0.0)
    result = train_ch13(net, Endless(), Endless(), image_loss, frozen, 1, [])
    outputs = net(inputs).detach()
    share = float((outputs.argmax(1) == targets).float().mean())

    assert result == pytest.approx((float(nn.functional.cross_entropy(outputs, targets)), share, share), rel=1e-5)


def test_what_cannot_be_trained_is_said(images: Any) -> None:
    """Epochs, devices, and a loss that is not finite, which the book's trains to the end."""
    net, batches = small_net(), load_array(images.train, 5)
    trainer = torch.optim.SGD(net.parameters(), lr=0.1)
    with pytest.raises(ConfigError, match="num_epochs 0: expected"):
        train_ch13(net, batches, batches, PER_ITEM, trainer, 0)
    with pytest.raises(DeviceError, match=r"device 'cuda:98' is not there: this machine has .*cpu"):
        train_ch13(net, batches, batches, PER_ITEM, trainer, 1, [CPU, "cuda:98"])
    with torch.no_grad():
        next(net.parameters())[0] = torch.nan
    with pytest.raises(NonFiniteError, match=r"NaN or infinite in batch 1 of epoch 1 with lr 0\.1: use a smaller lr"):
        train_ch13(net, batches, batches, PER_ITEM, trainer, 1)


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_list_or_no_net_is_said(images: Any) -> None:
    """`try_gpu()` in the place of `[try_gpu()]`, and a function."""
    net, batches = small_net(), load_array(images.train, 5)
    trainer: Any = torch.optim.SGD(net.parameters(), lr=0.1)
    devices: Any = CPU
    with pytest.raises(ConfigError, match=r"devices is device\(type='cpu'\): expected a list of devices, \[device"):
        train_ch13(net, batches, batches, PER_ITEM, trainer, 1, devices)
    function: Any = test_what_is_no_list_or_no_net_is_said
    with pytest.raises(ConfigError, match=r"net is a function: train_ch13 moves it .* expects an nn\.Module"):
        train_ch13(function, batches, batches, PER_ITEM, trainer, 1)
