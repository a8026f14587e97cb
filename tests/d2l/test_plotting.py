"""Curves that grow, and the axes around them."""

import re
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex

from fourstep import d2l
from fourstep.errors import ConfigError


def lines_of(animator: d2l.Animator) -> list[tuple[list[float], list[float]]]:
    """What is drawn: each curve's points."""
    data = [(line.get_xdata(), line.get_ydata()) for line in animator.axes[0].get_lines()]
    return [(np.asarray(x).tolist(), np.asarray(y).tolist()) for x, y in data]


def test_animator_draws_what_was_added() -> None:
    """None adds nothing to its curve; numbers, tensors with gradients, arrays and lists do."""
    animator = d2l.Animator(xlabel="epoch", ylabel="loss", legend=["train loss", "train acc", "test acc"], xlim=[1, 3])
    animator.add(1, (0.5, torch.tensor(0.25, requires_grad=True), None))
    animator.add(1, (None, None, np.float64(0.75)))
    animator.add([2, 2, 2], torch.tensor([0.25, 0.5, 0.125]))
    axes = animator.axes[0]

    assert animator.X == [[1, 2], [1, 2], [1, 2]]
    assert animator.Y == [[0.5, 0.25], [0.25, 0.5], [0.75, 0.125]]
    assert lines_of(animator) == list(zip(animator.X, animator.Y, strict=True))
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xlim()) == ("epoch", "loss", (1, 3))
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["train loss", "train acc", "test acc"]


def test_one_curve_may_be_added_as_a_number() -> None:
    """A tensor or array without dimensions is a number too."""
    animator = d2l.Animator()
    for value in (0.5, torch.tensor(0.25), np.array(0.125)):
        animator.add(torch.tensor(2), value)
    assert (animator.X, animator.Y) == ([[2, 2, 2]], [[0.5, 0.25, 0.125]])


def test_limits_follow_the_points_where_none_are_set() -> None:
    """As matplotlib would choose them for all points drawn at once, logarithmic axes too; infinity is no limit."""
    for scale in ("linear", "log"):
        animator = d2l.Animator(yscale=scale)
        values = [3.0, 0.02, 7.0, 0.5]
        for x, value in enumerate(values):
            animator.add(x, value)
        animator.add(9, float("inf"))
        _, expected = d2l.plt.subplots(figsize=(3.5, 2.5))
        expected.set_yscale(scale)
        expected.plot(range(4), values)
        assert animator.axes[0].get_ylim() == pytest.approx(expected.get_ylim())
        assert animator.axes[0].get_xlim() == pytest.approx(expected.get_xlim())
        d2l.plt.close()


def test_more_than_four_curves_are_drawn() -> None:
    """The book's draws four, silently; here each of ten has a look of its own."""
    animator = d2l.Animator(legend=[str(number) for number in range(10)])
    animator.add(1, range(10))
    animator.add(2, range(10))
    drawn = animator.axes[0].get_lines()

    assert [y for _, y in lines_of(animator)] == [[number] * 2 for number in range(10)]
    assert len({(to_hex(line.get_color()), line.get_linestyle()) for line in drawn}) == 10
    assert [line.get_linestyle() for line in drawn[:4]] == ["-", "--", "-.", ":"]


@pytest.mark.parametrize(("x", "y"), [(1, (1, 2)), (1, (1, 2, 3, 4)), ([1, 2], (1, 2, 3)), (1, 5)])
def test_a_wrong_count_in_animator_add_is_an_error(x: Any, y: Any) -> None:
    """The book's leaves the others out silently."""
    animator = d2l.Animator()
    animator.add(1, (1, 2, 3))
    with pytest.raises(ConfigError, match=r"3 curves, but add got . x and . y: expected one for each"):
        animator.add(x, y)
    assert animator.X == [[1]] * 3


def test_several_axes_are_a_flat_list() -> None:
    """The first is drawn on; the book's fails on a grid."""
    animator = d2l.Animator(nrows=2, ncols=3, figsize=(6, 4))
    animator.add(1, (0.5, 0.25))
    assert len(animator.axes) == 6
    assert [len(axes.get_lines()) for axes in animator.axes] == [2, 0, 0, 0, 0, 0]


def test_one_epoch_needs_no_range() -> None:
    """`xlim=[1, 1]`, as `train_ch3` passes for one epoch, is no range: the points' own is shown, without a warning."""
    animator = d2l.Animator(xlim=[1, 1], ylim=[0.3, 0.9])
    animator.add(1, (0.5,))
    assert animator.axes[0].get_ylim() == (0.3, 0.9)
    assert animator.axes[0].get_xlim()[0] < 1 < animator.axes[0].get_xlim()[1]


