"""A text as numbers and back: its tokens, characters or words, and the vocabulary that numbers them.

Shapes: T tokens in a text.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, get_args

import numpy as np
import torch
from jaxtyping import Int64, Shaped
from numpy.typing import NDArray
from torch import Tensor

from fourstep.errors import ConfigError, DataError, DataFileError, UnknownNameError
from fourstep.files import open_plain, reason

Kind: TypeAlias = Literal["characters", "words"]

UNKNOWN = "<unk>"  # the token of all that is in no vocabulary; its index is 0
LARGEST = 2**30  # bytes of a text file; its tokens take eight times as much
_START = 2**16  # bytes that tell whether it is a text, before all of it is read
_WORD = re.compile(r"\w+|[^\w\s]")  # a word, or a mark between words


@dataclass(frozen=True, kw_only=True)
class TextEncoding:
    """How a text becomes token indices, and token indices a text.

    Attributes:
        tokens: `"characters"`, spaces and line ends among them; or `"words"`, each mark between words one of its own.
        vocabulary: the tokens by index, `"<unk>"` first; its length is how many outputs a language model needs.
        lower: take the text in small letters.

    Raises:
        ConfigError: a vocabulary that is none of that kind of tokens.

    >>> encoding = TextEncoding(tokens="words", vocabulary=("<unk>", "time", "the"))
    >>> encoding.to_inputs("the time machine"), encoding.to_text([2, 1])
    (tensor([[2, 1, 0]]), 'the time')
    """

    kind: ClassVar[str] = "text"

    tokens: Kind
    vocabulary: tuple[str, ...]
    lower: bool = False

    def __post_init__(self) -> None:
        check_kind(self.tokens)
        if self.vocabulary[:1] != (UNKNOWN,) or len(self._indices) != len(self.vocabulary):
            raise ConfigError(f"the vocabulary has a token twice, or does not begin with {UNKNOWN!r}")
        for token in self.vocabulary[1:]:
            if (len(token) != 1) if self.tokens == "characters" else not _WORD.fullmatch(token):
                raise ConfigError(f"the vocabulary has {token[:40]!r}, which is none of {self.tokens}")

    @property
    def classes(self) -> tuple[str, ...]:
        """None: a vocabulary is too long for a table of its classes."""
        return ()

    @cached_property
    def _indices(self) -> dict[str, int]:
        return {token: index for index, token in enumerate(self.vocabulary)}

    def to_inputs(self, source: str | Path) -> Int64[Tensor, "1 T"]:
        """A text as a batch of one.

        Args:
            source: the text itself; or a `Path`, the file that it is in.

        Raises:
            DataError: there are no tokens in it.
            DataFileError: the file cannot be read, or is no UTF-8.
        """
        if not isinstance(source, str | Path):
            raise DataError(f"a text is a {type(source).__name__}: expected a text, or the pathlib.Path of a text file")
        text = read_text(source) if isinstance(source, Path) else source
        indices = self.number(*find_tokens(text, self.tokens, lower=self.lower))
        if len(indices) == 0:
            raise DataError(f"{text[:40]!r} has no {self.tokens}: expected at least one")
        return indices[None]

    def number(self, distinct: Sequence[str], places: NDArray[np.int64]) -> Int64[Tensor, " T"]:
        """What `find_tokens` gives, as indices of this vocabulary."""
        numbers = np.array([self._indices.get(token, 0) for token in distinct], np.int64)
        return torch.from_numpy(numbers[places] if len(numbers) else places)

    def to_text(self, indices: Shaped[Tensor, " T"] | Sequence[int]) -> str:
        """The text of token indices; words with a space between them.

        Args:
            indices: `(T,)`, each in 0..len(vocabulary) - 1.

        Raises:
            DataError: an index that no token has.
        """
        listed = indices.tolist() if isinstance(indices, Tensor) else [int(index) for index in indices]
        wrong = next((index for index in listed if not 0 <= index < len(self.vocabulary)), None)
        if wrong is not None:
            raise DataError(f"token index {wrong}: expected 0..{len(self.vocabulary) - 1}, the vocabulary's")
        return ("" if self.tokens == "characters" else " ").join(self.vocabulary[index] for index in listed)

    def to_json(self) -> dict[str, Any]:
        """All of it in what JSON can hold."""
        return {"tokens": self.tokens, "lower": self.lower, "vocabulary": list(self.vocabulary)}

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> "TextEncoding":
        """What `to_json` gave.

        Raises:
            KeyError, TypeError, ValueError: it is something else.
        """
        vocabulary, lower = table["vocabulary"], table["lower"]
        if not isinstance(vocabulary, list) or not all(isinstance(token, str) for token in vocabulary):
            raise TypeError("its vocabulary is no list of texts")
        if not isinstance(lower, bool):
            raise TypeError(f"lower is {str(lower)[:40]}, not true or false")
        return cls(tokens=table["tokens"], vocabulary=tuple(vocabulary), lower=lower)


def find_tokens(text: str, kind: Kind, *, lower: bool) -> tuple[list[str], NDArray[np.int64]]:
    """The tokens of a text: the distinct ones, and which of these stands at each place, `(T,)`."""
    text = text.lower() if lower else text
    if kind == "characters":
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        present = np.flatnonzero(np.bincount(codes))
        numbers = np.zeros(present[-1] + 1 if len(present) else 0, np.int64)
        numbers[present] = np.arange(len(present))
        return [chr(code) for code in present], numbers[codes]
    known: dict[str, int] = {}
    found = (known.setdefault(word.group(), len(known)) for word in _WORD.finditer(text))
    places = np.fromiter(found, np.int64)
    return list(known), places


def learn_vocabulary(distinct: Sequence[str], places: NDArray[np.int64], min_count: int) -> tuple[str, ...]:
    """The tokens that occur at least `min_count` times, the most frequent first, those of equal count by alphabet.

    Args:
        distinct: the tokens.
        places: which of these stands at each place of the text to learn from, and of no other.
        min_count: 1 or more.
    """
    counts = np.bincount(places, minlength=len(distinct)).tolist()
    kept = [(-count, token) for token, count in zip(distinct, counts, strict=True) if count >= min_count]
    return (UNKNOWN, *(token for _, token in sorted(kept)))


def check_kind(tokens: Any) -> None:
    """Refuse what is no kind of tokens.

    Raises:
        UnknownNameError: it is none.
    """
    if tokens not in get_args(Kind):
        raise UnknownNameError.of("kind of tokens", str(tokens), get_args(Kind))


def read_text(path: str | Path) -> str:
    """A text file in UTF-8, its lines ended by a line feed whatever ended them there.

    Raises:
        DataFileError: it is missing, no text, no UTF-8, or larger than 1 GiB.
    """
    try:
        with open_plain(path) as file:
            content = file.read(_START)
            is_large = os.fstat(file.fileno()).st_size > LARGEST
            if not is_large and b"\0" not in content:
                content += file.read(LARGEST - _START)
    except OSError as error:
        raise DataFileError(f"{path} cannot be read ({reason(error)}): expected a text file in UTF-8") from error
    if is_large:
        raise DataFileError(f"{path} has more than {LARGEST:,} bytes: expected at most these. Split it into parts")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DataFileError(f"{path} is in UTF-16: expected UTF-8. Save it as UTF-8, or use iconv -f UTF-16 -t UTF-8")
    zero = content.find(b"\0")
    if zero >= 0:
        raise DataFileError(f"{path} is no text: byte {zero} is zero. Expected a text file in UTF-8")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataFileError(
            f"{path} is not in UTF-8: byte {error.start}, in line {line}, is {content[error.start]:#04x}. Save it as "
            "UTF-8, or use iconv -f GBK -t UTF-8 with the encoding that it has"
        ) from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
