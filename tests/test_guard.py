"""What is not finite never reaches the weights."""

import math
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import fourstep as fs
from fourstep.finite import gradients_are_finite, screen_gradients
from fourstep.runs.checkpoint import load_latest

SAMPLES, BATCH = 60, 10


def samples(*bad: int) -> tuple[Tensor, Tensor]:
    """60 points in three classes; the `bad` ones hold NaN."""
    generator = torch.Generator().manual_seed(5)
    inputs = torch.randn(SAMPLES, 4, generator=generator)
    inputs[list(bad), 1] = math.nan
    return inputs, torch.randint(3, (SAMPLES,), generator=generator)


def by_fit(model: nn.Module, data: Any, loss_fn: Any = None, **settings: Any) -> fs.Run:
    """Train for two epochs by `fit`."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return fs.fit(model, data, loss_fn or nn.CrossEntropyLoss(), optimizer, epochs=2, show="none", **settings)


def by_hand(model: nn.Module, data: Any, loss_fn: Any = None, **settings: Any) -> fs.Run:
    """Train for two epochs by a loop over `Run`."""
    loss_fn = loss_fn or nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    run = fs.Run(model, optimizer, data, show="none", **settings)
    for epoch in run.epochs(2):
        for inputs, targets in epoch:
            outputs = model(inputs)
            loss = loss_fn(outputs, targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            epoch.record(loss, outputs, targets)
    return run


WAYS = pytest.mark.parametrize("train", [by_fit, by_hand], ids=["fit", "loop by hand"])


def make_model() -> nn.Module:
    """Always the same weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def expected(inputs: Tensor, targets: Tensor, updates: list[int]) -> nn.Module:
    """The model after the updates with these batches alone, in plain torch."""
    model = make_model()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for batch in updates:
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
    return model


def equal(one: nn.Module, other: nn.Module) -> bool:
    """Bit for bit."""
    return all(map(torch.equal, one.state_dict().values(), other.state_dict().values()))


@WAYS
def test_a_bad_sample_stops_before_the_update(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """It is named by its index, the weights are those before it, and the batch is kept for whoever looks for it."""
    inputs, targets = samples(34, 37)
    model = make_model()
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    with pytest.raises(
        fs.NonFiniteError,
        match=r"^the (training loss|gradients) became NaN or infinite in batch 4 of epoch 1 with lr 0\.1: the inputs "
        r"of samples 34, 37 hold NaN or infinity: clean or leave out these\. No update was made, and the batch is in "
        r".*/failed/step-00000003$",
    ) as caught:
        train(model, data, folder=tmp_path / "run")

    assert "\n" not in str(caught.value)
    assert equal(model, expected(inputs, targets, [0, 1, 2]))
    found = load_latest(tmp_path / "run" / "failed")
    assert found is not None
    assert torch.equal(found[1]["batch"]["inputs"].nan_to_num(9), inputs[30:40].nan_to_num(9))
    assert torch.equal(found[1]["batch"]["targets"], targets[30:40])
    assert found[1]["batch"]["indices"] == list(range(30, 40))
    assert equal(model, make_loaded(found[1]["model"]))


def make_loaded(state: dict[str, Tensor]) -> nn.Module:
    """A model with these weights."""
    model = make_model()
    model.load_state_dict(state)
    return model


@WAYS
@pytest.mark.parametrize("kind", ["batches", "loader"])
def test_a_shuffled_sample_is_named_by_its_own_number(train: Callable[..., fs.Run], kind: str, tmp_path: Path) -> None:
    """Not by its place in the batch."""
    inputs, targets = samples(17)
    sources: dict[str, Any] = {
        "batches": fs.Batches(inputs, targets, batch_size=BATCH),
        "loader": DataLoader(TensorDataset(inputs, targets), BATCH, shuffle=True),
    }
    with pytest.raises(fs.NonFiniteError, match="the inputs of sample 17 hold NaN"):
        train(make_model(), sources[kind], folder=tmp_path / "run")


@WAYS
def test_skipping_is_as_if_the_batch_were_not_there(train: Callable[..., fs.Run]) -> None:
    """For the weights, the optimizer's memory and the numbers; and it is counted."""
    inputs, targets = samples(34)
    model = make_model()
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    run = train(model, data, non_finite="skip", metrics={"accuracy": fs.accuracy})

    assert run.guard.skipped == 2
    assert equal(model, expected(inputs, targets, [0, 1, 2, 4, 5] * 2))
    assert all(math.isfinite(row["train/loss"]) for row in run.history)


@WAYS
def test_skipping_ends_where_nothing_else_is_left(train: Callable[..., fs.Run]) -> None:
    """Three in a row may pass, the fourth stops: something else is wrong."""
    inputs, targets = samples(*range(10, 60))
    model = make_model()
    with pytest.raises(fs.NonFiniteError, match=r"in batch 5 of epoch 1 .* hold NaN or infinity.*No update was made$"):
        train(model, fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False), non_finite="skip")

    assert equal(model, expected(inputs, targets, [0]))


