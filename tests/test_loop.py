"""The loop: `fit`, the hand-written loop over `Run`, and plain torch are the same run."""

import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
import torchmetrics
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.metrics import Metric

Build = Callable[[], nn.Module]
Classification = tuple[Tensor, Tensor]


def data_of(classification: Classification, batch_size: int = 32) -> fs.Data:
    """The samples with a test split of 20."""
    return fs.data.from_arrays(*classification, batch_size=batch_size, test=0.2, seed=3)


def sgd(model: nn.Module, lr: float = 0.1) -> torch.optim.Optimizer:
    """Plain SGD."""
    return torch.optim.SGD(model.parameters(), lr=lr)


def test_fit_the_hand_written_loop_and_plain_torch_are_bit_equal(
    make_model: Build, classification: Classification
) -> None:
    """Three ways to write the same run leave the same weights, and the first two the same numbers."""
    loss_fn = nn.CrossEntropyLoss()
    metrics = {"accuracy": fs.accuracy}
    fitted = make_model()
    run = fs.fit(fitted, data_of(classification), loss_fn, sgd(fitted), epochs=3, metrics=metrics, show="none")

    written = make_model()
    optimizer = sgd(written)
    by_hand = fs.Run(written, optimizer, data_of(classification), metrics=metrics, show="none")
    for epoch in by_hand.epochs(3):
        for inputs, targets in epoch:
            outputs = written(inputs)
            loss = loss_fn(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch.record(loss, outputs, targets)
        epoch.evaluate(loss_fn)

    plain = make_model()
    plain_optimizer = sgd(plain)
    batches = data_of(classification).train
    for _ in range(3):
        for inputs, targets in batches:
            loss = loss_fn(plain(inputs), targets)
            plain_optimizer.zero_grad()
            loss.backward()
            plain_optimizer.step()

    for name, weight in plain.state_dict().items():
        assert torch.equal(weight, fitted.state_dict()[name])
        assert torch.equal(weight, written.state_dict()[name])
    assert numbers(run.history) == numbers(by_hand.history)


def numbers(history: fs.History) -> list[dict[str, float]]:
    """The rows without the clock's fields."""
    clock = ("seconds", "examples_per_second")
    return [{name: value for name, value in row.items() if name not in clock} for row in history]


def test_the_same_seed_gives_the_same_bits(make_model: Build, classification: Classification) -> None:
    """Order and results are functions of the seed; another seed gives another order."""
    found = []
    for seed in (3, 3, 4):
        model = make_model()
        data = fs.data.from_arrays(*classification, batch_size=32, seed=seed)
        run = fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), epochs=2, show="none")
        found.append(numbers(run.history))

    assert found[0] == found[1] != found[2]


def test_rows_say_where_and_what(make_model: Build, classification: Classification) -> None:
    """A row per epoch, with the split's names, steps from 1 and the clock."""
    model = make_model()
    run = fs.fit(
        model,
        data_of(classification),
        nn.CrossEntropyLoss(),
        sgd(model),
        epochs=2,
        metrics={"accuracy": fs.accuracy},
        show="none",
    )

    assert [(row["epoch"], row["step"]) for row in run.history] == [(1.0, 3), (2.0, 6)]
    assert run.history.columns == [
        "epoch",
        "step",
        "train/loss",
        "train/accuracy",
        "test/loss",
        "test/accuracy",
        "lr",
        "seconds",
        "examples_per_second",
    ]


