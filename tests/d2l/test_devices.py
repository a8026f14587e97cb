"""Finding a GPU, with or without one."""

import pytest
import torch

from fourstep import d2l
from fourstep.errors import ConfigError


def test_try_gpu_falls_back_to_the_cpu() -> None:
    """A GPU that is not there is the CPU; one that is there is itself."""
    count = torch.cuda.device_count()
    assert d2l.try_gpu(1000) == torch.device("cpu")
    first = "mps" if torch.backends.mps.is_available() else "cpu"
    assert d2l.try_gpu() == torch.device("cuda:0" if count else first)
    assert d2l.try_all_gpus() == ([torch.device(f"cuda:{i}") for i in range(count)] or [torch.device("cpu")])


def test_a_negative_gpu_is_an_error() -> None:
    """The book's takes -1 for one that is there."""
    with pytest.raises(ConfigError, match="GPU number -1: expected 0 or more"):
        d2l.try_gpu(-1)
