"""Cells in the manner of chapter 8: recurrent networks, from scratch and with torch's layers."""

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from fourstep import d2l

LINE = "time traveller and machine by the time traveller for so it will be\n"


@pytest.fixture
def _story(downloaded):
    downloaded("time_machine", LINE * 30)


pytestmark = pytest.mark.usefixtures("_story")


def test_8_4_two_products_are_one():
    """Inputs beside the state, and their weights one below the other."""
    (X, H), weights = d2l.normal(0, 1, (2, 5, 3)), d2l.normal(0, 1, (2, 3, 4))
    apart = d2l.matmul(X, weights[0]) + d2l.matmul(H, weights[1])
    together = d2l.matmul(d2l.concat((X, H), 1), d2l.concat(tuple(weights), 0))
    assert torch.allclose(apart, together, atol=1e-6)


def get_params(vocab_size, num_hiddens, device):
    """Weights of a recurrent layer and of the output layer, the inputs' and the state's in one."""
    joint, last = num_hiddens + vocab_size, d2l.zeros(vocab_size, device=device)
    params = [d2l.normal(0, 0.1, (joint, num_hiddens), device=device), d2l.zeros(num_hiddens, device=device)]
    params += [d2l.normal(0, 0.1, (num_hiddens, vocab_size), device=device), last]
    return [param.requires_grad_() for param in params]


def init_rnn_state(batch_size, num_hiddens, device):
    """Zeros, as a tuple of one."""
    return (d2l.zeros((batch_size, num_hiddens), device=device),)


def rnn(inputs, state, params):
    """Step by step over the inputs (T, B, V)."""
    (W_h, b_h, W_q, b_q), states = params, [*state]
    for X in inputs:
        states.append(torch.tanh(torch.addmm(b_h, d2l.concat((X, states[-1]), 1), W_h)))
    return d2l.concat([torch.addmm(b_q, H, W_q) for H in states[1:]], 0), (states[-1],)


@pytest.mark.parametrize("use_random_iter", [False, True])
def test_8_5_a_recurrent_network_from_scratch(printed, use_random_iter):
    """Shapes of outputs and state, a text before training, and training in order and by chance with what it prints."""
    batch_size, num_steps = 8, 10
    train_iter, vocab = d2l.load_data_time_machine(batch_size, num_steps, use_random_iter=use_random_iter)
    assert F.one_hot(torch.tensor([0, 2]), len(vocab)).shape == (2, len(vocab))
    X = d2l.reshape(d2l.arange(10), (2, 5))
    num_hiddens = 48
    net = d2l.RNNModelScratch(len(vocab), num_hiddens, d2l.try_gpu(), get_params, init_rnn_state, rnn)
    state = net.begin_state(X.shape[0], d2l.try_gpu())
    Y, new_state = net(X.to(d2l.try_gpu()), state)
    assert (Y.shape, len(new_state), new_state[0].shape) == ((10, len(vocab)), 1, (2, num_hiddens))
    begun = d2l.predict_ch8("time traveller ", 10, net, vocab, d2l.try_gpu())
    assert begun.startswith("time traveller ")
    assert len(begun.replace("<unk>", "?")) == 25

    num_epochs, lr = 30, 1
    d2l.train_ch8(net, train_iter, vocab, lr, num_epochs, d2l.try_gpu(), use_random_iter=use_random_iter)
    lines = printed()
    said, speed = lines[-3].split(", ")
    assert float(said.removeprefix("perplexity ")) < 3
    assert speed.endswith(f" tokens/sec on {d2l.try_gpu()}")
    assert lines[-2].startswith("time traveller")
    assert lines[-1].startswith("traveller")
    assert len(lines) == 6  # a text every tenth epoch
    assert list(d2l.plt.gcf().axes[0].lines[0].get_xdata()) == [10, 20, 30]


