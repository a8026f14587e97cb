"""Cells in the manner of chapter 11: paths of descent in one and two dimensions."""

import torch
from mpl_toolkits import mplot3d  # type: ignore[import-untyped] # noqa: F401 - the cell imports it

from fourstep import d2l


def test_11_1_risk_and_minima():
    """Two functions of a tensor in one plot, by position; a reader's own `annotate`; a second plot's arrows."""

    def f(x):
        return (x - 1) ** 2

    def g(x):
        return f(x) + d2l.sin(9 * x) / 10

    def annotate(text, xy, xytext):
        d2l.plt.annotate(text, xy, xytext, arrowprops={"arrowstyle": "-|>"})

    x = d2l.arange(0.0, 2.0, 0.01)
    d2l.set_figsize((4.5, 2.5))
    d2l.plot(x, [f(x), g(x)], "x", "risk")
    annotate("of the sample", (1.2, 0.0), (1.5, 0.6))
    d2l.annotate("of all", (1.0, 0.0), (0.4, 0.6))
    axes = d2l.plt.gca()
    assert (len(axes.lines), len(axes.texts)) == (2, 2)

    x = d2l.linspace(-1.5, 1.5, 31)
    d2l.plot(x, [x * x * x], "x", "f(x)")
    annotate("flat", (0, 0), (-1.0, 2.0))
    assert d2l.plt.gca() is not axes


def test_11_1_a_saddle_in_three_dimensions():
    """A grid of two lines is drawn by wires, from tensors; no warning is seen."""
    x, y = d2l.meshgrid(d2l.linspace(-2.0, 2.0, 9), d2l.linspace(-1.0, 1.0, 5))
    ax = d2l.plt.figure().add_subplot(111, projection="3d")
    ax.plot_wireframe(x, y, x * y, rstride=2, cstride=2)
    d2l.plt.xticks([-2, 0, 2])
    d2l.plt.xlabel("x")
    ax.set_zticks([-2, 2])
    assert (x.shape, y.shape) == ((9, 5), (9, 5))
    assert torch.equal(x[:, 0], x[:, 4])
    assert ax.get_xlabel() == "x"


def test_11_2_convex_functions_and_their_chords():
    """Several axes, each given to `plot` by name, with curves of unlike length."""
    x, chord = d2l.arange(-1, 3, 0.1), d2l.tensor([-0.5, 2])
    d2l.use_svg_display()
    _, axes = d2l.plt.subplots(1, 3, figsize=(6, 2))
    for ax, function in zip(axes, [d2l.exp, d2l.abs, lambda x: d2l.cos(x) - d2l.tanh(x)], strict=True):
        d2l.plot([x, chord], [function(x), function(chord)], axes=ax)
    assert [[len(line.get_xdata()) for line in ax.lines] for ax in axes] == [[40, 2]] * 3
    assert len(d2l.plt.get_fignums()) == 1


def test_11_3_descent_in_one_dimension(printed):
    """A path over its function: lists of numbers and of tensors without dimensions, in formats of the reader's own."""
    width = d2l.tensor(2.0)

    def f(x):
        return d2l.cosh(x / width)

    def newton(x, steps):
        results = [x]
        while len(results) <= steps:
            x = x - width * d2l.sinh(x / width) / d2l.cosh(x / width)
            results.append(float(x))
        print("last x:", x)
        return results

    def show_trace(results, f):
        around = d2l.arange(min(results), max(results), 0.1)
        d2l.set_figsize()
        d2l.plot([around, results], [[*map(f, around)], [*map(f, results)]], "x", "f(x)", fmts=["-", "-o"])

    results = newton(1.5, 6)
    assert printed() == ["last x: tensor(0.)"]
    show_trace(results, f)
    path = d2l.plt.gca().lines[1]
    assert path.get_marker() == "o"
    assert list(path.get_xdata()) == results
    show_trace([1.0, -0.5, 0.25], lambda x: x * x)
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
    """Gradients with noise are tensors of one; the rate is a function that keeps count outside of itself."""
    eta, t = 0.1, 1

    def steady():
        return 1

    def falling():
        nonlocal t
        t += 1
        return t**-0.5

    def sgd(x1, x2, s1, s2, f_grad):
        noisy = [g + d2l.normal(0.0, 1, (1,)) for g in f_grad(x1, x2)]
        step = eta * lr()
        return (x1 - step * noisy[0], x2 - step * noisy[1], 0, 0)

    for lr, steps in ((steady, 50), (falling, 100)):
        d2l.show_trace_2d(f_2d, d2l.train_2d(sgd, steps=steps, f_grad=f_2d_grad))
    lines = printed()
    assert [line.split(",")[0] for line in lines] == ["epoch 50", "epoch 100"]
    assert t == 101
    assert abs(float(lines[0].split()[3].rstrip(","))) < 2


def test_11_6_momentum_in_two_dimensions(printed):
    """A trainer that has its gradient and keeps two states; fading weights by `d2l.plt`, with a legend."""
    eta, beta = 0.1, 0.5

    def momentum_2d(x1, x2, v1, v2):
        v1, v2 = (beta * v + g for v, g in zip((v1, v2), f_2d_grad(x1, x2), strict=True))
        return x1 - eta * v1, x2 - eta * v2, v1, v2

    d2l.show_trace_2d(f_2d, d2l.train_2d(momentum_2d))
    assert printed()[0].startswith("epoch 20, x1: ")

    d2l.set_figsize()
    d2l.plt.figure()
    ages = d2l.numpy(d2l.arange(20))
    for share in (0.9, 0.5):
        d2l.plt.plot(ages, share**ages, label=f"{share:.0%}")
    d2l.plt.xlabel("age")
    d2l.plt.legend()
    assert len(d2l.plt.gca().get_legend().get_texts()) == 2
