"""Which names there are, what asking for another says, and what importing them costs."""

import inspect
import subprocess
import sys
from types import ModuleType

import pytest

from fourstep import d2l

NAMES = [
    "synthetic_data",
    "load_array",
    "linreg",
    "squared_loss",
    "sgd",
    "accuracy",
    "Accumulator",
    "evaluate_accuracy",
    "train_epoch_ch3",
    "Animator",
    "train_ch3",
    "predict_ch3",
    "evaluate_accuracy_gpu",
    "train_ch6",
    "try_gpu",
    "try_all_gpus",
    "Timer",
    "set_axes",
    "set_figsize",
    "use_svg_display",
    "plt",
    "load_data_fashion_mnist",
    "get_fashion_mnist_labels",
    "show_images",
    "get_dataloader_workers",
    "evaluate_loss",
]
ANIMATOR = (
    "xlabel=None ylabel=None legend=None xlim=None ylim=None xscale='linear' yscale='linear' "
    "fmts=('-','m--','g-.','r:') nrows=1 ncols=1 figsize=(3.5,2.5)"
)


def test_every_name_of_the_article_is_there() -> None:
    """And documented; `plt` is pyplot itself."""
    assert set(NAMES) | {"TrainResult"} == set(d2l.__all__) == set(dir(d2l))
    assert [name for name in NAMES if not (getattr(d2l, name).__doc__ or "").strip()] == []
    assert isinstance(d2l.plt, ModuleType)
    assert d2l.plt.__name__ == "matplotlib.pyplot"


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("synthetic_data", "w b num_examples"),
        ("load_array", "data_arrays batch_size is_train=True"),
        ("linreg", "X w b"),
        ("squared_loss", "y_hat y"),
        ("sgd", "params lr batch_size"),
        ("accuracy", "y_hat y"),
        ("evaluate_accuracy", "net data_iter"),
        ("train_epoch_ch3", "net train_iter loss updater"),
        ("train_ch3", "net train_iter test_iter loss num_epochs updater"),
        ("predict_ch3", "net test_iter n=6"),
        ("evaluate_accuracy_gpu", "net data_iter device=None"),
        ("evaluate_loss", "net data_iter loss"),
        ("train_ch6", "net train_iter test_iter num_epochs lr device init=True"),
        ("try_gpu", "i=0"),
        ("load_data_fashion_mnist", "batch_size resize=None"),
        ("get_fashion_mnist_labels", "labels"),
        ("show_images", "imgs num_rows num_cols titles=None scale=1.5"),
        ("set_axes", "axes xlabel ylabel xlim ylim xscale yscale legend"),
        ("set_figsize", "figsize=(3.5,2.5)"),
        ("Accumulator", "n"),
        ("Animator", ANIMATOR),
    ],
)
def test_signatures_are_the_books(name: str, signature: str) -> None:
    """Names, order and defaults of the arguments."""
    found = []
    for parameter in inspect.signature(getattr(d2l, name)).parameters.values():
        default = "" if parameter.default is parameter.empty else f"={parameter.default!r}".replace(" ", "")
        found.append(parameter.name + default)
    assert found == signature.split()


def test_an_unknown_name_says_the_nearest() -> None:
    """An AttributeError, so that `hasattr` answers; one line."""
    with pytest.raises(AttributeError, match=r"unknown name in fourstep\.d2l 'train_ch33': did you mean 'train_ch3'\?"):
        _ = d2l.train_ch33
    with pytest.raises(AttributeError, match=r"unknown name in fourstep\.d2l 'zzz': there are: Accumulator, Animator"):
        _ = d2l.zzz
    assert not hasattr(d2l, "predict_ch8")


def test_importing_the_names_draws_in_no_drawing_library() -> None:
    """Matplotlib comes with the first figure or `plt`, IPython never by itself."""
    program = (
        "import sys; from fourstep import d2l; heavy = {'matplotlib', 'IPython', 'matplotlib_inline', 'PIL', 'pandas'};"
        "print(sorted(heavy & set(sys.modules))); d2l.plt; print(sorted(heavy & set(sys.modules) - {'PIL'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["[]", "['matplotlib']"]
