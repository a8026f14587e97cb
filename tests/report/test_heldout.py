"""What a model answers on a held-out split, against numpy; and that to ask leaves nothing behind."""

import base64
import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.report.heldout import MOST_SAMPLES, ask
from fourstep.report.notes import ClassAnswers, Notes, ValueAnswers, load_notes, save_notes

CPU = torch.device("cpu")


def never() -> bool:
    """The run goes on."""
    return False


def answers_of(model: nn.Module, data: fs.Data) -> Any:
    """The answers alone; the reason must be empty."""
    answers, why = ask(model, data, (), never)
    assert why == ""
    return answers


class Table(nn.Module):
    """Gives each sample the outputs that stand in a table under its first number."""

    def __init__(self, outputs: Tensor) -> None:
        super().__init__()
        self.outputs = outputs

    def forward(self, inputs: Tensor) -> Tensor:
        """Look up."""
        return self.outputs[inputs[:, 0].long()]


@pytest.mark.parametrize("source", ["batches", "loader", "list"])
def test_confusions_and_mistakes_are_those_of_numpy(source: str) -> None:
    """Counts of every pair of classes, the surest mistakes first, by the split's order; ignored targets left out."""
    logits, targets = torch.randn(700, 5) * 3, torch.randint(5, (700,))
    targets[::50] = -100
    inputs = torch.stack([torch.arange(700.0), torch.randn(700)], 1)
    if source == "batches":
        split: Any = fs.Batches(inputs, targets, batch_size=32, seed=1)  # shuffled: asked as it lies all the same
    else:
        split = DataLoader(TensorDataset(inputs, targets), batch_size=32)
        split = list(split) if source == "list" else split
    answers = answers_of(Table(logits), fs.Data(train=[], val=split))

    probabilities = torch.softmax(logits.double(), 1).numpy()
    guess, truth = probabilities.argmax(1), targets.numpy()
    counts = {(one.true, one.predicted): one.count for one in answers.confusions}
    wrong = [i for i in range(700) if truth[i] >= 0 and truth[i] != guess[i]]
    wrong.sort(key=lambda i: -probabilities[i].max())

    assert isinstance(answers, ClassAnswers)
    assert (answers.split, answers.samples, answers.of, answers.num_classes) == ("val", 700, 700, 5)
    for true in range(5):
        for predicted in range(5):
            assert counts.get((true, predicted), 0) == np.sum((truth == true) & (guess == predicted))
    assert [one.index for one in answers.mistakes] == wrong[:24]
    assert [one.predicted for one in answers.mistakes] == [guess[i] for i in wrong[:24]]
    shares = [probabilities[i].max() for i in wrong[:24]]
    assert [one.probability for one in answers.mistakes] == pytest.approx(shares, rel=1e-5)
    assert answers.mistakes[0].values == pytest.approx(inputs[wrong[0]].tolist())


def test_outputs_that_are_probabilities_are_taken_as_they_are() -> None:
    """A softmax of a softmax would call every mistake unsure."""
    shares = torch.tensor([[0.9, 0.1], [0.2, 0.8]])
    data = fs.Data(train=[], test=fs.Batches(torch.arange(2.0)[:, None], torch.tensor([1, 1]), batch_size=2))
    assert answers_of(Table(shares), data).mistakes[0].probability == pytest.approx(0.9)


def test_a_mistake_is_shown_as_the_picture_that_it_is() -> None:
    """Bytes as they are, in grey and in colour; a large one is thinned to at most 96 pixels."""
    for shape, size in (((1, 8, 6), (6, 8)), ((3, 5, 7), (7, 5)), ((1, 300, 200), (67, 100))):
        inputs = torch.randint(256, (4, *shape), dtype=torch.uint8)
        last = nn.LazyLinear(2)
        model = nn.Sequential(nn.Flatten(), last)
        model(inputs.float())
        data = fs.Data(train=[], test=fs.Batches(inputs, torch.full((4,), 1), batch_size=4))
        with torch.no_grad():
            last.bias.copy_(torch.tensor([1e6, 0.0]))
        one = answers_of(model, data).mistakes[0]
        picture = Image.open(io.BytesIO(base64.b64decode(one.picture)))
        if max(shape) <= 96:
            seen = np.asarray(picture).reshape(shape[1], shape[2], shape[0]).transpose(2, 0, 1)
            assert picture.size == size
            assert (seen == inputs[one.index].numpy()).all()
        else:
            assert max(picture.size) <= 96


def test_residuals_are_those_of_numpy() -> None:
    """Root mean square, explained variance, the largest by size; all points where they are few."""
    true, predicted = torch.randn(300, 1) * 4, torch.randn(300, 1) * 4
    data = fs.Data(train=[], test=fs.Batches(torch.arange(300.0)[:, None], true, batch_size=64))
    answers = answers_of(Table(predicted), data)

    t, p = true[:, 0].double().numpy(), predicted[:, 0].double().numpy()
    assert isinstance(answers, ValueAnswers)
    assert answers.rmse == pytest.approx(np.sqrt(np.mean((t - p) ** 2)))
    assert answers.r2 == pytest.approx(1 - np.sum((t - p) ** 2) / np.sum((t - t.mean()) ** 2))
    assert [one.index for one in answers.largest] == np.argsort(-np.abs(t - p), kind="stable")[:12].tolist()
    assert [(one.index, one.true) for one in answers.points] == list(enumerate(t.tolist()))


