"""Cells in the manner of chapter 8: sequences and texts."""

import collections
import random
import re

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
    time = torch.arange(1, T + 1, dtype=torch.float32)
    x = torch.sin(0.05 * time) + torch.normal(0, 0.1, (T,))
    d2l.plot(time, [x], "time", "x", xlim=[1, T], figsize=(6, 3))
    assert d2l.plt.gca().get_xlim() == (1, T)
    features = d2l.zeros((T - tau, tau))
    for i in range(tau):
        features[:, i] = x[i : T - tau + i]
    labels = d2l.reshape(x[tau:], (-1, 1))
    train_iter = d2l.load_array((features[:n_train], labels[:n_train]), batch_size, is_train=True)

    net = nn.Sequential(nn.Linear(tau, 10), nn.ReLU(), nn.Linear(10, 1))
    loss = nn.MSELoss(reduction="none")
    trainer = torch.optim.Adam(net.parameters(), 0.01)
    for epoch in range(5):
        for X, y in train_iter:
            trainer.zero_grad()
            l = loss(net(X), y)
            l.sum().backward()
            trainer.step()
        print(f"epoch {epoch + 1}, loss: {d2l.evaluate_loss(net, train_iter, loss):f}")
    losses = [float(line.split()[-1]) for line in printed()]
    assert losses[-1] < min(0.1, losses[0])

    onestep_preds = net(features)
    multistep_preds = d2l.zeros(T)
    multistep_preds[: n_train + tau] = x[: n_train + tau]
    for i in range(n_train + tau, T):
        multistep_preds[i] = net(d2l.reshape(multistep_preds[i - tau : i], (1, -1)))
    d2l.plot(
        [time, time[tau:], time[n_train + tau :]],
        [d2l.numpy(x), d2l.numpy(onestep_preds), d2l.numpy(multistep_preds[n_train + tau :])],
        "time", "x", legend=["data", "1-step preds", "multistep preds"], xlim=[1, T], figsize=(6, 3),
    )  # fmt: skip
    assert [len(line.get_xdata()) for line in d2l.plt.gca().lines] == [T, T - tau, T - n_train - tau]


def test_8_1_further_and_further_ahead():
    """Columns that are predicted from those before them; each is drawn over its own part of the time."""
    T, tau, max_steps = 120, 4, 16
    time = torch.arange(1, T + 1, dtype=torch.float32)
    x = torch.sin(0.05 * time)
    net = nn.Linear(tau, 1)
    features = d2l.zeros((T - tau - max_steps + 1, tau + max_steps))
    for i in range(tau):
        features[:, i] = x[i : i + T - tau - max_steps + 1]
    for i in range(tau, tau + max_steps):
        features[:, i] = d2l.reshape(net(features[:, i - tau : i]), -1)
    steps = (1, 4, 16)
    d2l.plot(
        [time[tau + i - 1 : T - max_steps + i] for i in steps],
        [features[:, (tau + i - 1)].detach().numpy() for i in steps],
        "time", "x", legend=[f"{i}-step preds" for i in steps], xlim=[5, T], figsize=(6, 3),
    )  # fmt: skip
    assert [line.get_xdata()[0] for line in d2l.plt.gca().lines] == [5, 8, 20]
    assert {len(line.get_ydata()) for line in d2l.plt.gca().lines} == {101}


@pytest.mark.usefixtures("time_machine")
def test_8_2_a_text_becomes_numbers():
    """The file by its path, lines, tokens of both kinds, a vocabulary and the whole corpus."""
    with open(d2l.download("time_machine"), "r") as f:  # noqa: UP015 - as readers type it
        lines = f.readlines()
    lines = [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in lines]
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

    bigram_tokens = [pair for pair in zip(corpus[:-1], corpus[1:])]  # noqa: B905, C416, RUF007 - as readers type it
    bigram_vocab = d2l.Vocab(bigram_tokens)
    assert ("time", "traveller") in dict(bigram_vocab.token_freqs[:10])
    trigram_tokens = [triple for triple in zip(corpus[:-2], corpus[1:-1], corpus[2:])]  # noqa: B905, C416 - as above
    trigram_vocab = d2l.Vocab(trigram_tokens)
    bigram_freqs = [freq for token, freq in bigram_vocab.token_freqs]
    trigram_freqs = [freq for token, freq in trigram_vocab.token_freqs]
    assert sum(bigram_freqs) == len(corpus) - 1
    assert len(trigram_freqs) > len(bigram_freqs) > len(freqs)
    d2l.plot(
        [freqs, bigram_freqs, trigram_freqs], xlabel="token: x", ylabel="frequency: n(x)", xscale="log", yscale="log",
        legend=["unigram", "bigram", "trigram"],
    )  # fmt: skip
    assert [len(line.get_ydata()) for line in d2l.plt.gca().lines] == [
        len(one) for one in (freqs, bigram_freqs, trigram_freqs)
    ]


@pytest.mark.usefixtures("time_machine")
def test_8_3_batches_of_subsequences(printed):
    """Both ways of partition over a list of numbers; and the loader's batches, with its vocabulary."""
    my_seq = list(range(35))
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
