"""Texts to windows of tokens, their vocabulary, and the smallest language model."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor, nn

import fourstep as fs
from fourstep.d2l.sequence import seq_data_iter_sequential
from fourstep.d2l.text import Vocab, tokenize
from fourstep.data.encoding import load_encoding, save_encoding
from fourstep.data.sequences.tokens import TextEncoding, find_tokens, learn_vocabulary

TEXT = "The time machine, by H. G. Wells.\nThe Time Traveller (for so it will be convenient to speak of him)\n" * 4


def written(folder: Path, text: str | bytes = TEXT) -> Path:
    """The text in a file."""
    path = folder / "book.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def encoding_of(data: fs.Data) -> TextEncoding:
    """The data's own."""
    assert isinstance(data.encoding, TextEncoding)
    return data.encoding


def batches_of(split: Any) -> fs.Batches:
    """The split as what it is."""
    assert isinstance(split, fs.Batches)
    return split


@pytest.mark.parametrize("tokens", ["characters", "words"])
@pytest.mark.parametrize("stride", [None, 1, 3])
def test_windows_are_those_of_numpy(tmp_path: Path, tokens: Any, stride: int | None) -> None:
    """Every window and, a token later, its targets, as numpy cuts them from the tokens of the whole text."""
    data = fs.data.from_text(written(tmp_path), tokens=tokens, num_steps=5, batch_size=4, stride=stride, shuffle=False)
    tokens_in_order = data.to_inputs(TEXT)[0].numpy()

    windows = sliding_window_view(tokens_in_order, 6)[:: stride or 5]

    train = batches_of(data.train)
    assert np.array_equal(train.inputs.numpy(), windows[:, :-1])
    assert np.array_equal(train.targets.numpy(), windows[:, 1:])
    assert train.inputs.dtype == train.targets.dtype == torch.int64


def test_windows_share_the_memory_of_the_text(tmp_path: Path) -> None:
    """Windows that begin at every token take no more than the tokens, until a batch of them is gathered."""
    train = batches_of(fs.data.from_text(written(tmp_path), num_steps=50, batch_size=4, stride=1).train)

    assert train.inputs.untyped_storage().data_ptr() == train.targets.untyped_storage().data_ptr()
    assert train.inputs.untyped_storage().nbytes() == 8 * len(TEXT)
    assert next(iter(train))[0].is_contiguous()


def test_the_book_has_the_same_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The book's sequential batches of one subsequence, beginning at the first character, under its own vocabulary."""
    vocab = Vocab(tokenize([TEXT], "char"))
    monkeypatch.setattr(random, "randint", lambda low, _: low)
    expected = list(seq_data_iter_sequential(vocab[list(TEXT)], batch_size=1, num_steps=7))

    data = fs.data.from_text(written(tmp_path), num_steps=7, batch_size=1, shuffle=False)

    renumber = torch.tensor(vocab[list(encoding_of(data).vocabulary)])
    own = [(renumber[inputs], renumber[targets]) for inputs, targets in data.train]
    assert len(own) == len(expected)
    assert all(
        torch.equal(a, b) for pair, book in zip(own, expected, strict=True) for a, b in zip(pair, book, strict=True)
    )


@given(
    text=st.text(st.sampled_from("abc \nd.é你"), min_size=40, max_size=200),
    shares=st.tuples(st.none() | st.floats(0.2, 0.4), st.none() | st.floats(0.2, 0.4)),
    stride=st.integers(1, 6),
)
def test_no_window_leaves_its_split(
    tmp_path_factory: pytest.TempPathFactory, text: str, shares: tuple[float | None, float | None], stride: int
) -> None:
    """The splits' windows lie in three parts of the text, one behind the other."""
    val, test = shares
    path = written(tmp_path_factory.mktemp("text"), text)
    data = fs.data.from_text(path, num_steps=3, batch_size=2, val=val, test=test, stride=stride, shuffle=False)

    end = 0
    for name, split in data.splits().items():
        share = {"train": 1 - (val or 0) - (test or 0), "val": val, "test": test}[name] or 0
        batches = batches_of(split)
        first = int(batches.inputs.storage_offset())
        last = first + (len(batches.inputs) - 1) * stride + 3
        assert first == end
        end = (
            first + round(len(text) * share)
            if name != "train"
            else len(text) - sum(round(len(text) * (other or 0)) for other in shares)
        )
        assert last < end


def test_the_vocabulary_is_the_training_parts(tmp_path: Path) -> None:
    """What occurs in the test part alone is unknown, and does not change a number."""
    text = "ab" * 45 + "xyz" * 4
    data = fs.data.from_text(written(tmp_path, text), num_steps=2, batch_size=8, test=0.12)

    assert encoding_of(data).vocabulary == ("<unk>", "a", "b")
    assert batches_of(data.test).targets.unique().tolist() == [0]