def test_log_every_adds_running_rows(make_model: Build, classification: Classification) -> None:
    """Rows inside an epoch hold the running numbers; the epoch's end is not written twice."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=10)
    run = fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), epochs=2, log_every=5, show="none")

    assert [(row["epoch"], row["step"]) for row in run.history] == [(0.5, 5), (1.0, 10), (1.5, 15), (2.0, 20)]


def test_train_numbers_are_those_of_the_batches(make_model: Build, classification: Classification) -> None:
    """The row's loss is the mean over samples of the losses that the steps saw, the short last batch by its size."""
    model, twin = make_model(), make_model()
    data = fs.data.from_arrays(*classification, batch_size=32)
    run = fs.fit(
        model, data, nn.CrossEntropyLoss(), sgd(model), epochs=1, metrics={"accuracy": fs.accuracy}, show="none"
    )
    optimizer = sgd(twin)
    total, right = 0.0, 0
    for inputs, targets in fs.data.from_arrays(*classification, batch_size=32).train:
        outputs = twin(inputs)
        right += int((outputs.argmax(1) == targets).sum())
        total += fs.four_steps(twin, nn.CrossEntropyLoss(), optimizer, inputs, targets).item() * len(targets)

    assert run.history.rows[0]["train/loss"] == pytest.approx(total / 100, rel=1e-6)
    assert run.history.rows[0]["train/accuracy"] == right / 100


def test_a_dataloader_is_accepted(make_model: Build, classification: Classification) -> None:
    """A loader of torch's trains as `Batches` do, to the bit, when it yields the same batches."""
    loader = DataLoader(TensorDataset(*classification), batch_size=32)
    found = []
    for data in (loader, fs.Batches(*classification, batch_size=32, shuffle=False)):
        model = make_model()
        run = fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), epochs=2, show="none")
        found.append((numbers(run.history), model[0].weight.detach()))  # type: ignore[index]  # a Sequential

    assert found[0][0] == found[1][0]
    assert torch.equal(found[0][1], found[1][1])


def test_an_iterable_without_length_is_accepted(make_model: Build, classification: Classification) -> None:
    """What has no `len` trains too."""

    class Stream:
        def __iter__(self) -> object:
            return iter([classification])

    model = make_model()
    run = fs.fit(model, Stream(), nn.CrossEntropyLoss(), sgd(model), epochs=2, show="none")

    assert [row["epoch"] for row in run.history] == [1.0, 2.0]


def test_accumulation_makes_one_update_of_several_batches(make_model: Build, classification: Classification) -> None:
    """Ten batches in groups of four are three updates, the last of two batches."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=10)
    run = fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), epochs=1, accumulate=4, show="none")

    assert run.step == 3


def test_val_is_evaluated_where_there_is_one(make_model: Build, classification: Classification) -> None:
    """Training looks at val, not at test, and `split` asks for another."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=32, val=0.2, test=0.2)
    run = fs.Run(model, sgd(model), data, show="none")
    for epoch in run.epochs(1):
        epoch.evaluate(nn.CrossEntropyLoss())
        epoch.evaluate(nn.CrossEntropyLoss(), "test")
        with pytest.raises(fs.ConfigError, match="there is no 'valid' split: the data has train, val, test"):
            epoch.evaluate(nn.CrossEntropyLoss(), "valid")

    assert {name for name in run.history.columns if "/" in name} == {"val/loss", "test/loss"}


def test_hooks_hear_events_and_may_stop(make_model: Build, classification: Classification) -> None:
    """A plain function is told of every row, and its `Stop` ends the run after the epoch."""
    kinds: list[str] = []

    def hook(event: fs.Event) -> fs.Stop | None:
        kinds.append(event.kind)
        return fs.Stop("enough") if event.kind == "epoch" and event.epochs_done >= 2 else None

    model = make_model()
    run = fs.fit(model, data_of(classification), nn.CrossEntropyLoss(), sgd(model), epochs=9, hooks=[hook], show="none")

    assert [kind for kind in kinds if kind != "tick"] == ["start", "epoch", "epoch", "end"]
    assert run.stopped == fs.Stop("enough")
    assert run.epochs_done == 2


