"""The display in a real pseudo-terminal, judged by what stands on its screen."""

import json
import os
import re
import sys
from collections.abc import Iterator

import pexpect
import pyte
import pytest

OVER = "~ over ~"
BRAILLE = re.compile("[\u2801-\u28ff]")
COLOUR = re.compile(rb"\x1b\[[\d;]*3[1-6]m")

# A program that runs what it is sent, line by line, and keeps what the tests need at hand
CHILD = f"""
import json, os, sys, traceback
import torch
from torch import nn
import fourstep as fs

def fit(epochs, num_examples=600, **options):
    data = fs.data.from_arrays(*fs.data.synthetic_blobs(num_examples), batch_size=20, test=0.2)
    model = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    options = {{"metrics": {{"accuracy": fs.accuracy}}, "device": "cpu", **options}}
    return fs.fit(model, data, nn.CrossEntropyLoss(), optimizer, epochs=epochs, **options)

print("{OVER}")
for line in sys.stdin:
    try:
        exec(json.loads(line))
    except BaseException:
        traceback.print_exc()
    print("{OVER}")
"""


class Child:
    """A terminal with a Python process in it."""

    def __init__(self) -> None:
        environment = {
            name: value
            for name, value in os.environ.items()
            if name not in ("NO_COLOR", "COLUMNS", "LINES", "FOURSTEP_CURVES")
        }
        environment |= {"TERM": "xterm-256color", "PYTHONIOENCODING": "utf-8", "OMP_NUM_THREADS": "1"}
        self.process = pexpect.spawn(sys.executable, ["-c", CHILD], env=environment, echo=False, timeout=60)
        self.process.expect_exact(OVER + "\r\n")

    def start(self, program: str, columns: int = 100, lines: int = 40) -> None:
        """Begin a program on an empty screen of this size."""
        self.screen = pyte.Screen(columns, lines)
        self.stream = pyte.ByteStream(self.screen)
        self.bytes = b""
        self.frames: list[list[str]] = []
        self.process.setwinsize(lines, columns)
        self.process.sendline(json.dumps(program))

    def resize(self, columns: int, lines: int) -> None:
        """Make the terminal another size while the program goes on."""
        self.process.setwinsize(lines, columns)
        self.screen.resize(lines, columns)

    def read_until(self, text: str) -> list[str]:
        """Feed the screen until it shows `text`.

        Returns:
            Its lines, without the spaces at their ends and the empty ones at the bottom.
        """
        while True:
            shown = [line.rstrip() for line in self.screen.display]
            self.frames.append(shown)
            is_there = self.bytes.endswith(f"{OVER}\r\n".encode()) if text == OVER else text in "\n".join(shown)
            if is_there:
                return "\n".join(shown).rstrip().split("\n")
            part = self.process.read_nonblocking(65536, timeout=60)
            self.bytes += part
            self.stream.feed(part)

    def run(self, program: str, columns: int = 100, lines: int = 40) -> list[str]:
        """The screen's lines after a program."""
        self.start(program, columns, lines)
        return self.read_until(OVER)


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """One process for all tests: starting torch takes a second."""
    child = Child()
    yield child
    child.process.close(force=True)


@pytest.mark.parametrize(("columns", "lines"), [(40, 24), (80, 24), (200, 50)])
def test_a_finished_run_stands_on_the_screen(columns: int, lines: int, child: Child) -> None:
    """Legends, axes, curves, the last epochs' numbers and a full bar, in the terminal's width, and nothing else."""
    shown = child.run("fit(10)", columns, lines)
    text = "\n".join(shown)

    # panels below each other, or beside; nothing left over
    assert len(shown) == {40: 23, 80: 22, 200: 24}[columns], text
    for name in ("train loss (running mean)", "test loss", "train accuracy (running mean)", "test accuracy"):
        assert len(re.findall(rf"[ox] {re.escape(name)} \d\.\d{{3}}", text)) == 1
    assert len(re.findall(r"\* best \d\.\d{3}", text)) == 2
    head = next(index for index, line in enumerate(shown) if "epoch" in line and "accuracy" in line)
    assert shown[head].split() == ["epoch", *["loss", "accuracy"] * 2, *["seconds"] * (columns > 40)]
    rows = [line.split() for line in shown[head + 1 : head + (3 if columns == 40 else 6)]]
    assert [int(row[0]) for row in rows] == list(range(11 - len(rows), 11))
    assert {len(row) for row in rows} == {len(shown[head].split())}
    assert len(BRAILLE.findall(text)) > 50
    assert text.count("└") == len(re.findall(r"epoch +\d+ ", text)) == 2
    bar = next(line for line in shown if "━" in line)
    assert re.search("epoch 10/10 ━+ 100%", bar)
    assert "─" not in bar
    assert re.search(r"[\d,]+ examples/s  \d+\.\d s in all$", text.removesuffix("\n" + OVER))
    assert not child.screen.cursor.hidden
    assert shown[-1] == OVER


