"""The page in a real browser: curves under the mouse, phones, the dark, hostile names, a run that goes on."""

import json
import math
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hatchling.builders.wheel import WheelBuilder
from torch import nn

import fourstep as fs
from fourstep.history import to_json_line
from fourstep.report.folders import save_comparison, save_report

if TYPE_CHECKING:
    from tests.report.conftest import Browser  # a fixture gives it; at run time pytest does

HOSTILE = "</script><img src=x onerror=alert(1)>"
FIRST_CHART = "document.querySelector('[data-chart] svg')"


def train(folder: Path, epochs: int = 3, extra: dict[str, Any] | None = None, **more: Any) -> fs.Run:
    """A small run in a folder; one of its classes, and its data, have names that would do harm in a page."""
    torch.manual_seed(0)
    images, labels = torch.randint(256, (60, 1, 6, 6), dtype=torch.uint8), torch.arange(60) % 3
    data = fs.data.from_arrays(images, labels, batch_size=10, test=0.5, classes=("a", "b", HOSTILE), name=HOSTILE)
    model = nn.Sequential(nn.Flatten(), nn.Linear(36, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    metrics = {"accuracy": fs.accuracy, **(extra or {})}
    return fs.fit(
        model,
        data,
        nn.CrossEntropyLoss(),
        optimizer,
        epochs=epochs,
        metrics=metrics,
        folder=folder,
        show="none",
        **more,
    )


def train_other(folder: Path) -> Path:
    """A run of another task."""
    model = nn.Linear(2, 1)
    data = fs.data.from_arrays(*fs.data.synthetic_regression([2.0, -3.4], 4.2, 100), batch_size=10, test=0.2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.03)
    fs.fit(model, data, nn.MSELoss(), optimizer, epochs=2, folder=folder, show="none")
    return folder


def on_the_chart(browser: "Browser", share: float) -> tuple[float, float]:
    """A place inside the first chart, so far from its left edge."""
    box = browser.value(
        f"(() => {{ const r = {FIRST_CHART}.getBoundingClientRect(); return [r.x, r.y, r.width, r.height] }})()"
    )
    return box[0] + box[2] * share, box[1] + box[3] / 2


@pytest.mark.parametrize(("width", "dark"), [(360, True), (1280, False)])
def test_a_finished_run_reads_well_and_asks_for_nothing(
    browser: "Browser",
    tmp_path: Path,
    width: int,
    dark: bool,  # noqa: FBT001 - a case of the test
) -> None:
    """No error, no request, no name that becomes HTML, nothing wider than the window; its script draws the curves."""
    train(tmp_path / "run")
    browser.look(width=width, dark=dark)
    browser.open(tmp_path / "run" / "report.html")
    browser.wait_for(f"{FIRST_CHART} && {FIRST_CHART}.querySelector('path')")

    assert browser.complaints() == []
    assert browser.value("document.querySelectorAll('img[onerror]').length") == 0
    assert browser.value("document.body.innerText").count("onerror=alert(1)") >= 1
    assert browser.value("document.documentElement.scrollWidth") <= width
    assert browser.value("document.body.innerText").count("finished") >= 1


def test_the_mouse_reads_and_zooms_the_curves(browser: "Browser", tmp_path: Path) -> None:
    """Over a curve its numbers are those of the history; what is dragged over becomes the whole axis."""
    run = train(tmp_path / "run", epochs=4)
    browser.look(width=1280)
    browser.open(tmp_path / "run" / "report.html")
    browser.wait_for(f"{FIRST_CHART} && {FIRST_CHART}.querySelector('path')")
    browser.mouse("mouseMoved", *on_the_chart(browser, 0.99))
    browser.wait_for("!document.querySelector('.tip').hidden")
    told = browser.value("document.querySelector('.tip').innerText")
    before = browser.value(f"{FIRST_CHART}.querySelector('path').getAttribute('d')")
    for kind, share in (("mousePressed", 0.5), ("mouseMoved", 0.7), ("mouseReleased", 0.9)):
        browser.mouse(kind, *on_the_chart(browser, share), button="left", buttons=1, clickCount=1)
    browser.wait_for(f"{FIRST_CHART}.querySelector('path').getAttribute('d') !== {before!r}")

    assert f"train loss (running mean)\t{run.history.rows[-1]['train/loss']:.3f}" in told
    assert browser.complaints() == []


def test_a_run_that_goes_on_is_seen_to_go_on(browser: "Browser", tmp_path: Path) -> None:
    """The page of a run that is being trained comes again by itself, with the rows that have come since."""
    pages: list[str] = []

    def write(event: fs.Event) -> None:
        if event.kind == "epoch" and len(pages) < 2:
            page = save_report(tmp_path / "run", tmp_path / f"page-{len(pages)}.html").read_text()
            pages.append(page.replace('"wait": 5.0', '"wait": 0.5'))

    train(tmp_path / "run", hooks=[write])
    page = tmp_path / "live.html"
    page.write_text(pages[0])
    browser.open(page)
    browser.wait_for("document.body.innerText.includes('1 of 3 epochs')")
    page.write_text(pages[1])
    browser.wait_for("document.body.innerText.includes('2 of 3 epochs')")

    assert browser.complaints() == []


def test_a_live_chart_becomes_logarithmic_and_stops_where_it_cannot_be(browser: "Browser", tmp_path: Path) -> None:
    """Whoever has chosen nothing gets what suits the rows that there are now; a zero has no logarithm."""
    pages: list[str] = []

    def write(event: fs.Event) -> None:
        if event.kind == "epoch" and not pages:
            page = save_report(tmp_path / "run", tmp_path / "page.html").read_text()
            pages.append(page.replace('"wait": 5.0', '"wait": 0.5'))

    train(tmp_path / "run", hooks=[write])
    plain, page = pages[0], tmp_path / "live.html"
    logarithmic = plain.replace('"log": false', '"log": true', 1).replace("1 of 3", "2 of 3")
    zeros = re.sub(r'"y": \[[^]]*\]', '"y": [0.0]', plain).replace("1 of 3", "3 of 3")
    button, chosen = f"{FIRST_CHART}.parentElement.querySelector('.tool')", []
    page.write_text(plain)
    browser.open(page)
    for text, label in ((plain, "1 of 3"), (logarithmic, "2 of 3"), (zeros, "3 of 3")):
        page.write_text(text)
        browser.wait_for(f"document.body.innerText.includes('{label} epochs') && {FIRST_CHART}")
        chosen.append(browser.value(f"{button}.getAttribute('aria-pressed')"))

    assert chosen == ["false", "true", "false"]
    assert "NaN" not in browser.value(f"{FIRST_CHART}.outerHTML")
    assert browser.complaints() == []


def test_numbers_beyond_all_bounds_are_drawn_somewhere(browser: "Browser", tmp_path: Path) -> None:
    """A stranger's rows keep no browser busy, and give it no place that is none."""
    train(tmp_path / "run", epochs=1)
    rows = [
        {"epoch": 1e17 + 16 * number, "step": number, "train/loss": value, "val/x": 1e-320 * number}
        for number, value in enumerate((1e308, -1e308, 0.0))
    ]
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(map(to_json_line, rows)))
    browser.look(width=1280)
    browser.open(save_report(tmp_path / "run"))
    browser.wait_for(f"{FIRST_CHART} && {FIRST_CHART}.querySelector('path')")

    assert browser.complaints() == []
    assert browser.value("[...document.querySelectorAll('[data-chart]')].map((one) => one.innerHTML).join()").count(
        "NaN"
    ) == (0)


def test_what_the_reader_did_outlives_a_reload(browser: "Browser", tmp_path: Path) -> None:
    """Zoom, a curve that was switched off, a list that was opened, and the place in the page."""
    pages: list[str] = []

    def write(event: fs.Event) -> None:
        if event.kind == "epoch":
            page = save_report(tmp_path / "run", tmp_path / "page.html").read_text()
            pages.append(page.replace('"wait": 5.0', '"wait": 0.5'))

    train(tmp_path / "run", epochs=4, hooks=[write])
    page = tmp_path / "live.html"
    page.write_text(pages[1])
    browser.look(width=800)
    browser.open(page)
    for kind, share in (("mousePressed", 0.3), ("mouseMoved", 0.5), ("mouseReleased", 0.7)):
        browser.mouse(kind, *on_the_chart(browser, share), button="left", buttons=1, clickCount=1)
    browser.wait_for("!document.querySelectorAll('.tools button')[1].hidden")
    browser.value("document.querySelector('.legend button').click()")
    browser.value("document.querySelectorAll('details')[1].open = true")
    browser.value("scrollTo(0, 400)")
    page.write_text(pages[2])
    browser.wait_for("document.body.innerText.includes('3 of 4 epochs') && document.querySelector('.legend button')")

    assert browser.value("document.querySelectorAll('.tools button')[1].hidden") is False
    assert browser.value("document.querySelector('.legend button').getAttribute('aria-pressed')") == "false"
    assert browser.value("document.querySelectorAll('details')[1].open") is True
    assert browser.value("scrollY") == 400
    assert browser.complaints() == []


def test_every_other_way_to_look_at_a_curve(browser: "Browser", tmp_path: Path) -> None:
    """The wheel with Ctrl zooms and without it scrolls; a double click shows all; keys, legend, logarithm."""
    train(tmp_path / "run", epochs=6)
    browser.look(width=1280)
    browser.open(tmp_path / "run" / "report.html")
    path, zoomed = (
        f"{FIRST_CHART}.querySelector('path').getAttribute('d')",
        "!document.querySelectorAll('.tools button')[1].hidden",
    )
    whole, paths = browser.value(path), f"{FIRST_CHART}.querySelectorAll('path').length"
    x, y = on_the_chart(browser, 0.5)
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=-40, modifiers=2)
    browser.wait_for(zoomed)
    for count in (1, 2):
        for kind in ("mousePressed", "mouseReleased"):
            browser.mouse(kind, x, y, button="left", buttons=1, clickCount=count)
    browser.wait_for(f"{path} === {whole!r}")
    browser.value(f"{FIRST_CHART}.focus()")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="+", text="+")
    browser.wait_for(zoomed)
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="0", text="0")
    browser.wait_for(f"{path} === {whole!r}")
    browser.call("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight")
    browser.wait_for("document.querySelector('.tip').innerText.includes('epoch')")
    browser.value("document.querySelectorAll('.tools button')[0].click()")
    browser.wait_for(f"{path} !== {whole!r}")
    before = browser.value(paths)
    browser.value("document.querySelector('.legend button').click()")

    assert browser.value(paths) == before - 1
    browser.mouse("mouseWheel", x, y, deltaX=0, deltaY=120)
    browser.wait_for("scrollY > 0")
    assert browser.complaints() == []