class Root(nn.Module):
    """A root, whose slope at 0 is infinite while its value is not."""

    def forward(self, inputs: Tensor) -> Tensor:
        """The root of every value's size."""
        return inputs.abs().sqrt()


@WAYS
def test_a_gradient_that_is_not_finite_is_named_though_the_loss_is(train: Callable[..., fs.Run]) -> None:
    """By the parameter nearest to where it began."""
    inputs, targets = samples()
    model = nn.Sequential(nn.Linear(4, 8, bias=False), Root(), nn.Linear(8, 3))
    nn.init.zeros_(model[0].weight)  # type: ignore[arg-type] # a Linear
    before = [parameter.clone() for parameter in model.parameters()]
    with pytest.raises(
        fs.NonFiniteError, match=r"first in the gradient of '0\.weight': use a smaller lr, or look for a root"
    ):
        train(model, fs.Batches(inputs, targets, batch_size=BATCH))

    assert all(map(torch.equal, before, model.parameters()))


class Overflow(nn.Module):
    """A layer that multiplies what it is given beyond what float32 holds."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Infinity, or NaN."""
        return inputs * 1e30 * 1e30


@WAYS
def test_the_first_module_that_is_not_finite_is_named(train: Callable[..., fs.Run]) -> None:
    """Of several: the first, and what it is."""
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.Tanh(), Overflow()), nn.LayerNorm(8), nn.Linear(8, 3))
    with pytest.raises(
        fs.NonFiniteError, match=r"first in the output of '1\.1' \(Overflow\): use a smaller lr, clip the"
    ):
        train(model, fs.Batches(*samples(), batch_size=BATCH))


def test_large_gradients_are_no_bad_ones() -> None:
    """A sum of finite numbers may overflow; and what has no gradient is passed over."""
    weights = [nn.Parameter(torch.zeros(4)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(2))]
    optimizer = torch.optim.SGD(weights, lr=0.1)
    weights[0].grad = torch.full((4,), 3e38)
    weights[1].grad = torch.zeros(1)
    assert gradients_are_finite(optimizer)
    weights[2].grad = torch.tensor([0.0, math.inf])
    assert not gradients_are_finite(optimizer)
    weights[2].grad = torch.tensor([-math.inf, math.inf])
    assert not gradients_are_finite(optimizer)


@pytest.mark.usefixtures("unchecked_types")
def test_an_unknown_policy_is_named() -> None:
    """With those that there are."""
    with pytest.raises(fs.UnknownNameError, match="unknown policy for what is not finite 'skp': did you mean 'skip'"):
        by_fit(make_model(), fs.Batches(*samples(), batch_size=BATCH), non_finite="skp")


@WAYS
def test_rollback_goes_back_to_the_last_epochs_end_and_on_with_the_next_batch(
    train: Callable[..., fs.Run], tmp_path: Path
) -> None:
    """The updates since then are undone, the optimizer's memory too; the bad batch is not seen by anything."""
    inputs, targets = samples(34)
    model = make_model()
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    run = train(model, data, non_finite="rollback", folder=tmp_path / "run")

    assert run.guard.skipped == 2
    assert equal(model, expected(inputs, targets, [4, 5] * 2))  # batch 3 of 0 to 5 is the bad one
    assert all(math.isfinite(row["train/loss"]) for row in run.history)
    assert run.step == 12


