"""Which names there are, what asking for another says, and what importing them costs."""

import inspect
import re
import subprocess
import sys
from types import ModuleType

import numpy as np
import pytest
import torch

import fourstep as fs
from fourstep import d2l
from fourstep.d2l import elsewhere


def words(text: str) -> list[str]:
    """The names in a line."""
    return text.split()


CORE = words(  # of the five core chapters
    "Accumulator Animator Timer abs accuracy arange argmax astype concat evaluate_loss exp float32 "
    "get_fashion_mnist_labels linreg load_array load_data_fashion_mnist log matmul normal numpy ones plot plt "
    "predict_ch3 reduce_sum reshape set_axes set_figsize sgd show_images size squared_loss stack synthetic_data tensor "
    "train_ch3 train_ch6 train_epoch_ch3 transpose try_gpu use_svg_display zeros"
)
OTHERS = words(
    "evaluate_accuracy evaluate_accuracy_gpu try_all_gpus get_dataloader_workers "
    "corr2d Residual resnet18 download download_extract download_all DATA_HUB DATA_URL Image "
    "read_time_machine tokenize Vocab count_corpus load_corpus_time_machine seq_data_iter_random "
    "seq_data_iter_sequential SeqDataLoader load_data_time_machine RNNModelScratch RNNModel predict_ch8 grad_clipping "
    "train_epoch_ch8 train_ch8 annotate train_2d show_trace_2d get_data_ch11 train_ch11 train_concise_ch11 "
    "Benchmark split_batch train_batch_ch13 train_ch13"
)
ALIASES = words(
    "ones zeros tensor arange meshgrid sin sinh cos cosh tanh linspace exp log normal rand randn matmul int32 float32 "
    "concat stack abs eye numpy size reshape to reduce_sum argmax astype transpose reduce_mean nn_Module"
)
NAMES = {*CORE, *OTHERS, *ALIASES}
PLOT = (
    "X Y=None xlabel=None ylabel=None legend=None xlim=None ylim=None xscale='linear' yscale='linear' "
    "fmts=('-','m--','g-.','r:') figsize=(3.5,2.5) axes=None"
)
ANIMATOR = (
    "xlabel=None ylabel=None legend=None xlim=None ylim=None xscale='linear' yscale='linear' "
    "fmts=('-','m--','g-.','r:') nrows=1 ncols=1 figsize=(3.5,2.5)"
)


def test_every_name_of_the_article_is_there() -> None:
    """And documented; `plt` is pyplot itself."""
    assert {*NAMES, "TrainResult", "LanguageResult"} == set(d2l.__all__) == set(dir(d2l))
    assert len(ALIASES) == 33
    assert [
        name for name in {*NAMES} - {"Image", "int32", "float32"} if not (getattr(d2l, name).__doc__ or "").strip()
    ] == []
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
        ("train_ch3", "net train_iter test_iter loss num_epochs updater stop_at_nan=True"),
        ("predict_ch3", "net test_iter n=6"),
        ("evaluate_accuracy_gpu", "net data_iter device=None"),
        ("evaluate_loss", "net data_iter loss"),
        ("train_ch6", "net train_iter test_iter num_epochs lr device init=True stop_at_nan=True"),
        ("try_gpu", "i=0"),
        ("load_data_fashion_mnist", "batch_size resize=None"),
        ("get_fashion_mnist_labels", "labels"),
        ("show_images", "imgs num_rows num_cols titles=None scale=1.5"),
        ("set_axes", "axes xlabel ylabel xlim ylim xscale yscale legend"),
        ("set_figsize", "figsize=(3.5,2.5)"),
        ("plot", PLOT),
        ("corr2d", "X K"),
        ("Residual", "input_channels num_channels use_1x1conv=False strides=1"),
        ("resnet18", "num_classes in_channels=1"),
        ("tokenize", "lines token='word'"),
        ("Vocab", "tokens=None min_freq=0 reserved_tokens=None"),
        ("count_corpus", "tokens"),
        ("load_corpus_time_machine", "max_tokens=-1"),
        ("seq_data_iter_random", "corpus batch_size num_steps"),
        ("seq_data_iter_sequential", "corpus batch_size num_steps"),
        ("SeqDataLoader", "batch_size num_steps use_random_iter max_tokens"),
        ("load_data_time_machine", "batch_size num_steps use_random_iter=False max_tokens=10000"),
        ("RNNModelScratch", "vocab_size num_hiddens device get_params init_state forward_fn"),
        ("RNNModel", "rnn_layer vocab_size kwargs"),
        ("predict_ch8", "prefix num_preds net vocab device"),
        ("grad_clipping", "net theta"),
        ("train_epoch_ch8", "net train_iter loss updater device use_random_iter"),
        ("train_ch8", "net train_iter vocab lr num_epochs device use_random_iter=False"),
        ("annotate", "text xy xytext"),
        ("train_2d", "trainer steps=20 f_grad=None"),
        ("show_trace_2d", "f results"),
        ("get_data_ch11", "batch_size=10 n=1500"),
        ("train_ch11", "trainer_fn states hyperparams data_iter feature_dim num_epochs=2"),
        ("train_concise_ch11", "trainer_fn hyperparams data_iter num_epochs=4"),
        ("Benchmark", "description='Done'"),
        ("split_batch", "X y devices"),
        ("train_batch_ch13", "net X y loss trainer devices"),
        ("train_ch13", "net train_iter test_iter loss trainer num_epochs devices=None stop_at_nan=True"),
        ("download", "name cache_dir='../data'"),
        ("download_extract", "name folder=None"),
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
    with pytest.raises(
        AttributeError, match=r"unknown name in fourstep\.d2l 'zzz': dir\(d2l\) lists those that there are"
    ):
        _ = d2l.zzz
    with pytest.raises(AttributeError, match=r"'Trianer': did you mean 'Trainer'\? 'Trainer' is a name of d2l 1\.0"):
        _ = d2l.Trianer
    with pytest.raises(AttributeError, match=r"'int64' is a name of d2l 1\.0, .* Here it is torch\.int64"):
        _ = d2l.int64
    assert not hasattr(d2l, "predict_ch9")


