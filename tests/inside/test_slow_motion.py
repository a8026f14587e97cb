"""A traced step is the step that it would be without anybody looking, and its page shows the article's mistakes."""

import copy
import math
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.modules import module as torch_module
from torch.utils.checkpoint import checkpoint

import fourstep as fs
from fourstep.seed import generator_states


class Everything(nn.Module):
    """What keeps state or draws in a forward: dropout, running statistics, a shared and a lazy layer, a buffer."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(1, 4, 3)
        self.norm = nn.BatchNorm2d(4)
        self.shared = nn.Linear(16, 16)
        self.lazy = nn.LazyLinear(16)
        self.gate = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(16, 3)
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros(()))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        self.calls += 1
        hidden = self.lazy(self.gate(self.norm(self.convolution(inputs))).flatten(1))
        hidden = self.dropout(self.shared(torch.tanh(self.shared(hidden))))
        logits: Tensor = self.head(hidden + 0.01 * torch.randn_like(hidden))
        return logits


OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda weights: torch.optim.SGD(weights, lr=0.1),
    "momentum": lambda weights: torch.optim.SGD(weights, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "adam": lambda weights: torch.optim.Adam(weights, lr=0.01),
    "adam foreach": lambda weights: torch.optim.Adam(weights, lr=0.01, foreach=True),
    "adamw fused amsgrad": lambda weights: torch.optim.AdamW(weights, lr=0.01, amsgrad=True, fused=True),
    "lbfgs-free rprop": lambda weights: torch.optim.Rprop(weights, lr=0.01),
}


def state_after(make: Callable[[Any], Any], step: Callable[..., Any], traced: range, steps: int = 4) -> dict[str, Any]:
    """All that some steps leave, of which some are done by `step` and the others plainly."""
    torch.manual_seed(3)
    model, loss_fn = Everything(), nn.CrossEntropyLoss()
    batches = [(torch.randn(12, 1, 6, 6), torch.randint(3, (12,))) for _ in range(steps)]
    optimizer = make(model.parameters())
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    for number, (inputs, targets) in enumerate(batches):
        do = step if number in traced else fs.four_steps
        do(model, loss_fn, optimizer, inputs, targets)
    return {
        "model": model.state_dict(),
        "gradients": [parameter.grad for parameter in model.parameters()],
        "optimizer": optimizer.state_dict(),
        "schedule": schedule.state_dict(),
        "generators": generator_states(torch.device("cpu")),
        "draws": (random.random(), float(np.random.rand()), torch.rand(3)),  # noqa: NPY002, S311 - the users' own
    }


def assert_equal(one: Any, other: Any, where: str = "") -> None:
    """Equal in every bit, in any nesting."""
    if isinstance(one, Tensor):
        assert torch.equal(one, other), where
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_equal(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for number, pair in enumerate(zip(one, other, strict=True)):
            assert_equal(*pair, f"{where}/{number}")
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other), where
    else:
        assert one == other, where


@pytest.mark.usefixtures("unchecked_types")  # beartype draws from Python's generator
@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize("traced", [range(1), range(2, 3), range(4)], ids=["first", "third", "all"])
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step:UserWarning")
def test_a_traced_step_leaves_the_bits_of_a_plain_one(name: str, traced: range) -> None:
    """Weights, buffers, gradients, the optimizer's state, its schedule and all generators."""
    random.seed(5), np.random.seed(5)  # noqa: NPY002
    plain = state_after(OPTIMIZERS[name], fs.four_steps, traced)
    random.seed(5), np.random.seed(5)  # noqa: NPY002
    looked_at = state_after(OPTIMIZERS[name], fs.trace, traced)

    assert_equal(plain, looked_at)


def test_a_frozen_transformer_takes_its_own_fast_path() -> None:
    """A hook on the layer itself would send it another way, to other bits."""

    def run(step: Callable[..., Any]) -> dict[str, Tensor]:
        torch.manual_seed(0)
        body = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2, enable_nested_tensor=False
        )
        body.requires_grad_(False).eval()
        model = nn.Sequential(body, nn.Flatten(), nn.Linear(80, 3))
        step(
            model,
            nn.CrossEntropyLoss(),
            torch.optim.SGD(model.parameters(), lr=0.1),
            torch.randn(8, 5, 16),
            torch.arange(8) % 3,
        )
        return dict(model.state_dict())

    assert_equal(run(fs.four_steps), run(fs.trace))


