"""The names of *Dive into Deep Learning* (动手学深度学习): `from fourstep import d2l` runs its code.

Signatures, results and printed lines are the book's; under `torch.manual_seed` so are the numbers, bit for bit. What a
function does otherwise, its docstring says. `plt` is `matplotlib.pyplot`, and `Image` Pillow's; these, and the other
modules that readers take from the book's library, are imported when first used.
"""

import importlib
from typing import TYPE_CHECKING, Any

from fourstep.d2l.aliases import abs as abs  # noqa: A004 - the book's name
from fourstep.d2l.aliases import (
    arange,
    argmax,
    astype,
    concat,
    cos,
    cosh,
    exp,
    eye,
    float32,
    int32,
    linspace,
    log,
    matmul,
    meshgrid,
    nn_Module,
    normal,
    numpy,
    ones,
    rand,
    randn,
    reduce_mean,
    reduce_sum,
    reshape,
    sin,
    sinh,
    size,
    stack,
    tanh,
    tensor,
    to,
    transpose,
    zeros,
)
from fourstep.d2l.chapter3 import TrainResult, train_ch3, train_epoch_ch3
from fourstep.d2l.chapter6 import train_ch6
from fourstep.d2l.chapter8 import LanguageResult, grad_clipping, train_ch8, train_epoch_ch8
from fourstep.d2l.chapter11 import train_ch11, train_concise_ch11
from fourstep.d2l.chapter13 import train_batch_ch13, train_ch13
from fourstep.d2l.counters import Accumulator, Timer
from fourstep.d2l.data import get_dataloader_workers, get_fashion_mnist_labels, load_array, load_data_fashion_mnist
from fourstep.d2l.devices import try_all_gpus, try_gpu
from fourstep.d2l.elsewhere import explain
from fourstep.d2l.evaluation import accuracy, evaluate_accuracy, evaluate_accuracy_gpu, evaluate_loss
from fourstep.d2l.hub import DATA_HUB, DATA_URL, download, download_all, download_extract
from fourstep.d2l.images import predict_ch3, show_images
from fourstep.d2l.layers import Residual, corr2d, resnet18
from fourstep.d2l.linear import linreg, sgd, squared_loss, synthetic_data
from fourstep.d2l.multi_gpu import Benchmark, split_batch
from fourstep.d2l.optimization import annotate, get_data_ch11, show_trace_2d, train_2d
from fourstep.d2l.plotting import Animator, plot, set_axes, set_figsize, use_svg_display
from fourstep.d2l.recurrent import RNNModel, RNNModelScratch, predict_ch8
from fourstep.d2l.sequence import (
    SeqDataLoader,
    load_data_time_machine,
    seq_data_iter_random,
    seq_data_iter_sequential,
)
from fourstep.d2l.text import Vocab, count_corpus, load_corpus_time_machine, read_time_machine, tokenize

if TYPE_CHECKING:
    from matplotlib import pyplot as plt
    from PIL import Image

__all__ = [
    "DATA_HUB",
    "DATA_URL",
    "Accumulator",
    "Animator",
    "Benchmark",
    "Image",
    "LanguageResult",
    "RNNModel",
    "RNNModelScratch",
    "Residual",
    "SeqDataLoader",
    "Timer",
    "TrainResult",
    "Vocab",
    "abs",
    "accuracy",
    "annotate",
    "arange",
    "argmax",
    "astype",
    "concat",
    "corr2d",
    "cos",
    "cosh",
    "count_corpus",
    "download",
    "download_all",
    "download_extract",
    "evaluate_accuracy",
    "evaluate_accuracy_gpu",
    "evaluate_loss",
    "exp",
    "eye",
    "float32",
    "get_data_ch11",
    "get_dataloader_workers",
    "get_fashion_mnist_labels",
    "grad_clipping",
    "int32",
    "linreg",
    "linspace",
    "load_array",
    "load_corpus_time_machine",
    "load_data_fashion_mnist",
    "load_data_time_machine",
    "log",
    "matmul",
    "meshgrid",
    "nn_Module",
    "normal",
    "numpy",
    "ones",
    "plot",
    "plt",
    "predict_ch3",
    "predict_ch8",
    "rand",
    "randn",
    "read_time_machine",
    "reduce_mean",
    "reduce_sum",
    "reshape",
    "resnet18",
    "seq_data_iter_random",
    "seq_data_iter_sequential",
    "set_axes",
    "set_figsize",
    "sgd",
    "show_images",
    "show_trace_2d",
    "sin",
    "sinh",
    "size",
    "split_batch",
    "squared_loss",
    "stack",
    "synthetic_data",
    "tanh",
    "tensor",
    "to",
    "tokenize",
    "train_2d",
    "train_batch_ch13",
    "train_ch3",
    "train_ch6",
    "train_ch8",
    "train_ch11",
    "train_ch13",
    "train_concise_ch11",
    "train_epoch_ch3",
    "train_epoch_ch8",
    "transpose",
    "try_all_gpus",
    "try_gpu",
    "use_svg_display",
    "zeros",
]

_OTHERS = (
    "collections",
    "hashlib",
    "math",
    "os",
    "random",
    "re",
    "shutil",
    "sys",
    "tarfile",
    "time",
    "torch",
    "zipfile",
)
_MODULES = {  # what the book's library imports, and its readers then take from it
    "plt": "matplotlib.pyplot",
    "Image": "PIL.Image",
    "display": "IPython.display",
    "F": "torch.nn.functional",
    "nn": "torch.nn",
    "np": "numpy",
    "pd": "pandas",
    "transforms": "torchvision.transforms",
    **{name: name for name in _OTHERS},
}


def __getattr__(name: str) -> Any:
    """A module on first use; for an unknown name an error that says the nearest one, or where the book defines it."""
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    raise AttributeError(explain(name, __all__), name=name)


def __dir__() -> list[str]:
    return list(__all__)
