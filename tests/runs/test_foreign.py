"""Weights that somebody else has made: the good ones bit for bit, the bad ones refused, and nothing of them run."""

import argparse
import copy
import io
import json
import os
import pickle
import struct
import sys
import tarfile
import tempfile
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.torch_version import TorchVersion

import fourstep as fs
from fourstep.runs.foreign import convert_weights
from fourstep.runs.reading import read_tensors
from fourstep.runs.weights import save_weights

UNSAFE = {"pickle.find_class", "os.system", "os.exec", "os.posix_spawn", "os.fork", "subprocess.Popen"}


class Watch:
    """Notes what Python does that no weights file may make it do; a hook cannot be taken off, so it is turned off."""

    def __init__(self) -> None:
        self.on = False
        self.seen: list[str] = []
        sys.addaudithook(self.note)

    def note(self, event: str, _: tuple[Any, ...]) -> None:
        """Called by Python."""
        if self.on and event in UNSAFE:
            self.seen.append(event)


WATCH = Watch()


@pytest.fixture(autouse=True)
def _nothing_runs() -> Iterator[None]:
    """In every test here: no unsafe unpickler, no process, nothing made."""
    yield
    WATCH.on = False
    seen, WATCH.seen = WATCH.seen, []
    assert seen == []


@pytest.fixture
def model() -> nn.Sequential:
    """Parameters, and buffers of which one is whole numbers."""
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))


def other(model: nn.Module) -> nn.Module:
    """A copy with other numbers everywhere."""
    made = copy.deepcopy(model)
    with torch.no_grad():
        for value in made.state_dict().values():
            value.add_(1)
    return made


def same_bits(one: nn.Module, two: nn.Module) -> bool:
    """Names, types and bytes of two states are equal."""
    states = one.state_dict(), two.state_dict()
    return states[0].keys() == states[1].keys() and all(
        value.dtype == states[1][name].dtype and value.numpy().tobytes() == states[1][name].numpy().tobytes()
        for name, value in states[0].items()
    )


def watched(model: nn.Module, path: Path, **how: Any) -> Any:
    """Load under the audit hook."""
    WATCH.on = True
    try:
        return fs.load_foreign_weights(model, path, **how)
    finally:
        WATCH.on = False


def refused(path: Path, message: str, error: type[Exception] = fs.DataFileError, **how: Any) -> str:
    """Loading a file fails with one line, runs nothing, and leaves the model as it was."""
    model = nn.Linear(2, 2)
    before = copy.deepcopy(model)
    with pytest.raises(error, match=message) as caught:
        watched(model, path, **how)

    assert str(caught.value).isprintable()
    assert same_bits(model, before)
    return str(caught.value)


SAVERS: dict[str, Callable[[dict[str, Tensor], Path], object]] = {
    "a.safetensors": save_file,
    "a.pt": torch.save,
    "a.PTH": torch.save,
    "a.bin": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
    "a.pth.tar": lambda state, path: torch.save({"epoch": 3, "state_dict": state, "best": torch.tensor(0.5)}, path),
    "a.ckpt": lambda state, path: torch.save({"model": state, "optimizer": {"state": {}, "lr": 0.1}}, path),
    "ddp.pt": lambda state, path: torch.save({f"module.{name}": value for name, value in state.items()}, path),
    "compiled.pt": lambda state, path: torch.save({f"_orig_mod.{name}": v for name, v in state.items()}, path),
    "both.pt": lambda state, path: torch.save({f"_orig_mod.module.{name}": v for name, v in state.items()}, path),
}


@pytest.mark.parametrize("name", SAVERS)
def test_what_people_bring_is_loaded_bit_for_bit(name: str, model: nn.Module, tmp_path: Path) -> None:
    """Either format, old and new, within a checkpoint, wrapped or compiled: the numbers are the file's."""
    with torch.no_grad():
        model.state_dict()["0.weight"].view(-1)[:4] = torch.tensor([float("nan"), float("inf"), -0.0, 1e-42])
    SAVERS[name](dict(model.state_dict()), tmp_path / name)
    mine = other(model)
    found = watched(mine, tmp_path / name)

    assert same_bits(mine, model)
    assert set(found.fitting) == set(model.state_dict())
    assert found.fits
    assert (found.left_out, found.other_dtype) == ((), {})


