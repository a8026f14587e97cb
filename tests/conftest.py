"""What every test may use."""

import signal
import sys
from collections.abc import Callable, Iterator

import jaxtyping
import pytest
import torch
from torch import Tensor, nn


@pytest.fixture(autouse=True)
def _seeded() -> None:
    """Every test begins with the same global generator, whatever ran before it."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_figure_is_left() -> Iterator[None]:
    """Every test begins without a figure of matplotlib's: the book's functions draw into the one that is open."""
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


@pytest.fixture
def classification() -> tuple[Tensor, Tensor]:
    """100 samples of 4 features in 3 classes; 100 is no multiple of the batch sizes used."""
    generator = torch.Generator().manual_seed(1)
    return torch.randn(100, 4, generator=generator), torch.randint(3, (100,), generator=generator)


@pytest.fixture
def make_model() -> Callable[[], nn.Module]:
    """Builds the same small classifier every time: 4 features to 3 classes."""

    def build() -> nn.Module:
        torch.manual_seed(2)
        return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))

    return build


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As forked children have: sums round by the number of threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def unchecked_types() -> Iterator[None]:
    """As in production, where annotations are not checked: for tests that pass what the annotations forbid."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def pytest_configure() -> None:
    """A shell lets what it starts in the background, or by `nohup`, ignore signals that tests send."""
    for name, handler in (("SIGINT", signal.default_int_handler), ("SIGHUP", signal.SIG_DFL)):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs an accelerator where there is none."""
    if not torch.accelerator.is_available():
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="needs an accelerator"))