def test_a_stop_inside_an_epoch_ends_it_there(make_model: Build, classification: Classification) -> None:
    """A `Stop` answered to a row inside an epoch leaves out the epoch's other batches; the row tells the fraction."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=10)
    run = fs.fit(
        model,
        data,
        nn.CrossEntropyLoss(),
        sgd(model),
        epochs=9,
        log_every=3,
        hooks=[lambda event: fs.Stop("now") if event.kind == "row" else None],
        show="none",
    )

    assert run.step == 3
    assert run.history.rows[-1]["epoch"] == pytest.approx(0.3)


def test_leaving_an_epoch_by_break_keeps_its_numbers(make_model: Build, classification: Classification) -> None:
    """What was recorded before a `break` is in the row."""
    model = make_model()
    run = fs.Run(model, sgd(model), data_of(classification), show="none")
    for epoch in run.epochs(2):
        for inputs, targets in epoch:
            outputs = model(inputs)
            epoch.record(nn.functional.cross_entropy(outputs, targets), outputs, targets)
            break

    assert [row["epoch"] for row in run.history] == [1.0, 2.0]
    assert "train/loss" in run.history.columns


def test_more_epochs_may_be_asked_of_a_run(make_model: Build, classification: Classification) -> None:
    """`epochs(n)` goes on until n are done in all, and says when there is nothing left to do."""
    model = make_model()
    run = fs.Run(model, sgd(model), data_of(classification), show="none")
    assert [epoch.number for epoch in run.epochs(2)] == [1, 2]
    assert [epoch.number for epoch in run.epochs(3)] == [3]
    with pytest.warns(fs.FourstepWarning, match="all 3 epochs are done: ask for more than 3"):
        assert list(run.epochs(3)) == []


def test_modes_are_as_training_needs_them(make_model: Build, classification: Classification) -> None:
    """A model left in evaluation mode is trained in training mode; a module frozen in a training model stays frozen."""
    model = make_model().eval()
    fs.fit(model, data_of(classification), nn.CrossEntropyLoss(), sgd(model), epochs=1, show="none")
    assert all(module.training for module in model.modules())

    model[1].eval()  # type: ignore[index]  # a Sequential
    fs.fit(model, data_of(classification), nn.CrossEntropyLoss(), sgd(model), epochs=1, show="none")
    assert [module.training for module in model] == [True, False, True]  # type: ignore[attr-defined]  # a Sequential


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_a_loss_that_becomes_nan_stops_the_run(
    reduction: str, make_model: Build, classification: Classification, tmp_path: Path
) -> None:
    """The error names batch, epoch, lr and sample, and the weights are those before it."""
    inputs, targets = classification
    inputs = inputs.clone()
    inputs[45] = math.nan
    model = make_model()
    data = fs.data.from_arrays(inputs, targets, batch_size=20, shuffle=False)
    with pytest.raises(
        fs.NonFiniteError, match=r"NaN or infinite in batch 3 of epoch 1 with lr 0\.1: the inputs of sample 45"
    ):
        fs.fit(
            model,
            data,
            nn.CrossEntropyLoss(reduction=reduction),
            sgd(model),
            epochs=5,
            folder=tmp_path / "run",
            show="none",
        )

    kept = make_model()
    fs.load_weights(kept, tmp_path / "run")
    assert all(bool(torch.isfinite(tensor).all()) for tensor in kept.state_dict().values())


def test_an_error_in_the_users_loop_ends_the_run_cleanly(make_model: Build, classification: Classification) -> None:
    """Hooks hear the end also when the body of the loop fails."""
    kinds: list[str] = []
    model = make_model()
    run = fs.Run(
        model, sgd(model), data_of(classification), hooks=[lambda event: kinds.append(event.kind)], show="none"
    )

    def fail() -> None:
        for epoch in run.epochs(2):
            for _ in epoch:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()

    assert kinds[-1] == "end"


@pytest.mark.gpu
def test_the_optimizers_state_moves_with_the_model(classification: Classification) -> None:
    """What an optimizer remembers is moved to the run's device; Adam's step count stays where torch wants it."""
    model = nn.Linear(4, 3)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    fs.four_steps(model, nn.CrossEntropyLoss(), optimizer, *classification)
    run = fs.Run(model, optimizer, data_of(classification), show="none")
    fs.four_steps(model, nn.CrossEntropyLoss(), optimizer, *next(iter(run.data.train)))

    assert {state["exp_avg"].device.type for state in optimizer.state.values()} == {run.device.type}
    assert {state["step"].device.type for state in optimizer.state.values()} == {"cpu"}


def test_an_optimizer_that_has_trained_goes_on_as_it_was(make_model: Build, classification: Classification) -> None:
    """Its momentum is kept when a run takes it over: two runs of one epoch are one of two."""
    found = []
    for parts in ((1, 1), (2,)):
        model = make_model()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for epochs in parts:
            data = fs.data.from_arrays(*classification, batch_size=32, shuffle=False)
            fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=epochs, show="none")
        found.append(torch.cat([weight.flatten() for weight in model.state_dict().values()]))

    assert torch.equal(found[0], found[1])


@pytest.mark.usefixtures("unchecked_types")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epochs": 0}, "epochs 0: expected a whole number of 1 or more"),
        ({"accumulate": 0}, "accumulate 0: expected a whole number of 1 or more"),
        ({"log_every": 0}, "log_every 0: expected a whole number of 1 or more"),
        ({"device": "tpu"}, "'tpu' is not a device: expected one of cpu"),
        ({"metrics": {"loss": fs.accuracy}}, "a metric is named 'loss'"),
        ({"metrics": {"accuracy": 3}}, "metric 'accuracy' is a int: expected a function"),
        ({"metrics": fs.accuracy}, "metrics is a function: expected a dictionary"),
        ({"metrics": {"f1": torchmetrics.F1Score}}, "metric 'f1' is the class F1Score: expected an object"),
        ({"hooks": print}, "hooks is a builtin_function_or_method: expected a list"),
        ({"optimizer": torch.optim.SGD}, "optimizer is the class SGD: expected one such as"),
        ({"loss_fn": nn.CrossEntropyLoss}, "loss_fn is the class CrossEntropyLoss: expected one such as"),
        ({"amp": "bf16"}, "amp is a str: expected fourstep.scale.mixed_precision"),
        ({"model": nn.Linear}, "model is the class Linear: expected a torch"),
        ({"max_grad_norm": -1.0}, "max_grad_norm -1.0: expected a norm above 0"),
        ({"metrics": {"mean": lambda outputs, _: outputs.mean()}}, "metric 'mean' returned tensor"),
        ({"data": (torch.zeros(3, 4), torch.zeros(3))}, r"data is a tuple: expected fourstep\.Data\(train="),
        ({"show": False}, "unknown show 'False'"),
        (
            {"optimizer": torch.optim.SGD([torch.zeros(1)], lr=0.1)},
            "the optimizer holds none of the model's parameters",
        ),
        ({"data": 5}, "data is a int: expected fourstep.Data, or an iterable"),
        ({"data": [torch.zeros(3, 4)]}, r"a batch is a Tensor: expected a pair \(inputs, targets\)"),
        ({"data": [(torch.zeros(3, 4),) * 3]}, "a batch is a tuple of 3: expected a pair"),
        ({"data": []}, "the training data is empty: it yields no batch"),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    change: dict[str, object], message: str, make_model: Build, classification: Classification
) -> None:
    """Each mistake has its own message."""
    model = make_model()
    arguments: dict[str, Any] = {
        "model": model,
        "data": data_of(classification),
        "loss_fn": nn.CrossEntropyLoss(),
        "optimizer": sgd(model),
        "epochs": 1,
        "show": "none",
        **change,
    }
    with pytest.raises(fs.FourstepError, match=message) as caught:
        fs.fit(**arguments)

    assert "\n" not in str(caught.value)


def train_by_hand(run: fs.Run, epoch: Iterable[tuple[Tensor, Tensor]]) -> Iterator[int]:
    """The four steps over an epoch, yielding after each."""
    for number, (inputs, targets) in enumerate(epoch, start=1):
        outputs = run.model(inputs)
        loss = nn.functional.cross_entropy(outputs, targets)
        run.optimizer.zero_grad()
        loss.backward()
        run.optimizer.step()
        epoch.record(loss, outputs, targets)  # type: ignore[attr-defined]  # an Epoch
        yield number


def test_leaving_the_run_by_break_keeps_the_epoch_so_far(make_model: Build, classification: Classification) -> None:
    """Whole epochs count, and part of one is a row with its fraction and the numbers of all its batches."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=10)
    run = fs.Run(model, sgd(model), data, log_every=2, show="none")
    for epoch in run.epochs(5):
        for number in train_by_hand(run, epoch):
            if epoch.number == 2 and number == 4:
                break
        if epoch.number == 2:
            break

    assert run.epochs_done == 1
    assert run.history.rows[-1]["epoch"] == pytest.approx(1.3)  # the fourth step's end was not waited for