def test_8_5_clipping_and_a_loop_of_the_readers_own():
    """An epoch of the reader's own over the library's batches, state detached, gradients clipped, `sgd` by 1."""
    train_iter, vocab = d2l.load_data_time_machine(8, 10)
    device = d2l.try_gpu()
    net = d2l.RNNModelScratch(len(vocab), 32, device, get_params, init_rnn_state, rnn)
    loss, perplexities = nn.CrossEntropyLoss(), []

    def updater(batch_size):
        return d2l.sgd(net.params, 1, batch_size)

    for _ in range(6):
        timer, metric = d2l.Timer(), d2l.Accumulator(2)
        (H,) = net.begin_state(batch_size=8, device=device)
        for X, Y in train_iter:
            y = d2l.reshape(d2l.transpose(Y), -1).to(device)
            y_hat, (H,) = net(X.to(device), (H.detach(),))
            l = loss(y_hat, y)
            l.backward()
            d2l.grad_clipping(net, 1)
            assert nn.utils.get_total_norm([param.grad for param in net.params]) <= 1 + 1e-5
            updater(batch_size=1)
            metric.add(d2l.size(y) * l.detach(), d2l.size(y))
        perplexities.append(math.exp(metric[0] / metric[1]))
        assert metric[1] / timer.stop() > 0
    assert perplexities[-1] < perplexities[0] / 1.5


def test_8_5_epochs_one_by_one_over_a_loader_of_the_readers_own():
    """An epoch gives perplexity and speed, by an optimizer and by `sgd`; the loader's class, all by position."""
    train_iter, device = d2l.SeqDataLoader(8, 10, False, 10000), d2l.try_gpu()
    net = d2l.RNNModelScratch(len(train_iter.vocab), 32, device, get_params, init_rnn_state, rnn)
    loss, trainer = nn.CrossEntropyLoss(), torch.optim.SGD(net.params, 1)
    before, _ = d2l.train_epoch_ch8(net, train_iter, loss, trainer, device, use_random_iter=False)
    for _ in range(4):
        ppl, speed = d2l.train_epoch_ch8(
            net, train_iter, loss, lambda batch_size: d2l.sgd(net.params, 1, batch_size), device, False
        )
    assert ppl < before
    assert speed > 0


class OwnVocab:
    """A reader's own, of a text's letters."""

    def __init__(self, text):
        self.idx_to_token = "?" + "".join(sorted(set(text)))

    def __len__(self):
        return len(self.idx_to_token)

    def __getitem__(self, token):
        return max(self.idx_to_token.find(token), 0)


class OwnModel:
    """A reader's own net: no module, with the names that the chapter's has."""

    def __init__(self, vocab_size, num_hiddens, device):
        self.vectors, self.params = d2l.eye(vocab_size, device=device), get_params(vocab_size, num_hiddens, device)

    def __call__(self, X, state):
        return rnn(self.vectors[d2l.transpose(X)], state, self.params)

    def begin_state(self, batch_size, device):
        return init_rnn_state(batch_size, len(self.params[1]), device)


def test_8_5_classes_of_the_readers_own_go_through_the_librarys_loop(printed):
    """A net, a vocabulary and batches that are none of the library's, the last without a length."""
    text = LINE.strip() * 12
    vocab = OwnVocab(text)
    corpus = [vocab[token] for token in text]

    class Loader:
        def __iter__(self):
            return d2l.seq_data_iter_sequential(corpus, 4, 10)

    net = OwnModel(len(vocab), 32, d2l.try_gpu())
    d2l.train_ch8(net, Loader(), vocab, 1, 12, d2l.try_gpu())
    lines = printed()
    assert float(lines[-3].split()[1].rstrip(",")) < len(vocab) / 1.3
    assert len(lines) == 4


@pytest.mark.parametrize("layer", [nn.RNN, nn.GRU, nn.LSTM])
def test_8_6_a_recurrent_network_in_brief(printed, layer):
    """The layer alone, the model around it, a text before training and after."""
    batch_size, num_steps = 8, 10
    train_iter, vocab = d2l.load_data_time_machine(batch_size, num_steps)
    num_hiddens = 32
    rnn_layer = layer(len(vocab), num_hiddens)
    if layer is nn.RNN:
        state = torch.zeros((1, batch_size, num_hiddens))
        X = torch.rand(size=(num_steps, batch_size, len(vocab)))
        Y, state_new = rnn_layer(X, state)
        assert (Y.shape, state_new.shape) == ((num_steps, batch_size, num_hiddens), state.shape)

    device = d2l.try_gpu()
    net = d2l.RNNModel(rnn_layer, vocab_size=len(vocab))
    net = net.to(device)
    assert len(d2l.predict_ch8("time traveller", 10, net, vocab, device).replace("<unk>", "?")) == 24
    num_epochs, lr = 20, 1
    d2l.train_ch8(net, train_iter, vocab, lr, num_epochs, device)
    lines = printed()
    assert float(lines[-3].split()[1].rstrip(",")) < len(vocab) / 1.3
    assert d2l.predict_ch8("time traveller", 50, net, vocab, device) == lines[-2]
