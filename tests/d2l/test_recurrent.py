"""Language models, clipped gradients and their training: against plain torch, bit for bit; the book's traps mended."""

import math
import random
import re
from collections.abc import Callable
from typing import Any, TypeAlias

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it

from fourstep.d2l.chapter8 import LanguageResult, grad_clipping, train_ch8, train_epoch_ch8
from fourstep.d2l.linear import sgd
from fourstep.d2l.plotting import Animator
from fourstep.d2l.recurrent import RNNModel, RNNModelScratch, predict_ch8
from fourstep.d2l.sequence import load_data_time_machine
from fourstep.d2l.text import Vocab
from fourstep.errors import ConfigError, FourstepWarning, NonFiniteError

Put: TypeAlias = Callable[[str, str], None]
CPU = torch.device("cpu")
VOCAB = Vocab(list(" abcdefghilmnoprtv"))
SIZE = len(VOCAB)


@pytest.fixture
def _story(downloaded: Put) -> None:
    downloaded("time_machine", "the time traveller came back\nfor so it will be convenient\n" * 12)


def get_params(vocab_size: int, num_hiddens: int, device: torch.device) -> list[Tensor]:
    """A plain recurrent network's."""

    def normal(*shape: int) -> Tensor:
        return (torch.randn(shape, device=device) * 0.01).requires_grad_()

    def zeros(length: int) -> Tensor:
        return torch.zeros(length, device=device, requires_grad=True)

    hidden = [normal(vocab_size, num_hiddens), normal(num_hiddens, num_hiddens), zeros(num_hiddens)]
    return [*hidden, normal(num_hiddens, vocab_size), zeros(vocab_size)]


def init_state(batch_size: int, num_hiddens: int, device: torch.device) -> tuple[Tensor]:
    """Zeros."""
    return (torch.zeros((batch_size, num_hiddens), device=device),)


def rnn(inputs: Tensor, state: tuple[Tensor], params: list[Tensor]) -> tuple[Tensor, tuple[Tensor]]:
    """Step by step."""
    (hidden,), outputs = state, []
    for one in inputs:
        hidden = torch.tanh(one @ params[0] + hidden @ params[1] + params[2])
        outputs.append(hidden @ params[3] + params[4])
    return torch.cat(outputs), (hidden,)


def scratch(vocab_size: int = SIZE) -> RNNModelScratch:
    """A small network of functions."""
    return RNNModelScratch(vocab_size, 16, CPU, get_params, init_state, rnn)


def concise(vocab_size: int = SIZE) -> RNNModel:
    """The same with torch's layer."""
    return RNNModel(nn.RNN(vocab_size, 16), vocab_size)


def params_of(net: Any) -> list[Tensor]:
    """A net's parameters, whatever its kind."""
    return list(net.parameters()) if isinstance(net, nn.Module) else net.params


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("num_layers", [1, 2])
def test_shapes_of_outputs_and_state(layer: Any, num_layers: int, *, bidirectional: bool) -> None:
    """One row per token, the first tokens of all sequences first; an LSTM's state is a pair; the state goes on."""
    net = RNNModel(layer(SIZE, 16, num_layers, bidirectional=bidirectional), SIZE)
    tokens, state = torch.randint(SIZE, (3, 5)), net.begin_state(CPU, batch_size=3)
    outputs, after = net(tokens, state)
    hidden, _ = net.rnn(F.one_hot(tokens.T, SIZE).float(), state)

    assert torch.equal(outputs, net.linear(hidden).reshape(15, SIZE))
    states = state if layer is nn.LSTM else (state,)
    afters = after if layer is nn.LSTM else (after,)
    assert [one.shape for one in states] == [one.shape for one in afters]
    assert all(one.shape == (num_layers * (1 + bidirectional), 3, 16) for one in states)
    assert not any(one.any() for one in states)
    assert (net.num_hiddens, net.vocab_size, net.num_directions) == (16, SIZE, 1 + bidirectional)


