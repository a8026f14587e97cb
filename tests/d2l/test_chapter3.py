"""`train_epoch_ch3` and `train_ch3`: right numbers whatever the reduction, and the traps of the book's."""

import math
import warnings
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from fourstep import d2l
from fourstep.errors import ConfigError, FourstepWarning, NonFiniteError, ShapeError

MakeModel: TypeAlias = Callable[[], nn.Module]
Pair: TypeAlias = tuple[Tensor, Tensor]
REDUCTIONS = ("none", "mean", "sum")


def train_once(
    net: nn.Module, batches: Any, reduction: str, *, by_hand: bool
) -> tuple[tuple[float, float], list[Tensor], bool]:
    """One epoch by a torch optimizer or by `sgd`: the numbers, the weights, and whether a warning came."""
    parameters = list(net.parameters())
    updater = (lambda size: d2l.sgd(parameters, 0.1, size)) if by_hand else torch.optim.SGD(parameters, lr=0.1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        numbers = d2l.train_epoch_ch3(net, batches, nn.CrossEntropyLoss(reduction=reduction), updater)
    assert all(issubclass(item.category, FourstepWarning) for item in caught)
    assert len(caught) <= 1
    return numbers, [parameter.detach() for parameter in parameters], bool(caught)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(batch_size=st.integers(1, 120), by_hand=st.booleans(), reduction=st.sampled_from(REDUCTIONS))
def test_loss_is_reported_right_and_the_weights_are_the_article_s(
    make_model: MakeModel, classification: Pair, *, batch_size: int, by_hand: bool, reduction: str
) -> None:
    """Whatever the reduction: the number is the mean over samples; the update is the article's own."""
    net, twin = make_model(), make_model()
    torch.manual_seed(0)
    (loss, accuracy), weights, _ = train_once(
        net, d2l.load_array(classification, batch_size), reduction, by_hand=by_hand
    )
    torch.manual_seed(0)
    total, right = 0.0, 0.0
    parameters = list(twin.parameters())
    for inputs, targets in DataLoader(TensorDataset(*classification), batch_size, shuffle=True):
        outputs = twin(inputs)
        value = nn.functional.cross_entropy(outputs, targets, reduction=reduction)
        twin.zero_grad()
        (value.sum() if by_hand else value.mean()).backward()
        with torch.no_grad():
            for parameter in parameters:
                assert parameter.grad is not None
                parameter.sub_(0.1 * parameter.grad / (len(targets) if by_hand else 1))
        total += nn.functional.cross_entropy(outputs, targets, reduction="sum").item()
        right += (outputs.argmax(1) == targets).sum().item()

    assert loss == pytest.approx(total / 100, rel=1e-5)
    assert accuracy == right / 100
    torch.testing.assert_close(weights, [parameter.detach() for parameter in parameters], rtol=1e-5, atol=1e-7)


def test_loss_and_accuracy_are_those_of_the_whole_split(make_model: MakeModel, classification: Pair) -> None:
    """With nothing learned (lr 0) the epoch's numbers are those of all samples at once, for a short last batch too."""
    net = make_model()
    logits = net(classification[0])
    expected = nn.functional.cross_entropy(logits, classification[1]).item()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.0)
    for reduction in ("none", "mean"):
        batches = d2l.load_array(classification, 30)
        loss, accuracy = d2l.train_epoch_ch3(net, batches, nn.CrossEntropyLoss(reduction=reduction), optimizer)
        assert loss == pytest.approx(expected, rel=1e-6)
        assert accuracy == d2l.accuracy(logits, classification[1]) / 100


@pytest.mark.parametrize(
    ("reduction", "by_hand", "warned"),
    [("none", True, False), ("none", False, False), ("mean", False, False), ("sum", True, False),
     ("mean", True, True), ("sum", False, True)],
)  # fmt: skip
def test_an_ambiguous_reduction_is_said(
    make_model: MakeModel, classification: Pair, reduction: str, *, by_hand: bool, warned: bool
) -> None:
    """One warning where the loss's own reduction makes the step another than meant, none elsewhere."""
    assert train_once(make_model(), d2l.load_array(classification, 30), reduction, by_hand=by_hand)[2] is warned


