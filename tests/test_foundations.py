"""Devices, seeds and errors: what everything else stands on."""

import errno
import inspect
import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import fourstep as fs
from fourstep import errors
from fourstep.device import synchronize, to_device
from fourstep.errors import is_out_of_memory
from fourstep.nesting import batch_length
from fourstep.seed import derive_seed, make_generator


def test_auto_picks_an_accelerator_before_the_cpu() -> None:
    """`"auto"` is torch's own accelerator where there is one."""
    expected = torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu")
    assert fs.pick_device().type == expected.type


@pytest.mark.parametrize("name", ["cuda", "cuda:7", "xpu", "mps"])
def test_a_device_that_is_not_there_is_named_with_those_that_are(name: str) -> None:
    """The error lists what this machine has."""
    if torch.accelerator.is_available() and not name.endswith(":7"):
        pytest.skip("this machine may have it")
    with pytest.raises(fs.DeviceError, match=rf"device '{name}' is not there: this machine has cpu"):
        fs.pick_device(name)


def test_what_is_no_device_is_refused() -> None:
    """A name that torch does not know."""
    with pytest.raises(fs.DeviceError, match="'gpu' is not a device: expected one of cpu"):
        fs.pick_device("gpu")


def test_a_batch_moves_with_its_nesting() -> None:
    """Tuples, lists and dictionaries keep their form; what is no tensor passes."""
    meta = torch.device("meta")
    moved = to_device({"a": [torch.zeros(2), (torch.ones(3), "text")]}, meta)
    assert moved["a"][0].device == moved["a"][1][0].device == meta
    assert moved["a"][1][1] == "text"
    tensor = torch.zeros(2)
    assert to_device(tensor, torch.device("cpu")) is tensor
    assert batch_length({"a": [torch.zeros(5, 2)]}) == 5
    synchronize(torch.device("cpu"))


@given(st.integers(0, 2**40), st.integers(0, 1000), st.integers(0, 1000))
def test_seeds_of_other_purposes_and_paths_differ(seed: int, a: int, b: int) -> None:
    """A seed is a function of all that it is for, and of nothing else."""
    seeds = {derive_seed(seed, "order", a), derive_seed(seed, "order", a, b), derive_seed(seed, "split", a)}
    assert len(seeds) == 3
    assert derive_seed(seed, "order", a) == derive_seed(seed, "order", a)
    assert all(0 <= value < 2**63 for value in seeds)


def test_a_generator_is_a_function_of_its_seed() -> None:
    """The global generators play no part."""
    first = torch.randperm(10, generator=make_generator(1, "order", 2))
    torch.manual_seed(99)
    assert torch.equal(first, torch.randperm(10, generator=make_generator(1, "order", 2)))


def test_seed_everything_reaches_python_numpy_and_torch() -> None:
    """The same seed, the same next numbers."""
    drawn = []
    for _ in range(2):
        fs.seed_everything(5)
        drawn.append((random.random(), np.random.rand(), torch.rand(1).item()))  # noqa: NPY002, S311 - what users draw from
    assert drawn[0] == drawn[1]


def test_negative_seeds_are_refused() -> None:
    """The error names the seed."""
    with pytest.raises(fs.ConfigError, match="seed -1: expected a whole number in"):
        fs.seed_everything(-1)
    with pytest.raises(fs.ConfigError, match="seed -1: expected a whole number in"):
        derive_seed(-1, "order", 0)


def test_every_error_is_ours_and_a_builtin_that_a_caller_would_catch() -> None:
    """One tree, as the module's docstring draws it."""
    for name, cls in inspect.getmembers(errors, inspect.isclass):
        if issubclass(cls, Exception) and not issubclass(cls, Warning) and cls is not errors.FourstepError:
            assert issubclass(cls, errors.FourstepError)
            assert any(
                base.__module__ == "builtins" and base not in (Exception, BaseException, object) for base in cls.__mro__
            )
            assert name in (errors.__doc__ or "")


def test_an_unknown_name_says_the_nearest() -> None:
    """Or all there are, where none is near."""
    known = ["lenet", "linear", "mlp"]
    assert str(fs.UnknownNameError.of("recipe", "lennet", known)) == "unknown recipe 'lennet': did you mean 'lenet'?"
    assert str(fs.UnknownNameError.of("recipe", "zzz", known)) == "unknown recipe 'zzz': there are: lenet, linear, mlp"


def test_a_missing_package_names_the_extra() -> None:
    """The error can be pasted into a shell."""
    error = fs.MissingExtraError.of("Pillow", "images", "reading a picture")
    assert str(error) == "reading a picture needs Pillow, which is not installed: pip install 'fourstep[images]'"


def test_messages_are_one_line_whatever_a_name_holds() -> None:
    """No code of a stranger's reaches a screen, neither by an error nor by a warning."""
    for kind in (fs.DataFileError, fs.RunFolderError, fs.ConfigError, fs.FourstepWarning):
        assert str(kind("a\x1b[2J\n\u202eb")) == r"a\x1b[2J\n\u202eb"


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), True),
        (torch.OutOfMemoryError("CUDA"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 8 bytes"), True),
        (RuntimeError("unable to mmap 8 bytes from file: Cannot allocate memory (12)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError(errno.ENOSPC, "No space left on device"), False),
        (ValueError("out of memory"), False),
        (None, False),
    ],
)
def test_errors_of_memory_are_told_from_others(error: BaseException | None, expected: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Also where another error was raised because of one."""
    caused = ValueError("damaged")
    caused.__cause__ = error

    assert is_out_of_memory(error) is is_out_of_memory(caused) is expected


def test_torch_says_itself_that_there_is_no_memory() -> None:
    """As the CPU's allocator does."""
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**58)

    assert is_out_of_memory(caught.value)
