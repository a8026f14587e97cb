"""One run, one process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import fourstep as fs
from fourstep.runs.lock import RunLock

HOLD = """
import sys, time
from pathlib import Path
from fourstep.runs.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    """Another process that holds the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_folder_that_another_process_holds_is_refused_at_once(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """Within a second, by that process's number; also by another path to the same folder. Its death frees it."""
    (tmp_path / "link").symlink_to(tmp_path)
    begun = time.monotonic()
    for path in (tmp_path, tmp_path / "link"):
        with pytest.raises(fs.RunFolderError, match=f"is in use by process {holder.pid} on .*: wait until it is done"):
            RunLock(path)
    assert time.monotonic() - begun < 1
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    RunLock(tmp_path).release()


def test_a_folder_that_this_process_holds_is_refused(tmp_path: Path) -> None:
    """The operating system would let it pass."""
    lock = RunLock(tmp_path)
    with pytest.raises(fs.RunFolderError, match="is in use by another run of this process"):
        RunLock(tmp_path)
    lock.release()
    RunLock(tmp_path).release()


def test_a_forked_child_does_not_hold_on(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """A worker process that outlives its killed run must not keep the next one out."""
    holder.kill()
    holder.communicate()
    lock = RunLock(tmp_path)
    child = os.fork()
    if child == 0:
        time.sleep(30)
        os._exit(0)
    try:
        lock.release()
        done = subprocess.run(
            [sys.executable, "-c", HOLD.replace("60", "0"), str(tmp_path)], check=False, capture_output=True, text=True
        )
        assert done.stdout == "held\n", done.stderr
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_what_a_stranger_wrote_does_not_reach_the_terminal(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    """The holder's line is shown only where it is plain text."""
    (tmp_path / "run.lock").write_text("\x1b[2Jgone")
    with pytest.raises(fs.RunFolderError, match="is in use by another process: "):
        RunLock(tmp_path)
    holder.kill()
    holder.communicate()


def test_a_folder_that_can_not_be_written_is_one_line(tmp_path: Path) -> None:
    """Also as root, who may write everywhere."""
    (tmp_path / "run.lock").mkdir()
    with pytest.raises(
        fs.RunFolderError, match=r"run\.lock cannot be opened: Is a directory\. Expected a folder that may"
    ):
        RunLock(tmp_path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_lock_that_is_a_link_writes_no_other_file(tmp_path: Path) -> None:
    """A stranger's run may hold a link to a file of one's own."""
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.lock").symlink_to("../mine")
    with pytest.raises(fs.RunFolderError, match=r"run\.lock cannot be opened"):
        RunLock(tmp_path / "run")
    assert (tmp_path / "mine").read_text() == "mine"
