"""Odd input for `fourstep report`: a run of a stranger's, whose page must be nothing but a page."""

from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from random import Random
from typing import Any

from faults.mutators import mutate_json, mutate_lines, mutate_toml

from fourstep.report.folders import save_comparison, save_report
from fourstep.report.notes import Notes, Residual, Times, ValueAnswers, save_notes
from fourstep.runs.folder import NOTES, ROWS, SETTINGS

MUTATORS: dict[str, Callable[[Random, bytes], bytes]] = {
    SETTINGS: mutate_toml,
    ROWS: mutate_lines,
    NOTES: mutate_json,
}
TAGS = {  # that the templates have
    *("html", "head", "meta", "link", "title", "style", "body", "main", "header", "footer", "section", "script"),
    *("h1", "h2", "h3", "p", "b", "br", "i", "small", "strong", "span", "code", "pre", "noscript", "div", "figure"),
    *("figcaption", "dl", "dt", "dd", "ul", "li", "img", "details", "summary", "table", "caption", "thead", "tbody"),
    *("tr", "th", "td", "svg", "line", "text", "circle"),
}


class _Reader(HTMLParser):
    """Takes nothing but the templates' own elements, which load nothing and listen to nothing."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag}> is on the page"
        for name, value in attrs:
            assert not name.startswith("on"), f"<{tag} {name}> is on the page"
            assert name not in ("src", "href") or (value or "").startswith("data:"), f"<{tag} {name}={value!r:.60}>"


def prepare_report(folder: Path) -> Callable[[Random], Callable[[], Any]]:
    """A run's settings, rows and notes, of a classifier or of a regression; on a page of its own, or compared."""
    run, page = folder / "run", folder / "page.html"
    whole = {name: [(run / name).read_bytes()] for name in MUTATORS}
    save_comparison([run, folder / "own"], page)  # templates are compiled once, before anybody watches
    save_report(run, page)
    save_notes(_of_a_regression(), run)
    whole[NOTES].append((run / NOTES).read_bytes())

    def attempt(draw: Random) -> Callable[[], Any]:
        changed = draw.sample(list(MUTATORS), draw.choice((1, 1, 1, 2)))
        for name, mutate in MUTATORS.items():
            content = draw.choice(whole[name])
            (run / name).write_bytes(mutate(draw, content) if name in changed else content)
        is_alone = draw.random() < 0.7  # noqa: PLR2004 - a share

        def read() -> None:
            written = save_report(run, page) if is_alone else save_comparison([folder / "own", run], page)
            text = written.read_text(encoding="utf-8")
            _Reader().feed(text)
            assert text.count("<script") == text.count("</script>") == 2, "a script is on the page"  # noqa: PLR2004 - data and ours

        return read

    return attempt


def _of_a_regression() -> Notes:
    points = tuple(Residual(index=index, true=index / 2, predicted=index / 3) for index in range(5))
    answers = ValueAnswers(
        split="val", samples=5, of=9, outputs=2, rmse=0.5, r2=0.25, points=points, largest=points[3:]
    )
    times = Times(all=3.0, passes=2.0, evaluations=0.5, steps=4, parts=(0.1, 0.2, 0.3, 0.0, 0.1))
    return Notes(
        state="finished", begun=1.5, written=2.5, epochs=3, command=("python", "a.py"), times=times, answers=answers
    )
