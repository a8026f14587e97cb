"""A sample of `make faults`' hostile set; the mends that it led to are tested beside what they mend."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.skipif(sys.platform != "linux", reason="watches by the kernel's own counters")
def test_hostile_files_are_refused_and_the_watch_sees_those_that_are_not() -> None:
    """Some files at their doors; and each kind of harm, done on purpose, is noticed."""
    command = [sys.executable, str(ROOT / "faults" / "hostile_sample.py")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=os.environ, check=False)

    assert done.returncode == 0, done.stderr
    assert "hostile files, 5 controls" in done.stdout
