"""fourstep trains any PyTorch model in four steps that you can read.

    outputs = model(inputs)                 # 1. forward:  predict, and measure the loss
    loss = loss_fn(outputs, targets)
    optimizer.zero_grad()                   # 2. clear:    forget the last gradients
    loss.backward()                         # 3. backward: compute the new ones
    optimizer.step()                        # 4. update:   change the weights

`fit` trains in one call; `Run` gives the loop that you write yourself the same data, metrics, curves and files;
`fourstep.d2l` has the names of *Dive into Deep Learning*.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch as _torch  # noqa: F401 - first, from here: from within our modules it takes 0.1 s longer

from fourstep import data as data
from fourstep import models as models
from fourstep import scale as scale
from fourstep.data.batches import Batches as Batches
from fourstep.data.dataset import Data as Data
from fourstep.device import pick_device as pick_device
from fourstep.errors import ConfigError as ConfigError
from fourstep.errors import DataError as DataError
from fourstep.errors import DataFileError as DataFileError
from fourstep.errors import DeviceError as DeviceError
from fourstep.errors import FourstepError as FourstepError
from fourstep.errors import FourstepWarning as FourstepWarning
from fourstep.errors import MissingExtraError as MissingExtraError
from fourstep.errors import NonFiniteError as NonFiniteError
from fourstep.errors import RunFolderError as RunFolderError
from fourstep.errors import ShapeError as ShapeError
from fourstep.errors import UnknownNameError as UnknownNameError
from fourstep.evaluation import evaluate as evaluate
from fourstep.evaluation import predict as predict
from fourstep.events import Event as Event
from fourstep.events import Stop as Stop
from fourstep.history import History as History
from fourstep.loop import fit as fit
from fourstep.metrics import LogRMSE as LogRMSE
from fourstep.metrics import absolute_error as absolute_error
from fourstep.metrics import accuracy as accuracy
from fourstep.metrics import top_k as top_k
from fourstep.run import Run as Run
from fourstep.runs.saving import Saving as Saving
from fourstep.runs.weights import load_weights as load_weights
from fourstep.seed import seed_everything as seed_everything
from fourstep.step import StepResult as StepResult
from fourstep.step import four_steps as four_steps
from fourstep.step import train_step as train_step

if TYPE_CHECKING:
    from fourstep import d2l as d2l
    from fourstep.inside.inventory import Summary as Summary
    from fourstep.inside.inventory import summary as summary
    from fourstep.inside.result import Trace as Trace
    from fourstep.inside.slow_motion import trace as trace
    from fourstep.runs.foreign import compare_weights as compare_weights
    from fourstep.runs.foreign import load_foreign_weights as load_foreign_weights

__version__ = "0.1.0.dev0"

# Where a name is from that is imported when it is first asked for: most programs do without, and start sooner.
_LATER = {
    "d2l": "fourstep.d2l",
    "Summary": "fourstep.inside.inventory",
    "summary": "fourstep.inside.inventory",
    "Trace": "fourstep.inside.result",
    "trace": "fourstep.inside.slow_motion",
    "compare_weights": "fourstep.runs.foreign",
    "load_foreign_weights": "fourstep.runs.foreign",
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'fourstep' has no attribute {name!r}")
    module = import_module(_LATER[name])
    return module if name == "d2l" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
