"""`fourstep.summary`: a model's layers with what they give, hold and cost, from one forward pass of a copy."""

import copy
import warnings
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from fourstep.device import to_device
from fourstep.errors import ConfigError, DataError
from fourstep.evaluation import device_of
from fourstep.inside.counts import Counting, count_by_definition, keeping_count
from fourstep.inside.failing import LONGEST
from fourstep.inside.forward import Visit, watching
from fourstep.inside.printing import page_html, page_text
from fourstep.inside.rows import Layer, make_rows, shapes_of
from fourstep.inside.shapes import is_ready, kinds_in, tensors_in
from fourstep.nesting import map_tensors
from fourstep.seed import standing


@dataclass(frozen=True, kw_only=True, repr=False)
class Summary:
    """What a model is made of, as `fourstep.summary` found it; prints as a table.

    Attributes:
        kind: the model's class.
        given: number format and shape of the inputs.
        device: where the pass ran.
        is_training: the model's mode.
        samples: the length of the inputs' first dimension.
        layers: a row per module, in the order in which they are called.
        parameters: numbers that the model holds as parameters; shared ones count once.
        trainable: those of them that are learnt (`requires_grad`).
        multiply_adds: of the whole pass; where `unknown` is not empty, without these.
        unknown: names of the layers whose multiply-adds are not known.
        parameter_bytes: memory of the parameters.
        buffer_bytes: memory of what is saved with them and not learnt, such as running statistics.
        gradient_bytes: memory of the gradients, as much as the trainable parameters take.
        activation_bytes: memory that the pass keeps for step 3 (backward), beside parameters and buffers.
    """

    kind: str
    given: str
    device: torch.device
    is_training: bool
    samples: int
    layers: tuple[Layer, ...]
    parameters: int
    trainable: int
    multiply_adds: int
    unknown: tuple[str, ...]
    parameter_bytes: int
    buffer_bytes: int
    gradient_bytes: int
    activation_bytes: int

    @property
    def multiply_adds_per_sample(self) -> float:
        """`multiply_adds` over `samples`."""
        return self.multiply_adds / max(1, self.samples)

    @property
    def peak_bytes(self) -> int:
        """About what a training step needs: parameters + buffers + gradients + activations.

        Momentum adds the trainable parameters' memory once more, Adam twice. What single operations need while they
        run comes on top, and what torch itself takes.
        """
        return self.parameter_bytes + self.buffer_bytes + self.gradient_bytes + self.activation_bytes

    def __rich__(self) -> Any:
        from fourstep.inside.table import summary_table  # noqa: PLC0415 - rich is slow to import

        return summary_table(self)

    def __str__(self) -> str:
        return page_text(self)

    __repr__ = __str__  # a prompt and a debugger show it too

    def _repr_html_(self) -> str:
        return page_html(self)


def summary(model: Any, *inputs: Any, **named: Any) -> Summary:
    """What a model is made of: layers, shapes, parameters, multiply-adds and memory.

    Args:
        model: is left as it is: one forward pass runs on a copy, in the model's own mode, and the random generators
            stand afterwards where they stood. On the device `"meta"` nothing is computed, and all is found as well.
        inputs: what the model is called with, a tensor or any nesting of tensors; moved to the model's device. A whole
            batch `(inputs, targets)` serves as well, where the model does not take a pair.
        named: what it is called with by name.

    Returns:
        What prints as a table, and has the numbers as attributes.

    Raises:
        ConfigError: the model is none, or cannot be copied.
        DataError: there are no inputs, or a layer cannot take its input: the line names it, and the value that fits.

    >>> summary(nn.Linear(3, 2), torch.zeros(5, 3)).parameters
    8
    """
    if not isinstance(model, nn.Module) or not (inputs or named):
        found = "no inputs" if isinstance(model, nn.Module) else f"a {type(model).__name__} as the model"
        raise ConfigError(f"summary was given {found}: expected summary(model, inputs), such as a batch's inputs")
    device = device_of(model)
    with standing(device), torch.inference_mode(False):  # in which nothing is counted
        try:
            return _look(model, to_device(inputs, device), to_device(named, device))
        except DataError:
            pair = inputs[0] if len(inputs) == 1 and not named else None
            if not (isinstance(pair, tuple | list) and len(pair) == 2):  # noqa: PLR2004 - a batch
                raise
            return _look(model, (to_device(pair[0], device),), {})


def _look(model: nn.Module, inputs: tuple[Any, ...], named: dict[str, Any]) -> Summary:
    """The summary from one pass of a copy over copies."""
    twin = _copied(model)
    inputs, named = map_tensors(lambda tensor: tensor.detach().clone(), (inputs, named))  # a model may work in place
    visits: list[Visit] = []

    def leave(visit: Visit, outputs: Any) -> None:
        count_by_definition(visit, outputs)
        visit.outputs = shapes_of(outputs)
        visits.append(visit)

    fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one operation in which all products of a transformer's layer hide
    try:
        with (
            warnings.catch_warnings(),
            torch.enable_grad(),
            watching(twin, leave) as watch,
            Counting(watch) as counting,
            keeping_count(watch, twin),
        ):
            warnings.filterwarnings(
                "ignore", message="Using `torch.compile"
            )  # below, a compiled model computes plainly
            twin(*inputs, **named)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast_path)
    return _summarised(twin, (inputs, named), visits, counting.touched)


def _summarised(twin: nn.Module, taken: Any, visits: list[Visit], touched: set[int]) -> Summary:
    parameters = [parameter for parameter in twin.parameters() if is_ready(parameter)]
    trainable = [parameter for parameter in parameters if parameter.requires_grad]
    layers = make_rows(twin, visits, touched)
    return Summary(
        kind=type(twin).__name__,
        given=kinds_in(taken),
        device=device_of(twin),
        is_training=twin.training,
        samples=_count_samples(twin, taken),
        layers=layers,
        parameters=sum(map(Tensor.numel, parameters)),
        trainable=sum(map(Tensor.numel, trainable)),
        multiply_adds=sum(visit.multiply_adds for visit in visits),
        unknown=tuple(layer.name for layer in layers if layer.multiply_adds is None),
        parameter_bytes=sum(parameter.nbytes for parameter in parameters),
        buffer_bytes=sum(buffer.nbytes for buffer in twin.buffers() if is_ready(buffer)),
        gradient_bytes=sum(parameter.nbytes for parameter in trainable),
        activation_bytes=sum(visit.kept_bytes for visit in visits),
    )


def _count_samples(model: nn.Module, taken: Any) -> int:
    """The length of the first dimension; of the second for a recurrent layer that takes time first."""
    first = next(tensors_in(taken), None)
    is_time_first = isinstance(model, nn.RNNBase) and not model.batch_first and first is not None and first.dim() == 3  # noqa: PLR2004 - steps, samples, features
    return 1 if first is None or not first.dim() else first.shape[1 if is_time_first else 0]


def _copied(model: nn.Module) -> nn.Module:
    make: Any = nn.parameter.UninitializedBuffer  # which torch's types do not know
    lazy = {id(one): make(device=one.device, dtype=one.dtype) for one in model.buffers() if not is_ready(one)}
    try:
        return copy.deepcopy(model, lazy)  # torch copies lazy parameters, and fails at lazy buffers
    except Exception as error:  # whatever the user's own class does
        reason = str(error).strip().split("\n", maxsplit=1)[0]
        raise ConfigError(
            f"the model {type(model).__name__} cannot be copied ({reason[:LONGEST].rstrip('. ')}), and the pass is to "
            "leave it as it is: keep tensors that are computed from its weights, locks and open files out of its "
            "attributes"
        ) from error