class Recomputes(nn.Module):
    """Layers whose results are not kept, but computed again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.head = nn.Linear(4, 4), nn.Linear(4, 3)
        self.block = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Tanh(), nn.Linear(8, 4))

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        outputs: Tensor = self.head(checkpoint(self.block, self.first(inputs), use_reentrant=False))
        return outputs


def test_what_a_checkpoint_computes_again_is_not_computed_once_more() -> None:
    """The running statistics would move once more; what is left out of the record is not counted as kept."""
    inputs, targets = torch.randn(16, 4), torch.arange(16) % 3
    states: list[dict[str, Any]] = []
    for step in (fs.four_steps, one_step):
        torch.manual_seed(0)
        model = Recomputes()
        if step is fs.four_steps:
            step(model, nn.CrossEntropyLoss(), torch.optim.SGD(model.parameters(), lr=0.1), inputs, targets)
        else:
            told = one_step(model, None, inputs, targets)
        states.append(dict(model.state_dict()))

    assert_equal(states[0], states[1])
    of_the_loss = 16 * 3 * 4 + 16 * 8 + 4  # log-probabilities in float32, targets in int64, a total weight
    assert told.kept_bytes == 2 * 16 * 4 * 4 + of_the_loss  # the inputs of both layers outside; torch hides the block's


def hooks_left() -> int:
    """How many of torch's global hooks there are."""
    return len(torch_module._global_forward_hooks) + len(torch_module._global_forward_pre_hooks)


def test_no_hook_is_left_behind_also_after_an_error() -> None:
    """Neither on the model nor on all modules."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(7, 3))
    with pytest.raises(fs.ShapeError, match=r"layer '2' \(Linear\).*nn\.Linear\(8, 3\)"):
        fs.trace(
            model,
            nn.CrossEntropyLoss(),
            torch.optim.SGD(model.parameters(), lr=1),
            torch.randn(5, 4),
            torch.zeros(5).long(),
        )

    assert hooks_left() == 0
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_another_thread_s_model_is_not_looked_at() -> None:
    """The hooks are all modules', and pass over what another thread calls."""
    other, stranger = nn.Linear(2, 2), []

    class Waits(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            thread = threading.Thread(target=lambda: stranger.append(other(torch.zeros(1, 2))))
            thread.start()
            thread.join()
            outputs: Tensor = self.own(inputs)
            return outputs

    told = one_step(Waits())
    assert len(stranger) == 1
    assert [layer.name for layer in told.layers] == ["own"]


def one_step(
    model: nn.Module,
    loss_fn: Any = None,
    inputs: Tensor | None = None,
    targets: Tensor | None = None,
    lr: float = 0.1,
    language: str = "en",
) -> fs.Trace:
    """A traced step of a small classifier, or of what is given."""
    inputs = torch.randn(16, 4) if inputs is None else inputs
    targets = torch.arange(16) % 3 if targets is None else targets
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    return fs.trace(model, loss_fn or nn.CrossEntropyLoss(), optimizer, inputs, targets, language=language)


def classifier(*last: nn.Module) -> nn.Sequential:
    """4 features to 3 classes."""
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3), *last)


def codes(told: fs.Trace) -> list[str]:
    """What stands out in it."""
    return [remark.code for remark in told.remarks]


def test_a_sound_step_has_nothing_that_stands_out() -> None:
    """And says so."""
    told = one_step(classifier())
    assert codes(told) == []
    assert "Nothing stands out" in str(told)


