"""Cells in the manner of chapter 8: sequences and texts."""

import collections
import random
import re
from itertools import pairwise

import pytest
import torch
from torch import nn

from fourstep import d2l

THEMES = ["the time traveller came back", "for so it will be convenient to speak of him", "he told us a strange story"]


@pytest.fixture
def time_machine(downloaded):
    """A text of some hundred lines in the place of the book's, in `../data`, with its SHA-1 in the hub."""
    rng = random.Random(1)
    lines = [" ".join(rng.choices(THEMES, k=2)).title() + rng.choice([".", "!", "; 1895"]) for _ in range(120)]
    downloaded("time_machine", "\n".join(["The Time Machine, by nobody", "", *lines]) + "\n")


def test_8_1_a_noisy_sine_is_predicted(printed):
    """Windows as features; the curves of one step, many steps and several, each over a time of its own."""
    T, tau, batch_size, n_train = 240, 4, 16, 160
    time = 1 + d2l.arange(T, dtype=d2l.float32)
    x = d2l.sin(time / 20) + d2l.normal(0, 0.1, (T,))
    d2l.plot(time, [x], "time", "x", xlim=[1, T], figsize=(6, 3))
    assert d2l.plt.gca().get_xlim() == (1, T)
    features, labels = x.unfold(0, tau, 1)[:-1], d2l.reshape(x[tau:], (-1, 1))
    train_iter = d2l.load_array((features[:n_train], labels[:n_train]), batch_size, is_train=True)

    net = nn.Sequential(nn.Linear(tau, 10), nn.ReLU(), nn.Linear(10, 1))
    trainer, loss = torch.optim.Adam(net.parameters(), 0.01), nn.MSELoss(reduction="none")
    for _ in range(5):
        for X, y in train_iter:
            trainer.zero_grad()
            d2l.reduce_sum(loss(net(X), y)).backward()
            trainer.step()
        print(f"mean square: {d2l.evaluate_loss(net, train_iter, loss):f}")
    losses = [float(line.split()[-1]) for line in printed()]
    assert losses[-1] < min(0.1, losses[0])

    onestep_preds = net(features)  # of shape (T - tau, 1), as the reader draws it
    known = n_train + tau
    multistep_preds = list(x[:known])
    while len(multistep_preds) < T:
        multistep_preds.append(net(d2l.stack(multistep_preds[-tau:]))[0])
    d2l.plot(
        [time, time[tau:], time[known:]],
        [d2l.numpy(x), d2l.numpy(onestep_preds), d2l.numpy(d2l.stack(multistep_preds[known:]))],
        "time", "x", legend=["data", "one step", "many steps"], xlim=[1, T], figsize=(6, 3),
    )  # fmt: skip
    assert [len(line.get_xdata()) for line in d2l.plt.gca().lines] == [T, T - tau, T - known]


def test_8_1_further_and_further_ahead():
    """Columns that are predicted from those before them; each is drawn over its own part of the time."""
    T, tau, steps = 120, 4, (1, 4, 16)
    time = 1 + d2l.arange(T, dtype=d2l.float32)
    net, rows = nn.Linear(tau, 1), T - tau - max(steps) + 1
    columns = list(d2l.transpose(d2l.sin(time / 20).unfold(0, tau, 1)[:rows]))
    for _ in range(max(steps)):
        columns.append(d2l.reshape(net(d2l.stack(columns[-tau:], 1)), -1))
    features = d2l.stack(columns, 1)
    d2l.plot(
        [time[tau + i - 1 :][:rows] for i in steps],
        [features[:, (tau + i - 1)].detach().numpy() for i in steps],
        "time", "x", legend=[f"{i} ahead" for i in steps], xlim=[5, T], figsize=(6, 3),
    )  # fmt: skip
    assert [line.get_xdata()[0] for line in d2l.plt.gca().lines] == [5, 8, 20]
    assert {len(line.get_ydata()) for line in d2l.plt.gca().lines} == {101}


