"""Parts of the fault trials that run side by side: none is lost without a word."""

from pathlib import Path

import pytest
from faults.side_by_side import run_shards
from faults.zygote import Failure

PART = """
import sys, time
given = dict(zip(sys.argv[1::2], sys.argv[2::2]))
with open(given["--out"], "a") as file:
    print(given["--shard"], file=file)
"""


@pytest.mark.parametrize("ending", ["", "sys.exit(3)"])
def test_every_part_is_done(ending: str, tmp_path: Path) -> None:
    """Also where a trial of it failed, as its lines say."""
    (tmp_path / "part.py").write_text(PART + ending)

    assert run_shards(tmp_path / "part.py", [], 3) == ["1/3", "2/3", "3/3"]


def test_a_part_that_breaks_off_is_told(tmp_path: Path) -> None:
    """With what it said; the others, which would take minutes, are stopped."""
    (tmp_path / "part.py").write_text(
        PART + "if given['--shard'] == '1/2': raise RuntimeError('broken')\ntime.sleep(600)"
    )

    with pytest.raises(Failure, match=r"ended with 1: Traceback[^$]*RuntimeError: broken"):
        run_shards(tmp_path / "part.py", [], 2)