def test_a_net_of_functions_gets_one_hot_tokens_steps_first() -> None:
    """And keeps what it was made of under the book's names."""
    seen: list[tuple[Tensor, Any]] = []

    def forward(inputs: Tensor, state: Any, params: Any) -> tuple[Tensor, Any]:
        seen.append((inputs, params))
        return inputs, state

    net = RNNModelScratch(SIZE, 16, CPU, get_params, init_state, forward)
    tokens = torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.int32)
    net(tokens, net.begin_state(2, CPU))

    assert torch.equal(seen[0][0], F.one_hot(tokens.T.long(), SIZE).float())
    assert seen[0][1] is net.params
    assert (net.vocab_size, net.num_hiddens, net.init_state) == (SIZE, 16, init_state)
    assert net.begin_state(2, CPU)[0].shape == (2, 16)


def test_a_layer_that_does_not_fit_is_said() -> None:
    """Batches first would train on mixed up sequences without a word."""
    with pytest.raises(ConfigError, match=r"has batch_first=True, but RNNModel gives it the steps first"):
        RNNModel(nn.GRU(SIZE, 4, batch_first=True), SIZE)
    with pytest.raises(
        ConfigError, match=r"takes 4 inputs, but a token of a vocabulary of 28 .* GRU\(28, num_hiddens\)"
    ):
        RNNModel(nn.GRU(4, 4), 28)


@pytest.mark.parametrize("make", [scratch, concise])
def test_a_text_goes_on_by_the_likeliest_token(make: Callable[[], Any]) -> None:
    """As when all of it is given to the net at once, each time anew."""
    net, text = make(), "time"
    for _ in range(6):
        outputs, _ = net(torch.tensor([VOCAB[list(text)]]), net.begin_state(batch_size=1, device=CPU))
        text += VOCAB.to_tokens(int(outputs[-1].argmax()))

    assert predict_ch8("time", 6, net, VOCAB, CPU) == text
    assert predict_ch8(["t", "i", "m", "e"], 6, net, VOCAB, "cpu") == text
    assert predict_ch8("t", 0, net, VOCAB, CPU) == "t"


def test_predicting_keeps_modes_and_makes_no_graph() -> None:
    """The book's leaves dropout on, and keeps every step's gradients."""
    net = RNNModel(nn.GRU(SIZE, 8, 2, dropout=0.5), SIZE)
    net.linear.eval()
    graphs: list[bool] = []
    net.register_forward_hook(lambda module, _, outputs: graphs.append(outputs[0].requires_grad or module.training))
    assert predict_ch8("time", 9, net, VOCAB, CPU) == predict_ch8("time", 9, net, VOCAB, CPU)
    assert not any(graphs)
    assert (net.training, net.rnn.training, net.linear.training) == (True, True, False)


@pytest.mark.parametrize(("prefix", "said"), [("", "prefix '': it is empty"), ("Time", "prefix 'Time': 'T' is not in")])
def test_a_prefix_that_cannot_be_is_said(prefix: str, said: str) -> None:
    """The book's begins with `<unk>`, or fails at `prefix[0]`."""
    with pytest.raises(ConfigError, match=re.escape(said) + r".*its tokens, which are ' ' 'a' 'b' .* \.\.\.$"):
        predict_ch8(prefix, 5, concise(), VOCAB, CPU)


def book_clip(params: list[Tensor], theta: float) -> None:
    """Section 8.5 in plain torch, with its wait for the device."""
    squares: Any = sum(torch.sum(param.grad**2) for param in params if param.grad is not None)
    norm = torch.sqrt(squares)
    if norm > theta:
        for param in params:
            if param.grad is not None:
                param.grad[:] *= theta / norm