def test_answers_that_are_no_numbers_are_counted_and_left_out(tmp_path: Path) -> None:
    """NaN and infinity have no probability and no residual; what is left is measured, and all of it can be kept."""
    logits, targets = torch.tensor([[0.0, 1.0], [math.nan, 0.0], [math.inf, 0.0], [-math.inf, 0.0]]), torch.zeros(4)
    inputs = torch.arange(4.0)[:, None]
    classes = answers_of(Table(logits), fs.Data(train=[], test=fs.Batches(inputs, targets.long(), batch_size=3)))
    true, predicted = torch.tensor([[1.0], [2.0], [4.0], [7.0]]), torch.tensor([[2.0], [math.nan], [2.0], [1e200]])
    double = fs.Batches(inputs, true.double(), batch_size=3)
    values = answers_of(Table(predicted.double()), fs.Data(train=[], test=double))

    assert (classes.unsound, classes.samples) == (2, 4)
    assert [(one.index, one.predicted) for one in classes.mistakes] == [(3, 1), (0, 1)]
    assert (values.unsound, values.samples) == (2, 4)
    assert values.rmse == pytest.approx(math.sqrt((1 + 4) / 2))
    assert [one.index for one in values.largest] == [2, 0]
    for answers in (classes, values):
        notes = Notes(state="finished", begun=0.0, written=0.0, epochs=1, answers=answers)
        save_notes(notes, tmp_path)
        assert load_notes(tmp_path) == notes


def test_a_large_split_is_asked_in_part() -> None:
    """The first ten thousand samples, and few enough points to draw; it is said how many there are."""
    size = MOST_SAMPLES + 3_000
    values = torch.randn(size, 1)
    data = fs.Data(train=[], test=fs.Batches(torch.arange(float(size))[:, None], values, batch_size=300))
    answers = answers_of(Table(values + 1), data)

    assert answers.samples == MOST_SAMPLES
    assert answers.of == size
    assert len(answers.points) <= 1_100


class Moody(nn.Module):
    """Draws numbers, counts in a buffer and works in place, also where it is evaluated."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 3)
        self.norm = nn.BatchNorm1d(4)
        self.count: Tensor
        self.register_buffer("count", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Change whatever can be changed."""
        self.count += 1
        np.random.rand()  # noqa: NPY002 - the global generator is what is looked at
        answer: Tensor = self.inner(self.norm(inputs)) + torch.rand(3)
        inputs.zero_()
        return answer


@pytest.mark.parametrize("source", ["batches", "loader"])
def test_to_ask_changes_nothing(source: str, classification: tuple[Tensor, Tensor]) -> None:
    """Generators, buffers, modes, the data and its position are what they were."""
    model = Moody()
    model.norm.eval()
    inputs, targets = classification[0].clone(), classification[1]
    split: Any = fs.Batches(inputs, targets, batch_size=8, seed=3)
    if source == "loader":
        split = DataLoader(TensorDataset(inputs, targets), batch_size=8)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    before = torch.get_rng_state(), np.random.get_state()[1].tolist()  # type: ignore[index] # noqa: NPY002 - likewise
    order = [t.tolist() for _, t in fs.Batches(inputs, targets, batch_size=8, seed=3)]
    answers_of(model, fs.Data(train=[], val=split))

    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]  # type: ignore[index] # noqa: NPY002 - likewise
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == [True, True, False]
    if source == "batches":
        assert torch.equal(inputs, classification[0])
        assert [t.tolist() for _, t in split] == order


def odd(answer: Any) -> nn.Module:
    """A model that answers something else."""

    class Odd(nn.Module):
        def forward(self, _inputs: Tensor) -> Any:
            if isinstance(answer, Exception):
                raise answer
            return answer

    return Odd()


def test_what_cannot_be_asked_is_said_and_harms_nothing() -> None:
    """No held-out split, a source of one pass, answers of another kind, a model that fails, a run that is to end."""
    targets, inputs = torch.tensor([0, 1]), torch.zeros(2, 3)
    data = fs.Data(train=[], test=fs.Batches(inputs, targets, batch_size=2))
    cases: list[tuple[nn.Module, fs.Data, str]] = [
        (nn.Linear(3, 2), fs.Data(train=[]), "the data has no val or test split"),
        (
            nn.Linear(3, 2),
            fs.Data(train=[], test=iter([(inputs, targets)])),
            "to go through it once more might change it",
        ),
        (odd((1, 2)), data, "for neither classes nor values"),
        (odd(torch.zeros(2, 3, 5)), data, "for neither classes nor values"),
        (odd(ValueError("no\nway")), data, r"the model could not be asked on the test split: ValueError: no\\nway"),
        (nn.Linear(7, 2), data, "the model could not be asked on the test split: RuntimeError"),
    ]
    for model, source, message in cases:
        answers, why = ask(model, source, (), never)
        assert answers is None
        assert "\n" not in why
        assert message.replace("\\\\", "\\") in why
    answers, why = ask(nn.Linear(3, 2), data, (), lambda: True)
    assert (answers, "the run was told to end" in why) == (None, True)