def test_a_wrapped_model_takes_plain_weights(model: nn.Module, tmp_path: Path) -> None:
    """The marks of a wrapper are of no account on the model's side either."""
    torch.save(model.state_dict(), tmp_path / "a.pt")
    mine = other(model)
    compiled = nn.Module()
    compiled.module = mine  # the names of DistributedDataParallel, without its processes
    watched(compiled, tmp_path / "a.pt")

    assert same_bits(mine, model)


def test_a_model_compiled_in_part_takes_plain_weights(model: nn.Sequential, tmp_path: Path) -> None:
    """The mark of `torch.compile` may be anywhere in a name, on either side."""
    torch.save(model.state_dict(), tmp_path / "a.pt")
    mine = other(model)
    part = nn.Sequential(nn.ModuleDict({"_orig_mod": mine.get_submodule("0")}), *list(mine.children())[1:])
    torch.save(part.state_dict(), tmp_path / "b.pt")
    plain = copy.deepcopy(model)
    watched(plain, tmp_path / "b.pt")
    assert same_bits(plain, mine)
    watched(part, tmp_path / "a.pt")
    assert same_bits(mine, model)


def test_an_averaged_model_is_taken_without_its_count(model: nn.Module, tmp_path: Path) -> None:
    """`AveragedModel` has a name more, which must be left out by name."""
    torch.save(torch.optim.swa_utils.AveragedModel(model).state_dict(), tmp_path / "a.pt")
    mine = other(model)
    with pytest.raises(fs.DataFileError, match=r"it has in excess n_averaged\. Change"):
        watched(mine, tmp_path / "a.pt")
    found = watched(mine, tmp_path / "a.pt", leave_out="n_averaged")

    assert same_bits(mine, model)
    assert found.left_out == ("n_averaged",)


def test_names_that_would_become_one_are_left_as_they_are(tmp_path: Path) -> None:
    """A model that has itself twice, once compiled, keeps its names."""
    both = nn.ModuleDict({"_orig_mod": nn.Linear(2, 2), "module": nn.Linear(2, 2)})
    pair = nn.ModuleDict({"a": both, "b": nn.ModuleDict({"module": nn.Linear(2, 2)})})
    state = {**pair.state_dict(), "a.weight": torch.zeros(2, 2)}
    torch.save(state, tmp_path / "a.pt")
    with pytest.raises(fs.DataFileError, match="does not fit"):
        watched(other(pair), tmp_path / "a.pt")


def test_another_head_is_left_out_by_name(model: nn.Sequential, tmp_path: Path) -> None:
    """What the pattern covers stays the model's own; all else must fit."""
    torch.save(nn.Sequential(*list(model)[:2], nn.Linear(4, 1000)).state_dict(), tmp_path / "a.pt")
    mine = other(model)
    with pytest.raises(fs.DataFileError, match=r"another shape 2\.weight \(1000, 4\) for \(2, 4\), 2\.bias \(1000,\)"):
        watched(mine, tmp_path / "a.pt")
    assert same_bits(mine, other(model))
    found = watched(mine, tmp_path / "a.pt", leave_out=["2.*"])

    assert found.left_out == ("2.weight", "2.bias")
    expected = {**model.state_dict(), **{name: other(model).state_dict()[name] for name in found.left_out}}
    assert all(torch.equal(value, expected[name]) for name, value in mine.state_dict().items())


def test_names_are_changed_by_a_function(model: nn.Module, tmp_path: Path) -> None:
    """A backbone's prefix goes, before anything is compared."""
    torch.save({f"backbone.{name}": value for name, value in model.state_dict().items()}, tmp_path / "a.pt")
    mine = other(model)
    watched(mine, tmp_path / "a.pt", rename=lambda name: name.removeprefix("backbone."))

    assert same_bits(mine, model)