@pytest.mark.parametrize("scale", [1e-3, 0.3, 1, 7, 1e4, math.inf, math.nan])
@pytest.mark.parametrize("theta", [1, 0.37])
@pytest.mark.parametrize("make", [scratch, concise])
def test_gradients_are_clipped_bit_for_bit(make: Callable[[], Any], theta: float, scale: float) -> None:
    """Where they are larger than theta; smaller ones, and what is not finite, are as the book leaves them."""
    found = []
    for clip in (grad_clipping, lambda net, theta: book_clip(params_of(net), theta)):
        torch.manual_seed(3)
        net = make()
        for param in params_of(net)[:-1]:
            param.grad = torch.randn(param.shape) * scale / 50
        clip(net, theta)
        assert params_of(net)[-1].grad is None
        found.append([param.grad.view(torch.int32) for param in params_of(net) if param.grad is not None])

    assert all(map(torch.equal, *found))


def test_what_has_no_gradients_is_left_alone() -> None:
    """Frozen parameters are passed over; nothing to clip is no error; a norm of 0 or less is one."""
    net = concise()
    grad_clipping(net, 1)
    net.rnn.requires_grad_(requires_grad=False)
    net.linear.bias.grad = torch.full((SIZE,), 3.0)
    grad_clipping(net, 1)
    assert float(net.linear.bias.grad.norm()) == pytest.approx(1)
    with pytest.raises(ConfigError, match="theta 0: expected a number above 0"):
        grad_clipping(net, 0)


def book_epoch(net: Any, batches: Any, updater: Any, *, fresh: bool) -> float:
    """Section 8.5 in plain torch: returns the perplexity."""
    state, total, items = None, 0.0, 0
    for inputs, targets in batches:
        if state is None or fresh:
            state = net.begin_state(batch_size=len(inputs), device=CPU)
        else:
            state = tuple(one.detach() for one in state) if isinstance(state, tuple) else state.detach()
        truth = targets.T.reshape(-1)
        outputs, state = net(inputs, state)
        value = F.cross_entropy(outputs, truth)
        if isinstance(updater, torch.optim.Optimizer):
            updater.zero_grad()
        value.backward()
        book_clip(params_of(net), 1)
        updater.step() if isinstance(updater, torch.optim.Optimizer) else updater(batch_size=1)
        total += float(value.detach() * truth.numel())
        items += truth.numel()
    return math.exp(total / items)


def lstm(vocab_size: int) -> RNNModel:
    """With a pair for a state."""
    return RNNModel(nn.LSTM(vocab_size, 16), vocab_size)


@pytest.mark.usefixtures("_story", "unchecked_types")  # whose checks draw from `random`, to look into lists
@pytest.mark.parametrize("fresh", [True, False])
@pytest.mark.parametrize("make", [scratch, concise, lstm])
def test_training_is_the_book_s_bit_for_bit(make: Callable[[int], Any], *, fresh: bool) -> None:
    """Three epochs, random or sequential: the same perplexity and the same weights."""
    found = []
    for ours in (True, False):
        random.seed(0)
        torch.manual_seed(0)
        data_iter, vocab = load_data_time_machine(4, 7, fresh)
        random.seed(1)
        net = make(len(vocab))
        if ours:
            perplexity = train_ch8(net, data_iter, vocab, 1, 3, CPU, fresh).perplexity
        else:
            by_hand = lambda batch_size, net=net: sgd(net.params, 1, batch_size)  # noqa: E731 - the book's kind
            updater = torch.optim.SGD(net.parameters(), lr=1) if isinstance(net, nn.Module) else by_hand
            for _ in range(3):
                perplexity = book_epoch(net, data_iter, updater, fresh=fresh)
        found.append((perplexity, [param.detach() for param in params_of(net)]))

    assert found[0][0] == found[1][0]
    assert all(map(torch.equal, found[0][1], found[1][1]))


@pytest.mark.usefixtures("_story")
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_the_reduction_changes_nothing(reduction: str) -> None:
    """The perplexity and the step are those of the mean, whatever the loss returns."""
    found = []
    for loss in (nn.CrossEntropyLoss(reduction=reduction), nn.CrossEntropyLoss()):
        random.seed(0)
        torch.manual_seed(0)
        data_iter, vocab = load_data_time_machine(4, 7)
        net = concise(len(vocab)).eval()
        updater = torch.optim.SGD(net.parameters(), lr=1.0)
        perplexity, speed = train_epoch_ch8(net, data_iter, loss, updater, CPU, use_random_iter=False)
        assert speed > 0
        assert net.training
        found.append(torch.cat([torch.tensor([perplexity]), *[param.detach().flatten() for param in net.parameters()]]))

    torch.testing.assert_close(*found)


