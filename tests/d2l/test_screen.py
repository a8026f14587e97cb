"""Where a growing figure is seen: a real notebook, a live window of matplotlib's own web backend."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pexpect
import pyte
import pytest

NOTEBOOK = [
    """
from fourstep import d2l
d2l.use_svg_display()
print("before")
animator = d2l.Animator(legend=["curve"], xlim=[0, 50])
for step in range(50):
    animator.add(step, (step * step,))
    animator.axes[0].get_lines()[0].set_gid("curve")
print("after")
""",
    """
animator = d2l.Animator()
for step in range(3):
    animator.add(step, (step * step,))
    animator.axes[0].get_lines()[0].set_gid("curve")
raise ValueError("stopped")
""",
    """
import torch
axes = d2l.show_images(torch.rand(2, 4, 4), 1, 2)
""",
    """
animator.add(3, (9,))
animator.axes[0].get_lines()[0].set_gid("curve")
animator.add(4, (16,))
""",
]


def pictures(cell: Any) -> list[str]:
    """The SVG pictures that a cell shows."""
    return [output.data["image/svg+xml"] for output in cell.outputs if output.output_type == "display_data"]


def points(svg: str) -> int:
    """How many points the curve has."""
    path = re.search(r'<g id="curve">\s*<path d="([^"]*)"', svg)
    assert path is not None
    return len(re.findall("[ML]", path[1]))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # the kernel's client's own
def test_a_notebook_shows_one_picture_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    """In one place, complete when the cell ends, also by an error; what the cell printed stays; no `<Figure ...>`."""
    monkeypatch.delenv("MPLBACKEND", raising=False)  # a kernel sets its own
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in NOTEBOOK])
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", allow_errors=True).execute()
    growing, failing, grid, later = notebook.cells

    printed = "".join(output.text for output in growing.outputs if output.output_type == "stream")
    assert printed == "before\nafter\n"
    assert [points(svg) for svg in pictures(growing)] == [50]
    assert [points(svg) for svg in pictures(failing)] == [3]
    assert [output.ename for output in failing.outputs if output.output_type == "error"] == ["ValueError"]
    assert len(pictures(grid)) == 1
    assert [points(svg) for svg in pictures(later)] == [5], "a later cell gets a picture of its own"
    assert "<Figure" not in "".join(output.get("data", {}).get("text/plain", "") for output in growing.outputs)


GROWS = """
from fourstep import d2l
print("before")
animator = d2l.Animator(xlabel="epoch", xlim=[1, 5], legend=["train loss", "test acc"])
for epoch in range(1, 6):
    animator.add(epoch, (1 / epoch, 1 - 1 / epoch))
    print("epoch", epoch)
"""


def run_in(folder: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Run a program that has no terminal and no screen."""
    environment = {name: value for name, value in os.environ.items() if name not in ("FOURSTEP_CURVES", "DISPLAY")}
    command = [sys.executable, "-W", "error", "-c", program]
    return subprocess.run(
        command, cwd=folder, env=environment | {"MPLBACKEND": "agg"}, capture_output=True, text=True, check=False
    )