@pytest.mark.parametrize(
    ("last", "loss_fn", "code", "sentence"),
    [
        (nn.Softmax(1), nn.CrossEntropyLoss(), "softmax", "the model ends in a softmax, and the loss takes one itself"),
        (nn.Softmax(1), functional.cross_entropy, "softmax", "leave the softmax out of the model"),
        (nn.Softmax(1), lambda x, y: 2 * functional.cross_entropy(x, y) / 2, "softmax", "leave the softmax out"),
        (
            nn.LogSoftmax(1),
            nn.CrossEntropyLoss(),
            "log_softmax",
            "logits with nn.CrossEntropyLoss, or log_softmax with",
        ),
        (nn.Sigmoid(), nn.CrossEntropyLoss(), "sigmoid", "leave the last sigmoid out, and give the loss the logits"),
        (nn.Softmax(1), nn.NLLLoss(), "nll_raw", "nn.LogSoftmax(dim=1) at the model's end"),
        (nn.Identity(), nn.NLLLoss(), "nll_raw", "nn.NLLLoss expects the logarithms of probabilities"),
    ],
)
def test_a_softmax_too_many_is_named(last: nn.Module, loss_fn: Any, code: str, sentence: str) -> None:
    """However the loss is called."""
    told = one_step(classifier(last), loss_fn)
    assert codes(told) == [code]
    assert sentence in " ".join(str(told).split())


def test_the_floor_under_a_softmaxed_loss_is_true() -> None:
    """The least loss that outputs in 0..1 can have is that of the right class at 1 and the others at 0."""
    told = one_step(classifier(nn.Softmax(1)))
    least = functional.cross_entropy(torch.eye(3), torch.arange(3))

    assert told.remarks[0].facts["floor"] == f"{float(least):.3f}"