def test_runs_of_different_tasks_are_compared(browser: "Browser", tmp_path: Path) -> None:
    """What either has is there; a run without rows, and one with half a last line, are no obstacle."""
    train(tmp_path / "one")
    train_other(tmp_path / "two")
    rows = tmp_path / "two" / "metrics.jsonl"
    rows.write_text(rows.read_text() + to_json_line({"epoch": 3.0, "step": 9, "train/loss": 0.1})[:20])
    page = save_comparison([tmp_path / "one", tmp_path / "two"], tmp_path / "both.html")
    browser.look(width=360)
    browser.open(page)
    browser.wait_for(f"{FIRST_CHART} && {FIRST_CHART}.querySelector('path')")

    assert browser.complaints() == []
    assert browser.value("document.documentElement.scrollWidth") <= 360
    (tmp_path / "one" / "metrics.jsonl").write_text("")
    assert "no measured number" in save_report(tmp_path / "one").read_text()


def test_wrong_input_is_one_line(tmp_path: Path) -> None:
    """No run, the same run twice, a page that would be no page."""
    train(tmp_path / "run")
    with pytest.raises(fs.RunFolderError, match="is not there: expected the folder of a run"):
        save_report(tmp_path / "nothing")
    with pytest.raises(fs.ConfigError, match="is given twice: expected runs that differ"):
        save_comparison([tmp_path / "run", tmp_path / "run"], tmp_path / "both.html")
    with pytest.raises(fs.ConfigError, match="0 runs to compare: expected two folders or more"):
        save_comparison([], tmp_path / "both.html")
    with pytest.raises(fs.ConfigError, match=r"expected .*\.html"):
        save_report(tmp_path / "run", tmp_path / "page.txt")


