"""Batches of subsequences, each with the same one a token later: what a language model learns from.

Source: *Dive into Deep Learning*, section 8.3. Positions are drawn from Python's `random`, as the book does, so that
`random.seed` gives the book's own batches. Shapes: B subsequences in a batch, T tokens in each.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import torch
from jaxtyping import Int64
from torch import Tensor

from fourstep.d2l.text import Vocab, load_corpus_time_machine
from fourstep.errors import DataError, check_count

Corpus: TypeAlias = (
    Sequence[Any] | Tensor
)  # of int; to look into a list, the tests' type checks would draw from `random`


def seq_data_iter_random(
    corpus: Corpus, batch_size: int, num_steps: int
) -> Iterator[tuple[Int64[Tensor, "B T"], Int64[Tensor, "B T"]]]:
    """Batches of subsequences from anywhere in the corpus, in random order; none overlaps another.

    Args:
        corpus: token indices.
        batch_size: subsequences in a batch, 1 or more.
        num_steps: tokens in a subsequence, 1 or more.

    Yields:
        `(X, Y)`: the subsequences, and each a token later.

    Raises:
        ConfigError: a number below 1.
        DataError: the corpus is too short to give a batch from wherever it begins.
    """
    tokens = _check_corpus(corpus, batch_size, num_steps, last_offset=num_steps - 1)
    tokens = tokens[random.randint(0, num_steps - 1) :]  # noqa: S311 - the book's generator
    starts = list(range(0, (len(tokens) - 1) // num_steps * num_steps, num_steps))
    random.shuffle(starts)
    steps = torch.arange(num_steps)
    for first in range(0, len(starts) - batch_size + 1, batch_size):
        places = torch.tensor(starts[first : first + batch_size])[:, None] + steps
        yield tokens[places], tokens[places + 1]


def seq_data_iter_sequential(
    corpus: Corpus, batch_size: int, num_steps: int
) -> Iterator[tuple[Int64[Tensor, "B T"], Int64[Tensor, "B T"]]]:
    """Batches in which each subsequence goes on where the one in its place in the batch before ended.

    Args:
        corpus: token indices.
        batch_size: subsequences in a batch, 1 or more.
        num_steps: tokens in a subsequence, 1 or more.

    Yields:
        `(X, Y)`: the subsequences, and each a token later.

    Raises:
        ConfigError: a number below 1.
        DataError: the corpus is too short to give a batch from wherever it begins.
    """
    tokens = _check_corpus(corpus, batch_size, num_steps, last_offset=num_steps)
    tokens = tokens[random.randint(0, num_steps) :]  # noqa: S311 - the book's generator
    length = (len(tokens) - 1) // batch_size
    inputs = tokens[: length * batch_size].reshape(batch_size, length)
    targets = tokens[1 : length * batch_size + 1].reshape(batch_size, length)
    for first in range(0, length - num_steps + 1, num_steps):
        yield inputs[:, first : first + num_steps], targets[:, first : first + num_steps]


def _check_corpus(corpus: Corpus, batch_size: int, num_steps: int, *, last_offset: int) -> Int64[Tensor, " N"]:
    check_count("batch_size", batch_size)
    check_count("num_steps", num_steps)
    needed = last_offset + batch_size * num_steps + 1
    if len(corpus) < needed:
        raise DataError(
            f"the corpus has {len(corpus)} tokens: expected {needed} or more for a batch of {batch_size} x {num_steps} "
            "from wherever it begins. Use a smaller batch_size or num_steps, or a larger max_tokens"
        )
    return torch.as_tensor(corpus, dtype=torch.int64)


class SeqDataLoader:
    """The batches of *The Time Machine*'s characters; every pass begins elsewhere.

    Args:
        batch_size: subsequences in a batch, 1 or more.
        num_steps: characters in a subsequence, 1 or more.
        use_random_iter: take `seq_data_iter_random`, else `seq_data_iter_sequential`.
        max_tokens: how many characters; -1 for all.

    Attributes:
        data_iter_fn: the function that is taken.
        corpus: the characters' indices.
        vocab: their vocabulary.

    Raises:
        DataFileError: the file is not to be had; see `download`.
    """

    def __init__(
        self,
        batch_size: int,
        num_steps: int,
        use_random_iter: bool,  # noqa: FBT001 - the book's signature
        max_tokens: int,
    ) -> None:
        self.data_iter_fn = seq_data_iter_random if use_random_iter else seq_data_iter_sequential
        self.corpus, self.vocab = load_corpus_time_machine(max_tokens)
        self.batch_size, self.num_steps = batch_size, num_steps

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        return self.data_iter_fn(self.corpus, self.batch_size, self.num_steps)


def load_data_time_machine(
    batch_size: int,
    num_steps: int,
    use_random_iter: bool = False,  # noqa: FBT001, FBT002 - the book's signature
    max_tokens: int = 10000,
) -> tuple[SeqDataLoader, Vocab]:
    """Batches of *The Time Machine*'s characters, and their vocabulary.

    Args:
        batch_size: subsequences in a batch, 1 or more.
        num_steps: characters in a subsequence, 1 or more.
        use_random_iter: see `SeqDataLoader`.
        max_tokens: how many characters; -1 for all.

    Raises:
        DataFileError: the file is not to be had; see `download`.
    """
    data_iter = SeqDataLoader(batch_size, num_steps, use_random_iter, max_tokens)
    return data_iter, data_iter.vocab
