"""Memory that is kept from step to step, and how a model's tensors lie."""

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import fourstep as fs
from fourstep.recipes import make_parts, recipe_for, with_settings
from fourstep.scale.memory import _tune_malloc, is_channels_last, keep_freed_memory

GLIBC = platform.libc_ver()[0] == "glibc"

# The fewest and the most page faults of an epoch of four LeNet steps, the first left out.
FAULTS = """
import resource, torch, fourstep as fs
inputs, targets = torch.rand(4096, 1, 28, 28), torch.randint(10, (4096,))
counts = []
def note(event):
    if event.kind == "epoch":
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt)
model = fs.models.LeNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
data = fs.data.from_arrays(inputs, targets, batch_size=1024)
fs.fit(model, data, torch.nn.CrossEntropyLoss(), optimizer, epochs=4, hooks=[note], show="none")
faults = [after - before for before, after in zip(counts, counts[1:])]
print(min(faults), max(faults), sum(weight.detach().double().sum().item() for weight in model.parameters()).hex())
"""


def run(code: str, **variables: str) -> list[str]:
    """What a Python process of its own prints, with these variables in its environment."""
    command = [sys.executable, "-c", "import torch; torch.manual_seed(0)\n" + code]
    kept = {name: value for name, value in os.environ.items() if "MALLOC" not in name and "KEEP_MEMORY" not in name}
    done = subprocess.run(command, env=kept | variables, capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(not GLIBC, reason="only glibc gives memory back so eagerly")
@pytest.mark.alone
def test_kept_memory_saves_page_faults_and_changes_no_bit() -> None:
    """The one thing that it is for; the switch puts things back."""
    faults, _, weights = run(FAULTS)
    _, faults_before, weights_before = run(FAULTS, FOURSTEP_KEEP_MEMORY="0")

    assert int(faults) < 5_000
    assert int(faults_before) > 3 * int(faults) + 10_000
    assert weights == weights_before


@pytest.mark.parametrize("variable", ["MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_MAX_"])
def test_malloc_as_its_user_has_set_it_is_left_alone(variable: str) -> None:
    """Who has tuned malloc already knows better."""
    code = "from fourstep.scale.memory import keep_freed_memory as keep\nprint(keep(torch.device('cpu')))"
    assert run(code, **{variable: "1000000"}) == ["False"]
    assert run(code) == [str(GLIBC)]


def test_another_device_needs_no_malloc() -> None:
    """Its memory is not the process's."""
    assert not keep_freed_memory(torch.device("meta"))


def test_the_run_says_what_was_done(tmp_path: Path) -> None:
    """In `run.toml`, so that it can be done again."""
    model = fs.models.LeNet(image_size=12).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    data = fs.data.from_arrays(torch.rand(8, 1, 12, 12), torch.arange(8), batch_size=4)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=1, folder=tmp_path / "run", show="none")
    text = (tmp_path / "run" / "run.toml").read_text()
    kept = str(keep_freed_memory(torch.device("cpu"))).lower()

    assert f"[speed]\nthreads = {torch.get_num_threads()}\nkeeps_freed_memory = {kept}\nchannels_last = true\n" in text


def test_the_layout_of_a_model_is_seen() -> None:
    """By its convolutions' weights; one channel alone lies both ways."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.LazyLinear(2))
    model(torch.rand(1, 3, 5, 5))
    assert not is_channels_last(model)
    assert is_channels_last(model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    assert not is_channels_last(nn.Linear(2, 1))
    assert not is_channels_last(nn.Conv2d(1, 4, 3).to(memory_format=torch.channels_last))  # type: ignore[call-overload]


def test_lenet_is_the_same_either_way() -> None:
    """Channels innermost change its outputs and gradients by rounding alone."""
    torch.manual_seed(0)
    fast, plain = fs.models.LeNet(), fs.models.LeNet()
    plain.load_state_dict(fast.state_dict())
    fast.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    assert is_channels_last(fast)
    assert not is_channels_last(plain)
    inputs, targets = torch.rand(32, 1, 28, 28), torch.randint(10, (32,))
    for model in (fast, plain):
        nn.functional.cross_entropy(model(inputs), targets).backward()

    torch.testing.assert_close(fast(inputs), plain(inputs), rtol=1e-5, atol=1e-6)
    for one, other in zip(fast.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6)


def test_a_lazy_model_is_asked_when_it_can_answer() -> None:
    """Its weights come with the first batch."""
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(8))
    data = fs.data.from_arrays(torch.rand(8, 3, 5, 5), torch.arange(8), batch_size=4)
    assert not is_channels_last(model)
    fs.fit(model, data, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), epochs=1, show="none")


def test_the_switch_is_0_or_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything else is a mistake, and not taken for either."""
    monkeypatch.setenv("FOURSTEP_KEEP_MEMORY", "off")
    _tune_malloc.cache_clear()
    with pytest.raises(fs.ConfigError, match=r"FOURSTEP_KEEP_MEMORY is 'off': expected 0, .* or 1"):
        keep_freed_memory(torch.device("cpu"))


def test_another_malloc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What glibc would be told is not heard by what stands in its place."""
    monkeypatch.setenv("LD_PRELOAD", "/usr/lib/libjemalloc.so.2")
    _tune_malloc.cache_clear()
    assert not keep_freed_memory(torch.device("cpu"))
    _tune_malloc.cache_clear()


def test_the_recipe_on_the_cpu_is_channels_last() -> None:
    """The command's convolutions are as fast as they can be; a model of one's own is asked by its user."""
    parts = make_parts(with_settings(recipe_for("lenet", "digits"), {"device": "cpu"}))
    assert is_channels_last(parts.model)
    assert not is_channels_last(fs.models.LeNet())
