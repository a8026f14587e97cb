"""Cells in the manner of chapter 11: paths of descent in one and two dimensions."""

import math

import numpy as np
import torch
from mpl_toolkits import mplot3d  # type: ignore[import-untyped] # noqa: F401 - the cell imports it

from fourstep import d2l


def test_11_1_risk_and_minima():
    """Two functions of a tensor in one plot, by position; a reader's own `annotate`; a second plot's arrows."""

    def f(x):
        return x * d2l.cos(np.pi * x)

    def g(x):
        return f(x) + 0.2 * d2l.cos(5 * np.pi * x)

    def annotate(text, xy, xytext):
        d2l.plt.gca().annotate(text, xy=xy, xytext=xytext, arrowprops=dict(arrowstyle="->"))  # noqa: C408

    x = d2l.arange(0.5, 1.5, 0.01)
    d2l.set_figsize((4.5, 2.5))
    d2l.plot(x, [f(x), g(x)], "x", "risk")
    annotate("min of\nempirical risk", (1.0, -1.2), (0.5, -1.1))
    d2l.annotate("min of risk", (1.1, -1.05), (0.95, -0.5))
    axes = d2l.plt.gca()
    assert (len(axes.lines), len(axes.texts)) == (2, 2)

    x = d2l.arange(-2.0, 2.0, 0.01)
    d2l.plot(x, [x**3], "x", "f(x)")
    annotate("saddle point", (0, -0.2), (-0.52, -5.0))
    assert d2l.plt.gca() is not axes


def test_11_1_a_saddle_in_three_dimensions():
    """A grid of two lines is drawn by wires, from tensors; no warning is seen."""
    x, y = d2l.meshgrid(d2l.linspace(-1.0, 1.0, 21), d2l.linspace(-1.0, 1.0, 21))
    z = x**2 - y**2
    ax = d2l.plt.figure().add_subplot(111, projection="3d")
    ax.plot_wireframe(x, y, z, rstride=10, cstride=10)
    ax.plot([0], [0], [0], "rx")
    ticks = [-1, 0, 1]
    d2l.plt.xticks(ticks)
    d2l.plt.yticks(ticks)
    ax.set_zticks(ticks)
    d2l.plt.xlabel("x")
    d2l.plt.ylabel("y")
    assert torch.equal(x[:, 0], x[:, 5])
    assert ax.get_xlabel() == "x"


def test_11_2_convex_functions_and_their_chords():
    """Several axes, each given to `plot` by name, with curves of unlike length."""

    def f(x):
        return 0.5 * x**2

    def g(x):
        return d2l.cos(np.pi * x)

    def h(x):
        return d2l.exp(0.5 * x)

    x, segment = d2l.arange(-2, 2, 0.01), d2l.tensor([-1.5, 1])
    d2l.use_svg_display()
    _, axes = d2l.plt.subplots(1, 3, figsize=(9, 3))
    for ax, func in zip(axes, [f, g, h], strict=True):
        d2l.plot([x, segment], [func(x), func(segment)], axes=ax)
    assert [[len(line.get_xdata()) for line in ax.lines] for ax in axes] == [[400, 2]] * 3
    assert len(d2l.plt.get_fignums()) == 1