@given(text=st.text(max_size=200), min_count=st.integers(1, 3))
def test_the_vocabulary_is_the_books(text: str, min_count: int) -> None:
    """The same characters, at least so frequent, the most frequent first; and no other."""
    vocabulary = learn_vocabulary(*find_tokens(text, "characters", lower=False), min_count)
    book = Vocab(list(text), min_freq=min_count)

    assert sorted(vocabulary) == sorted(book.idx_to_token)
    counts = [text.count(token) for token in vocabulary[1:]]
    assert counts == sorted(counts, reverse=True)


@given(text=st.text(min_size=1, max_size=200))
def test_characters_come_back(text: str) -> None:
    """A text of known characters is what its indices say, whatever it is written in."""
    encoding = TextEncoding(tokens="characters", vocabulary=("<unk>", *sorted(set(text))))

    assert encoding.to_text(encoding.to_inputs(text)[0]) == text


def test_words_and_marks_are_tokens() -> None:
    """A word has no mark in it, a mark is a word of its own, and what is unknown is said."""
    encoding = TextEncoding(tokens="words", vocabulary=("<unk>", "the", "time", "."), lower=True)

    assert encoding.to_inputs("The TIME, traveller.").tolist() == [[1, 2, 0, 0, 3]]
    assert encoding.to_text(torch.tensor([1, 2, 0, 3])) == "the time <unk> ."


@pytest.mark.parametrize("settings", [{}, {"tokens": "words", "lower": True, "min_count": 5, "max_tokens": 70}])
def test_the_encoding_is_kept(tmp_path: Path, settings: dict[str, Any]) -> None:
    """Read back from a file, it is equal and gives the same indices."""
    data = fs.data.from_text(written(tmp_path), num_steps=5, batch_size=4, **settings)
    save_encoding(encoding_of(data), tmp_path / "inputs.json")

    loaded = load_encoding(tmp_path / "inputs.json")

    assert loaded == data.encoding
    assert torch.equal(loaded.to_inputs("The machine"), data.to_inputs("The machine"))


def test_new_text_comes_from_a_file_too(tmp_path: Path) -> None:
    """A `Path` is a file, whatever ends its lines; a text is the text itself."""
    data = fs.data.from_text(written(tmp_path), num_steps=5, batch_size=4)
    (tmp_path / "windows.txt").write_bytes(b"\xef\xbb\xbf" + TEXT.replace("\n", "\r\n").encode())

    assert torch.equal(data.to_inputs(tmp_path / "windows.txt"), data.to_inputs(TEXT))


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_is_the_seeds(tmp_path: Path, seed: int) -> None:
    """The same seed, the same batches; another, others."""
    path = written(tmp_path)
    first, second, other = (
        torch.cat([inputs for inputs, _ in fs.data.from_text(path, num_steps=4, batch_size=8, seed=number).train])
        for number in (seed, seed, seed + 1)
    )

    assert torch.equal(first, second)
    assert not torch.equal(first, other)


class Reader(nn.Module):
    """The smallest language model: what comes after a token is guessed from the token."""

    def __init__(self, num_tokens: int) -> None:
        super().__init__()
        self.table = nn.Embedding(num_tokens, num_tokens)

    def forward(self, inputs: Tensor) -> Tensor:
        """`(B, T)` token indices to scores `(B, K, T)`."""
        scores: Tensor = self.table(inputs)
        return scores.movedim(-1, 1)


