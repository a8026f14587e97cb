"""What a report keeps beside settings and rows: written, read, and refused where it is not what was written."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fourstep as fs
from fourstep.report.notes import (
    LARGEST,
    ClassAnswers,
    Confusion,
    Mistake,
    Notes,
    Residual,
    Times,
    ValueAnswers,
    load_notes,
    save_notes,
)

MISTAKE = Mistake(index=3, true=0, predicted=1, probability=0.75, values=(1.5, -2.0))
CLASSES = ClassAnswers(
    split="test",
    samples=5,
    of=9,
    num_classes=2,
    confusions=(Confusion(true=0, predicted=1, count=1), Confusion(true=1, predicted=1, count=4)),
    mistakes=(MISTAKE,),
)
POINT = Residual(index=0, true=1.0, predicted=1.25)
VALUES = ValueAnswers(split="val", samples=1, of=1, outputs=1, rmse=0.25, r2=0.0, points=(POINT,), largest=(POINT,))
TIMES = Times(all=3.0, passes=2.0, evaluations=0.5, steps=4, parts=(0.1, 0.2, 0.3, 0.0, 0.1))


@pytest.mark.parametrize("answers", [None, CLASSES, VALUES])
@pytest.mark.parametrize("times", [None, TIMES])
def test_notes_come_back_as_they_were(answers: Any, times: Any, tmp_path: Path) -> None:
    """Every field, of either kind of answers; a folder without them has none."""
    notes = Notes(
        state="stopped", why="it\nis", begun=1.5, written=2.5, epochs=3, command=("python", "a b.py"), times=times,
        answers=answers,
    )  # fmt: skip
    assert load_notes(tmp_path) is None

    save_notes(notes, tmp_path)
    assert load_notes(tmp_path) == notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, r"report\.format is 2"),
        ({"state": "flying"}, r"report\.state is 'flying'"),
        ({"epochs": -1}, r"report\.epochs is -1"),
        ({"epochs": True}, r"report\.epochs is True"),
        ({"begun": "now"}, r"report\.begun is 'now'"),
        ({"begun": 10**400}, r"report\.json is damaged: .*\. Delete it"),
        ({"why": "\ud800"}, r"report\.why is "),
        ({"why": "x" * 50_000}, r"report\.why is "),
        ({"command": "python"}, r"report\.command is 'python'"),
        ({"times": {"all": 1.0}}, r"missing"),
        ({"times": {"all": 1.0, "passes": 1.0, "evaluations": 0.0, "steps": 1, "parts": [1.0]}}, "it has 1 parts"),
        ({"answers": {"split": "test"}}, r"missing"),
        ({"answers": [1]}, r"report\.answers is \[1\]"),
    ],
)
def test_what_was_not_written_so_is_refused_in_one_line(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    """A wrong type, a missing field, a number or text out of range: where it is, and the mend."""
    save_notes(Notes(state="finished", begun=0.0, written=0.0, epochs=1), tmp_path)
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(fs.RunFolderError, match=message) as caught:
        load_notes(tmp_path)
    assert "\n" not in str(caught.value)
    assert "Delete it, and the report is made without what it holds" in str(caught.value)


def test_a_class_that_there_is_not_is_refused(tmp_path: Path) -> None:
    """An index beyond the classes would be looked up in their names; too many classes take the memory."""
    for changed in ({"num_classes": 1}, {"num_classes": 20_000}):
        save_notes(Notes(state="finished", begun=0.0, written=0.0, epochs=1, answers=CLASSES), tmp_path)
        path = tmp_path / "report.json"
        whole = json.loads(path.read_text())
        whole["answers"] |= changed
        path.write_text(json.dumps(whole))
        with pytest.raises(fs.RunFolderError, match="it has class 1 of"):
            load_notes(tmp_path)


def test_what_is_no_file_of_ours_is_refused(tmp_path: Path) -> None:
    """A folder by its name, a file that would fill the memory, one that is too deep."""
    (tmp_path / "report.json").mkdir()
    with pytest.raises(fs.RunFolderError, match=r"report\.json cannot be read"):
        load_notes(tmp_path)
    (tmp_path / "report.json").rmdir()
    for content, message in (
        (b" " * (LARGEST + 1), "it has more than 4,194,304 bytes"),
        (b"[" * 100_000, "too deeply"),
    ):
        (tmp_path / "report.json").write_bytes(content)
        with pytest.raises(fs.RunFolderError, match=message):
            load_notes(tmp_path)


@given(content=st.binary(max_size=200) | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps))
def test_any_content_is_read_or_refused(content: bytes | str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Nothing else than our error comes out."""
    folder = tmp_path_factory.mktemp("any")
    (folder / "report.json").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(fs.RunFolderError):
        load_notes(folder)
