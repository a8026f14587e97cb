"""The table of the last epochs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fourstep.show.table import LastEpochs, table_html, table_lines


def filled(count: int = 7, **more: float) -> LastEpochs:
    """Epochs of 2 s each, with a row in the middle of each."""
    last = LastEpochs()
    for epoch in range(1, count + 1):
        last.add({"epoch": epoch - 0.5, "train/loss": 9.0, "seconds": 2.0 * epoch - 1})
        numbers = {"train/loss": 1 / epoch, "train/accuracy": 0.5, "test/loss": 0.25, "test/accuracy": 0.75}
        last.add({"epoch": float(epoch), "step": epoch, **numbers, **more, "seconds": 2.0 * epoch})
    return last


def test_the_last_epochs_are_kept_with_their_seconds() -> None:
    """Five of seven, none from the middle of an epoch, each with the time that it took."""
    rows = list(filled().rows)
    assert [row["epoch"] for row in rows] == [3, 4, 5, 6, 7]
    assert {row["seconds"] for row in rows} == {2.0}
    assert {row["train/loss"] for row in rows} == {1 / epoch for epoch in (3, 4, 5, 6, 7)}
    assert "step" not in rows[0]


def test_a_wide_terminal_gets_every_column() -> None:
    """Below its split and metric, right-aligned, a line per epoch."""
    lines = [line.plain for line in table_lines(list(filled().rows), 80)]
    assert lines[0].split() == ["train", "train", "test", "test"]
    assert lines[1].split() == ["epoch", "loss", "accuracy", "loss", "accuracy", "seconds"]
    assert [line.split()[0] for line in lines[2:]] == ["3", "4", "5", "6", "7"]
    assert lines[-1].split() == ["7", "0.143", "0.500", "0.250", "0.750", "2.0"]
    assert len({len(line) for line in lines}) == 1


@pytest.mark.parametrize("width", [12, 30, 80])
def test_letters_of_two_columns_keep_the_columns_apart(width: int) -> None:
    """Chinese ones are two wide: every line is as wide on the screen as the others."""
    lines = table_lines(list(filled(7, **{"val/准确率": 0.5}).rows), width)

    assert len({line.cell_len for line in lines}) == 1
    assert lines[0].cell_len <= width
    assert ("准确率" in lines[1].plain) is (width > 12)


@pytest.mark.parametrize(
    ("width", "names"),
    [
        (40, ["epoch", "loss", "accuracy", "loss", "accuracy"]),
        (30, ["epoch", "loss", "loss", "accuracy"]),
        (22, ["epoch", "loss", "accuracy"]),
        (14, ["epoch", "loss"]),
        (5, ["epoch"]),
        (1, []),
    ],
)
def test_a_narrow_one_keeps_what_judges_the_model(width: int, names: list[str]) -> None:
    """Test before train, train before the seconds."""
    lines = [line.plain for line in table_lines(list(filled().rows), width)]
    assert (lines[1].split() if lines else []) == names
    if width == 22:
        assert lines[0].split() == ["test", "test"]


@given(st.lists(st.dictionaries(st.text(max_size=80).map("a/{}".format), st.floats(), max_size=6), max_size=6))
def test_anything_is_shown(rows: list[dict[str, float]]) -> None:
    """Whatever a stranger's metrics are called, no line is broken or too long, and no tag is in the HTML."""
    last = LastEpochs()
    for number, row in enumerate(rows):
        last.add({"epoch": float(number), **row})
    assert all(line.cell_len <= 60 and line.plain.isprintable() for line in table_lines(last.rows, 60))


def test_names_are_escaped() -> None:
    """In a notebook a metric's name is text."""
    html = table_html(filled(2, **{"test/<script>": 1.0}).rows)
    assert "<script>" not in html
    assert "test &lt;script&gt;" in html
    assert "train loss (running mean)" in html
    assert table_html([]) == ""


def test_the_learning_rate_is_a_column_where_it_changes() -> None:
    """A constant one says nothing."""
    last = LastEpochs()
    for epoch, lr in enumerate((0.1, 0.1, 0.05), start=1):
        last.add({"epoch": float(epoch), "test/loss": 0.5, "lr": lr, "seconds": float(epoch)})
        assert ("lr" in last.rows[-1]) == (epoch == 3)
    assert table_lines(last.rows, 80)[-1].plain.split() == ["3", "0.500", "0.05", "1.0"]
