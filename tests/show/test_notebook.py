"""A run below a cell of a real notebook, as its kernel sends it and its file keeps it."""

import base64
import re
from pathlib import Path
from typing import Any

import pytest

SETUP = """
import torch, fourstep as fs
from torch import nn

def start(epochs, **options):
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(600), batch_size=20, test=0.2)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    options = {"metrics": {"accuracy": fs.accuracy}, "device": "cpu", **options}
    return lambda: fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=epochs, **options)
"""
CELLS = {
    "setup": SETUP,
    "whole": """
print("before")
def say(event):
    if event.kind == "epoch":
        print("epoch", round(event.epochs_done))
run = start(40, hooks=[say])()
print("after")
""",
    "failing": """
print("kept")
def fail(event):
    if event.kind == "epoch" and event.epochs_done == 5:
        raise ValueError("stopped")
start(9, hooks=[fail])()
""",
    "interrupted": """
def interrupt(event):
    if event.kind == "epoch" and event.epochs_done == 4:
        raise KeyboardInterrupt
start(9, hooks=[interrupt], folder="run")()
""",
    "resumed": """
start(6, folder="run")()
""",
    "nested": """
def inside(event):
    if event.kind == "epoch":
        start(3)()
start(2, hooks=[inside])()
""",
    "silent": """
start(2, show="none")()
""",
}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The cells after a run of the whole notebook, in a folder of its own: a kernel starts once."""
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS.values()])
    folder = tmp_path_factory.mktemp("notebook")
    resources = {"metadata": {"path": str(folder)}}
    client = nbclient.NotebookClient(
        notebook, timeout=60, kernel_name="python3", allow_errors=True, resources=resources
    )
    client.execute()
    assert [output for output in notebook.cells[0].outputs if output.output_type == "error"] == []
    return dict(zip(CELLS, notebook.cells, strict=True))


pytestmark = pytest.mark.filterwarnings("ignore")  # the kernel's client's own


def shown(cell: Any) -> list[Any]:
    """What a cell displays, each by its MIME types."""
    return [output.data for output in cell.outputs if output.output_type == "display_data"]


def printed(cell: Any) -> str:
    """What a cell prints."""
    return "".join(output.text for output in cell.outputs if output.output_type == "stream" and output.name == "stdout")


def errors(cell: Any) -> list[str]:
    """How a cell ended."""
    return [output.ename for output in cell.outputs if output.output_type == "error"]


def picture(data: Any) -> str:
    """The SVG inside a display's HTML."""
    source = re.search(r'src="data:image/svg\+xml;base64,([^"]+)"', data["text/html"])
    assert source is not None
    return base64.b64decode(source[1]).decode()


def points(svg: str) -> list[int]:
    """How many points each line with more than two of them has, those of the grid left out."""
    counts = [path.count("L") + path.count("M") for path in re.findall(r'<path d="([^"]*)" clip-path', svg)]
    return [count for count in counts if count > 2]


def test_one_display_grows_and_nothing_is_wiped(cells: dict[str, Any]) -> None:
    """A single output with all four curves to their ends; what the cell prints is there, in order."""
    (data,) = shown(cells["whole"])
    svg = picture(data)

    assert printed(cells["whole"]) == "".join(["before\n", *(f"epoch {n}\n" for n in range(1, 41)), "after\n"])
    assert points(svg) == [40, 40, 40, 40]
    assert {"train loss (running mean)", "test accuracy"} <= set(re.findall(r">([^<>]+)</text>", svg))
    assert re.search(r"epoch 40/40  [\d,]+ examples/s  \S+ s in all  100%", data["text/html"])
    assert [row.split("</td>")[0] for row in data["text/html"].split("<td")[1::6]] == [
        f' style="padding:1px 10px;text-align:right">{epoch}' for epoch in range(36, 41)
    ]
    assert errors(cells["whole"]) == []


def test_the_saved_notebook_can_be_shown_without_html(cells: dict[str, Any], tmp_path: Path) -> None:
    """The last update has the picture as PNG, too, and a line of text."""
    (data,) = shown(cells["whole"])
    assert base64.b64decode(data["image/png"])[:4] == b"\x89PNG"
    assert data["text/plain"].startswith("epoch 40/40")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "error", "count"), [("failing", "ValueError", 5), ("interrupted", "KeyboardInterrupt", 4)]
)
def test_an_error_leaves_the_last_picture(name: str, error: str, count: int, cells: dict[str, Any]) -> None:
    """With every epoch until then."""
    (data,) = shown(cells[name])
    assert points(picture(data)) == [count] * 4
    assert errors(cells[name]) == [error]
    assert printed(cells[name]) == ("kept\n" if name == "failing" else "")


def test_a_run_that_goes_on_in_a_later_cell_is_shown_there(cells: dict[str, Any]) -> None:
    """With the curves from the beginning."""
    (data,) = shown(cells["resumed"])
    assert points(picture(data)) == [6] * 4
    assert "epoch 6/6" in data["text/html"]


def test_a_run_inside_another_has_its_own_place(cells: dict[str, Any]) -> None:
    """Two inner ones below the outer one."""
    assert [re.search(r"epoch \d/\d", data["text/html"])[0] for data in shown(cells["nested"])] == [  # type: ignore[index] # it is there
        *("epoch 2/2", "epoch 3/3", "epoch 3/3")
    ]


def test_nothing_is_shown_where_nothing_is_asked_for(cells: dict[str, Any]) -> None:
    """Only what the cell's last line gives."""
    assert shown(cells["silent"]) == []
    assert printed(cells["silent"]) == ""