@pytest.mark.parametrize(
    ("rename", "message"),
    [(lambda _: "x", r"two names become x\. Expected"), (lambda _: None, r"gives None for weight\. Expected")],
)
@pytest.mark.usefixtures("unchecked_types")
def test_a_function_that_does_not_name_is_refused(rename: Any, message: str, tmp_path: Path) -> None:
    """Every tensor needs a name of its own."""
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    refused(tmp_path / "a.pt", message, fs.ConfigError, rename=rename)


def test_one_of_several_sets_of_weights_must_be_named(model: nn.Module, tmp_path: Path) -> None:
    """By its key, or the way to it."""
    ema = other(model)
    torch.save(
        {"model": model.state_dict(), "ema": ema.state_dict(), "deep": {"er": model.state_dict(), "n": 1}},
        tmp_path / "a.pt",
    )
    refused(tmp_path / "a.pt", r"a\.pt holds weights under model, ema: say which, as key='model'", fs.ConfigError)
    refused(tmp_path / "a.pt", r"no 'er' of key='er': there are model, ema, deep \(dict\)", fs.ConfigError, key="er")
    refused(tmp_path / "a.pt", "no 'x' of key='deep.n.x': nothing more is inside", fs.ConfigError, key="deep.n.x")
    refused(tmp_path / "a.pt", r"holds er, n \(int\) under key='deep': expected", fs.ConfigError, key="deep")
    refused(tmp_path / "a.pt", "holds a int under key='deep.n': expected", fs.ConfigError, key="deep.n")
    mine = copy.deepcopy(model)
    watched(mine, tmp_path / "a.pt", key="ema")
    assert same_bits(mine, ema)
    watched(mine, tmp_path / "a.pt", key="deep.er")
    assert same_bits(mine, model)


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (torch.ones(2), r"holds a Tensor: expected a dictionary of names and tensors\. Where it was made"),
        ([torch.ones(2)], "holds a list: expected"),
        ({}, "holds nothing: expected a dictionary of tensors alone"),
        ({"weight": torch.ones(2), "epoch": 3}, r"holds weight \(Tensor\), epoch \(int\): expected"),
        ({i: torch.ones(1) for i in range(8)}, r"5 \(Tensor\) and 2 more: expected"),
        ({"\x1b[2Ja\n": 1}, r"holds '\\x1b\[2Ja\\n' \(int\): expected"),
        ({"a\nb": torch.ones(2).to_sparse()}, r"holds 'a\\nb', a tensor of the kind sparse_coo: expected plain ones"),
        ({"a": torch.ones(2, device="meta")}, "a tensor of the kind meta"),
        ({"a": torch.ones(1).expand(10**9)}, r"says that it has 4,000,000,000 bytes, more than the file's [\d,]+: "),
    ],
)
def test_what_is_no_dictionary_of_plain_tensors_is_refused(tree: Any, message: str, tmp_path: Path) -> None:
    """It is said what is there instead, and how to write what is expected."""
    torch.save(tree, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", message)


def test_every_difference_is_told(model: nn.Module, tmp_path: Path) -> None:
    """The error names the first few; the comparison has them all, and has touched nothing."""
    theirs: dict[str, Tensor] = {f"extra{i}": torch.ones(1) for i in range(5)}
    theirs |= {"0.weight": torch.ones(2, 2), "2.bias": torch.ones(2, dtype=torch.int64), "2.weight": torch.ones(2, 4)}
    save_file(theirs, tmp_path / "a.safetensors")
    found = fs.compare_weights(model, tmp_path / "a.safetensors")

    assert (found.fitting, found.fits, found.left_out) == (("2.weight",), False, ())
    assert found.missing == tuple(name for name in model.state_dict() if name not in theirs)
    assert sorted(found.excess) == [f"extra{i}" for i in range(5)]
    assert found.other_shape == {"0.weight": (torch.Size([2, 2]), torch.Size([4, 3, 3, 3]))}
    assert found.other_kind == {"2.bias": (torch.int64, torch.float32)}
    before = copy.deepcopy(model)
    with pytest.raises(fs.DataFileError) as caught:
        fs.load_foreign_weights(model, tmp_path / "a.safetensors")
    assert same_bits(model, before)
    assert str(caught.value) == (
        f"{tmp_path / 'a.safetensors'} does not fit the model: 1 fit; it lacks 0.bias, 1.weight, 1.bias and 3 more; "
        "it has in excess extra0, extra1, extra2 and 2 more; it has in another shape 0.weight (2, 2) for (4, 3, 3, 3); "
        "it has as another kind of number 2.bias int64 for float32. Change the file's names by rename=, name what the "
        "model is to keep of its own by leave_out=['...']; fs.compare_weights tells all"
    )


def test_a_pattern_that_fits_nothing_is_refused(tmp_path: Path) -> None:
    """A slip of the pen must not pass for an exact fit; nor may all be left out."""
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    refused(
        tmp_path / "a.pt",
        r"leave_out 'fc\.\*' fits no name .* there are weight, bias\.",
        fs.ConfigError,
        leave_out="fc.*",
    )
    refused(tmp_path / "a.pt", "does not fit the model: 0 fit; left out weight, bias", leave_out=["*"])


class Tied(nn.Module):
    """Two layers that share one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(3, 3)
        self.decoder = nn.Linear(3, 3, bias=False)
        self.decoder.weight = self.encoder.weight


def test_a_shared_weight_may_be_there_once_but_not_as_two(tmp_path: Path) -> None:
    """Hugging Face writes it once; two values for one tensor cannot both be loaded."""
    tied, mine = Tied(), Tied()
    save_weights(tied, tmp_path / "a.safetensors")
    watched(mine, tmp_path / "a.safetensors")
    assert same_bits(mine, tied)
    torch.save(tied.state_dict(), tmp_path / "a.pt")
    watched(other(mine), tmp_path / "a.pt")
    torch.save({**tied.state_dict(), "decoder.weight": torch.zeros(3, 3)}, tmp_path / "b.pt")
    with pytest.raises(fs.DataFileError, match=r"two values for one shared tensor of the model's in decoder\.weight\."):
        watched(mine, tmp_path / "b.pt")
    torch.save({**tied.state_dict(), "decoder.weight": tied.encoder.weight.double()}, tmp_path / "b.pt")
    with pytest.raises(fs.DataFileError, match=r"in decoder\.weight\."):
        watched(mine, tmp_path / "b.pt")
    assert same_bits(mine, tied)


def test_empty_tensors_are_not_shared_ones(tmp_path: Path) -> None:
    """They lie at one place, and are of several types all the same."""
    mine = nn.Module()
    for name, value in {"a": torch.zeros(0), "b": torch.zeros(0, dtype=torch.int64)}.items():
        mine.register_buffer(name, value)
    save_file(mine.state_dict(), tmp_path / "a.safetensors")

    assert watched(mine, tmp_path / "a.safetensors").fitting == ("a", "b")
    save_file({"a": torch.zeros(0)}, tmp_path / "a.safetensors")
    with pytest.raises(fs.DataFileError, match="it lacks b"):
        watched(mine, tmp_path / "a.safetensors")


class Counting(nn.Linear):
    """A layer with a state that is no tensor."""

    def get_extra_state(self) -> int:
        """A number."""
        return 1

    def set_extra_state(self, state: Any) -> None:
        """Not called."""


def test_a_state_that_is_no_tensor_is_missing(tmp_path: Path) -> None:
    """It is not passed over in silence, and can be left out."""
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    mine = Counting(2, 2)
    with pytest.raises(fs.DataFileError, match="it lacks _extra_state"):
        watched(mine, tmp_path / "a.pt")
    assert watched(mine, tmp_path / "a.pt", leave_out="*_extra_state").left_out == ("_extra_state",)


def test_numbers_of_another_type_become_the_model_s(tmp_path: Path) -> None:
    """To a wider type in silence but in the report; to a narrower with a warning; never to infinity."""
    wide = nn.Linear(2, 2)
    half = copy.deepcopy(wide).half()
    torch.save(half.state_dict(), tmp_path / "half.pt")
    torch.save(wide.state_dict(), tmp_path / "wide.pt")
    mine = nn.Linear(2, 2)
    found = watched(mine, tmp_path / "half.pt")
    assert found.other_dtype == dict.fromkeys(("weight", "bias"), (torch.float16, torch.float32))
    assert "it has in another type weight float16 for float32, bias" in str(found)
    assert torch.equal(mine.weight, half.weight.float())
    small = nn.Linear(2, 2).half()
    with pytest.warns(fs.FourstepWarning, match=r"wide\.pt: numbers were rounded .* weight float32 for float16, bias"):
        watched(small, tmp_path / "wide.pt")
    assert same_bits(small, half)
    wide.weight.data.fill_(1e9)
    torch.save(wide.state_dict(), tmp_path / "wide.pt")
    with pytest.raises(fs.DataFileError, match=r"holds weight as torch\.float32, with numbers too large for .*float16"):
        watched(small, tmp_path / "wide.pt")
    assert same_bits(small, half)


def test_whole_numbers_that_do_not_go_in_are_refused(tmp_path: Path) -> None:
    """They would turn into others."""
    mine = nn.Module()
    mine.register_buffer("count", torch.zeros(1, dtype=torch.int8))
    torch.save({"count": torch.tensor([100])}, tmp_path / "a.pt")
    watched(mine, tmp_path / "a.pt")
    assert mine.state_dict()["count"].tolist() == [100]
    torch.save({"count": torch.tensor([300])}, tmp_path / "a.pt")
    with pytest.raises(fs.DataFileError, match=r"numbers too large for the model's torch\.int8"):
        watched(mine, tmp_path / "a.pt")


@pytest.mark.parametrize("make", [lambda: nn.LazyLinear(2), lambda: nn.Linear(2, 2, device="meta")])
def test_a_model_without_memory_is_refused(make: Callable[[], nn.Module], tmp_path: Path) -> None:
    """There is nothing yet that numbers could go into."""
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    with pytest.raises(fs.ConfigError, match="the model has no memory yet: expected one that ran a batch if lazy"):
        watched(make(), tmp_path / "a.pt")


def test_a_conjugate_view_is_read_as_what_it_shows(tmp_path: Path) -> None:
    """It lies in memory as its opposite."""
    value = torch.tensor([1 + 2j])
    torch.save({"a": value.conj()}, tmp_path / "a.pt")
    torch.save({"b": value.conj().imag}, tmp_path / "b.pt")
    for name in "ab":
        convert_weights(tmp_path / f"{name}.pt", tmp_path / f"{name}.safetensors")

    assert load_file(tmp_path / "a.safetensors")["a"].item() == 1 - 2j
    assert load_file(tmp_path / "b.safetensors")["b"].item() == -2


def test_a_tensor_s_own_attributes_are_of_no_account(tmp_path: Path) -> None:
    """A file may give a tensor anything for a method; it is not called, and does not reach the model."""
    value = torch.ones(2)
    value.resolve_conj = value.to = value.contiguous = OrderedDict  # type: ignore[assignment,method-assign]
    torch.save({"a": value}, tmp_path / "a.pt")
    read = read_tensors(tmp_path / "a.pt")["a"]

    assert torch.equal(read, torch.ones(2))
    assert vars(read) == {}


def test_a_file_is_converted_bit_for_bit(tmp_path: Path) -> None:
    """Shared, overlapping, empty, transposed, of any type: names and numbers stay; nothing is overwritten."""
    both = torch.randn(10)
    tensors = {
        "a": both[:6], "b": both[4:], "whole": both, "again": both, "t": torch.randn(2, 3).t(), "none": torch.zeros(0),
        "n": torch.tensor(3), "h": torch.randn(2).bfloat16(), "p": nn.Parameter(both[:2]), "l": torch.ones(1).bool(),
    }  # fmt: skip
    torch.save({"epoch": 1, "model": tensors}, tmp_path / "a.pt")
    convert_weights(tmp_path / "a.pt", tmp_path / "a.safetensors")
    back = load_file(tmp_path / "a.safetensors")

    assert back.keys() == tensors.keys()
    assert all(torch.equal(back[name], value) and back[name].dtype == value.dtype for name, value in tensors.items())
    with pytest.raises(
        fs.DataFileError, match=r"a\.safetensors is there already: expected the name of a new file\. Rem"
    ):
        convert_weights(tmp_path / "a.pt", tmp_path / "a.safetensors")
    with pytest.raises(fs.ConfigError, match=r"b\.pt is no name for safetensors: expected one that ends in"):
        convert_weights(tmp_path / "a.pt", tmp_path / "b.pt")
    with pytest.raises(fs.DataFileError, match="cannot be written: No such file or directory"):
        convert_weights(tmp_path / "a.pt", tmp_path / "no" / "a.safetensors")


# ---- files that are no weights, or want to run something


class Evil:
    """Runs a command when it is unpickled."""

    def __init__(self, canary: Path, function: Callable[..., Any] = os.system) -> None:
        self.what = (os.mkdir, (str(canary),)) if function is os.mkdir else (function, (f"mkdir {canary}",))

    def __reduce__(self) -> Any:
        """What pickle calls on reading."""
        return self.what


MAGIC = [0x1950A86A20F9469CFC6C, 1001, {"protocol_version": 1001, "little_endian": True}]


def legacy(payload: bytes) -> bytes:
    """As `torch.save` wrote before its zip files."""
    return b"".join(pickle.dumps(part, protocol=2) for part in MAGIC) + payload


def zipped(payload: bytes) -> bytes:
    """As `torch.save` writes."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in {"data.pkl": payload, "version": b"3\n", "byteorder": b"little"}.items():
            archive.writestr(f"archive/{name}", content)
    return made.getvalue()


def tarred(payload: bytes) -> bytes:
    """As torch wrote at its very beginning."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("storages", "tensors", "pickle"):
            info = tarfile.TarInfo(name)
            info.size = len(payload)
            archive.addfile(info, io.BytesIO(payload))
    return made.getvalue()


WRAPPINGS: dict[str, Callable[[bytes], bytes]] = {
    "bare": lambda payload: payload,
    "garbage after": lambda payload: payload + b"\x00garbage" * 50,
    "twice": lambda payload: payload * 2,
    "legacy": legacy,
    "zip": zipped,
    "tar": tarred,
}


@pytest.mark.parametrize("wrap", WRAPPINGS)
@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("function", [os.system, os.mkdir, eval, exec])
def test_a_file_that_would_run_code_is_refused(
    function: Callable[..., Any], protocol: int, wrap: str, tmp_path: Path
) -> None:
    """Whatever it calls, however it is wrapped and hidden among weights: one line, and nothing has run."""
    canary = tmp_path / "canary"
    evil = Evil(canary, function)
    if function in (eval, exec):
        evil.what = (function, (f"__import__('os').mkdir({str(canary)!r})",))
    for tree in (evil, {"weight": torch.ones(2).tolist(), "x": [evil]}):
        payload = pickle.dumps(tree, protocol=protocol)
        (tmp_path / "a.pt").write_bytes(WRAPPINGS[wrap](payload))
        refused(tmp_path / "a.pt", r"a\.pt is (refused: it asks for|damaged or no weights)")
        assert not canary.exists()
        pickle.loads(payload)  # noqa: S301 - the canary does sing where pickle reads it
        canary.rmdir()


@pytest.mark.parametrize("variable", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "BOTH"])
def test_the_environment_cannot_make_it_unsafe(variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables by which torch's check can be switched off do not count."""
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    if variable == "BOTH":
        monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    torch.save({"weight": torch.ones(2, 2), "x": Evil(tmp_path / "canary")}, tmp_path / "a.pt")
    refused(tmp_path / "a.pt", r"a\.pt is (refused: it asks for \w+\.system|damaged or no weights: Only one of)")
    assert not (tmp_path / "canary").exists()


def test_no_module_is_imported_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Importing runs code, too."""
    (tmp_path / "canary_module.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a.pt").write_bytes(legacy(b"\x80\x02ccanary_module\nthing\n."))
    refused(
        tmp_path / "a.pt", r"refused: it asks for canary_module\.thing, and may run code\. Expected tensors alone\."
    )
    assert "canary_module" not in sys.modules


@pytest.mark.parametrize(
    ("tree", "message"),
    [
        (nn.Linear(2, 2), r"asks for torch\.nn\.modules\.linear\.Linear, .* write torch\.save\(model\.state_dict\(\)"),
        ({"w": np.array([object()], dtype=object)}, r"asks for numpy\._core\.multiarray\._reconstruct"),
        ({"w": torch.ones(2), "best": np.float64(1)}, r"asks for numpy\._core\.multiarray\.scalar"),
        ({"w": torch.ones(2), "args": argparse.Namespace(lr=1)}, r"asks for argparse\.Namespace"),
    ],
)
def test_objects_are_refused_by_name(tree: Any, message: str, tmp_path: Path) -> None:
    """A whole model, an array of objects, a scalar of numpy's, a script's arguments."""
    torch.save(tree, tmp_path / "a.pt")
    said = refused(tmp_path / "a.pt", message)
    assert "weights_only" not in said  # torch's own message tells how to run the code all the same


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    """It is a program."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(nn.Linear(2, 2), torch.ones(1, 2)).save(tmp_path / "a.pt")
    refused(tmp_path / "a.pt", r"is refused: it is a TorchScript archive, a program\. Expected tensors alone\. Where")


def test_a_tar_archive_is_refused_before_torch_unpacks_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is made where temporary files go; zeros are an empty archive too, and one in gzip is none to torch."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    for name, mode in (("a.pt", "w"), ("b.pth.tar", "w"), ("c.pt", "w:gz")):
        with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
            archive.addfile(tarfile.TarInfo("storages"))
    (tmp_path / "d.pt").write_bytes(bytes(1024))
    for name in ("a.pt", "b.pth.tar", "d.pt"):
        refused(tmp_path / name, r"damaged or no weights: it is a tar archive\. Expected what torch\.save writes\. ")
    refused(tmp_path / "c.pt", r"damaged or no weights: .*Expected what torch\.save writes\. ")


def test_an_older_torch_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its check can be got round; safetensors are read all the same."""
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "a.pt")
    save_file(nn.Linear(2, 2).state_dict(), tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.9.1+cu128"))
    refused(
        tmp_path / "a.pt", r"is not read with torch 2\.9\.1\+cu128: in what is older than 2\.10 .* Update torch, or"
    )
    watched(nn.Linear(2, 2), tmp_path / "a.safetensors")
    monkeypatch.setattr(torch, "__version__", TorchVersion("2.10.0"))
    watched(nn.Linear(2, 2), tmp_path / "a.pt")


def safetensors(header: Any, data: bytes = b"", length: int | None = None) -> bytes:
    """A file as the format says, the header's length as told."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(begin: int, end: int, *, shape: tuple[int, ...] = (2,), dtype: str = "F32") -> dict[str, Any]:
    """A tensor in the header."""
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"abc",
        b"\xff" * 64,
        safetensors({"a": entry(0, 8)}, bytes(8), length=2**24 + 1),
        safetensors({"a": entry(0, 8)}, bytes(8), length=2**63),
        safetensors({"a": entry(0, 8)}, bytes(7)),
        safetensors({"a": entry(0, 8)}, bytes(9)),
        safetensors({"a": entry(0, 8), "b": entry(4, 12)}, bytes(12)),
        safetensors({"a": entry(0, 8), "b": entry(0, 8)}, bytes(8)),
        safetensors({"a": entry(4, 12)}, bytes(12)),
        safetensors({"a": entry(0, 8, shape=(2**62, 4))}, bytes(8)),
        safetensors({"a": entry(0, 8, dtype="O")}, bytes(8)),
        safetensors({"a": entry(8, 0)}, bytes(8)),
        safetensors(b"[" * 1000),
        safetensors(b'{"a": 1e999}'),
        pickle.dumps({"a": 1}),
    ],
)
def test_safetensors_that_lie_are_refused(content: bytes, tmp_path: Path) -> None:
    """Cut short, too long, overlapping, with holes, of no known type, with a header of any length."""
    (tmp_path / "a.safetensors").write_bytes(content)
    refused(tmp_path / "a.safetensors", r"a\.safetensors is damaged: .*Expected whole safetensors; fetch it again")


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """Sound, but for its size."""
    text = json.dumps({"a": entry(0, 8)}).encode()
    (tmp_path / "a.safetensors").write_bytes(safetensors(text.ljust(2**23), bytes(8)))
    assert read_tensors(tmp_path / "a.safetensors").keys() == {"a"}
    (tmp_path / "a.safetensors").write_bytes(safetensors(text.ljust(2**23 + 1), bytes(8)))
    refused(tmp_path / "a.safetensors", "is damaged: its header has 8,388,609 bytes, more than 8,388,608. Expected")