@pytest.mark.usefixtures("_story")
def test_it_learns_prints_and_draws(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A text every tenth epoch, the closing line, both texts; a point of the curve for each tenth, and the last."""
    drawn: list[tuple[dict[str, Any], Animator]] = []

    def watched(**settings: Any) -> Animator:
        drawn.append((settings, Animator(**settings)))
        return drawn[0][1]

    monkeypatch.setattr("fourstep.d2l.chapter8.Animator", watched)
    random.seed(0)
    data_iter, vocab = load_data_time_machine(8, 6)
    net = RNNModel(nn.RNN(len(vocab), 32), len(vocab))
    result = train_ch8(net, data_iter, vocab, 1, 21, CPU)

    lines = capsys.readouterr().out.splitlines()
    assert isinstance(result, LanguageResult)
    assert result.perplexity < 4
    assert [len(line) for line in lines if line.startswith("time traveller")] == [64] * 3
    assert re.fullmatch(rf"perplexity {result.perplexity:.1f}, \d+\.\d tokens/sec on cpu", lines[2])
    assert lines[3:] == [predict_ch8(text, 50, net, vocab, CPU) for text in ("time traveller", "traveller")]
    settings, animator = drawn[0]
    assert settings == {"xlabel": "epoch", "ylabel": "perplexity", "legend": ["train"], "xlim": [10, 21]}
    assert animator.X == [[10, 20, 21]]
    assert animator.Y is not None
    assert animator.Y[0][-1] == result.perplexity


def test_a_text_of_other_letters_trains_too(capsys: pytest.CaptureFixture[str]) -> None:
    """The book's prefixes are no text of it: one warning before training, and no prediction of them."""
    vocab = Vocab(list("天地玄黄"))
    net = RNNModel(nn.GRU(len(vocab), 4), len(vocab))
    batches = [(torch.randint(5, (2, 3)), torch.randint(5, (2, 3)))]
    with pytest.warns(FourstepWarning, match="the vocabulary has no 't', so that 'time traveller' is not gone on with"):
        train_ch8(net, batches, vocab, 0.1, 10, CPU)
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert len(predict_ch8("天", 3, net, vocab, CPU)) >= 4


def test_a_loss_that_is_not_finite_stops() -> None:
    """NaN, and a loss whose perplexity overflows, where the book raises OverflowError or goes on to the end."""
    net, batches = concise(), [(torch.ones(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.long))]
    with torch.no_grad():
        net.linear.bias[1] = math.nan
    with pytest.raises(NonFiniteError, match=r"NaN or infinite in batch 1 of epoch 1 with lr 0\.5: use a smaller lr"):
        train_ch8(net, batches, VOCAB, 0.5, 3, CPU)
    with torch.no_grad():
        net = concise()
        net.linear.bias[1] = -1e6
    with pytest.raises(NonFiniteError, match=r"the mean loss is 1e\+06 in epoch 1, whose perplexity is too large"):
        train_ch8(net, batches, VOCAB, 0.5, 3, CPU)
    with pytest.raises(ConfigError, match="num_epochs 0: expected"):
        train_ch8(net, batches, VOCAB, 0.5, 0, CPU)


@pytest.mark.parametrize("make", [scratch, concise])
def test_after_nan_a_language_model_has_its_weights_from_before(make: Callable[[], Any]) -> None:
    """Of both kinds, where the learning rate is far too high."""
    net = make()
    before = [weight.detach().clone() for weight in params_of(net)]
    tokens = torch.arange(6).reshape(2, 3)
    with pytest.raises(NonFiniteError, match="from before that epoch again"):
        train_ch8(net, [(tokens, tokens + 1)] * 4, VOCAB, 1e38, 3, "cpu")
    assert all(map(torch.equal, params_of(net), before))