def test_a_name_of_a_later_chapter_says_where_the_book_defines_it() -> None:
    """And one of the 1.0 package what to use instead."""
    with pytest.raises(AttributeError, match=r"'MultiHeadAttention' is defined by the book in section 10\.5: run that"):
        _ = d2l.MultiHeadAttention
    with pytest.raises(AttributeError, match=r"'Trainer' is a name of d2l 1\.0, .* Here it is fs\.fit\(model, data"):
        _ = d2l.Trainer


def test_what_stands_instead_of_a_name_is_there() -> None:
    """Every `d2l.`, `fs.` and `torch.` name in the hints can be had."""
    for name in sorted(elsewhere._INSTEAD):
        for path in re.findall(r"\b((?:d2l|fs|torch|nn)(?:\.\w+)+)", elsewhere.explain(name, ())):
            if not path.startswith("d2l.1"):
                first, *rest = path.split(".")
                found = {"d2l": d2l, "fs": fs, "torch": torch, "nn": torch.nn}[first]
                for part in rest:
                    found = getattr(found, part)


def test_aliases_are_torchs_own() -> None:
    """The methods among them take what the methods take; `numpy` works with gradients."""
    x = torch.tensor([[1.0, -2.0, 3.0]], requires_grad=True)
    assert d2l.numpy(x).tolist() == [[1, -2, 3]]
    assert d2l.size(x) == 3
    assert d2l.reshape(x, -1).shape == d2l.reshape(x, (3,)).shape == (3,)
    assert d2l.transpose(x).shape == (3, 1)
    assert d2l.reduce_sum(x, 1, keepdim=True).tolist() == [[2]]
    assert d2l.reduce_mean(x).item() == pytest.approx(2 / 3)
    assert d2l.argmax(x, dim=1).tolist() == [2]
    assert d2l.astype(x, d2l.int32).dtype == d2l.to(x, d2l.int32).dtype == torch.int32
    assert d2l.concat((x, x)).shape == (2, 3)
    assert d2l.abs(x).tolist() == [[1, 2, 3]]


def test_meshgrid_is_the_books_without_a_warning() -> None:
    """The first tensor along the rows, as torch does it where nothing is said, with a warning."""
    a, b = torch.arange(3), torch.arange(2)
    for own, torchs in zip(d2l.meshgrid(a, b), torch.meshgrid(a, b, indexing="ij"), strict=True):
        assert torch.equal(own, torchs)
    assert d2l.meshgrid([a, b])[0].shape == (3, 2)
    assert d2l.meshgrid(a, b, indexing="xy")[0].shape == (2, 3)


def test_modules_that_readers_take_from_the_book_are_there() -> None:
    """`d2l.Image`, `d2l.np` and the like."""
    assert d2l.np.float32 is np.float32
    assert d2l.F is torch.nn.functional
    assert d2l.Image.__name__ == "PIL.Image"


def test_importing_the_names_draws_in_no_drawing_library() -> None:
    """Matplotlib comes with the first figure or `plt`, IPython never by itself."""
    program = (
        "import sys; from fourstep import d2l; heavy = {'matplotlib', 'IPython', 'matplotlib_inline', 'PIL', 'pandas'};"
        "print(sorted(heavy & set(sys.modules))); d2l.plt; print(sorted(heavy & set(sys.modules) - {'PIL'}))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == ["[]", "['matplotlib']"]