def test_a_softmax_by_hand_is_seen_by_its_values() -> None:
    """As the book writes it: exp over its sum."""

    class ByHand(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            exps: Tensor = self.linear(inputs).exp()
            return exps / exps.sum(1, keepdim=True)

    assert codes(one_step(ByHand())) == ["softmax"]


def test_log_softmax_with_nll_is_as_it_should_be() -> None:
    """It is what cross-entropy is."""
    assert codes(one_step(classifier(nn.LogSoftmax(1)), nn.NLLLoss())) == []


def test_a_sigmoid_before_the_loss_that_takes_one_is_named() -> None:
    """Of yes and no."""
    model = nn.Sequential(nn.Linear(4, 1), nn.Sigmoid())
    told = one_step(model, nn.BCEWithLogitsLoss(), targets=(torch.arange(16) % 2).float()[:, None])

    assert codes(told) == ["sigmoid_twice"]


@pytest.mark.parametrize(
    "loss_fn", [nn.MSELoss(), functional.mse_loss, nn.L1Loss(), lambda a, b: ((a - b) ** 2).mean()]
)
def test_a_column_against_a_row_is_shown_with_the_loss_that_it_should_be(loss_fn: Any) -> None:
    """The step goes on as torch does it; the page says what was compared, and torch's own losses are measured right."""
    torch.manual_seed(1)
    model, inputs, targets = nn.Linear(4, 1), torch.randn(16, 4), torch.randn(16)
    right = loss_fn(model(inputs).detach(), targets[:, None])
    told = one_step(model, loss_fn, inputs, targets, lr=0.01)

    assert codes(told) == ["broadcast_loss" if isinstance(loss_fn, nn.Module) else "broadcast"]
    text = " ".join(str(told).split())
    assert "(16, 1) against targets of shape (16,)" in text
    assert "256 pairs in place of 16" in text
    assert "Mend: targets.reshape(-1, 1)." in text
    assert told.loss_in_shape is None or told.loss_in_shape == pytest.approx(float(right))


def test_equal_shapes_are_no_column_against_a_row() -> None:
    """(16, 1) against (16, 1)."""
    assert codes(one_step(nn.Linear(4, 1), nn.MSELoss(), targets=torch.randn(16, 1), lr=0.01)) == []


def test_gradients_from_before_are_told_with_what_they_would_add_up_to() -> None:
    """The joint norms are those of plain torch."""
    model, loss_fn, inputs, targets = classifier(), nn.CrossEntropyLoss(), torch.randn(16, 4), torch.arange(16) % 3
    loss_fn(model(inputs), targets).backward()
    before = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    told = one_step(model, loss_fn, inputs, targets)

    assert told.norms.before == pytest.approx(float(nn.utils.get_total_norm(before)))
    assert told.norms.added == pytest.approx(2 * told.norms.gradient)
    assert codes(told) == []
    assert "A loop without zero_grad would add the new ones to them" in " ".join(str(told).split())


def test_a_loop_that_forgot_to_clear_is_asked_about() -> None:
    """After some batches the gradients are several times those of one."""
    model, loss_fn, inputs, targets = classifier(), nn.CrossEntropyLoss(), torch.randn(16, 4), torch.arange(16) % 3
    for _ in range(6):
        loss_fn(model(inputs), targets).backward()
    told = one_step(model, loss_fn, inputs, targets)

    assert codes(told) == ["as_if_added"]
    assert told.remarks[0].facts["times"] == "6"
    assert "A forgotten zero_grad?" in str(told)


def test_what_step_2_does_not_clear_is_named() -> None:
    """A parameter that the optimizer does not hold keeps its gradient, and is never changed."""
    model, inputs, targets = classifier(), torch.randn(16, 4), torch.arange(16) % 3
    nn.CrossEntropyLoss()(model(inputs), targets).backward()
    optimizer = torch.optim.SGD(model[2].parameters(), lr=0.1)
    told = fs.trace(model, nn.CrossEntropyLoss(), optimizer, inputs, targets, language="en")

    assert codes(told) == ["not_cleared", "not_held"]
    assert told.remarks[0].facts["names"] == told.remarks[1].facts["names"] == "0.weight, 0.bias"


def test_a_learning_rate_of_10_is_seen_by_the_size_of_the_update() -> None:
    """Relative sizes are those of plain torch; the rate that is offered changes a tenth or less."""
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(4, 1))
    inputs = 3 * torch.randn(64, 4)
    targets = inputs @ torch.tensor([[2.0], [-3.4], [1.0], [5.0]]) + 4.2
    before = copy.deepcopy(model)
    told = one_step(model, nn.MSELoss(), inputs, targets, lr=10)
    weights, moved_to = before.state_dict()["0.weight"], model.state_dict()["0.weight"]
    moved = torch.linalg.vector_norm(moved_to - weights) / torch.linalg.vector_norm(weights)

    assert codes(told) == ["update_larger", "overshoot"]
    assert told.parameters[0].ratio == pytest.approx(float(moved))
    smaller = float(told.remarks[0].facts["smaller"])
    assert float(moved) * smaller / 10 <= 0.1
    assert codes(one_step(before, nn.MSELoss(), inputs, targets, lr=smaller)) == []


def test_the_slope_is_the_change_of_the_loss_for_a_small_step() -> None:
    """By finite differences: the loss after the update less the loss before."""
    torch.manual_seed(2)
    model, inputs, targets = classifier().double(), torch.randn(16, 4).double(), torch.arange(16) % 3
    told = one_step(model, None, inputs, targets, lr=1e-4)
    after = float(nn.CrossEntropyLoss()(model(inputs), targets).detach())

    assert told.slope == pytest.approx(after - told.loss, rel=1e-2)


def test_chance_is_that_of_a_guess_and_of_the_mean() -> None:
    """Against the losses of torch for equal logits, and for the mean of the targets."""
    values = torch.randn(16, 2)
    cases: list[tuple[nn.Module, nn.Module, Tensor, Tensor]] = [
        (classifier(), nn.CrossEntropyLoss(), torch.arange(16) % 3, torch.zeros(16, 3)),
        (
            classifier(),
            nn.CrossEntropyLoss(weight=torch.tensor([1.0, 2.0, 3.0])),
            torch.arange(16) % 3,
            torch.zeros(16, 3),
        ),
        (classifier(), nn.CrossEntropyLoss(label_smoothing=0.1), torch.arange(16) % 3, torch.zeros(16, 3)),
        (nn.Linear(4, 1), nn.BCEWithLogitsLoss(), torch.ones(16, 1), torch.zeros(16, 1)),
        (nn.Linear(4, 2), nn.MSELoss(), values, values.mean(0).expand(16, 2)),
    ]
    for model, loss_fn, targets, ignorant in cases:
        told = one_step(model, loss_fn, targets=targets, lr=0.01)
        assert told.chance is not None
        assert told.chance.value == pytest.approx(float(loss_fn(ignorant, targets)), rel=1e-5)