def test_a_nan_after_the_last_row_is_seen(make_model: Build, classification: Classification) -> None:
    """What was recorded since a row is read at the epoch's end, however the loop over its batches was left."""
    inputs, targets = classification
    inputs = inputs.clone()
    inputs[35] = math.nan
    model = make_model()
    data = fs.data.from_arrays(inputs, targets, batch_size=10, shuffle=False)
    run = fs.Run(model, sgd(model), data, log_every=2, show="none")

    def train() -> None:
        for epoch in run.epochs(2):
            for number in train_by_hand(run, epoch):
                if number == 4:
                    break

    with pytest.raises(fs.NonFiniteError, match="batch 4 of epoch 1"):
        train()


def test_a_run_that_fails_before_its_first_step_leaves_no_folder(
    make_model: Build, classification: Classification, tmp_path: Path
) -> None:
    """So that the mended script can run again into the same folder."""
    wrong = fs.data.from_arrays(classification[0], classification[1] + 5, batch_size=10)
    for data, epochs in ((wrong, 1), (data_of(classification), 0), (data_of(classification), 1)):
        model = make_model()
        arguments: dict[str, Any] = {"epochs": epochs, "folder": tmp_path / "run", "show": "none"}
        if epochs and data is not wrong:
            fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), **arguments)
        else:
            with pytest.raises(fs.FourstepError):
                fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model), **arguments)
            assert not (tmp_path / "run").exists()

    assert (tmp_path / "run" / "model.safetensors").exists()


