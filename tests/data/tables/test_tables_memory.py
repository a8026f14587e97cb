"""What a table takes while it is read: the peak of a process of its own, as the kernel counts it."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

PROGRAM = """
import re, sys
from pathlib import Path
import fourstep as fs

def peak():
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) * 1024

before = peak()
data = fs.data.from_table(sys.argv[1], target="y", batch_size=256, test=None)
next(iter(data.train))
print(peak() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the kernel tells no peak here")
def test_a_table_takes_at_most_two_and_a_half_times_its_file(tmp_path: Path) -> None:
    """The start of polars counted; with what that keeps by itself it was 3.4 times."""
    numbers = np.random.default_rng(0).standard_normal((1_000_000, 24), dtype=np.float32).round(4)
    pl.DataFrame({**{f"x{index}": numbers[:, index] for index in range(23)}, "y": numbers[:, 23]}).write_csv(
        tmp_path / "table.csv"
    )
    own = {name: value for name, value in os.environ.items() if name != "_RJEM_MALLOC_CONF"}  # polars has set it here
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "table.csv")]
    done = subprocess.run(command, env=own, capture_output=True, text=True, check=True)

    assert int(done.stdout) <= 2.5 * (tmp_path / "table.csv").stat().st_size