def test_numbers_that_torch_cannot_convert_are_refused(tmp_path: Path) -> None:
    """Two of four bits in a byte, as some quantized models have them."""
    content = safetensors({"a": entry(0, 2, shape=(4,), dtype="F4")}, bytes(2))
    (tmp_path / "a.safetensors").write_bytes(content)
    mine = nn.Module()
    mine.register_buffer("a", torch.zeros(2))
    with pytest.raises(
        fs.DataFileError, match=r"a as torch\.float4_e2m1fn_x2, which torch cannot convert: expected torch"
    ):
        watched(mine, tmp_path / "a.safetensors")


@pytest.mark.parametrize("name", ["a.pt", "a.bin", "a.safetensors"])
def test_whatever_is_damaged_is_refused_or_read(name: str, tmp_path: Path) -> None:
    """Bytes changed or cut anywhere: the tensors or our error, never anything else."""
    SAVERS[name]({"weight": torch.randn(2, 2), "bias": torch.randn(2)}, tmp_path / name)
    good = (tmp_path / name).read_bytes()
    random = np.random.default_rng(0)
    for _ in range(150):
        bad = bytearray(good)
        for place in random.integers(len(bad), size=random.integers(1, 4)):
            bad[place] = random.integers(256)
        (tmp_path / name).write_bytes(bad if random.random() < 0.7 else good[: random.integers(len(good))])
        WATCH.on = True
        try:
            said = str(list(read_tensors(tmp_path / name)))
        except fs.FourstepError as error:
            said = str(error)
        WATCH.on = False
        assert said.isprintable()


