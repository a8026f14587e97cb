"""Reports of runs that lie in folders, also of strangers' and of runs that another process is training."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fourstep.errors import ConfigError
from fourstep.report.comparison import comparison_of
from fourstep.report.notes import Notes, load_notes
from fourstep.report.page import page_of
from fourstep.report.reporter import save_page
from fourstep.runs.folder import REPORT
from fourstep.runs.lock import is_held
from fourstep.runs.record import RunRecord, load_run
from fourstep.show.thinning import curves_of

WAIT = 5.0  # seconds after which a browser looks again, for a page of a run that goes on


def save_report(run: str | Path, path: str | Path | None = None) -> Path:
    """Write a run's page anew.

    Args:
        run: its folder.
        path: of the page; None for `report.html` in the folder.

    Returns:
        Where the page is.

    Raises:
        ConfigError: another ending than `.html`.
        RunFolderError: there is no run, or it is damaged.
        DataFileError: the page cannot be written.
    """
    record, notes = _read(run)
    target = _html(record.path / REPORT if path is None else path)
    save_page(page_of(record, notes, curves_of(record.history), wait=WAIT), target)
    return target


def save_comparison(runs: Sequence[str | Path], path: str | Path) -> Path:
    """Write a page that compares runs, whatever each of them trained.

    Args:
        runs: their folders, two or more.
        path: of the page.

    Returns:
        Where the page is.

    Raises:
        ConfigError: another ending than `.html`, fewer than two runs, or the same run twice.
        RunFolderError: one of them holds no run, or is damaged.
        DataFileError: the page cannot be written.
    """
    target = _html(path)
    if len(runs) < 2:  # noqa: PLR2004 - as the message says
        raise ConfigError(f"{len(runs)} runs to compare: expected two folders or more, such as runs/lenet runs/mlp")
    places = [Path(run).resolve() for run in runs]
    twice = [str(run) for number, run in enumerate(runs) if places[number] in places[:number]]
    if twice:
        raise ConfigError(f"{twice[0]} is given twice: expected runs that differ")
    save_page(comparison_of([_read(run) for run in runs]), target)
    return target


def _html(path: str | Path) -> Path:
    if Path(path).suffix.lower() != ".html":
        raise ConfigError(f"{path} ends in {Path(path).suffix!r}: expected .html")
    return Path(path)


def _read(run: str | Path) -> tuple[RunRecord, Notes | None]:
    """A run's record and notes; one that says it is running, and that nobody trains, was interrupted."""
    record = load_run(run)
    notes = load_notes(record.path)
    if notes is None:
        return record, None
    is_running = is_held(record.path)
    if is_running and notes.state != "running":  # it goes on, and has not said so yet
        return record, replace(notes, state="running", answers=None)
    if not is_running and notes.state == "running":
        why = "the process that trained it is gone"
        return record, replace(notes, state="interrupted", why=why, unanswered="the run did not come to its end")
    return record, notes
