"""A text as numbers, and its batches: against plain Python, and in the order that `random.seed` gives the book."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fourstep.d2l.sequence import load_data_time_machine, seq_data_iter_random, seq_data_iter_sequential
from fourstep.d2l.text import Vocab, count_corpus, load_corpus_time_machine, read_time_machine, tokenize
from fourstep.errors import ConfigError, DataError, UnknownNameError

Put: TypeAlias = Callable[[str, str], None]
STORY = "The Time Machine, by H. G. Wells [1898]\n\n\nI\n\n  The Time Traveller (for so it — 时 — will be)\n"


@pytest.fixture
def _story(downloaded: Put) -> None:
    downloaded("time_machine", STORY)


@pytest.mark.usefixtures("_story")
def test_lines_are_letters_and_single_spaces() -> None:
    """Whatever else is in a line, also what is not ASCII, is a space; empty lines stay."""
    assert read_time_machine() == [
        "the time machine by h g wells", "", "", "i", "", "the time traveller for so it will be"
    ]  # fmt: skip


def test_tokens_are_words_or_characters() -> None:
    """An empty line has none; another kind is refused, where the book prints a line and returns nothing."""
    assert tokenize(["the  time", ""]) == [["the", "time"], []]
    assert tokenize(["a b"], "char") == [["a", " ", "b"]]
    with pytest.raises(UnknownNameError, match="unknown kind of token 'chars': did you mean 'char'"):
        tokenize(["a"], "chars")


def test_tokens_are_counted_in_lines_or_not() -> None:
    """Lists of lists count as one list; a tuple is a token, such as the chapter's pairs of words."""
    assert count_corpus([["a", "b"], [], ["a"]]) == count_corpus(["a", "b", "a"]) == Counter(a=2, b=1)
    assert count_corpus([]) == Counter()
    pairs = [("the", "time"), ("time", "machine"), ("the", "time")]
    assert Vocab(pairs).token_freqs == [(("the", "time"), 2), (("time", "machine"), 1)]


@settings(deadline=None)
@given(
    tokens=st.lists(st.lists(st.sampled_from("abcdefg"))),
    min_freq=st.integers(0, 4),
    reserved=st.lists(st.sampled_from(["<pad>", "<bos>", "a"]), unique=True),
)
def test_a_vocabulary_is_in_order_of_frequency(tokens: list[list[str]], min_freq: int, reserved: list[str]) -> None:
    """Unknown, reserved, then the frequent before the rare, those alike in order of appearance; rare ones left out."""
    vocab = Vocab(tokens, min_freq, reserved)
    flat = [token for line in tokens for token in line]
    seen = list(dict.fromkeys(flat))
    by_frequency = sorted(seen, key=lambda token: (-flat.count(token), seen.index(token)))
    kept = [token for token in by_frequency if flat.count(token) >= min_freq and token not in reserved]

    assert vocab.idx_to_token == ["<unk>", *reserved, *kept]
    assert vocab.token_freqs == [(token, flat.count(token)) for token in by_frequency]
    assert len(vocab) == len(vocab.token_to_idx) == 1 + len(reserved) + len(kept)
    assert vocab.to_tokens(vocab[kept]) == kept
    assert vocab.unk == 0


def test_indices_of_tokens_and_back() -> None:
    """One, a list, a tuple, a list of lists, a tensor; what is unknown has index 0."""
    vocab = Vocab(["b", "a", "b"])
    assert (vocab["b"], vocab["z"], vocab[("a", "z")], vocab[["a"], ["b"]]) == (1, 0, [2, 0], [[2], [1]])
    assert vocab.to_tokens(2) == "a"
    assert vocab.to_tokens(torch.tensor([[1, 2]])) == [["b", "a"]]
    assert Vocab().idx_to_token == ["<unk>"]
    for index in (3, -1):
        with pytest.raises(ConfigError, match=rf"index {index}: expected 0\.\.2, the vocabulary's"):
            vocab.to_tokens(index)
    with pytest.raises(ConfigError, match="reserved_tokens: '<unk>' would be there twice"):
        Vocab(["a"], reserved_tokens=["<pad>", "<unk>"])


@pytest.mark.usefixtures("_story")
def test_a_corpus_is_the_characters_of_all_lines() -> None:
    """One list; `max_tokens` cuts it, and not the vocabulary."""
    corpus, vocab = load_corpus_time_machine()
    assert "".join(vocab.to_tokens(corpus)) == "".join(read_time_machine())
    first, same = load_corpus_time_machine(10)
    assert first == corpus[:10]
    assert same.idx_to_token == vocab.idx_to_token