def test_the_figure_is_complete_after_every_add(tmp_path: Path) -> None:
    """It can be saved at any time, with all points so far."""
    animator = d2l.Animator(legend=["loss"])
    for epoch in range(1, 4):
        animator.add(epoch, 1 / epoch)
        animator.axes[0].get_lines()[0].set_gid("curve")
        animator.fig.savefig(tmp_path / "curve.svg")
        path = re.search(r'<g id="curve">\s*<path d="([^"]*)"', (tmp_path / "curve.svg").read_text(encoding="utf-8"))
        assert path is not None
        assert len(re.findall("[ML]", path[1])) == epoch


def test_nothing_is_printed_outside_a_notebook() -> None:
    """No `<Figure ...>`, no escape codes, no error: nor where IPython and matplotlib_inline are not installed."""
    program = (
        "import sys\nsys.modules['IPython'] = sys.modules['matplotlib_inline'] = None\nfrom fourstep import d2l\n"
        "animator = d2l.Animator(legend=['a'])\nfor i in range(3): animator.add(i, i)\n"
        "d2l.set_figsize()\nd2l.use_svg_display()\nd2l.show_images([[[0, 1]]], 1, 1)\nprint('done')"
    )
    result = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == ("done\n", "")


def test_figures_do_not_pile_up() -> None:
    """Twenty would draw a warning: the last ten stay open for `plt.show`, and a closed one can still be saved."""
    d2l.plt.close("all")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        animators = [d2l.Animator() for _ in range(25)]
    assert len(d2l.plt.get_fignums()) == 10
    assert d2l.plt.gcf() is animators[-1].fig
    animators[0].add(1, 1)
    animators[0].fig.canvas.draw()
    d2l.plt.close("all")


@pytest.mark.alone
def test_adding_costs_the_same_late_as_early() -> None:
    """A point is added in a time that hardly depends on how many there are; the book's redraws them all."""
    animator = d2l.Animator()

    def seconds(count: int) -> float:
        start = time.perf_counter()
        for x in range(count):
            animator.add(x, 0.5)
        return time.perf_counter() - start

    seconds(10)
    early = min(seconds(100) for _ in range(2))
    seconds(2000)
    assert min(seconds(100) for _ in range(3)) < 5 * early


def test_set_axes_sets_all() -> None:
    """Labels, scales, limits, legend and grid; calling it twice leaves the grid on."""
    _, axes = d2l.plt.subplots()
    axes.plot([1, 10], [1, 2])
    for _ in range(2):
        d2l.set_axes(axes, "x", "y", [1, 10], None, "log", "linear", ["curve"])
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_xscale(), axes.get_yscale()) == ("x", "y", "log", "linear")
    assert axes.get_xlim() == (1, 10)
    legend = axes.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "curve"
    assert all(line.get_visible() for line in axes.get_xgridlines())
    d2l.plt.close()


def test_set_figsize_sets_the_next_figures() -> None:
    """And never fails for want of a notebook."""
    before = d2l.plt.rcParams["figure.figsize"]
    d2l.set_figsize((2, 1))
    figure = d2l.plt.figure()
    assert tuple(figure.get_size_inches()) == (2, 1)
    d2l.plt.close(figure)
    d2l.plt.rcParams["figure.figsize"] = before


def test_plot_draws_several_curves() -> None:
    """More than four too; tensors with gradients; labels, scales and legend."""
    x = torch.arange(0.1, 3, 0.1, requires_grad=True)
    d2l.plot(x, [x**power for power in range(6)], "x", "f(x)", [f"x**{power}" for power in range(6)], yscale="log")
    axes = d2l.plt.gca()
    assert len(axes.get_lines()) == 6
    np.testing.assert_allclose(np.asarray(axes.get_lines()[5].get_ydata()), (x**5).detach().numpy())
    assert (axes.get_xlabel(), axes.get_ylabel(), axes.get_yscale()) == ("x", "f(x)", "log")
    assert d2l.plt.gcf().get_size_inches().tolist() == [3.5, 2.5]


def test_plots_of_a_script_have_figures_of_their_own() -> None:
    """The book's draws them one over the other; given axes are used, and cleared first."""
    d2l.plot([1, 2], figsize=(6, 3))
    first = d2l.plt.gcf()
    d2l.plot([[1, 2], [3, 4, 5]], legend=["a", "b"])
    assert d2l.plt.gcf() is not first
    assert [len(line.get_xdata()) for line in d2l.plt.gca().get_lines()] == [2, 3]  # type: ignore[arg-type] # arrays
    for _ in range(2):
        d2l.plot([0, 1], [0, 1], axes=first.axes[0])
    assert len(first.axes[0].get_lines()) == 1
