"""The names of *Dive into Deep Learning* (动手学深度学习): `from fourstep import d2l` runs its code.

Signatures, results and printed lines are the book's; under `torch.manual_seed` so are the numbers, bit for bit. What a
function does otherwise, its docstring says. `plt` is `matplotlib.pyplot`, imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fourstep.d2l.chapter3 import TrainResult, train_ch3, train_epoch_ch3
from fourstep.d2l.chapter6 import train_ch6
from fourstep.d2l.counters import Accumulator, Timer
from fourstep.d2l.data import get_dataloader_workers, get_fashion_mnist_labels, load_array, load_data_fashion_mnist
from fourstep.d2l.devices import try_all_gpus, try_gpu
from fourstep.d2l.evaluation import accuracy, evaluate_accuracy, evaluate_accuracy_gpu, evaluate_loss
from fourstep.d2l.images import predict_ch3, show_images
from fourstep.d2l.linear import linreg, sgd, squared_loss, synthetic_data
from fourstep.d2l.plotting import Animator, set_axes, set_figsize, use_svg_display
from fourstep.errors import UnknownNameError

if TYPE_CHECKING:
    from matplotlib import pyplot as plt

__all__ = [
    "Accumulator",
    "Animator",
    "Timer",
    "TrainResult",
    "accuracy",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "evaluate_loss",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "linreg",
    "load_array",
    "load_data_fashion_mnist",
    "plt",
    "predict_ch3",
    "set_axes",
    "set_figsize",
    "sgd",
    "show_images",
    "squared_loss",
    "synthetic_data",
    "train_ch3",
    "train_ch6",
    "train_epoch_ch3",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
]


def __getattr__(name: str) -> Any:
    """`plt` on first use; for any other name an error that says the nearest one."""
    if name == "plt":
        return importlib.import_module("matplotlib.pyplot")
    raise AttributeError(str(UnknownNameError.of("name in fourstep.d2l", name, __all__)), name=name)


def __dir__() -> list[str]:
    return __all__
