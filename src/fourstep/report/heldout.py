"""What a model answers on a held-out split: one more evaluation at a run's end, of which nothing may be left.

It looks, and changes nothing: no weight, buffer or mode of the model, no generator, no position of the data. Shapes:
N samples, B samples in a batch, K classes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler

from fourstep.data.batches import Batches
from fourstep.data.dataset import Data, pairs_on, split_to_judge
from fourstep.data.loader import LoaderBatches
from fourstep.device import to_device
from fourstep.errors import one_line
from fourstep.evaluation import device_of, evaluating
from fourstep.nesting import batch_length
from fourstep.report.notes import ClassAnswers, ValueAnswers
from fourstep.report.tally import ClassTally, ValueTally
from fourstep.seed import standing

MOST_SAMPLES = 10_000  # that are asked, the first ones in the split's order


def ask(
    model: nn.Module, data: Data, others: Sequence[torch.Generator], is_over: Callable[[], bool]
) -> tuple[ClassAnswers | ValueAnswers | None, str]:
    """A model's answers on the split that it is judged by: val, or test where there is no val.

    Args:
        model: is run where it is, in evaluation mode.
        data: of the run.
        others: generators beside the global ones that are put back.
        is_over: asked between two batches; the answer True gives up.

    Returns:
        The answers, or None and the reason why there are none: whatever a model or data set of the user's may do here,
        it does not end the run.
    """
    name = split_to_judge(data)
    if name is None:
        return None, "the data has no val or test split"
    split = data.splits()[name]
    if not _can_be_asked_again(split):
        return None, f"the {name} split is a {type(split).__name__}, and to go through it once more might change it"
    device = device_of(model)
    try:
        with standing(device, others), _unchanged(model), evaluating(model), torch.no_grad():
            tally = _tallied(model, _samples(split, device), is_over)
        if tally is None:
            return None, "there are one target and one answer per sample for neither classes nor values"
        return tally.answers(name, _num_items(split, tally.asked)), ""
    except Exception as error:  # noqa: BLE001 - whatever the user's code does
        return None, one_line(f"the model could not be asked on the {name} split: {type(error).__name__}: {error}")[
            :300
        ]


def _tallied(
    model: nn.Module, samples: Iterator[tuple[Any, Any, Any]], is_over: Callable[[], bool]
) -> ClassTally | ValueTally | None:
    tally: ClassTally | ValueTally | None = None
    for shown, inputs, targets in samples:
        if is_over():
            raise InterruptedError("the run was told to end")
        outputs = model(inputs)
        if tally is None:
            kinds: tuple[type[ClassTally], type[ValueTally]] = (ClassTally, ValueTally)
            tally = next((kind() for kind in kinds if kind.fits(outputs, targets)), None)
        if tally is None:
            return None
        tally.add(shown, outputs, targets)
        if tally.asked >= MOST_SAMPLES:
            break
    return tally


def _can_be_asked_again(split: Any) -> bool:
    """Does a pass leave the split as it was?"""
    loader = split.loader if isinstance(split, LoaderBatches) else split
    if type(loader) is DataLoader:
        return isinstance(loader.sampler, SequentialSampler) and not loader.persistent_workers
    return isinstance(split, Batches | list | tuple)


def _samples(split: Any, device: torch.device) -> Iterator[tuple[Any, Any, Any]]:
    """What is shown of some samples, the model's inputs, and the targets; in the split's own order."""
    if isinstance(split, Batches):  # read as it lies, so that its position stays
        end = min(split.num_samples, MOST_SAMPLES)
        for start in range(0, end, split.batch_size):  # the memory was chosen for batches of this size
            raw, targets = split.take(slice(start, min(start + split.batch_size, end)))
            shown = raw.clone() if isinstance(raw, Tensor) else None  # whoever prepares may work in place
            yield shown, *to_device((split.prepare(raw), targets), device)
        return
    loader: Iterable[Any] = split.loader if isinstance(split, LoaderBatches) else split
    for inputs, targets in pairs_on(loader, device):
        shown = inputs.clone() if isinstance(inputs, Tensor) else None  # a model may work in place
        yield shown, inputs, targets


def _num_items(split: Any, asked: int) -> int:
    """How many samples the split has, as far as it says."""
    if isinstance(split, Batches):
        return split.num_samples
    loader = split.loader if isinstance(split, LoaderBatches) else split
    try:
        if isinstance(loader, DataLoader):
            return max(asked, len(loader.dataset))  # type: ignore[arg-type]
        return max(asked, sum(batch_length(targets) for _, targets in loader))
    except TypeError:
        return asked


@contextmanager
def _unchanged(model: nn.Module) -> Iterator[None]:
    """Put the buffers back at the end."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in buffers:
                buffer.copy_(value)
