"""A summary's numbers are those of plain torch and of closed forms, and the model is left as it was."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.nn.utils.rnn import pack_sequence
from torch.utils.flop_counter import FlopCounterMode

import fourstep as fs
from fourstep.recipes import recipe_for, recipe_names, summarise

SHAPES = {"linear": (4, 2), "softmax": (4, 1, 8, 8), "mlp": (4, 1, 8, 8)}


def rows(found: fs.Summary) -> dict[str, Any]:
    """Its rows by name."""
    return {layer.name: layer for layer in found.layers}


COUNTED: list[tuple[nn.Module, tuple[int, ...], int]] = [  # multiply-adds of all samples, by the definition
    (nn.Linear(5, 7), (3, 5), 3 * 5 * 7),
    (nn.Linear(5, 7, bias=False), (3, 2, 5), 3 * 2 * 5 * 7),
    (nn.Linear(5, 7), (5,), 5 * 7),
    (nn.Conv1d(4, 6, 3), (2, 4, 9), 2 * 6 * 7 * 4 * 3),
    (nn.Conv2d(4, 6, 3, stride=2, padding=1, dilation=2), (2, 4, 9, 9), 2 * 6 * 4 * 4 * 4 * 9),
    (nn.Conv2d(4, 6, 3, groups=2, padding="same"), (2, 4, 5, 5), 2 * 6 * 25 * 2 * 9),
    (nn.Conv3d(2, 3, 2), (1, 2, 4, 4, 4), 3 * 27 * 2 * 8),
    (nn.ConvTranspose2d(4, 6, 3, stride=2, groups=2), (2, 4, 5, 5), 2 * 25 * 4 * 3 * 9),
    (nn.RNN(5, 7, 2), (3, 2, 5), 6 * (7 * (5 + 7) + 7 * (7 + 7))),
    (nn.GRU(5, 7, batch_first=True, bidirectional=True), (3, 2, 5), 6 * 2 * 3 * 7 * (5 + 7)),
    (nn.LSTM(5, 7, 2, bidirectional=True), (3, 2, 5), 6 * 2 * 4 * 7 * ((5 + 7) + (14 + 7))),
    (nn.LSTM(5, 7, proj_size=3), (3, 2, 5), 6 * (4 * 7 * (5 + 3) + 7 * 3)),
    (nn.LSTMCell(5, 7), (3, 5), 3 * 4 * 7 * (5 + 7)),
    (nn.Embedding(5, 7), (3, 5), 0),
    (nn.BatchNorm2d(4), (2, 4, 5, 5), 0),
    (nn.Sequential(nn.ReLU(), nn.LayerNorm(5), nn.Dropout(), nn.Softmax(1)), (3, 5), 0),
]


@pytest.mark.parametrize(("module", "shape", "expected"), COUNTED, ids=lambda value: str(value)[:30])
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")
def test_multiply_adds_are_those_of_the_definition(
    module: nn.Module, shape: tuple[int, ...], expected: int, device: str
) -> None:
    """Also on the device where nothing is computed."""
    inputs = torch.zeros(shape, device=device)
    if isinstance(module, nn.Embedding):
        inputs = inputs.long()
    found = fs.summary(copy.deepcopy(module).to(device), inputs)

    assert found.multiply_adds == expected
    assert found.unknown == ()


def test_a_packed_sequence_counts_its_own_steps() -> None:
    """Not those that padding would add."""
    packed = pack_sequence([torch.zeros(4, 5), torch.zeros(2, 5)])
    assert fs.summary(nn.GRU(5, 7), packed).multiply_adds == 6 * 3 * 7 * (5 + 7)


def test_bilinear_layers_and_attention_are_counted() -> None:
    """Of two inputs, and of three."""
    pair = torch.zeros(3, 5), torch.zeros(3, 6)
    heads = nn.MultiheadAttention(8, 2, batch_first=True)
    words = torch.zeros(3, 4, 8)
    by_definition = 4 * 3 * 4 * 8 * 8 + 2 * 3 * 4 * 4 * 8  # four projections; scores and weighted sums

    assert fs.summary(nn.Bilinear(5, 6, 7), *pair).multiply_adds == 3 * 7 * (5 + 1) * 6
    assert fs.summary(heads, words, words, words).multiply_adds == by_definition
    assert fs.summary(heads.eval().requires_grad_(False), words, words, words).multiply_adds == by_definition
    fused = fs.summary(heads, words, words, words, need_weights=False)
    assert fused.multiply_adds == by_definition


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_counted_as_torch_counts_it(name: str) -> None:
    """Its own counter says two operations for each multiply-add; parameters are those of the model."""
    recipe = recipe_for(name)
    found = summarise(recipe)
    with torch.device("meta"):
        model = fs.recipes.networks.make_model(recipe, 10)
        inputs = torch.empty(recipe.batch_size, *((2,) if name == "linear" else (1, recipe.resize, recipe.resize)))
        with FlopCounterMode(display=False) as counter:
            model(inputs)

    assert 2 * found.multiply_adds == counter.get_total_flops()
    assert found.parameters == sum(layer.parameters for layer in found.layers)
    assert found.parameters == sum(parameter.numel() for parameter in model.parameters())
    assert found.unknown == ()


def test_what_is_not_known_is_said_and_not_guessed() -> None:
    """A layer whose products nothing here counts is no 0."""

    class Fourier(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            """A transform, which multiplies."""
            transformed: Tensor = torch.fft.rfft(inputs)
            return transformed.abs()

    found = fs.summary(nn.Sequential(nn.Linear(4, 4), Fourier()), torch.zeros(2, 4))

    assert rows(found)["1"].multiply_adds is None
    assert found.unknown == ("1",)
    assert found.multiply_adds == 2 * 16
    assert "unknown" in str(found)


class Cosine(nn.Module):
    """Lengths of 1 by hand."""

    def forward(self, inputs: Tensor) -> Tensor:
        """Inputs over their lengths."""
        with torch.profiler.record_function("cosine"):
            return inputs / inputs.square().sum(1, keepdim=True).sqrt()


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (Cosine(), (2, 4)),
        (nn.RMSNorm(4), (2, 4)),
        (nn.Upsample(scale_factor=2, mode="trilinear"), (2, 1, 3, 3, 3)),
        (nn.DataParallel(nn.ReLU()), (2, 4)),
    ],
)
def test_what_multiplies_no_matrices_is_known(module: nn.Module, shape: tuple[int, ...]) -> None:
    """A root is no QR decomposition, a trilinear picture no bilinear layer, a label for a profiler no operation."""
    found = fs.summary(module, torch.ones(shape))
    assert (found.multiply_adds, found.unknown) == (0, ())


def test_what_is_kept_is_what_torch_keeps() -> None:
    """By hand, for a layer, its activation and the next layer: inputs, what the ReLU gave, and nothing twice."""
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    found = fs.summary(model, torch.zeros(5, 4))

    assert [layer.kept_bytes for layer in found.layers] == [0, 5 * 4 * 4, 5 * 8 * 4, 0]
    assert found.activation_bytes == 240
    assert found.parameter_bytes == found.gradient_bytes == 4 * (4 * 8 + 8 + 8 * 3 + 3)
    assert found.peak_bytes == 240 + 2 * found.parameter_bytes


def test_a_shared_layer_counts_once_and_works_twice() -> None:
    """Its parameters are there once, its multiply-adds as often as it is called."""
    shared = nn.Linear(4, 4)
    found = fs.summary(nn.Sequential(shared, nn.Tanh(), shared), torch.zeros(5, 4))

    assert found.parameters == 20
    assert found.multiply_adds == 2 * 5 * 16
    assert rows(found)["0"].calls == 2
    assert rows(found)["2"].remark == "the same as 0, counted there"


def test_tied_parameters_count_once() -> None:
    """Of a table of words and the layer that gives words back."""
    table, head = nn.Embedding(10, 4), nn.Linear(4, 10, bias=False)
    head.weight = table.weight
    found = fs.summary(nn.Sequential(table, head), torch.zeros(2, 3, dtype=torch.long))

    assert found.parameters == 40
    assert rows(found)["1"].parameters == 0
    assert rows(found)["1"].remark == "weight is 0.weight, counted there"


def test_lazy_layers_are_counted_and_stay_lazy() -> None:
    """The copy learns their sizes; the model does not."""
    model = nn.Sequential(nn.LazyConv2d(4, 3), nn.Flatten(), nn.LazyLinear(2))
    found = fs.summary(model, torch.zeros(2, 1, 5, 5))

    assert found.parameters == (9 * 4 + 4) + (36 * 2 + 2)
    assert [layer.kind for layer in found.layers] == ["Sequential", "Conv2d", "Flatten", "Linear"]
    assert isinstance(model[0], nn.LazyConv2d)
    assert nn.parameter.is_lazy(model[2].weight)  # type: ignore[arg-type] # a Sequential's items


def test_what_a_lazy_layer_keeps_is_what_its_own_kind_keeps() -> None:
    """Its weights are there only after the pass, and are no activation; running statistics of no size are copied."""
    lazy = nn.Sequential(nn.LazyConv2d(4, 3), nn.LazyBatchNorm2d(), nn.Flatten(), nn.LazyLinear(8), nn.LazyLinear(2))
    eager = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(36, 8), nn.Linear(8, 2))
    found, expected = (fs.summary(model, torch.zeros(2, 1, 5, 5)) for model in (lazy, eager))

    assert found == expected
    assert nn.parameter.is_lazy(lazy[1].running_mean)  # type: ignore[arg-type] # a Sequential's items


def test_arguments_by_name_are_counted_too() -> None:
    """The definition's formulas read what a layer gives."""

    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.reader, self.meets = nn.GRU(5, 7), nn.Bilinear(7, 7, 2)

        def forward(self, inputs: Tensor) -> Tensor:
            """Each state with itself."""
            states, _ = self.reader(input=inputs)
            outputs: Tensor = self.meets(input1=states, input2=states)
            return outputs

    assert fs.summary(Reads(), torch.zeros(3, 2, 5)).multiply_adds == 6 * 3 * 7 * (5 + 7) + 6 * 2 * (7 + 1) * 7