@pytest.mark.parametrize(
    "loss_fn",
    [nn.CrossEntropyLoss(reduction="sum"), lambda x, y: functional.cross_entropy(x, y) + 1, nn.MultiMarginLoss()],
)
def test_of_a_loss_that_is_not_known_nothing_is_said(loss_fn: Any) -> None:
    """No chance, no verdict."""
    told = one_step(classifier(), loss_fn, lr=0.001)
    assert told.chance is None
    assert "Guessing" not in str(told)


def dead_model() -> nn.Sequential:
    """A ReLU all of whose units are dead."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    nn.init.constant_(model[0].bias, -100.0)  # type: ignore[arg-type] # a Sequential's items
    return model


class InAList(nn.Module):
    """A layer where no module looks for one."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.layers, self.unused = nn.Linear(4, 4), [nn.Linear(4, 3)], nn.Linear(2, 2)

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits."""
        outputs: Tensor = self.layers[0](self.first(inputs))
        return outputs


MISTAKES: dict[str, Callable[[], fs.Trace]] = {
    "dead": lambda: one_step(dead_model()),
    "equal": lambda: one_step(dead_model()),
    "zero_gradient": lambda: one_step(dead_model()),
    "saturated": lambda: one_step(
        nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 3)), inputs=1e3 * torch.randn(16, 4)
    ),
    "large": lambda: one_step(classifier(), inputs=1e3 * torch.randn(16, 4)),
    "unscaled": lambda: one_step(classifier(), inputs=torch.randint(256, (16, 4)).float()),
    "inputs_not_finite": lambda: one_step(classifier(), inputs=torch.full((16, 4), math.nan)),
    "loss_not_finite": lambda: one_step(classifier(), inputs=torch.full((16, 4), math.inf)),
    "layer_not_finite": lambda: one_step(nn.Sequential(nn.Linear(4, 3), nn.Threshold(1e9, math.inf))),
    "worse": lambda: one_step(nn.Linear(4, 3), inputs=99 * torch.randn(16, 4), lr=1e-5),
    "one_class": lambda: one_step(nn.Linear(4, 1), targets=torch.zeros(16).long()),
    "resting": lambda: one_step(nn.Sequential(nn.Dropout(0.5), nn.Linear(4, 3)).eval()),
    "stranger": lambda: one_step(InAList()),
    "no_gradient": lambda: one_step(InAList()),
    "zero_rate": lambda: one_step(classifier(), lr=0),
    "not_updated": lambda: one_step(classifier(), lr=1e-30),
    "update_tiny": lambda: one_step(classifier().double(), inputs=torch.randn(16, 4).double(), lr=1e-12),
    "gradient_not_finite": lambda: one_step(
        nn.Linear(4, 1, bias=False), lambda x, y: (0 * x).abs().sqrt().sum() + y.sum()
    ),
}


@pytest.mark.parametrize("code", MISTAKES)
@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_mistake_is_named_with_its_mend(code: str, language: str) -> None:
    """In the language of the page, in one sentence with the mend."""
    told = MISTAKES[code]()
    assert code in codes(told)
    page = str(fs.Trace(**{**vars(told), "language": language}))
    assert ("Mend:" if language == "en" else "改法：") in "".join(page.split())  # noqa: RUF001 - Chinese
    assert page.count("   ! ") == len(told.remarks)


def test_dead_and_saturated_shares_are_counted_right() -> None:
    """Against a count by hand: two of four units are 0 for every sample, and half of the values are at the ends."""

    class Fixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.sigmoid, self.head = nn.ReLU(), nn.Sigmoid(), nn.Linear(4, 3)

        def forward(self, inputs: Tensor) -> Tensor:
            self.relu(torch.tensor([[1.0, -1.0, -2.0, 0.5]] * 16))
            self.sigmoid(torch.tensor([[9.0, -9.0, 0.0, 1.0]] * 16))
            outputs: Tensor = self.head(inputs)
            return outputs

    layers = {layer.name: layer for layer in one_step(Fixed()).layers}
    assert layers["relu"].dead == 0.5
    assert layers["relu"].outputs.zeros == 0.5
    assert layers["sigmoid"].saturated == 0.5


def test_layers_are_told_in_their_order_with_their_values() -> None:
    """Against the forward by hand; a container that hands on adds no row; a second call is counted."""
    torch.manual_seed(6)
    inner = nn.Sequential(nn.Linear(4, 4), nn.ReLU(inplace=True))
    model = nn.Sequential(inner, inner, nn.Linear(4, 3))
    inputs = torch.randn(16, 4)
    first = inner[0](inputs).detach()
    told = one_step(model, inputs=inputs.clone())

    assert [(layer.name, layer.calls) for layer in told.layers] == [("0.0", 2), ("0.1", 2), ("2", 1)]
    facts = told.layers[0].outputs
    assert (facts.low, facts.high) == (float(first.min()), float(first.max()))
    assert facts.mean == pytest.approx(float(first.mean()), abs=1e-6)


def test_a_recurrent_model_and_a_dictionary_are_told() -> None:
    """Inputs and outputs may be any nesting of tensors."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.reader, self.head = nn.Embedding(10, 4), nn.LSTM(4, 8, batch_first=True), nn.Linear(8, 3)

        def forward(self, batch: dict[str, Tensor]) -> Tensor:
            states, _ = self.reader(self.table(batch["words"]))
            logits: Tensor = self.head(states[:, -1])
            return logits

    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    told = fs.trace(
        model, nn.CrossEntropyLoss(), optimizer, {"words": torch.randint(10, (16, 5))}, torch.arange(16) % 3
    )

    assert [layer.name for layer in told.layers] == ["table", "reader", "head"]
    assert told.layers[1].outputs.shape == (16, 5, 8)
    assert told.inputs is not None
    assert told.inputs.dtype == "int64"
    assert codes(told) == []