def test_the_best_is_told_of_the_same_data_alone(tmp_path: Path) -> None:
    """Data made from arrays all have one name: their bytes tell them apart."""
    for name, seed in (("one", 0), ("other", 1), ("again", 0)):
        torch.manual_seed(seed)
        inputs, targets = torch.randn(40, 2), torch.arange(40) % 2
        model = nn.Linear(2, 2)
        fs.fit(
            model,
            fs.data.from_arrays(inputs, targets, batch_size=10, test=0.5),
            nn.CrossEntropyLoss(),
            torch.optim.SGD(model.parameters(), lr=0.1),
            epochs=1,
            folder=tmp_path / name,
            show="none",
        )
    pages = [
        save_comparison([tmp_path / "one", tmp_path / other], tmp_path / "both.html").read_text()
        for other in ("other", "again")
    ]

    assert ['class="n top"' in page for page in pages] == [False, True]


def test_numbers_that_are_none_are_shown_as_such(tmp_path: Path) -> None:
    """The last number is the last row's, NaN too; a curve that has no other is in the table all the same."""
    train(tmp_path / "run", epochs=1)
    nan, folder = math.nan, tmp_path / "run"
    rows = [
        {"epoch": 12_345.0, "step": 1, "val/auc": 0.75, "val/f1": nan, "seconds": 0.5},
        {"epoch": 12_346.0, "step": 2, "val/auc": nan, "val/f1": nan, "seconds": nan},
    ]
    (folder / "metrics.jsonl").write_text("".join(map(to_json_line, rows)))
    shutil.copytree(folder, tmp_path / "other")
    page = save_report(folder).read_text()
    both = save_comparison([folder, tmp_path / "other"], tmp_path / "both.html").read_text()
    cells = r'</th><td class="n">{}</td><td class="n">{}</td><td class="n">{}</td>'

    assert f"val auc{cells.format('nan', '0.750', '12,345')}" in page
    assert f"val f1{cells.format('nan', '', '')}" in page
    assert "12,346 of 1 epochs" in page
    assert both.count('<td class="n">nan</td>') == 4


