"""What a table takes while it is read: the peak of a process of its own, as the kernel counts it."""

from pathlib import Path

import pytest
from benchmarks.own_data import run, write_table


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel tells no peak here")
def test_a_table_takes_at_most_two_and_a_half_times_its_file(tmp_path: Path) -> None:
    """The start of polars counted; with what that keeps by itself it was 3.4 times."""
    write_table(tmp_path / "table.csv", 1_000_000)

    figures = run("table by fourstep", tmp_path / "table.csv", tmp_path / "cache")

    assert figures["peak MB over the start's"] <= 2.5 * figures["file MB"]
