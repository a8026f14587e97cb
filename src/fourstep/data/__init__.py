"""Where batches come from."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fourstep.data.arrays import from_arrays as from_arrays
from fourstep.data.arrays import synthetic_blobs as synthetic_blobs
from fourstep.data.arrays import synthetic_regression as synthetic_regression
from fourstep.data.batches import Batches as Batches
from fourstep.data.catalog import DATASETS as DATASETS
from fourstep.data.catalog import DatasetInfo as DatasetInfo
from fourstep.data.catalog import digits as digits
from fourstep.data.catalog import fashion_mnist as fashion_mnist
from fourstep.data.catalog import fetch_dataset as fetch_dataset
from fourstep.data.catalog import load_dataset as load_dataset
from fourstep.data.catalog import locate_dataset as locate_dataset
from fourstep.data.dataset import Data as Data
from fourstep.data.encoding import Encoding as Encoding
from fourstep.data.encoding import load_encoding as load_encoding
from fourstep.data.idx import read_idx as read_idx
from fourstep.data.images import Standardize as Standardize
from fourstep.data.images import learn_standardize as learn_standardize
from fourstep.data.images import resize_images as resize_images
from fourstep.data.places import Location as Location

if TYPE_CHECKING:
    from fourstep.data.sequences.series import from_series as from_series
    from fourstep.data.sequences.text import from_text as from_text
    from fourstep.data.sequences.tokens import TextEncoding as TextEncoding
    from fourstep.data.sequences.values import SeriesEncoding as SeriesEncoding
    from fourstep.data.sources.datasets import from_dataset as from_dataset
    from fourstep.data.sources.files import from_file as from_file

# Where a builder is from that is imported when it is first asked for: most programs need one of them.
_LATER = {
    "from_series": "fourstep.data.sequences.series",
    "from_text": "fourstep.data.sequences.text",
    "TextEncoding": "fourstep.data.sequences.tokens",
    "SeriesEncoding": "fourstep.data.sequences.values",
    "from_dataset": "fourstep.data.sources.datasets",
    "from_file": "fourstep.data.sources.files",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fourstep.data' has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