def test_curves_grow_while_the_run_goes(child: Child) -> None:
    """Between the first frame and the last there are some with part of a bar and part of a curve, and the time left."""
    child.run("fit(1500, show='terminal')", 80, 24)
    growing = ["\n".join(frame) for frame in child.frames if any(re.search(r"━─.* \d+%", line) for line in frame)]

    assert any(BRAILLE.search(frame) and re.search(r" (\d\.\d s|\d+:\d\d) left", frame) for frame in growing)
    assert len({len(BRAILLE.findall(frame)) for frame in growing}) > 1
    assert b"\x1b[?25l" in child.bytes  # the cursor is hidden meanwhile


def test_what_the_user_prints_stands_above(child: Child) -> None:
    """Whole lines, in order, brackets untouched, also without a line's end; long ones in full."""
    program = (
        "def say(event):\n"
        "    if event.kind == 'epoch': print('[red] epoch', event.row['epoch'], '[/x] 准确率')\n"
        "    if event.kind == 'epoch' and event.epochs_done == 20: print('word ' * 30, file=sys.stderr)\n"
        "    if event.kind == 'epoch' and event.epochs_done == 20: print('no end', end='')\n"
        "fit(20, hooks=[say])"
    )
    shown = child.run(program, 80, 50)

    assert shown[:20] == [f"[red] epoch {float(epoch)} [/x] 准确率" for epoch in range(1, 21)]
    assert " ".join(shown[20:22]).split() == ["word"] * 30
    assert shown[22] == "no end"
    assert "100%" in shown[-2]
    assert sum("100%" in line for line in shown) == 1


def test_an_error_leaves_the_last_state_and_the_terminal_in_order(child: Child) -> None:
    """The picture stays, the traceback stands below it, the cursor is back, and print is Python's own again."""
    program = (
        "def fail(event):\n"
        "    if event.kind == 'epoch' and event.epochs_done == 3: raise ValueError('mine')\n"
        "try:\n"
        "    fit(10, hooks=[fail])\n"
        "finally:\n"
        "    print(type(sys.stdout).__name__, type(sys.stderr).__name__)"
    )
    shown = child.run(program)
    bar = next(index for index, line in enumerate(shown) if "epoch 4/10 ━" in line)

    assert " 30%" in shown[bar]
    assert shown[bar + 1 : bar + 3] == ["TextIOWrapper TextIOWrapper", "Traceback (most recent call last):"]
    assert shown[-2:] == ["ValueError: mine", OVER]
    assert not child.screen.cursor.hidden
    assert any(BRAILLE.search(line) for line in shown[:bar])


def test_an_error_in_the_users_own_loop_ends_the_display(child: Child) -> None:
    """The loop over `Run.epochs` need not be closed by hand."""
    program = (
        "features, labels = fs.data.synthetic_blobs(100)\n"
        "model = nn.Linear(2, 3)\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "run = fs.Run(model, optimizer, fs.data.from_arrays(features, labels, batch_size=20), device='cpu')\n"
        "for epoch in run.epochs(5):\n"
        "    for inputs, targets in epoch:\n"
        "        1 / 0"
    )
    shown = child.run(program)

    assert shown[0].startswith("epoch 1/5 ─")
    assert shown[1] == "Traceback (most recent call last):"
    assert shown[-2] == "ZeroDivisionError: division by zero"
    assert not child.screen.cursor.hidden


def test_ctrl_c_ends_the_display(child: Child) -> None:
    """A run that is interrupted leaves its last state and a working terminal."""
    child.start("fit(10**6)")
    child.read_until("train loss")
    child.process.sendintr()
    shown = child.read_until(OVER)

    assert "KeyboardInterrupt" in shown[-2]
    assert sum("epoch " in line and "/1000000 " in line for line in shown) == 1
    assert "in all" in next(line for line in shown if "/1000000 " in line)
    assert not child.screen.cursor.hidden


def test_the_display_follows_the_terminals_size(child: Child) -> None:
    """Made narrower while a run goes, the next frames are drawn for the new width, and no old one is left."""
    child.start("fit(300)", 120, 40)
    child.read_until("train loss")
    child.resize(60, 40)
    shown = child.read_until(OVER)

    assert max(map(len, shown)) <= 60
    assert sum("100%" in line for line in shown) == 1
    assert sum("train accuracy" in line for line in shown) == 1
    assert shown[-3].startswith("epoch 300/300 ")


def test_the_clock_goes_on_while_nothing_happens(child: Child) -> None:
    """A long evaluation, which sends no event, does not freeze the time left."""
    program = (
        "from time import perf_counter\n"
        "def work(event):\n"
        "    end = perf_counter() + 1\n"
        "    while event.kind == 'epoch' and event.epochs_done == 1 and perf_counter() < end: pass\n"
        "fit(2, hooks=[work])"
    )
    child.run(program)
    text = "\n".join(line for frame in child.frames for line in frame if "epoch 2/2 " in line)

    assert len(set(re.findall(r"(\d+\.\d) s (?:left|in all)", text))) > 1