def test_a_language_model_learns(tmp_path: Path) -> None:
    """`fit` and `accuracy` take targets with a time; the run's folder keeps the vocabulary; the loss is torch's own."""
    data = fs.data.from_text(written(tmp_path, "abcdefgh " * 60), num_steps=6, batch_size=8, val=0.2)
    model = Reader(len(encoding_of(data).vocabulary))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.3)

    run = fs.fit(
        model,
        data,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=4,
        metrics={"accuracy": fs.accuracy},
        folder=tmp_path / "run",
        show="none",
    )

    row = run.history.rows[-1]
    val = batches_of(data.val)
    scores = model(val.inputs)
    assert row["val/accuracy"] == (scores.argmax(1) == val.targets).float().mean().item() == 1
    assert row["val/loss"] == pytest.approx(nn.functional.cross_entropy(scores, val.targets).item(), rel=1e-5)
    encoding = load_encoding(tmp_path / "run")
    assert isinstance(encoding, TextEncoding)
    assert encoding.to_text(fs.predict(model, encoding.to_inputs("abc")).argmax(1)[0]) == "bcd"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "book.txt has no characters: expected 6 or more"),
        (b"abc", "train has 3 of 3 characters of .*book.txt: expected 6 or more, as one window with its targets has"),
        ("book\n中文\n".encode("gbk"), "book.txt is not in UTF-8: byte 5, in line 2, is 0xd6. Save it as UTF-8"),
        (b"one\ntwo\n\xff three", "is not in UTF-8: byte 8, in line 3, is 0xff"),
        ("one".encode("utf-16"), "is in UTF-16: expected UTF-8. Save it as UTF-8, or use iconv -f UTF-16"),
        (b"one\0two", "is no text: byte 3 is zero"),
    ],
)
def test_wrong_texts_are_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """In one line that names the file and the place in it."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_text(written(tmp_path, content), num_steps=5, batch_size=2)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """It says so itself, and takes no memory."""
    with written(tmp_path).open("r+b") as file:
        file.truncate(2**31)

    with pytest.raises(fs.DataFileError, match=r"book\.txt has more than 1,073,741,824 bytes: expected at most"):
        fs.data.from_text(tmp_path / "book.txt", num_steps=5, batch_size=2)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"num_steps": 0}, "num_steps 0: expected a whole number of 1 or more"),
        ({"stride": 0}, "stride 0: expected"),
        ({"min_count": 0.5}, "min_count 0.5: expected"),
        ({"max_tokens": -1}, "max_tokens -1: expected"),
        ({"batch_size": 0}, "batch_size 0: expected"),
        ({"tokens": "word"}, "unknown kind of tokens 'word': did you mean 'words'"),
        ({"val": 1}, "val=1: expected a fraction between 0 and 1$"),
        ({"val": 0.5, "test": 0.5}, "val \\+ test = 1: expected less than 1"),
        ({"test": 0.01}, "test has 4 of 400 characters of .*: expected 6 or more"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], said: str) -> None:
    """Each in one line with its value."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_text(written(tmp_path, TEXT[:400]), **{"num_steps": 5, "batch_size": 2, **settings})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("a.csv", "is a table, which from_text does not read. Mend: fourstep.data.from_table"),
        ("a.png", "is a picture, which from_text does not read. Mend: fourstep.data.from_images"),
        ("a.npz", "is an array, which from_text does not read. Mend: fourstep.data.from_file"),
        (".", "is a folder, which from_text does not read. Mend: fourstep.data.from_images"),
        ("nowhere.txt", "nowhere.txt cannot be read \\(No such file or directory\\): expected a text file in UTF-8"),
    ],
)
def test_other_files_are_named(tmp_path: Path, name: str, said: str) -> None:
    """With the function that is for them."""
    with pytest.raises(fs.FourstepError, match=said):
        fs.data.from_text(tmp_path / name, num_steps=5, batch_size=2)


@pytest.mark.usefixtures("unchecked_types")
def test_what_is_no_text_is_refused() -> None:
    """Neither as new input, nor as indices."""
    encoding = TextEncoding(tokens="characters", vocabulary=("<unk>", "a"))

    with pytest.raises(fs.DataError, match="a text is a list: expected a text, or the pathlib"):
        encoding.to_inputs(["a"])  # type: ignore[arg-type]
    with pytest.raises(fs.DataError, match="'' has no characters: expected at least one"):
        encoding.to_inputs("")
    with pytest.raises(fs.DataError, match=r"token index 2: expected 0\.\.1, the vocabulary's"):
        encoding.to_text([0, 2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"vocabulary": ["<unk>", "a", "a"]}, "has a token twice"),
        ({"vocabulary": ["a"]}, "does not begin with '<unk>'"),
        ({"vocabulary": []}, "does not begin with '<unk>'"),
        ({"vocabulary": ["<unk>", "ab"]}, "the vocabulary has 'ab', which is none of characters"),
        ({"vocabulary": ["<unk>", "a b"], "tokens": "words"}, "the vocabulary has 'a b', which is none of words"),
        ({"vocabulary": ["<unk>", 1]}, "its vocabulary is no list of texts"),
        ({"vocabulary": {"<unk>": 0}}, "its vocabulary is no list of texts"),
        ({"lower": 1}, "lower is 1, not true or false"),
        ({"tokens": ["words"]}, "unknown kind of tokens"),
    ],
)
@pytest.mark.usefixtures("unchecked_types")
def test_a_damaged_encoding_is_refused(change: dict[str, Any], said: str) -> None:
    """As `load_encoding` expects it."""
    table = {"tokens": "characters", "lower": False, "vocabulary": ["<unk>", "a"], **change}

    with pytest.raises((TypeError, ValueError), match=said):
        TextEncoding.from_json(table)