class Odd(nn.Module):
    """A layer that is never called, one in a plain list, one made on the way, outputs in a nesting."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        self.layers, self.head = [nn.Linear(4, 4)], nn.Linear(4, 3)

    def forward(self, inputs: Tensor) -> dict[str, Any]:
        """Logits, and the states beside them."""
        hidden = self.layers[0](inputs)
        return {"logits": nn.Softmax(1)(self.head(hidden)), "states": [hidden, (hidden, inputs)]}


def test_what_is_odd_in_a_model_is_said() -> None:
    """Layers that are not called, and layers that are not the model's."""
    found = fs.summary(Odd(), torch.zeros(5, 4))

    assert [(layer.name, layer.remark) for layer in found.layers if layer.remark] == [
        ("unused", "not called"),
        ("(Linear)", "its 20 weights are not the model's, and will not be learnt: keep it in an nn.ModuleList"),
        ("(Softmax)", "made in forward"),
    ]
    assert found.parameters == 6 + 15
    assert found.layers[0].outputs == {"logits": (5, 3), "states": ((5, 4), ((5, 4), (5, 4)))}
    assert "(5, 3) +3" in str(found)


def test_rows_come_in_the_order_of_the_calls() -> None:
    """Not in that in which the model was put together."""

    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last, self.first = nn.Linear(4, 2), nn.Linear(3, 4)

        def forward(self, inputs: Tensor) -> Tensor:
            """Of the first, then of the last."""
            outputs: Tensor = self.last(self.first(inputs))
            return outputs

    assert [layer.name for layer in fs.summary(Backwards(), torch.zeros(5, 3)).layers] == ["", "first", "last"]