def test_11_3_descent_in_one_dimension(printed):
    """A path over its function: lists of numbers and of tensors without dimensions, in formats of the reader's own."""
    c = d2l.tensor(0.5)

    def f(x):
        return d2l.cosh(c * x)

    def f_grad(x):
        return c * d2l.sinh(c * x)

    def f_hess(x):
        return c**2 * d2l.cosh(c * x)

    def newton(eta=1):
        x = 10.0
        results = [x]
        for _ in range(10):
            x -= eta * f_grad(x) / f_hess(x)
            results.append(float(x))
        print("epoch 10, x:", x)
        return results

    def show_trace(results, f):
        n = max(abs(min(results)), abs(max(results)))
        f_line = d2l.arange(-n, n, 0.1)
        d2l.set_figsize()
        d2l.plot(
            [f_line, results], [[f(x) for x in f_line], [f(x) for x in results]], "x", "f(x)", fmts=["-", "-o"]
        )  # fmt: skip

    results = newton()
    assert printed() == ["epoch 10, x: tensor(0.)"]
    show_trace(results, f)
    path = d2l.plt.gca().lines[1]
    assert path.get_marker() == "o"
    assert list(path.get_xdata()) == results
    show_trace([1.0, -0.5, 0.25], lambda x: x**2)
    assert d2l.plt.gca().lines[1].get_ydata().tolist() == [1, 0.25, 0.0625]


def f_2d(x1, x2):
    """The bowl of the chapter's kind."""
    return x1**2 + 3 * x2**2


def f_2d_grad(x1, x2):
    """Its gradient."""
    return 2 * x1, 6 * x2


def test_11_3_descent_in_two_dimensions(printed):
    """`train_2d` with the gradient by name, inside `show_trace_2d`; the line that it prints; the path over contours."""
    eta = 0.1

    def gd_2d(x1, x2, s1, s2, f_grad):
        g1, g2 = f_grad(x1, x2)
        return (x1 - eta * g1, x2 - eta * g2, 0, 0)

    d2l.show_trace_2d(f_2d, d2l.train_2d(gd_2d, f_grad=f_2d_grad))
    (line,) = printed()
    assert line == f"epoch 20, x1: {-5 * 0.8**20:f}, x2: {-2 * 0.4**20:f}"
    axes = d2l.plt.gca()
    assert len(axes.lines[0].get_xdata()) == 21
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x1", "x2")


def test_11_4_stochastic_descent_with_a_falling_rate(printed):
    """Gradients with noise are tensors of one; the rate is a function that counts by `global`."""
    eta, t = 0.1, 1

    def constant_lr():
        return 1

    def exponential_lr():
        nonlocal t
        t += 1
        return math.exp(-0.1 * t)

    def sgd(x1, x2, s1, s2, f_grad):
        g1, g2 = f_grad(x1, x2)
        g1 += d2l.normal(0.0, 1, (1,))
        g2 += d2l.normal(0.0, 1, (1,))
        eta_t = eta * lr()
        return (x1 - eta_t * g1, x2 - eta_t * g2, 0, 0)

    for lr, steps in ((constant_lr, 50), (exponential_lr, 100)):
        d2l.show_trace_2d(f_2d, d2l.train_2d(sgd, steps=steps, f_grad=f_2d_grad))
    lines = printed()
    assert [line.split(",")[0] for line in lines] == ["epoch 50", "epoch 100"]
    assert t == 101
    assert abs(float(lines[0].split()[3].rstrip(","))) < 2


def test_11_6_momentum_in_two_dimensions(printed):
    """A trainer that has its gradient and keeps two states; fading weights by `d2l.plt`, with a legend."""
    eta, beta = 0.1, 0.5

    def momentum_2d(x1, x2, v1, v2):
        v1 = beta * v1 + 0.2 * x1
        v2 = beta * v2 + 4 * x2
        return x1 - eta * v1, x2 - eta * v2, v1, v2

    d2l.show_trace_2d(lambda x1, x2: 0.1 * x1**2 + 2 * x2**2, d2l.train_2d(momentum_2d))
    assert printed()[0].startswith("epoch 20, x1: ")

    d2l.set_figsize()
    d2l.plt.figure()
    for beta in [0.95, 0.9, 0.6, 0]:
        x = d2l.numpy(d2l.arange(40))
        d2l.plt.plot(x, beta**x, label=f"beta = {beta:.2f}")
    d2l.plt.xlabel("time")
    d2l.plt.legend()
    assert len(d2l.plt.gca().get_legend().get_texts()) == 4