def book_random(corpus: list[int], batch_size: int, num_steps: int) -> Iterator[tuple[list[Any], list[Any]]]:
    """Section 8.3 in plain Python."""
    offset = random.randint(0, num_steps - 1)  # noqa: S311 - the book's generator
    count = (len(corpus) - offset - 1) // num_steps
    starts = [offset + number * num_steps for number in range(count)]
    random.shuffle(starts)
    for batch in range(count // batch_size):
        chosen = starts[batch * batch_size : (batch + 1) * batch_size]
        yield tuple([corpus[at + shift : at + shift + num_steps] for at in chosen] for shift in (0, 1))  # type: ignore[misc]


def book_sequential(corpus: list[int], batch_size: int, num_steps: int) -> Iterator[tuple[list[Any], list[Any]]]:
    """The same for neighbours."""
    offset = random.randint(0, num_steps)  # noqa: S311 - the book's generator
    length = (len(corpus) - offset - 1) // batch_size
    for batch in range(length // num_steps):
        starts = [offset + row * length + batch * num_steps for row in range(batch_size)]
        yield tuple([corpus[at + shift : at + shift + num_steps] for at in starts] for shift in (0, 1))  # type: ignore[misc]


@settings(deadline=None)
@given(length=st.integers(1, 200), batch_size=st.integers(1, 5), num_steps=st.integers(1, 8), seed=st.integers(0, 99))
@pytest.mark.parametrize(
    ("ours", "plain"), [(seq_data_iter_random, book_random), (seq_data_iter_sequential, book_sequential)]
)
def test_batches_are_the_book_s_under_a_seed(
    ours: Any, plain: Any, *, length: int, batch_size: int, num_steps: int, seed: int
) -> None:
    """For a list and for a tensor, from the same place, in the same order, int64; too short a corpus is refused."""
    corpus = [number % 28 for number in range(length)]
    longest_offset = num_steps - (ours is seq_data_iter_random)
    if length < batch_size * num_steps + longest_offset + 1:
        with pytest.raises(DataError, match=rf"the corpus has {length} tokens: expected \d+ or more for a batch"):
            next(ours(corpus, batch_size, num_steps))
        return
    found: list[list[tuple[Tensor, Tensor]]] = []
    for source in (corpus, torch.tensor(corpus)):
        random.seed(seed)
        found.append(list(ours(source, batch_size, num_steps)))
    random.seed(seed)
    expected = list(plain(corpus, batch_size, num_steps))

    assert expected
    for batches in found:
        assert [(inputs.tolist(), targets.tolist()) for inputs, targets in batches] == expected
        assert {tensor.dtype for pair in batches for tensor in pair} == {torch.int64}


def test_what_cannot_be_a_batch_is_said() -> None:
    """The sizes by name."""
    with pytest.raises(ConfigError, match="batch_size 0: expected a whole number of 1 or more"):
        next(seq_data_iter_random([1, 2, 3], 0, 1))
    with pytest.raises(ConfigError, match="num_steps 0: expected a whole number of 1 or more"):
        next(seq_data_iter_sequential([1, 2, 3], 1, 0))
    with pytest.raises(DataError, match=r"has 3 tokens: expected 12 or more for a batch of 2 x 4.*larger max_tokens"):
        next(seq_data_iter_random([1, 2, 3], 2, 4))


@pytest.mark.usefixtures("_story")
@pytest.mark.parametrize("use_random_iter", [True, False])
def test_the_time_machine_is_loaded_in_one_call(*, use_random_iter: bool) -> None:
    """A loader that can be passed over again and again, and its vocabulary."""
    data_iter, vocab = load_data_time_machine(2, 3, use_random_iter, 40)
    assert data_iter.data_iter_fn is (seq_data_iter_random if use_random_iter else seq_data_iter_sequential)
    assert (data_iter.batch_size, data_iter.num_steps, len(data_iter.corpus)) == (2, 3, 40)
    assert data_iter.vocab is vocab
    for _ in range(2):
        for inputs, targets in data_iter:
            assert inputs.shape == targets.shape == (2, 3)
            assert torch.equal(inputs[:, 1:], targets[:, :-1])