@pytest.mark.usefixtures("time_machine")
def test_8_2_a_text_becomes_numbers():
    """The file by its path, lines, tokens of both kinds, a vocabulary and the whole corpus."""
    with open(d2l.download("time_machine")) as story:
        lines = [" ".join(re.findall("[a-z]+", line.lower())) for line in story]
    assert lines == d2l.read_time_machine()
    assert lines[:2] == ["the time machine by nobody", ""]
    tokens = d2l.tokenize(lines)
    assert tokens[0] == ["the", "time", "machine", "by", "nobody"]
    assert d2l.tokenize(lines, "char")[0][:4] == ["t", "h", "e", " "]

    vocab = d2l.Vocab(tokens)
    counter = d2l.count_corpus(tokens)
    assert isinstance(counter, collections.Counter)
    assert list(vocab.token_to_idx.items())[:1] == [("<unk>", 0)]
    assert vocab.token_freqs[0] == counter.most_common(1)[0]
    for i in [0, 10]:
        assert vocab.to_tokens(vocab[tokens[i]]) == tokens[i]
    corpus, vocab = d2l.load_corpus_time_machine()
    assert len(corpus) == sum(map(len, lines))
    assert len(vocab) == len(set("".join(lines))) + 1


@pytest.mark.usefixtures("time_machine")
def test_8_3_pairs_and_triples_of_words():
    """Tokens that are tuples are counted as such; their frequencies are drawn, in lists unlike in length."""
    tokens = d2l.tokenize(d2l.read_time_machine())
    corpus = [token for line in tokens for token in line]
    vocab = d2l.Vocab(corpus)
    freqs = [freq for token, freq in vocab.token_freqs]
    d2l.plot(freqs, xlabel="token: x", ylabel="frequency: n(x)", xscale="log", yscale="log")
    axes = d2l.plt.gca()
    assert (axes.get_xscale(), axes.get_yscale(), axes.get_xlabel()) == ("log", "log", "token: x")

    bigram_vocab = d2l.Vocab(list(pairwise(corpus)))
    assert ("time", "traveller") in dict(bigram_vocab.token_freqs[:10])
    trigram_vocab = d2l.Vocab([tuple(corpus[i : i + 3]) for i in range(len(corpus) - 2)])
    bigram_freqs, trigram_freqs = ([freq for _, freq in one.token_freqs] for one in (bigram_vocab, trigram_vocab))
    assert sum(bigram_freqs) == len(corpus) - 1
    assert len(trigram_freqs) > len(bigram_freqs) > len(freqs)
    d2l.plot(
        [freqs, bigram_freqs, trigram_freqs], xlabel="token: x", ylabel="frequency: n(x)", xscale="log", yscale="log",
        legend=["one", "two", "three"],
    )  # fmt: skip
    assert [len(line.get_ydata()) for line in d2l.plt.gca().lines] == [
        len(one) for one in (freqs, bigram_freqs, trigram_freqs)
    ]


@pytest.mark.usefixtures("time_machine")
def test_8_3_batches_of_subsequences(printed):
    """Both ways of partition over a list of numbers; and the loader's batches, with its vocabulary."""
    my_seq = list(range(33))
    for X, Y in d2l.seq_data_iter_random(my_seq, batch_size=2, num_steps=5):
        print("X: ", X, "\nY:", Y)
        assert torch.equal(X + 1, Y)
        assert X.shape == (2, 5)
    before = None
    for X, Y in d2l.seq_data_iter_sequential(my_seq, batch_size=2, num_steps=5):
        print("X: ", X, "\nY:", Y)
        assert before is None or torch.equal(X[:, 0], before)
        before = Y[:, -1]
    assert printed()[0].startswith("X:  tensor([[")

    data_iter, vocab = d2l.load_data_time_machine(4, 6, False, 1000)
    assert len(data_iter.corpus) == 1000
    X, Y = next(iter(data_iter))
    assert (X.shape, Y.shape) == ((4, 6), (4, 6))
    assert "".join(vocab.to_tokens(X[0].tolist()))[1:] == "".join(vocab.to_tokens(Y[0].tolist()))[:-1]