def test_the_warnings_name_the_reduction(make_model: MakeModel, classification: Pair) -> None:
    """What is done, and how to say that it is meant."""
    net, batches = make_model(), d2l.load_array(classification, 100)
    with pytest.warns(FourstepWarning, match="sum over the batch, .* grows with the batch size: use reduction='none'"):
        d2l.train_epoch_ch3(
            net, batches, nn.CrossEntropyLoss(reduction="sum"), torch.optim.SGD(net.parameters(), lr=0.1)
        )
    with pytest.warns(
        FourstepWarning, match="mean over the batch already, .* divides by the batch size once more: use reduction"
    ):
        d2l.train_epoch_ch3(net, batches, nn.CrossEntropyLoss(), lambda size: d2l.sgd(net.parameters(), 0.1, size))


def test_a_column_against_a_row_is_an_error_in_training() -> None:
    """Broadcasting would compare n x n: both shapes and the mend are named, whatever the loss."""
    net = nn.Linear(2, 1)
    batches = d2l.load_array((torch.randn(6, 2), torch.randn(6)), 6)
    for loss in (nn.MSELoss(), nn.MSELoss(reduction="none"), d2l.squared_loss):
        with pytest.raises(ShapeError, match=r"\(6, 1\) but targets \(6,\).*Mend: targets = targets\.reshape\(-1, 1\)"):
            d2l.train_epoch_ch3(net, batches, loss, torch.optim.SGD(net.parameters(), lr=0.1))


def test_a_regression_trains_too() -> None:
    """The book's section 4.4 trains by `train_epoch_ch3` and reads the loss alone."""
    features, labels = d2l.synthetic_data(torch.tensor([2, -3.4]), 4.2, 200)
    net = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    for _ in range(5):
        loss, _ = d2l.train_epoch_ch3(
            net, d2l.load_array((features, labels), 10), nn.MSELoss(reduction="none"), optimizer
        )
    assert loss < 1e-3


@pytest.mark.filterwarnings("ignore::fourstep.FourstepWarning")
def test_training_leaves_the_net_in_training_mode(make_model: MakeModel, classification: Pair) -> None:
    """The book's leaves it in evaluation mode."""
    net = make_model()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    batches = d2l.load_array(classification, 30)
    d2l.train_ch3(net, batches, batches, nn.CrossEntropyLoss(), 1, optimizer)
    assert all(module.training for module in net.modules())


def test_zero_epochs_are_an_error(make_model: MakeModel, classification: Pair) -> None:
    """The book's fails on a variable that was never set."""
    net, batches = make_model(), d2l.load_array(classification, 30)
    with pytest.raises(ConfigError, match="num_epochs 0: expected a whole number of 1 or more"):
        d2l.train_ch3(net, batches, batches, nn.CrossEntropyLoss(), 0, torch.optim.SGD(net.parameters(), lr=0.1))


def test_a_poor_result_is_a_warning_and_returned(make_model: MakeModel, classification: Pair) -> None:
    """Where the book asserts: value, threshold and likely cause; nothing is lost."""
    net, batches = make_model(), d2l.load_array(classification, 30)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4)
    with pytest.warns(FourstepWarning) as caught:
        result = d2l.train_ch3(net, batches, batches, nn.CrossEntropyLoss(), 1, optimizer)

    said = str(caught[0].message)
    assert said.startswith(f"after epoch 1: train loss {result.train_loss:.3f} (expected below 0.5), train accuracy ")
    assert (
        f"test accuracy {result.test_acc:.3f} (expected above 0.7). Likely cause: too few epochs, or a learning" in said
    )
    assert (result.train_loss, result.train_acc, result.test_acc) == tuple(result)


def separable(seed: int) -> Pair:
    """Two classes that one line parts."""
    inputs = torch.randn(60, 2, generator=torch.Generator().manual_seed(seed))
    return inputs, (inputs[:, 0] > 0).long()


