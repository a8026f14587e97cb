"""A text file to windows of tokens: what a language model learns from.

Source: *Dive into Deep Learning*, sections 8.2 and 8.3. Shapes: N windows, T tokens in each.
"""

from pathlib import Path

from jaxtyping import Int64
from torch import Tensor

from fourstep.data.builders import check_builder
from fourstep.data.dataset import Data
from fourstep.data.sequences.tokens import (
    Kind,
    TextEncoding,
    check_kind,
    find_tokens,
    learn_vocabulary,
    read_text,
)
from fourstep.data.sequences.windows import cut_windows, split_in_order, window_data
from fourstep.errors import DataError, check_count


def from_text(
    path: str | Path,
    *,
    num_steps: int,
    batch_size: int,
    tokens: Kind = "characters",
    val: float | None = None,
    test: float | None = None,
    stride: int | None = None,
    lower: bool = False,
    min_count: int = 1,
    max_tokens: int | None = None,
    seed: int = 0,
    shuffle: bool = True,
    drop_last: bool = False,
) -> Data:
    """A data set for a language model: windows of a text, each with the same one a token later as its targets.

    `CrossEntropyLoss` and `accuracy` want the tokens' scores along dimension 1: a model that makes `(B, T, K)` returns
    `scores.movedim(-1, 1)`, `(B, K, T)`, with K = `len(data.encoding.vocabulary)`.

    Args:
        path: a text file in UTF-8.
        num_steps: T, tokens in a window, 1 or more.
        batch_size: windows per batch, 1 or more.
        tokens: `"characters"`, or `"words"`, each mark between words one of its own; Chinese has no
            spaces, so that its tokens are characters.
        val: the share of the text to choose by, in (0, 1): what comes after the training part.
        test: the share to judge by: the text's end.
        stride: tokens from one window's beginning to the next one's, 1 or more; None for `num_steps`, so that no token
            is an input twice.
        lower: take the text in small letters.
        min_count: tokens that occur less often in the training part are unknown.
        max_tokens: take that many tokens from the beginning; None for all.
        seed: fixes the order of every epoch; 0 or more.
        shuffle: train in a new order every epoch.
        drop_last: leave out a short last training batch.

    Returns:
        `Data` with inputs and targets `(N, T)`, int64. No window reaches into another split. Its `encoding`, a
        `TextEncoding`, has the vocabulary of the training part, and turns text into inputs and indices into text.

    Raises:
        ConfigError: a number out of range.
        DataError: the text, or a split of it, is shorter than a window and the token after it.
        DataFileError: the file is missing, no text, or no UTF-8.
    """
    stride = num_steps if stride is None else stride
    for setting, count in (("num_steps", num_steps), ("stride", stride), ("min_count", min_count)):
        check_count(setting, count)
    if max_tokens is not None:
        check_count("max_tokens", max_tokens)
    check_kind(tokens)
    check_builder(path, "from_text")
    distinct, places = find_tokens(read_text(path), tokens, lower=lower)
    places = places[:max_tokens]
    if len(places) == 0:
        raise DataError(f"{path} has no {tokens}: expected {num_steps + 1} or more")
    parts = split_in_order(len(places), {"val": val, "test": test}, num_steps + 1, f"{tokens} of {path}")
    vocabulary = learn_vocabulary(distinct, places[parts["train"]], min_count)
    encoding = TextEncoding(tokens=tokens, vocabulary=vocabulary, lower=lower)
    indices = encoding.number(distinct, places)
    pairs = {name: _shifted(indices[part], num_steps, stride) for name, part in parts.items()}
    order = {"seed": seed, "shuffle": shuffle, "drop_last": drop_last}
    return window_data(pairs, encoding, batch_size=batch_size, name=Path(path).stem, **order)


def _shifted(
    indices: Int64[Tensor, " L"], num_steps: int, stride: int
) -> tuple[Int64[Tensor, "N T"], Int64[Tensor, "N T"]]:
    """Windows, and the same a token later."""
    windows = cut_windows(indices, num_steps + 1, stride)
    return windows[:, :-1], windows[:, 1:]
