"""The page of one run: what its template is given."""

from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourstep.errors import one_line
from fourstep.history import History
from fourstep.report import words
from fourstep.report.answers import class_view, value_view
from fourstep.report.curves import charts_of, drawable, last_values, summarise
from fourstep.report.notes import PARTS, ClassAnswers, Notes, Times, ValueAnswers
from fourstep.runs.record import RunRecord
from fourstep.show.best import judged
from fourstep.show.labels import metric_of, number, shortened, speed, title
from fourstep.show.thinning import Curves

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST_NAME = 80  # characters of a folder's, as a heading has room for
PART_WORDS = {
    "data": "data: making and moving the batches",
    "forward": "1. forward, with the loss",
    "backward": "3. backward",
    "measuring": "metrics and checks",
    "update": "4. update",
}


def page_of(record: RunRecord, notes: Notes | None, curves: Curves, *, wait: float = 0.0) -> str:
    """A run's page.

    Args:
        record: its settings and rows.
        notes: what else is known of it; None for a folder without `report.json`.
        curves: of the record's history.
        wait: seconds after which a browser looks for a newer page, while the run lives.

    Returns:
        HTML, whole in itself.
    """
    curves = drawable(curves)
    epochs = 0 if notes is None else notes.epochs
    is_live = notes is not None and notes.state == "running"
    charts = charts_of(curves, float(epochs) if is_live else 0.0) if curves else []
    return render(
        "run.html.jinja",
        title=_name(record.path),
        data={"charts": charts, "x": "epoch", **_liveness(notes, wait)},
        sentence=words.sentence(record),
        status=_status(record.history, notes),
        cards=_cards(record, curves),
        numbers=_numbers(record.history, curves),
        charts=charts,
        splits=words.splits(record),
        tables=words.tables(record),
        repeat=words.repeat_lines(record, notes),
        classes=class_view(notes.answers, record.classes)
        if notes and isinstance(notes.answers, ClassAnswers)
        else None,
        values=value_view(notes.answers) if notes and isinstance(notes.answers, ValueAnswers) else None,
        unanswered="" if notes is None or is_live else notes.unanswered,
        times=_time_rows(notes.times) if notes and notes.times else None,
        steps=notes.times.steps if notes and notes.times else 0,
        footer=_footer(record, notes),
    )


def render(template: str, **context: Any) -> str:
    """A template of this package, filled in; whatever stands in the context is escaped."""
    return _environment().get_template(template).render(context)


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FunctionLoader, StrictUndefined  # noqa: PLC0415 - slow to import
    from markupsafe import Markup  # noqa: PLC0415 - likewise

    def source(name: str) -> str:
        return files("fourstep.report").joinpath(name).read_text(encoding="utf-8")

    environment = Environment(
        loader=FunctionLoader(source), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals["style"] = Markup(source("report.css"))  # noqa: S704 - our own file
    environment.globals["script"] = Markup(source("report.js"))  # noqa: S704 - our own file
    return environment


def _name(path: Path) -> str:
    return shortened(path.resolve().name, LONGEST_NAME) or "run"


def _liveness(notes: Notes | None, wait: float) -> dict[str, Any]:
    if notes is None or notes.state != "running":
        return {"live": False}
    return {"live": True, "written": round(notes.written, 3), "wait": round(wait, 1)}


def _status(history: History, notes: Notes | None) -> dict[str, Any]:
    """How the run stands: in a word, when, and how far it is."""
    done = history.rows[-1]["epoch"] if history.rows else 0.0
    if notes is None:
        return {"state": "unknown", "why": "", "when": "", "share": 0, "progress": f"{words.epochs(done)} epochs"}
    when = f"begun {words.moment(notes.begun)}"
    share = 100 * done / max(notes.epochs, 1)
    when += f", {'last seen' if notes.state == 'running' else 'ended'} {words.moment(notes.written)}"
    return {
        "state": notes.state,
        "why": one_line(notes.why),
        "when": when,
        "share": round(min(share, 100)) if share > 0 else 0,
        "progress": f"{words.epochs(done)} of {notes.epochs:,} epochs",
    }


def _cards(record: RunRecord, curves: Curves) -> list[tuple[str, str, str]]:
    """The few numbers that are asked for first: a name, the number, and what it is of."""
    found = []
    names = list(curves)
    for name in sorted(judged(names) or names[:2], key=lambda name: metric_of(name) == "loss")[:3]:
        last, best = summarise(name, curves[name])
        if best is not None:
            found.append((f"best {title(name)}", _number(name, best[1]), f"at epoch {words.epochs(best[0])}"))
        else:
            found.append((f"last {title(name)}", _number(name, last[1]), f"at epoch {words.epochs(last[0])}"))
    rows = [row for row in record.history if "examples_per_second" in row]
    if rows:
        paces = sorted(row["examples_per_second"] for row in rows)
        found.append(("speed", speed(paces[len(paces) // 2]).removesuffix(" examples/s"), "examples/s, data included"))
        if "seconds" in rows[-1]:
            found.append(("time", words.duration(rows[-1]["seconds"]), "training and evaluation"))
    parameters = record.model.get("parameters")
    if isinstance(parameters, int):
        found.append(("parameters", f"{parameters:,}", words.plain(record.model.get("kind", ""))))
    return found


def _number(name: str, value: float) -> str:
    return f"{value:.1%}" if metric_of(name) == "accuracy" and 0 <= value <= 1 else number(value)


def _numbers(history: History, curves: Curves) -> list[dict[str, str]]:
    """Every curve's last and best number."""

    def row(name: str, last: float) -> dict[str, str]:
        best = summarise(name, curves[name]).best if name in curves else None
        return {
            "name": title(name),
            "last": number(last),
            "best": "" if best is None else number(best[1]),
            "where": "" if best is None else words.epochs(best[0]),
        }

    return [row(name, last) for name, last in last_values(history).items()]


def _time_rows(times: Times) -> list[dict[str, Any]]:
    """Where the time went; the parts of a step as the looked-at steps had them, taken for all."""
    whole = max(times.all, times.passes + times.evaluations, 1e-9)
    inside = sum(times.parts)
    parts = zip(PARTS, times.parts, strict=True)
    shares = [(PART_WORDS[part], times.passes * seconds / inside) for part, seconds in parts] if inside else []
    rest = max(0.0, whole - times.passes - times.evaluations)
    named = [
        *(shares or [("training steps", times.passes)]),
        ("evaluation", times.evaluations),
        ("saving, drawing, the rest", rest),
    ]
    return [
        {"name": name, "seconds": words.duration(seconds), "share": round(100 * seconds / whole, 1), "colour": colour}
        for colour, (name, seconds) in enumerate(named)
    ]


def _footer(record: RunRecord, notes: Notes | None) -> str:
    version = words.plain(record.versions.get("fourstep", ""))
    written = "" if notes is None else f", {words.moment(notes.written)}"
    return f"fourstep {version}{written}"
