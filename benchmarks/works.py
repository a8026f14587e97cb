"""What is trained in the speed benchmark: five works, each with its data, model, loss and optimizer in plain torch.

The modules of this folder import each other as `benchmarks.works` and so on. Shapes: N samples, C H W an image.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import torch
from benchmarks.sample import Result as Result  # noqa: PLC0414 - given on: a contender needs both
from torch import Tensor, nn
from torch.nn import functional

import fourstep as fs

SLOPES, HEIGHT = (2.0, -3.4), 4.2  # the plane of the linear regression; the noise on it has deviation 0.01


@dataclass(frozen=True, kw_only=True)
class Work:
    """One thing to train.

    Attributes:
        name: its key in `WORKS`.
        batch_size: samples per batch.
        samples: samples per epoch.
        epochs: passes over them, with an evaluation after each.
        lr: learning rate of SGD.
        momentum: of SGD; 0 for none.
        num_test: samples to evaluate on.
        classes: True where targets are class indices, False where they are values.
    """

    name: str
    batch_size: int
    samples: int
    epochs: int
    lr: float
    momentum: float = 0.0
    num_test: int
    classes: bool = True

    @property
    def steps(self) -> int:
        """Updates over all epochs; a last short batch counts as one."""
        return self.epochs * -(-self.samples // self.batch_size)


WORKS = {
    work.name: work
    for work in (
        Work(name="linear", batch_size=10, samples=6_000, epochs=5, lr=0.03, num_test=1_000, classes=False),
        Work(name="softmax", batch_size=256, samples=60_000, epochs=3, lr=0.1, num_test=10_000),
        Work(name="mlp", batch_size=256, samples=60_000, epochs=3, lr=0.1, num_test=10_000),
        Work(name="lenet", batch_size=256, samples=60_000, epochs=2, lr=0.9, num_test=10_000),
        Work(name="resnet", batch_size=64, samples=6_000, epochs=2, lr=0.05, momentum=0.9, num_test=1_000),
    )
}


Contender: TypeAlias = Callable[[Work], Result]


class Tensors(NamedTuple):
    """A work's data: images as uint8 `(N, 1, 28, 28)` with int64 classes, or float32 `(N, 2)` with values `(N, 1)`."""

    train_inputs: Tensor
    train_targets: Tensor
    test_inputs: Tensor
    test_targets: Tensor


def load(work: Work) -> Tensors:
    """The work's data: its first `samples`, or all of them repeated until there are so many."""
    if not work.classes:
        train = fs.data.synthetic_regression(SLOPES, HEIGHT, work.samples)
        return Tensors(*train, *fs.data.synthetic_regression(SLOPES, HEIGHT, work.num_test, seed=1))
    data = fs.data.fashion_mnist()
    assert isinstance(data.train, fs.Batches)
    assert isinstance(data.test, fs.Batches)
    inputs, targets = data.train.inputs, data.train.targets
    if work.samples <= len(inputs):
        inputs, targets = inputs[: work.samples], targets[: work.samples]
    else:
        chosen = torch.arange(work.samples).remainder_(len(inputs))
        inputs, targets = inputs.index_select(0, chosen), targets.index_select(0, chosen)
    return Tensors(inputs, targets, data.test.inputs[: work.num_test], data.test.targets[: work.num_test])


def to_float(inputs: Tensor) -> Tensor:
    """Bytes as float32 in 0..1; float32 as it is."""
    return inputs.float().div_(255) if inputs.dtype == torch.uint8 else inputs


class Residual(nn.Module):
    """Two convolutions with batch normalisation, added to the input: `(B, C, H, W)` to `(B, width, H/s, W/s)`."""

    def __init__(self, channels: int, width: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(channels, width, 3, stride, 1, bias=False), nn.BatchNorm2d(width))
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))
        self.shortcut: nn.Module = nn.Identity()
        if (channels, stride) != (width, 1):
            self.shortcut = nn.Sequential(nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width))

    def forward(self, inputs: Tensor) -> Tensor:
        """The block's features."""
        features = self.second(functional.relu(self.first(inputs)))
        return functional.relu(features + self.shortcut(inputs))


def make_lenet() -> nn.Sequential:
    """The book's LeNet, with its uniform start of Glorot and Bengio 2010."""
    model = nn.Sequential(
        nn.Conv2d(1, 6, kernel_size=5, padding=2), nn.Sigmoid(), nn.AvgPool2d(2),
        nn.Conv2d(6, 16, kernel_size=5), nn.Sigmoid(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.Sigmoid(), nn.Linear(120, 84), nn.Sigmoid(), nn.Linear(84, 10),
    )  # fmt: skip
    for module in model:
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(module.weight)
    return model


def make_resnet() -> nn.Sequential:
    """A ResNet of seven convolutions on the main way."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        Residual(16, 16, 1), Residual(16, 32, 2), Residual(32, 64, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


_MODELS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Sequential(nn.Linear(2, 1)),
    "softmax": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 10)),
    "mlp": lambda: nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10)),
    "lenet": make_lenet,
    "resnet": make_resnet,
}


def make_model(work: Work) -> nn.Module:
    """The work's model as a user of plain torch writes it; always the same weights, from seed 0."""
    torch.manual_seed(0)
    return _MODELS[work.name]()


def make_loss(work: Work) -> nn.Module:
    """The work's loss, a mean over the batch."""
    return nn.CrossEntropyLoss() if work.classes else nn.MSELoss()


def make_optimizer(work: Work, model: nn.Module) -> torch.optim.SGD:
    """SGD with the work's settings over the model's parameters, as torch makes it."""
    return torch.optim.SGD(model.parameters(), lr=work.lr, momentum=work.momentum)