@WAYS
def test_rollback_goes_back_to_the_last_of_every_so_many_steps(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """To one of those that the user chose, not to one that the clock brought."""
    inputs, targets = samples(34)
    model = make_model()
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    train(model, data, non_finite="rollback", folder=tmp_path / "run", saving=fs.Saving(every_steps=2))

    assert equal(model, expected(inputs, targets, [0, 1, 4, 5, 0, 1, 4, 5]))


@WAYS
def test_rollback_ends_where_it_leads_to_the_same_place_again(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """Three times from one place, with good batches between; the fourth raises."""
    inputs, targets = samples(0, 10, 30, 50)
    with pytest.raises(fs.NonFiniteError, match=r"in batch 6 of epoch 1 .* of sample 50 hold NaN"):
        train(
            make_model(), fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False),
            non_finite="rollback", folder=tmp_path / "run",
        )  # fmt: skip


@WAYS
def test_a_stopped_run_goes_back_to_the_same_place(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """Continued between the last mark and the bad batch, it ends as one that was never stopped."""
    inputs, targets = samples(34, 55)
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    whole, parts = make_model(), make_model()
    train(whole, data, non_finite="rollback", folder=tmp_path / "whole")

    def interrupt(event: fs.Event) -> None:
        if event.kind == "row" and event.step == 9:
            signal.raise_signal(signal.SIGINT)

    settings: dict[str, Any] = {"non_finite": "rollback", "folder": tmp_path / "parts", "log_every": 1}
    with pytest.raises(KeyboardInterrupt):
        train(parts, data, hooks=[interrupt], **settings)
    parts = make_model()
    run = train(parts, data, **settings)

    assert equal(parts, whole)
    assert run.guard.skipped == 4


@pytest.mark.usefixtures("unchecked_types")
def test_rollback_without_a_folder_is_refused() -> None:
    """Before any training."""
    with pytest.raises(fs.ConfigError, match=r"goes back to what a folder holds: give the run folder=\.\.\."):
        by_fit(make_model(), fs.Batches(*samples(), batch_size=BATCH), non_finite="rollback")


@pytest.fixture
def far(monkeypatch: pytest.MonkeyPatch) -> None:
    """Treat every tensor as if it were on a device that is not to be waited for."""
    monkeypatch.setattr(Tensor, "is_cpu", False)


@WAYS
@pytest.mark.usefixtures("far")
def test_far_away_the_weights_stay_finite_and_the_batch_is_named(train: Callable[..., fs.Run]) -> None:
    """Seen where the device is waited for, up to a row later; nothing of the bad batch has come into the weights."""
    inputs, targets = samples(34, 37)
    model = make_model()
    with pytest.raises(
        fs.NonFiniteError,
        match=r"^the (training loss|gradients) became NaN or infinite in batch 4 of epoch 1 with lr 0\.1: the inputs "
        r"of samples 34, 37 hold NaN or infinity: clean or leave out these\. No update was made$",
    ):
        train(model, fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False))

    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())


@WAYS
@pytest.mark.usefixtures("far")
def test_far_away_skipping_makes_an_update_of_zeros(train: Callable[..., fs.Run]) -> None:
    """Which is what momentum alone makes; the batch counts for nothing in the loss."""
    inputs, targets = samples(34)
    model, twin = make_model(), make_model()
    run = train(model, fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False), non_finite="skip")

    optimizer = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9)
    for batch in [0, 1, 2, 3, 4, 5] * 2:
        rows = slice(batch * BATCH, (batch + 1) * BATCH)
        optimizer.zero_grad()
        nn.functional.cross_entropy(twin(inputs[rows].nan_to_num()), targets[rows]).backward()
        for parameter in twin.parameters():
            if batch == 3 and parameter.grad is not None:
                parameter.grad.zero_()
        optimizer.step()
    assert equal(model, twin)
    assert run.guard.skipped == 2
    assert all(math.isfinite(row["train/loss"]) for row in run.history)


@WAYS
@pytest.mark.usefixtures("far")
def test_far_away_rollback_goes_back_too(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """To the last epoch's end, when a row is written."""
    inputs, targets = samples(34)
    model = make_model()
    train(
        model, fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False), non_finite="rollback",
        folder=tmp_path / "run", log_every=1,
    )  # fmt: skip

    assert equal(model, expected(inputs, targets, [4, 5] * 2))


@pytest.mark.gpu
@WAYS
def test_on_a_device_the_weights_stay_finite(train: Callable[..., fs.Run], tmp_path: Path) -> None:
    """As far away on a CPU: the batch is named and kept."""
    inputs, targets = samples(34, 37)
    model = make_model()
    with pytest.raises(fs.NonFiniteError, match=r"in batch 4 of epoch 1 with lr 0\.1: the inputs of samples 34, 37"):
        train(
            model, fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False), device="cuda", folder=tmp_path / "run"
        )  # fmt: skip

    assert all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    assert load_latest(tmp_path / "run" / "failed") is not None