def test_sparse_gradients_are_measured() -> None:
    """Of a table of words."""
    model = nn.Sequential(nn.Embedding(10, 3, sparse=True), nn.Flatten(), nn.Linear(6, 3))
    told = one_step(model, inputs=torch.randint(10, (16, 2)))
    gradient = model[0].weight.grad
    assert isinstance(gradient, Tensor)

    assert told.parameters[0].grad_norm == pytest.approx(float(gradient.to_dense().norm()))


def test_the_memory_that_is_kept_is_that_of_the_summary_and_the_loss() -> None:
    """Two ways to count: torch's record read afterwards, and its hooks while it is made."""
    model, inputs = fs.models.LeNet(), torch.randn(8, 1, 28, 28)
    found = fs.summary(model, inputs)
    told = one_step(model, inputs=inputs, targets=torch.arange(8))
    of_the_loss = 8 * 10 * 4 + 8 * 8 + 4  # log-probabilities in float32, targets in int64, a total weight

    assert told.kept_bytes == found.activation_bytes + of_the_loss


def test_a_batch_counts_for_itself_and_not_for_the_data_set_it_is_cut_from() -> None:
    """A slice keeps its whole alive, which is there anyway."""
    whole, targets = torch.randn(10_000, 4), torch.arange(16) % 3
    kept = [
        one_step(classifier(), inputs=inputs, targets=targets).kept_bytes for inputs in (whole[:16], whole[:16].clone())
    ]

    assert kept[0] == kept[1]


def test_a_group_that_rests_is_not_a_rate_of_0() -> None:
    """The others learn; of the group it is said that nothing changed."""
    model = classifier()
    groups: list[dict[str, Any]] = [{"params": model[0].parameters(), "lr": 0.0}, {"params": model[2].parameters()}]
    told = fs.trace(
        model, nn.CrossEntropyLoss(), torch.optim.SGD(groups, lr=0.1), torch.randn(16, 4), torch.arange(16) % 3
    )

    assert [(remark.code, remark.facts["names"]) for remark in told.remarks] == [("not_updated", "0.weight, 0.bias")]