def test_every_epoch_has_an_order_of_its_own_that_repeats(make_model: Build, classification: Classification) -> None:
    """Epoch n sees the same batches in every run, whatever was taken from the data before."""
    data = data_of(classification)
    next(iter(data.train))
    seen = []
    for _ in range(2):
        model = make_model()
        run = fs.Run(model, sgd(model), data, show="none")
        seen.append([torch.cat([targets for _, targets in epoch]).tolist() for epoch in run.epochs(2)])

    assert seen[0] == seen[1]
    assert seen[0][0] != seen[0][1]


@pytest.mark.alone
def test_speed_is_examples_by_the_clock(make_model: Build, classification: Classification) -> None:
    """`examples_per_second` is the epoch's samples by the time its loop took."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=10)
    run = fs.Run(model, sgd(model), data, show="none")
    for epoch in run.epochs(1):
        started = perf_counter()
        for _ in epoch:
            pass
        seconds = perf_counter() - started
    speed = run.history.rows[0]["examples_per_second"]

    assert 100 / seconds <= speed <= 1.2 * 100 / seconds


def test_metrics_begin_anew_in_every_epoch(make_model: Build, classification: Classification) -> None:
    """Torchmetrics' state of one epoch is not in the next."""
    model = make_model()
    data = fs.data.from_arrays(*classification, batch_size=20)
    metrics: dict[str, Metric] = {
        "mine": fs.accuracy,
        "theirs": torchmetrics.classification.MulticlassAccuracy(3, average="micro"),
    }
    run = fs.fit(model, data, nn.CrossEntropyLoss(), sgd(model, 1.0), epochs=3, metrics=metrics, show="none")

    assert len({row["train/mine"] for row in run.history}) > 1
    for row in run.history:
        assert row["train/mine"] == pytest.approx(row["train/theirs"], rel=1e-6)


def test_rows_are_kept_though_every_epoch_was_left_at_its_first_batch(
    make_model: Build, classification: Classification, tmp_path: Path
) -> None:
    """A step whose end was not waited for is not counted, but its row and the weights are no folder to throw away."""
    model = make_model()
    run = fs.Run(model, sgd(model), data_of(classification), folder=tmp_path / "run", show="none")
    for epoch in run.epochs(2):
        for _ in train_by_hand(run, epoch):
            break

    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "run" / "model.safetensors").exists()