def test_the_model_is_left_as_it_was() -> None:
    """Weights, running statistics, modes, gradients, generators, hooks; and so are the inputs."""
    model = nn.Sequential(
        nn.Embedding(9, 4, max_norm=0.1), nn.Flatten(), nn.ReLU(inplace=True), nn.BatchNorm1d(8), nn.Dropout(0.5)
    )
    model[3].eval()
    inputs = torch.arange(8).reshape(4, 2)
    before, modes = copy.deepcopy(model.state_dict()), [module.training for module in model.modules()]
    state, taken = torch.get_rng_state(), inputs.clone()
    fs.summary(model, inputs)

    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(inputs, taken)
    assert not torch_module._global_forward_hooks
    assert not torch_module._global_forward_pre_hooks


def test_no_gradients_are_asked_for_outside() -> None:
    """What is kept is what training keeps, also under `torch.no_grad()`."""
    model, inputs = nn.Sequential(nn.Linear(4, 3), nn.Tanh()), torch.zeros(5, 4)
    with torch.no_grad():
        assert fs.summary(model, inputs).activation_bytes == fs.summary(model, inputs).activation_bytes > 0


def test_inference_mode_hides_nothing() -> None:
    """In it torch tells nobody of its operations; inputs made there serve as well."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    with torch.inference_mode():
        found = fs.summary(model, torch.zeros(5, 4))

    assert found == fs.summary(model, torch.zeros(5, 4))
    assert found.multiply_adds == 60


def test_a_compiled_model_is_shown_as_it_computes_plainly() -> None:
    """Without a word of torch's that hooks are there."""
    model = nn.Sequential(nn.Linear(4, 3), nn.Tanh())
    found = fs.summary(torch.compile(model, backend="eager"), torch.zeros(5, 4))

    assert [layer.kind for layer in found.layers] == ["OptimizedModule", "Sequential", "Linear", "Tanh"]
    assert found.multiply_adds == 60


