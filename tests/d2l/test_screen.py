"""Where a growing figure is seen: a real notebook, a live window of matplotlib's own web backend."""

import re
import subprocess
import sys
from typing import Any

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
