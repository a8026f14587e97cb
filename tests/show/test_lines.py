"""A line per epoch where there is no terminal."""

import io
import re
import sys

import pytest
import torch
from torch import nn

import fourstep as fs


def test_there_is_one_line_per_epoch_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    """Output that is no terminal gets the numbers of each epoch on a line of their own, in the history's order."""
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(60), batch_size=20, test=0.5)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    run = fs.fit(
        model, data, nn.CrossEntropyLoss(), optimizer, epochs=3, metrics={"accuracy": fs.accuracy}, log_every=1
    )
    lines = capsys.readouterr().out.splitlines()

    assert len(lines) == 3
    rows = [row for row in run.history if row["epoch"] in (1, 2, 3)]
    for number, (line, row) in enumerate(zip(lines, rows, strict=True), start=1):
        parts = line.split("  ")
        assert parts[0] == f"epoch {number}/3"
        assert re.sub(r"\d\.\d{3}", "#", parts[1]) == "train (running mean): loss #, accuracy #"
        assert re.sub(r"\d\.\d{3}", "#", parts[2]) == "test: loss #, accuracy #"
        assert float(parts[2].rsplit(" ", 1)[1]) == pytest.approx(row["test/accuracy"], rel=5e-3)
        assert re.fullmatch(r"[\d,.]+ examples/s", parts[-1])


def test_a_name_that_the_output_has_no_letters_for_ends_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is spelled by its numbers, as Python spells it on standard error."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(60), batch_size=20)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=1, metrics={"准确率": fs.accuracy})

    assert rb"\u51c6\u786e\u7387 0." in written.getvalue()