def test_a_good_result_is_no_warning(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is anything printed: no `<Figure ...>`, no progress."""
    net = nn.Linear(2, 2)
    batches = d2l.load_array(separable(0), 10), d2l.load_array(separable(1), 10, is_train=False)
    result = d2l.train_ch3(net, *batches, nn.CrossEntropyLoss(), 10, torch.optim.SGD(net.parameters(), lr=1.0))

    assert result.train_loss < 0.5
    assert min(result[1:]) > 0.7
    assert capsys.readouterr() == ("", "")


def test_good_training_with_a_bad_test_has_another_cause() -> None:
    """The net learned; the test data say something else."""
    net, test = nn.Linear(2, 2), separable(1)
    batches = d2l.load_array(separable(0), 10), [(test[0], 1 - test[1])]
    with pytest.warns(
        FourstepWarning, match="after epoch 10: test accuracy .*Likely cause: test data unlike the training data"
    ):
        d2l.train_ch3(net, *batches, nn.CrossEntropyLoss(), 10, torch.optim.SGD(net.parameters(), lr=1.0))


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite_stops_training(bad: float) -> None:
    """With the batch, the epoch and the learning rate; a function as updater has no learning rate to name."""
    inputs, targets = torch.randn(50, 2), torch.randn(50, 1)
    inputs[34] = bad
    net = nn.Linear(2, 1)
    batches = d2l.load_array((inputs, targets), 10, is_train=False)
    said = "the training loss became NaN or infinite in batch 4 of epoch 1 with lr 0.01: use a smaller lr"
    with pytest.raises(NonFiniteError, match=said):
        d2l.train_ch3(net, batches, batches, nn.MSELoss(), 2, torch.optim.SGD(net.parameters(), lr=0.01))
    net = nn.Linear(2, 1)
    with pytest.raises(NonFiniteError, match="in batch 4: use a smaller lr"):
        d2l.train_epoch_ch3(net, batches, d2l.squared_loss, lambda size: d2l.sgd(net.parameters(), 0.01, size))


def test_labels_that_are_no_classes_are_an_error(make_model: MakeModel, classification: Pair) -> None:
    """The range of both is named."""
    net = make_model()
    batches = d2l.load_array((classification[0], classification[1] + 1), 100)
    with pytest.raises(ValueError, match=r"labels run from 1 to 3 but the model has 3 outputs"):
        d2l.train_epoch_ch3(net, batches, nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1))


@pytest.mark.gpu
def test_no_step_waits_for_the_device(make_model: MakeModel, classification: Pair) -> None:
    """An epoch over data on the GPU waits for it as often with fifty batches as with five: to read its numbers."""
    waits = []
    for batch_size in (20, 2):
        net = make_model().to(d2l.try_gpu())
        batches = d2l.load_array(classification, batch_size).to(d2l.try_gpu())
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            d2l.train_epoch_ch3(net, batches, nn.CrossEntropyLoss(), optimizer)
        torch.cuda.set_sync_debug_mode("default")
        waits.append(len(caught))
    assert waits[0] == waits[1]


@pytest.mark.parametrize("loss", [nn.MSELoss(reduction="none"), nn.BCEWithLogitsLoss(reduction="none")])
def test_a_column_of_values_trains_against_yes_and_no(loss: nn.Module) -> None:
    """One output per sample against labels 0 and 1: the loss counts, whatever `accuracy` thinks of such outputs."""
    inputs = torch.randn(40, 3)
    labels = (inputs[:, :1] > 0).float()
    net = nn.Linear(3, 1)
    first, _ = d2l.train_epoch_ch3(
        net, d2l.load_array((inputs, labels), 8), loss, torch.optim.SGD(net.parameters(), 0.1)
    )
    for _ in range(5):
        last, _ = d2l.train_epoch_ch3(
            net, d2l.load_array((inputs, labels), 8), loss, torch.optim.SGD(net.parameters(), 0.1)
        )

    assert last < first


@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_ignored_targets_and_class_weights_give_the_loss_s_own_mean(reduction: str) -> None:
    """The same number for every reduction: the mean that `reduction="mean"` has over all samples at once."""
    inputs, targets = torch.randn(30, 4), torch.randint(3, (30,))
    targets[::4] = -100
    weight = torch.tensor([1.0, 4.0, 0.5])
    net = nn.Linear(4, 3)
    expected = nn.functional.cross_entropy(net(inputs), targets, weight).item()
    loss = nn.CrossEntropyLoss(weight, reduction=reduction)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FourstepWarning)
        found, _ = d2l.train_epoch_ch3(
            net, d2l.load_array((inputs, targets), 16), loss, torch.optim.SGD(net.parameters(), lr=0.0)
        )

    assert found == pytest.approx(expected, rel=1e-5)
    assert d2l.evaluate_loss(net, d2l.load_array((inputs, targets), 16), loss) == pytest.approx(expected, rel=1e-5)


def test_the_net_is_in_training_mode_while_it_trains(classification: Pair) -> None:
    """A net left in evaluation mode is put in training mode: its dropout is on."""
    modes: list[bool] = []
    net = nn.Sequential(nn.Linear(4, 8), nn.Dropout(), nn.Linear(8, 3)).eval()
    net[1].register_forward_hook(lambda module, *_: modes.append(module.training))
    d2l.train_epoch_ch3(
        net, d2l.load_array(classification, 50), nn.CrossEntropyLoss(), torch.optim.SGD(net.parameters(), lr=0.1)
    )

    assert modes == [True, True]


@pytest.mark.filterwarnings("ignore::fourstep.errors.FourstepWarning")
def test_the_chart_has_a_point_per_epoch_on_three_named_curves(
    make_model: MakeModel, classification: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Train loss, train accuracy and test accuracy over epochs 1 to 3, with the book's limits."""
    animators: list[d2l.Animator] = []

    class Watched(d2l.Animator):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            animators.append(self)

    monkeypatch.setattr("fourstep.d2l.chapter3.Animator", Watched)
    net = make_model()
    batches = d2l.load_array(classification, 25)
    result = d2l.train_ch3(net, batches, batches, nn.CrossEntropyLoss(), 3, torch.optim.SGD(net.parameters(), lr=0.1))
    (animator,) = animators
    axes, legend = animator.axes[0], animator.axes[0].get_legend()

    assert animator.X == [[1, 2, 3]] * 3
    assert animator.Y is not None
    assert [values[-1] for values in animator.Y] == list(result)
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["train loss", "train acc", "test acc"]
    assert (axes.get_xlim(), axes.get_ylim(), axes.get_xlabel()) == ((1, 3), (0.3, 0.9), "epoch")


@pytest.mark.usefixtures("unchecked_types")
def test_arguments_in_each_other_s_place_are_told() -> None:
    """The loss last, a learning rate for an optimizer: one line, and nothing is trained."""
    net: Any = nn.Linear(4, 3)
    data = d2l.load_array((torch.randn(8, 4), torch.randint(3, (8,))), 4)
    loss: Any = nn.CrossEntropyLoss(reduction="none")
    optimizer: Any = torch.optim.SGD(net.parameters(), 0.1)
    rate: Any = 0.1
    before = net.weight.clone()
    for mistake, said in (
        (lambda: d2l.train_ch3(net, data, data, optimizer, 3, loss), r"loss is a SGD: expected a loss function"),
        (
            lambda: d2l.train_ch3(net, data, data, loss, 3, rate),
            r"updater is a float: expected an optimizer, or a func",
        ),
        (lambda: d2l.train_epoch_ch3(net, data, loss, rate), r"updater is a float: expected an optimizer, or a func"),
        (
            lambda: d2l.train_ch13(net, data, data, loss, rate, 1, []),
            r"updater is a float: expected an optimizer, such",
        ),
    ):
        with pytest.raises(ConfigError, match=said):
            mistake()
    assert torch.equal(net.weight, before)
