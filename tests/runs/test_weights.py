"""Weights in a file."""

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

import fourstep as fs
from fourstep.runs.weights import load_weights, save_weights


class Tied(nn.Module):
    """Two layers that share one weight, and two buffers that overlap in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(4, 4)
        self.decoder = nn.Linear(4, 4)
        self.decoder.weight = self.encoder.weight
        both = torch.arange(10.0)
        self.register_buffer("early", both[:6])
        self.register_buffer("late", both[4:])
        self.register_buffer("empty", torch.zeros(0))
        self.register_buffer("count", torch.tensor(3))


def convolutional() -> nn.Module:
    """Parameters in another memory format, and the buffers of a normalisation."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    for value in model.parameters():
        if value.dim() == 4:
            value.data = value.data.contiguous(memory_format=torch.channels_last)
    return model


def scrambled(model: nn.Module) -> nn.Module:
    """A copy with other numbers everywhere."""
    other = copy.deepcopy(model)
    with torch.no_grad():
        for value in other.state_dict().values():
            value.add_(1)
    return other


@pytest.mark.parametrize("make", [Tied, convolutional, nn.Flatten, lambda: nn.Linear(3, 2).half()])
def test_weights_come_back_bit_for_bit(make: type[nn.Module], tmp_path: Path) -> None:
    """Shared, overlapping, empty, of any memory format and type: all as they were; also from the run's folder."""
    model = make()
    save_weights(model, tmp_path / "model.safetensors")
    other = scrambled(model)
    load_weights(other, tmp_path)

    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
        assert other.state_dict()[name].dtype == value.dtype


def test_a_shared_weight_is_written_once(tmp_path: Path) -> None:
    """The file holds it under its first name, and both layers share it still after loading."""
    model = Tied()
    save_weights(model, tmp_path / "model.safetensors")
    load_weights(model, tmp_path / "model.safetensors")

    assert "decoder.weight" not in load_file(tmp_path / "model.safetensors")
    assert model.encoder.weight is model.decoder.weight


@pytest.mark.gpu
def test_weights_of_an_accelerator_are_those_of_the_cpu(tmp_path: Path) -> None:
    """The file does not depend on where the model was."""
    model = nn.Linear(5, 5)
    save_weights(model, tmp_path / "cpu.safetensors")
    save_weights(model.to(fs.pick_device()), tmp_path / "other.safetensors")
    assert (tmp_path / "cpu.safetensors").read_bytes() == (tmp_path / "other.safetensors").read_bytes()

    other = nn.Linear(5, 5).to(fs.pick_device())
    load_weights(other, tmp_path / "cpu.safetensors")
    assert torch.equal(other.weight, model.weight)


@pytest.mark.parametrize(
    ("saved", "message"),
    [
        (nn.Sequential(nn.Linear(3, 2, bias=False)), r"it lacks 0\.bias\. Build the model with the run's own settings"),
        (nn.Sequential(nn.Linear(3, 2), nn.PReLU()), r"it has in excess 1\.weight\."),
        (nn.Sequential(nn.Linear(4, 2)), r"it has in another shape 0\.weight \(2, 4\) for \(2, 3\)\."),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(3, 2)),
            r"it lacks 0\.weight, 0\.bias; it has in excess 1\.bias, 1\.weight\.",
        ),
        (nn.Sequential(*(nn.Linear(3, 2) for _ in range(4))), r"excess 1\.bias, 1\.weight, 2\.bias and 3 more\."),
    ],
)
def test_weights_of_another_model_are_refused(saved: nn.Module, message: str, tmp_path: Path) -> None:
    """Names and shapes that differ are said in one line, and the model keeps its own."""
    save_weights(saved, tmp_path / "model.safetensors")
    model = nn.Sequential(nn.Linear(3, 2))
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(fs.RunFolderError, match=r"model\.safetensors does not fit the model: .*" + message) as caught:
        load_weights(model, tmp_path / "model.safetensors")

    assert "\n" not in str(caught.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("content", [b"", b"abc", b"\xff" * 100])
def test_a_damaged_file_is_refused(content: bytes, tmp_path: Path) -> None:
    """Anything but safetensors is one line."""
    (tmp_path / "model.safetensors").write_bytes(content)
    with pytest.raises(
        fs.RunFolderError, match=r"model\.safetensors is damaged: .*Expected the weights that a run"
    ) as caught:
        load_weights(nn.Linear(2, 2), tmp_path / "model.safetensors")

    assert "\n" not in str(caught.value)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    """Half of a good file is damaged, too."""
    save_weights(nn.Linear(20, 20), tmp_path / "model.safetensors")
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(fs.RunFolderError, match=r"model\.safetensors is damaged"):
        load_weights(nn.Linear(20, 20), tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """A folder without weights is that of a run that failed or goes on."""
    with pytest.raises(
        fs.RunFolderError, match=r"model\.safetensors is not there: a run writes its weights at the end"
    ):
        load_weights(nn.Linear(2, 2), tmp_path)


class WithExtra(nn.Linear):
    """A layer with a state that is no tensor."""

    def get_extra_state(self) -> dict[str, int]:
        """A dictionary."""
        return {"count": 1}

    def forward(self, inputs: Tensor) -> Tensor:
        """As a linear layer."""
        return super().forward(inputs)


def test_a_state_that_is_no_tensor_is_refused(tmp_path: Path) -> None:
    """It is named, and nothing is left out in silence."""
    with pytest.raises(
        fs.DataFileError, match=r"cannot hold the model's '_extra_state', a dict: expected tensors alone"
    ):
        save_weights(WithExtra(2, 2), tmp_path / "model.safetensors")

    assert list(tmp_path.iterdir()) == []


def test_weights_may_be_read_by_whom_the_other_files_may(tmp_path: Path) -> None:
    """The file has the permissions of any file made here."""
    save_weights(nn.Linear(2, 2), tmp_path / "model.safetensors")
    (tmp_path / "other").touch()
    assert (tmp_path / "model.safetensors").stat().st_mode == (tmp_path / "other").stat().st_mode