@pytest.mark.parametrize("policy", ["skip", "rollback"])
def test_a_bad_micro_batch_leaves_the_whole_update_out(policy: Any, tmp_path: Path) -> None:
    """An update of the others alone would be another one."""
    inputs, targets = samples(44)  # in the second of the second update's three batches
    model = make_model()
    data = fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False)
    by_fit(model, data, non_finite=policy, accumulate=3, folder=tmp_path / "run")

    alone = make_model()
    optimizer = torch.optim.SGD(alone.parameters(), lr=0.1, momentum=0.9)
    for _ in range(2 if policy == "skip" else 0):
        optimizer.zero_grad()
        fs.train_step(alone, nn.CrossEntropyLoss(), optimizer, list(data)[:3])
        data.seek(0)
    assert equal(model, alone)


def test_statistics_that_took_the_batch_in_are_not_skipped_over() -> None:
    """Batch normalisation has them changed before the loss is known."""
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    with pytest.raises(fs.NonFiniteError, match="running statistics have taken it in: use 'rollback'"):
        by_fit(model, fs.Batches(*samples(34), batch_size=BATCH, shuffle=False), non_finite="skip")


def test_a_rollback_puts_statistics_back(tmp_path: Path) -> None:
    """They are a part of the weights' checkpoint."""
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    data = fs.Batches(*samples(34), batch_size=BATCH, shuffle=False)
    by_fit(model, data, non_finite="rollback", folder=tmp_path / "run")
    assert all(bool(buffer.isfinite().all()) for buffer in model.buffers())


def test_a_run_that_was_stopped_may_go_back_from_then_on(tmp_path: Path) -> None:
    """What it saves at once, in the middle of an epoch, can be gone on from."""
    data = fs.Batches(*samples(34), batch_size=BATCH, shuffle=False)
    saving = fs.Saving(every_steps=2)
    with pytest.raises(fs.NonFiniteError):
        by_fit(make_model(), data, folder=tmp_path / "run", saving=saving)

    def fail(event: fs.Event) -> None:
        if event.kind == "start":
            raise ZeroDivisionError

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            by_fit(make_model(), data, folder=tmp_path / "run", saving=saving, non_finite="rollback", hooks=[fail])
    run = by_fit(make_model(), data, folder=tmp_path / "run", saving=saving, non_finite="rollback")
    assert run.guard.skipped == 2


def test_a_rollback_run_that_came_to_nothing_leaves_nothing(tmp_path: Path) -> None:
    """Its first mark goes with it."""
    data = fs.Batches(*samples(), batch_size=BATCH)

    def fail(*_: Any, **__: Any) -> Any:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        by_fit(make_model(), data, folder=tmp_path / "run", non_finite="rollback", step=fail)
    assert not (tmp_path / "run").exists()


def test_a_link_in_the_place_of_failed_batches_is_refused(tmp_path: Path) -> None:
    """What is in it would be removed."""
    data = fs.Batches(*samples(), batch_size=BATCH)
    by_fit(make_model(), data, folder=tmp_path / "run")
    (tmp_path / "run" / "failed").symlink_to(tmp_path)
    with pytest.raises(fs.RunFolderError, match="failed is a link: expected a folder"):
        by_fit(make_model(), data, folder=tmp_path / "run")


@pytest.mark.usefixtures("far")
def test_far_away_losses_per_item_have_the_same_mean() -> None:
    """Of several numbers for each sample, whatever the policy."""
    inputs, _ = samples()
    targets = torch.rand(SAMPLES, 3, generator=torch.Generator().manual_seed(1))
    found = [
        by_hand(
            make_model(), fs.Batches(inputs, targets, batch_size=BATCH, shuffle=False),
            nn.CrossEntropyLoss(reduction="mean"), non_finite=policy,
        ).history.rows[-1]["train/loss"]
        for policy in ("stop", "skip")
    ]  # fmt: skip
    assert found[0] == found[1]


@pytest.mark.usefixtures("far")
def test_far_away_sparse_and_empty_gradients_are_looked_at_too() -> None:
    """An embedding's are zeroed like others, and none of no elements stops the rest."""
    model = nn.Sequential(nn.Embedding(4, 3, sparse=True))
    model.register_parameter("empty", nn.Parameter(torch.zeros(0)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model[0](torch.tensor([0, 1])).sum().backward()
    model.empty.grad = torch.zeros(0)
    flag = screen_gradients(optimizer, torch.tensor(math.nan), 2, torch.tensor(False))
    optimizer.step()
    assert int(flag) == 2
    gradient = model[0].weight.grad
    assert isinstance(gradient, Tensor)
    assert not gradient.to_dense().any()