def test_without_a_screen_there_is_a_file(tmp_path: Path) -> None:
    """For each figure one, complete when the program ends, also by an error; its name is said once."""
    result = run_in(tmp_path, GROWS + "d2l.plot([1, 2])\nraise SystemExit(3)")
    assert result.returncode == 3
    said = {f"fourstep: figure: {tmp_path / name}" for name in ("d2l-figure.svg", "d2l-figure-2.svg")}
    assert set(result.stderr.splitlines()) == said
    assert "<Figure" not in result.stdout
    assert "train loss" in (tmp_path / "d2l-figure.svg").read_text(encoding="utf-8").replace("<!-- ", "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["d2l-figure-2.svg", "d2l-figure.svg"]


def test_who_saves_the_figure_gets_no_second_file(tmp_path: Path) -> None:
    """By pyplot or by the figure's own method; nor who turned it off."""
    for program in (
        GROWS + "d2l.plt.savefig('mine.svg')",
        GROWS + "animator.fig.savefig('mine.svg')",
        "import os; os.environ['FOURSTEP_CURVES'] = 'off'" + GROWS + "d2l.plot([1, 2]); open('mine.svg', 'w').close()",
    ):
        result = run_in(tmp_path, program)
        assert (result.returncode, result.stderr) == (0, "")
        assert [path.name for path in tmp_path.iterdir()] == ["mine.svg"]


def test_no_figure_of_a_long_script_is_lost(tmp_path: Path) -> None:
    """Pyplot keeps ten of them; the earlier ones are files by then."""
    run_in(tmp_path, "from fourstep import d2l\nfor step in range(12):\n    d2l.plot([step, step + 1])")
    assert len(list(tmp_path.glob("d2l-figure*.svg"))) == 12


def test_plots_are_drawn_into_the_reader_s_subplots(tmp_path: Path) -> None:
    """In one figure, which is saved once; a plot that is there already stays, and the next one has its own figure."""
    program = """
from fourstep import d2l
for place in (1, 2):
    d2l.plt.subplot(1, 2, place)
    d2l.plot([place, 2, 3])
print([len(axes.lines) for axes in d2l.plt.gcf().axes], len(d2l.plt.get_fignums()))
d2l.plot([5, 6])
print([len(axes.lines) for axes in d2l.plt.gcf().axes], len(d2l.plt.get_fignums()))
"""
    assert run_in(tmp_path, program).stdout.splitlines() == ["[1, 1] 1", "[1] 2"]
    assert len(list(tmp_path.glob("d2l-figure*.svg"))) == 2


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    """In a line; the program itself goes on."""
    gone = "import os; os.mkdir('x'); os.chdir('x')" + GROWS + "os.chdir('..'); os.rmdir('x'); print('end')"
    result = run_in(tmp_path, gone)
    assert result.returncode == 0
    assert result.stdout.endswith("end\n")
    expected = (
        f"fourstep: the figure could not be saved as {tmp_path / 'x' / 'd2l-figure.svg'} (No such file or directory)"
    )
    assert result.stderr == expected + "\n"


def on_terminal(program: str, folder: Path) -> list[str]:
    """What stands on a terminal's screen after a program."""
    environment = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FOURSTEP_CURVES")}
    environment |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"}
    process = pexpect.spawn(
        sys.executable, ["-c", program], env=environment, cwd=str(folder), timeout=60, dimensions=(40, 90)
    )
    screen = pyte.Screen(90, 40)
    stream = pyte.ByteStream(screen)
    with contextlib.suppress(pexpect.EOF):
        while True:
            stream.feed(process.read_nonblocking(65536, timeout=60))
    process.close()
    return [line.rstrip() for line in screen.display]


def test_a_terminal_gets_a_chart_that_stays_in_one_place(tmp_path: Path) -> None:
    """Below what is printed meanwhile, above what is printed after `finish`; one for each Animator, and no file."""
    lines = on_terminal(GROWS + "animator.finish()\nprint('after')\n" + GROWS, tmp_path)
    text = "\n".join(lines)
    legends = [number for number, line in enumerate(lines) if line == "o train loss 0.200  x test acc 0.800"]
    assert len(legends) == 2
    assert lines[:6] == ["before", *(f"epoch {number}" for number in range(1, 6))]
    assert legends[0] == 6
    assert lines.index("after") > legends[0] + 8
    assert text.count("epoch 1                2") == 2
    assert len(re.findall("[\u2801-\u28ff]", text)) > 100
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_chart_and_the_terminal_in_order(tmp_path: Path) -> None:
    """The traceback is there, and the chart with the last point."""
    text = "\n".join(on_terminal(GROWS + "raise ValueError('stopped')", tmp_path))
    assert "ValueError: stopped" in text
    assert "train loss 0.200" in text


def test_a_window_stays_open_until_it_is_closed(tmp_path: Path) -> None:
    """After the program's last line; a program that failed does not wait."""
    xvfb = shutil.which("Xvfb")
    if xvfb is None:
        pytest.skip("needs Xvfb")
    pytest.importorskip("tkinter")
    closes = "animator.fig.canvas.manager.window.after(1000, lambda: (print('closed'), d2l.plt.close('all')))"
    with subprocess.Popen([xvfb, "-displayfd", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        assert server.stdout is not None
        environment = {name: value for name, value in os.environ.items() if name != "FOURSTEP_CURVES"}
        environment |= {"DISPLAY": f":{server.stdout.readline().decode().strip()}", "MPLBACKEND": "tkagg"}

        def run(end: str) -> list[str]:
            command = [sys.executable, "-c", f"{GROWS}\n{end}"]
            done = subprocess.run(
                command, env=environment, cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False
            )
            return done.stdout.splitlines()

        try:
            assert run(f"{closes}; print('last')")[-2:] == ["last", "closed"]
            assert run(f"{closes}; print('last'); raise ValueError('stopped')")[-1] == "last"
        finally:
            server.terminate()
    assert list(tmp_path.iterdir()) == []


def test_a_window_is_opened_and_refreshed() -> None:
    """A backend with windows draws again when points come, not at every one of them, and prints nothing."""
    program = """
import matplotlib
matplotlib.use("webagg")
from fourstep import d2l

class Browser:
    draws = 0
    def send_json(self, message):
        Browser.draws += message["type"] == "draw"
    def send_binary(self, image):
        pass

animator = d2l.Animator()
assert d2l.plt.get_fignums() == [1]
animator.fig.canvas.manager.add_web_socket(Browser())
Browser.draws = 0
for step in range(100):
    animator.add(step, step)
assert Browser.draws >= 1
assert len(animator.axes[0].get_lines()[0].get_xdata()) == 100
"""
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
