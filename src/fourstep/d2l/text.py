"""A text as numbers: its lines, their tokens, and a vocabulary of these.

Source: *Dive into Deep Learning*, section 8.2.
"""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from fourstep.d2l.hub import download
from fourstep.errors import ConfigError, UnknownNameError

UNKNOWN = "<unk>"


def read_time_machine() -> list[str]:
    """The lines of H. G. Wells's *The Time Machine*, in small letters; all else that is in a line is one space.

    Raises:
        DataFileError: the file is not to be had; see `download`.
    """
    with Path(download("time_machine")).open(encoding="utf-8") as file:
        return [re.sub("[^A-Za-z]+", " ", line).strip().lower() for line in file]


def tokenize(lines: Sequence[str], token: str = "word") -> list[list[str]]:  # noqa: S107 - no password
    """Every line as a list of its words, or of its characters.

    Args:
        lines: of text.
        token: `"word"` or `"char"`.

    Raises:
        ConfigError: another `token`.

    >>> tokenize(["the time", "machine"])
    [['the', 'time'], ['machine']]
    """
    if token == "word":  # noqa: S105 - no password
        return [line.split() for line in lines]
    if token == "char":  # noqa: S105 - as above
        return [list(line) for line in lines]
    raise UnknownNameError.of("kind of token", token, ("word", "char"))


def count_corpus(tokens: Sequence[Any]) -> Counter[Any]:
    """How often each token occurs.

    Args:
        tokens: a list of tokens, or of lists of tokens. A tuple is a token, such as a pair of words.
    """
    if len(tokens) and isinstance(tokens[0], list):
        return Counter(token for line in tokens for token in line)
    return Counter(tokens)


class Vocab:
    """Tokens and their indices, the most frequent token first; index 0 is that of all unknown tokens.

    Args:
        tokens: a list of tokens, or of lists of tokens; tokens of equal frequency keep the order in which they come.
        min_freq: leave out what occurs less often.
        reserved_tokens: come before all others, such as `["<pad>", "<bos>"]`.

    Attributes:
        idx_to_token: the tokens by index.
        token_to_idx: the indices by token.

    Raises:
        ConfigError: a reserved token is there twice, or is `"<unk>"`, which is always there.

    >>> vocab = Vocab([["the", "time"], ["the", "machine"]])
    >>> vocab["the"], vocab[["machine", "dog"]], vocab.to_tokens([2, 0])
    (1, [3, 0], ['time', '<unk>'])
    """

    def __init__(
        self,
        tokens: Sequence[Any] | None = None,
        min_freq: int = 0,
        reserved_tokens: Sequence[str] | None = None,
    ) -> None:
        self._token_freqs = count_corpus(tokens or []).most_common()
        self.idx_to_token: list[Any] = [UNKNOWN, *(reserved_tokens or [])]
        twice = [token for token, count in Counter(self.idx_to_token).items() if count > 1]
        if twice:
            raise ConfigError(
                f"reserved_tokens: {twice[0]!r} would be there twice; {UNKNOWN!r} always is. Leave it out"
            )
        reserved = set(self.idx_to_token)
        self.idx_to_token += [
            token for token, count in self._token_freqs if count >= min_freq and token not in reserved
        ]
        self.token_to_idx = {token: index for index, token in enumerate(self.idx_to_token)}

    def __len__(self) -> int:
        return len(self.idx_to_token)

    def __getitem__(self, tokens: Any) -> Any:
        if isinstance(tokens, list | tuple):
            return [self[token] for token in tokens]
        return self.token_to_idx.get(tokens, self.unk)

    def to_tokens(self, indices: Any) -> Any:
        """The token of an index, or the list of tokens of a list, tuple or tensor of indices.

        Raises:
            ConfigError: an index that no token has.
        """
        if isinstance(indices, Tensor):
            indices = indices.tolist()
        if isinstance(indices, list | tuple):
            return [self.to_tokens(index) for index in indices]
        if not 0 <= indices < len(self):
            raise ConfigError(f"index {indices}: expected 0..{len(self) - 1}, the vocabulary's")
        return self.idx_to_token[indices]

    @property
    def unk(self) -> int:
        """The index of every unknown token."""
        return 0

    @property
    def token_freqs(self) -> list[tuple[Any, int]]:
        """Every token that was counted and how often, the most frequent first; also those too rare for an index."""
        return self._token_freqs


def load_corpus_time_machine(max_tokens: int = -1) -> tuple[list[int], Vocab]:
    """The characters of *The Time Machine* as indices, and their vocabulary.

    Args:
        max_tokens: how many characters, from the beginning; -1 for all. The vocabulary is that of all.

    Raises:
        DataFileError: the file is not to be had; see `download`.
    """
    tokens = tokenize(read_time_machine(), "char")
    vocab = Vocab(tokens)
    corpus = [vocab[token] for line in tokens for token in line]
    return corpus[:max_tokens] if max_tokens > 0 else corpus, vocab