def test_a_loop_that_is_never_closed_leaves_the_terminal_in_order() -> None:
    """Where something still holds the iterator after an error, the display ends with the program."""
    child = Child()
    program = (
        "data = fs.data.from_arrays(*fs.data.synthetic_blobs(100), batch_size=20)\n"
        "model = nn.Linear(2, 3)\n"
        "held = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.01), data, device='cpu').epochs(5)\n"
        "next(held)\n"
        "1 / 0"
    )
    child.start(program)
    child.read_until("ZeroDivisionError: division by zero")
    assert child.screen.cursor.hidden
    child.process.sendeof()
    while True:
        try:
            child.stream.feed(child.process.read_nonblocking(65536, timeout=60))
        except pexpect.EOF:
            break

    assert not child.screen.cursor.hidden


@pytest.mark.parametrize("lines", [4, 8, 12])
def test_a_low_terminal_gets_the_bar(lines: int, child: Child) -> None:
    """Where there is no room for curves the bar is enough."""
    shown = child.run("fit(10)", 30, lines)
    assert any("epoch 10/10 ━" in line and "100%" in line for line in shown[-4:]), "\n".join(shown)


def test_no_color_is_obeyed(child: Child) -> None:
    """With NO_COLOR in the environment nothing is coloured; the markers still tell the curves apart."""
    coloured = child.run("fit(10)")
    assert COLOUR.search(child.bytes)
    plain = child.run("os.environ['NO_COLOR'] = '1'\ntry: fit(10)\nfinally: del os.environ['NO_COLOR']")

    assert not COLOUR.search(child.bytes)
    assert len(plain) == len(coloured)
    assert any(line.endswith("x") for line in plain)


def test_a_dumb_terminal_gets_lines(child: Child) -> None:
    """Where the cursor cannot be moved, each epoch is one line."""
    shown = child.run("os.environ['TERM'] = 'dumb'\ntry: fit(3)\nfinally: os.environ['TERM'] = 'xterm-256color'", 160)
    assert [line.split("  ")[0] for line in shown] == ["epoch 1/3", "epoch 2/3", "epoch 3/3", OVER]
    assert b"\x1b" not in child.bytes


def test_a_second_run_goes_on_with_the_curves(child: Child) -> None:
    """More epochs of the same run are drawn behind those that are done, over a longer axis."""
    program = (
        "data = fs.data.from_arrays(*fs.data.synthetic_blobs(100), batch_size=20)\n"
        "model = nn.Linear(2, 3)\n"
        "run = fs.Run(model, torch.optim.SGD(model.parameters(), lr=0.01), data, device='cpu')\n"
        "for total in (5, 10):\n"
        "    for epoch in run.epochs(total):\n"
        "        for inputs, targets in epoch:\n"
        "            outputs = model(inputs)\n"
        "            epoch.record(nn.functional.cross_entropy(outputs, targets), outputs, targets)"
    )
    shown = child.run(program)
    first, second = (index for index, line in enumerate(shown) if "100%" in line)

    assert "epoch 5/5 " in shown[first]
    assert "epoch 10/10 " in shown[second]
    assert ["epoch", *map(str, range(1, 11))] in [line.split() for line in shown[first:second]]


def test_a_run_inside_another_prints_lines_above_it(child: Child) -> None:
    """A terminal has room for one display; the outer one goes on, and the next run has it again."""
    program = "def inside(event):\n    if event.kind == 'epoch': fit(2, show='terminal')\nfit(3, hooks=[inside])"
    shown = child.run(program, 120, 60)
    assert [line.split("  ")[0] for line in shown[:6]] == ["epoch 1/2", "epoch 2/2"] * 3
    assert "train (running mean): loss" in shown[0]
    assert sum("100%" in line for line in shown) == 1
    assert any(line.startswith("epoch 3/3 ━") for line in shown)

    assert sum("100%" in line for line in child.run("fit(2)")) == 1


def test_an_animator_makes_room_for_a_run(child: Child) -> None:
    """Its chart stays above where it is: nobody had said that its loop was over."""
    program = (
        "from fourstep import d2l\n"
        "animator = d2l.Animator(legend=['mine'])\n"
        "animator.add(1, 2.0)\nanimator.add(2, 1.0)\n"
        "fit(2)\n"
        "animator.add(3, 0.5)\nanimator.finish()"
    )
    shown = child.run(program, 100, 80)
    legends = [index for index, line in enumerate(shown) if line.startswith("o mine ")]
    (bar,) = (index for index, line in enumerate(shown) if "100%" in line)

    assert [shown[index] for index in legends] == ["o mine 1.000", "o mine 0.500"]
    assert legends[0] < bar < legends[1]