def test_a_bias_before_normalisation_does_not_stand_out() -> None:
    """Its gradient is what rounding leaves of 0, too little to change it."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))
    nn.init.ones_(model[0].bias)  # type: ignore[arg-type] # a Sequential's items
    told = one_step(model)

    assert told.parameters[1].update_norm == 0
    assert codes(told) == []


def test_a_loss_of_ones_own_may_be_any_object() -> None:
    """A dataclass cannot be hashed; what it computes is found in torch's record."""

    @dataclass
    class Loss:
        weight: float = 1.0

        def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
            """Cross-entropy."""
            return functional.cross_entropy(outputs, targets)

    told = one_step(classifier(), Loss())
    assert told.loss_kind == "cross_entropy"
    assert told.chance is not None


def compiled_in_place() -> nn.Module:
    """A classifier that has one compiled layer."""
    model = classifier()
    model[0].compile(backend="eager")
    return model


WRONG: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"model": 3}, fs.ConfigError, "model is a int: expected trace"),
    (
        {"model": torch.compile(classifier(), backend="eager")},
        fs.ConfigError,
        "model is a compiled OptimizedModule.*Trace it first",
    ),
    ({"model": compiled_in_place()}, fs.ConfigError, "model is a compiled Sequential"),
    ({"loss_fn": nn.MSELoss}, fs.ConfigError, "loss_fn is MSELoss: expected a function"),
    ({"loss_fn": 3}, fs.ConfigError, "loss_fn is int: expected a function"),
    ({"optimizer": classifier()}, fs.ConfigError, "optimizer is a Sequential: expected one"),
    ({"optimizer": torch.optim.LBFGS(classifier().parameters())}, fs.ConfigError, "optimizer is an LBFGS"),
    (
        {"loss_fn": nn.CrossEntropyLoss(reduction="none")},
        fs.DataError,
        r"the loss is a tensor of shape \(16,\): expected",
    ),
    ({"loss_fn": lambda *_: 3.0}, fs.DataError, "the loss is a float: expected one number"),
    ({"loss_fn": lambda x, y: x.detach().sum() + y.sum()}, fs.DataError, "the loss does not depend on any parameter"),
    ({"targets": torch.arange(16)}, fs.DataError, "labels run from 0 to 15 but"),
    ({"language": "de"}, fs.UnknownNameError, "unknown language 'de'"),
]


@pytest.mark.parametrize(("given", "error", "message"), WRONG)
@pytest.mark.usefixtures("unchecked_types")
def test_what_cannot_make_a_step_is_refused_in_one_line(
    given: dict[str, Any], error: type[Exception], message: str
) -> None:
    """With what was wrong and the mend; no hook is left."""
    model = classifier()
    sound = {
        "model": model,
        "loss_fn": nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(model.parameters(), lr=0.1),
        "inputs": torch.randn(16, 4),
        "targets": torch.arange(16) % 3,
    }
    with pytest.raises(error, match=message) as caught:
        fs.trace(**{**sound, **given})

    assert "\n" not in str(caught.value)
    assert hooks_left() == 0


def test_a_stranger_s_names_cannot_draw_on_the_screen() -> None:
    """Escape codes in the names of modules are shown, not sent."""
    model = nn.Sequential()
    model.add_module("a\x1b[2Jb\n", nn.Linear(4, 3))
    told = one_step(model)

    assert "\x1b" not in str(told) + str(fs.summary(model, torch.zeros(2, 4)))
    assert r"\x1b[2J" in str(told)


def test_the_page_of_a_notebook_is_escaped() -> None:
    """Names may hold what HTML would read."""
    model = nn.Sequential()
    model.add_module("<b>", nn.Linear(4, 3))
    page = one_step(model)._repr_html_()

    assert page.startswith("<pre")
    assert "&lt;b&gt;" in page
    assert "<b>" not in page