def test_inputs_of_any_nesting_are_passed_on() -> None:
    """By position, by name, in a dictionary; a whole batch gives its inputs."""

    class Adds(nn.Module):
        def forward(self, first: Any, second: Tensor | None = None) -> Tensor:
            """The sum of all."""
            parts = list(first.values()) if isinstance(first, dict) else [first]
            return torch.stack(parts + ([] if second is None else [second])).sum(0)

    one = torch.zeros(5, 4)
    assert fs.summary(Adds(), one, one).layers[0].outputs == (5, 4)
    assert fs.summary(Adds(), one, second=one).layers[0].outputs == (5, 4)
    assert fs.summary(Adds(), {"a": one, "b": one}).layers[0].outputs == (5, 4)
    batch = next(iter(fs.data.digits(batch_size=6, size=8).train))
    assert fs.summary(fs.models.MLP(64, (8,), 10), batch).samples == 6


def test_samples_of_a_layer_that_takes_time_first() -> None:
    """They are along the second dimension."""
    assert fs.summary(nn.LSTM(3, 4), torch.zeros(7, 2, 3)).samples == 2
    assert fs.summary(nn.LSTM(3, 4, batch_first=True), torch.zeros(7, 2, 3)).samples == 7


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: fs.summary(nn.Linear(2, 3)), r"summary was given no inputs: expected summary\(model, inputs\)"),
        (lambda: fs.summary(3, torch.zeros(2)), "summary was given a int as the model"),
        (lambda: fs.summary(uncopiable(), torch.zeros(1, 2)), "the model Linear cannot be copied"),
    ],
)
def test_what_cannot_be_summed_up_is_refused(act: Callable[[], Any], message: str) -> None:
    """In one line."""
    with pytest.raises(fs.ConfigError, match=message):
        act()


def uncopiable() -> nn.Module:
    """A model that keeps something computed from its weights."""
    model = nn.Linear(2, 3)
    model.kept = model.weight * 2
    return model


def test_the_table_fits_its_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """At 80 and at 120 columns; a prompt and a notebook show it too."""
    found = summarise(recipe_for("resnet"))
    for columns in ("80", "120"):
        monkeypatch.setenv("COLUMNS", columns)
        assert max(map(len, str(found).splitlines())) <= int(columns)

    assert repr(found) == str(found)
    assert "11,178,378, all of them learnt" in str(found)
    assert found._repr_html_().startswith("<pre")


def test_a_frozen_part_is_told_apart() -> None:
    """By what is learnt."""
    model = nn.Sequential(nn.Linear(4, 4).requires_grad_(False), nn.Linear(4, 2))
    found = fs.summary(model, torch.zeros(3, 4))

    assert (found.parameters, found.trainable) == (30, 10)
    assert found.gradient_bytes == 40
    assert "10 learnt, 20 frozen" in str(found)