def test_a_file_that_is_not_there_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Also one that may not be read."""
    refused(tmp_path / "no.pt", r"no\.pt is not there: expected a \.safetensors file, or a \.pt that torch\.save")
    refused(tmp_path, r"model\.safetensors is not there")
    (tmp_path / "a.h5").write_bytes(b"x")
    refused(tmp_path / "a.h5", r"ends in '\.h5': expected \.safetensors, or \.pt, \.pth, \.bin, \.ckpt, \.tar as torch")
    (tmp_path / "a").write_bytes(b"x")
    refused(tmp_path / "a", r"ends in 'nothing': expected")


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user who may not read everything")
def test_a_file_that_may_not_be_read_is_refused(name: str, tmp_path: Path) -> None:
    """The system's own words."""
    (tmp_path / name).write_bytes(b"x")
    (tmp_path / name).chmod(0)
    refused(tmp_path / name, r"cannot be read: Permission denied\. Expected a file that may be read")


@pytest.mark.gpu
def test_weights_reach_a_model_on_an_accelerator(model: nn.Module, tmp_path: Path) -> None:
    """From a file that was written there, too."""
    there = copy.deepcopy(model).to(fs.pick_device())
    torch.save(there.state_dict(), tmp_path / "a.pt")
    mine = other(model).to(fs.pick_device())
    fs.load_foreign_weights(mine, tmp_path / "a.pt")
    assert same_bits(mine.cpu(), model)


def test_what_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    """A compressed archive, which torch does not write; and bytes of any number, which torch would make."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**20))
    (tmp_path / "a.pt").write_bytes(made.getvalue())
    refused(tmp_path / "a.pt", r"damaged or no weights: it is compressed: 1,\d\d\d bytes for 1,048,576")
    (tmp_path / "a.pt").write_bytes(zipped(b"\x80\x02cbuiltins\nbytearray\nJ\xff\xff\xff\x7f\x85R."))
    refused(tmp_path / "a.pt", r"refused: it asks for builtins\.bytearray, and may run code")