def test_the_folder_that_one_stands_in_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the page, and in the command that repeats it."""
    train(tmp_path / "mine", epochs=1)
    with (tmp_path / "mine/run.toml").open("a") as settings:
        settings.write('[settings.recipe]\nmodel = "mlp"\n')
    monkeypatch.chdir(tmp_path / "mine")
    page = save_report(".").read_text()

    assert "<h1>mine</h1>" in page
    assert "fourstep train mine/run.toml" in page


def test_ten_thousand_points_stay_a_small_page(tmp_path: Path) -> None:
    """Their lowest and highest stay, and the best and the last number; the page takes no longer to write."""
    run = train(tmp_path / "run", epochs=1)
    rows = [
        {"epoch": step / 100, "step": step, "train/loss": 1 + (step * 7919 % 1000) / 1000} for step in range(1, 10_001)
    ]
    rows[4_321]["train/loss"], rows[8_888]["train/loss"] = 0.01, 7.5
    (tmp_path / "run" / "metrics.jsonl").write_text("".join(map(to_json_line, rows)))
    page = save_report(tmp_path / "run").read_text()

    assert len(page) < 150_000
    data = json.loads(page.partition('id="data">')[2].partition("</script>")[0])
    curve = data["charts"][0]["curves"][0]
    assert len(curve["x"]) <= 1_030
    assert (min(curve["y"]), max(curve["y"])) == (0.01, 7.5)
    assert (curve["x"][-1], curve["y"][-1]) == (100.0, pytest.approx(rows[-1]["train/loss"]))
    assert run.history.rows[-1]["epoch"] == 1


def test_names_of_strangers_stay_text(tmp_path: Path) -> None:
    """Of runs, classes, metrics, settings, and what a failed run said: no tag, no line break, no end of the script."""
    folder = tmp_path / "<i>run</i>"
    metrics = {f"<u>{HOSTILE}\x1b[2J": fs.accuracy}
    train(folder, extra=metrics, settings={"<b>note</b>": f"<s>{HOSTILE}\n\u2028"})
    for page in (
        (folder / "report.html").read_text(),
        save_comparison([folder, train_other(tmp_path / "other")], tmp_path / "both.html").read_text(),
    ):
        body = page.partition("<body>")[2]
        assert [tag for tag in ("<i>run", "<u>", "<b>note", "<s>", "<img src=x", "\x1b", "\u2028") if tag in body] == []
        assert page.count("</script>") == 2
        assert page.count("<script") == 2


def test_a_mistake_in_a_table_is_shown_by_its_numbers(tmp_path: Path) -> None:
    """The first numbers of the row, where it is no picture."""
    rows = torch.tensor([[1.25, -2.5], [3.75, 0.5]])
    data = fs.data.from_arrays(rows, torch.tensor([0, 0]), batch_size=2, test=(rows, torch.tensor([0, 1])))
    model = nn.Linear(2, 2)
    nn.init.zeros_(model.weight)
    fs.fit(
        model,
        data,
        nn.CrossEntropyLoss(),
        torch.optim.SGD(model.parameters(), lr=0.0),
        epochs=1,
        folder=tmp_path,
        show="none",
    )
    mistakes = (tmp_path / "report.html").read_text().partition("Most confident mistakes")[2]

    assert re.findall("<code>(.*?)</code>", mistakes.partition("</ul>")[0]) in (["1.25, -2.5"], ["3.75, 0.5"])


def test_the_wheel_holds_the_page_s_parts() -> None:
    """Templates, style and script are in what `pip install` gets."""
    root = Path(__file__).parents[2]
    held = {file.distribution_path for file in WheelBuilder(str(root)).recurse_included_files()}
    parts = {path.name for path in (root / "src/fourstep/report").iterdir() if path.suffix in (".jinja", ".css", ".js")}

    assert len(parts) == 6
    assert {f"fourstep/report/{name}" for name in parts} <= held
