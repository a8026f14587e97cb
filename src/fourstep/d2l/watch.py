"""What the book's training functions look out for, each said in one line.

A first batch that cannot be meant so, too little memory, a loss that is not finite, a net that does not learn.
"""

import copy
import gc
import math
import traceback
import warnings
from collections.abc import Iterable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812 - torch's own name for it
from torch.nn.parameter import is_lazy
from torch.optim import Optimizer

from fourstep.d2l.counters import Number
from fourstep.data.batches import Batches
from fourstep.errors import DeviceError, FourstepError, FourstepWarning, NonFiniteError, is_out_of_memory
from fourstep.losses import check_labels
from fourstep.meters import Meters
from fourstep.nesting import first_tensor
from fourstep.recording import non_finite_error

GUESSING_AFTER = 100  # updates: fewer need not show whether a net learns
NEAR, ABOUT = 0.02, 1.2  # how far the loss of guessing may be away, and how often its share of right predictions is met
ROUNDING = 1e-3  # by which probabilities may miss the sum of 1
_CACHES = ("cuda", "xpu", "mps")  # the devices whose freed memory torch keeps
_GIB = 2**30


class Watch:
    """One training's look-out. A pass is made inside `with watch:`, which explains where memory runs out.

    Args:
        device: where the net is.
        net: a module, or an object that has its weights in `params`, which gets its weights and buffers back as they
            were before a pass whose loss is not finite; for None and for a function nothing is kept.
        stops: a loss that is not finite is an error; else it is an epoch's number like another.
        updater: an optimizer gets its state back likewise, without its settings; of a function nothing is known.

    Attributes:
        updates: how many batches came so far.

    The function that has the `with` in it must hold no tensors of a batch: what the functions below it held is freed.
    """

    def __init__(self, device: torch.device, net: Any = None, updater: Any = None, *, stops: bool = True) -> None:
        self.device = device
        self._net = net
        self._stops = stops
        self._last: float | None = None  # the last mean loss that was finite
        self._optimizer = updater if isinstance(updater, Optimizer) else None
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._kept_state: dict[Tensor, Any] = {}
        self.updates = 0
        self._inputs: Any = None
        self._classes = 0

    def see(self, inputs: Any) -> None:
        """Take note of a batch before the net gets it."""
        self._inputs = inputs
        self.updates += 1

    def check(self, loss: Any, outputs: Any, targets: Any, source: Iterable[Any], stacklevel: int = 4) -> None:
        """Look at the first batch before its loss is taken; waits for the device.

        Args:
            loss: torch's own are known; of another one nothing is known.
            outputs: the net's answer.
            targets: the batch's.
            source: where it is from; of `Batches` all targets are looked at.
            stacklevel: of the reader's line that trains, from here.

        Raises:
            DataError: labels that the net has no output for; on an accelerator they would end the process.

        Warns:
            FourstepWarning: the outputs are probabilities already, for a loss that makes them so.
        """
        if not (isinstance(outputs, Tensor) and isinstance(targets, Tensor)) or outputs.dim() < 2:  # noqa: PLR2004
            return
        self._classes = 0 if targets.is_floating_point() else outputs.shape[1]
        is_cross_entropy = isinstance(loss, nn.CrossEntropyLoss) or loss is F.cross_entropy
        if is_cross_entropy or isinstance(loss, nn.NLLLoss) or loss is F.nll_loss:
            kept = source.targets if isinstance(source, Batches) else None
            whole = kept if isinstance(kept, Tensor) else targets
            check_labels(outputs, whole, getattr(loss, "ignore_index", -100))
        if is_cross_entropy and _are_probabilities(outputs.detach()):
            warnings.warn(
                "the net's outputs are probabilities already (each row sums to 1), and cross-entropy applies a softmax "
                "once more, so that the net learns slowly if at all: leave the softmax out of the net",
                FourstepWarning,
                stacklevel=stacklevel,
            )

    def read_means(self, meters: Meters, epoch: int | None, lr: Number | None) -> tuple[float, float]:
        """The mean loss and accuracy so far; waits for the device.

        Raises:
            NonFiniteError: the loss became NaN or infinite, and that is an error here.
        """
        values = meters.compute()
        self.check_finite(meters, epoch, lr)
        return values["loss"], values["accuracy"]

    def check_finite(self, meters: Meters, epoch: int | None, lr: Number | None) -> None:
        """Refuse a loss that became NaN or infinite, where that is an error here; after `meters.compute()`.

        Raises:
            NonFiniteError: it did.
        """
        batch = meters.loss.first_bad_batch
        if batch is None:
            self._last = meters.compute()["loss"]
        elif self._stops:
            raise non_finite_error(batch, epoch, lr, self._last)

    def is_guessing(self, loss: float, accuracy: float) -> bool:
        """Are an epoch's numbers those of a net that has learnt nothing of its classes?"""
        if self.updates < GUESSING_AFTER or self._classes <= 1:
            return False
        worst = math.log(self._classes)
        return abs(loss - worst) < NEAR * worst and accuracy < ABOUT / self._classes

    def warn_if_guessing(self, loss: float, accuracy: float, epoch: int) -> bool:
        """Say after training that the net has learnt nothing, where it is so; was it?"""
        if not self.is_guessing(loss, accuracy):
            return False
        warnings.warn(
            f"the net is not learning: after epoch {epoch} the train loss is {loss:.3f} and the train accuracy "
            f"{accuracy:.3f}, as of guessing among {self._classes} classes (ln {self._classes} = "
            f"{math.log(self._classes):.3f}). Likely causes: a learning rate too large or too small, an initialisation "
            "that lets the signal die, dead units. Try a tenth or ten times of the lr, another seed, or batch "
            "normalisation; and look whether the labels belong to the inputs",
            FourstepWarning,
            stacklevel=4,
        )
        return True

    def __enter__(self) -> "Watch":  # noqa: PYI034 - beartype takes no Self in a method
        net = self._net
        held = [*net.parameters(), *net.buffers()] if isinstance(net, nn.Module) else getattr(net, "params", ())
        self._kept = [(one, one.detach().clone()) for one in held if not is_lazy(one)]  # those have no values yet
        state = {} if self._optimizer is None else self._optimizer.state
        self._kept_state = {weight: copy.deepcopy(its) for weight, its in state.items()}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        inputs, self._inputs = self._inputs, None
        kept, self._kept = self._kept, []
        state, self._kept_state = self._kept_state, {}
        if isinstance(error, NonFiniteError) and kept:
            _put_back(kept)
            if self._optimizer is not None:  # else its NaN would be in the next update
                self._optimizer.state.clear()
                self._optimizer.state.update(state)
            raise NonFiniteError(f"{error}. The net has its weights from before that epoch again") from None
        kept, state = [], {}
        if error is None or not is_out_of_memory(error):
            return
        said = out_of_memory(inputs, self.device)
        inputs = None
        _free(error, self.device)
        raise DeviceError(said) from None


def _put_back(kept: list[tuple[Tensor, Tensor]]) -> None:
    with torch.no_grad():
        for tensor, before in kept:
            tensor.copy_(before)


def _are_probabilities(outputs: Tensor) -> bool:
    return bool((outputs >= 0).all() & ((outputs.sum(dim=1) - 1).abs() < ROUNDING).all())


def out_of_memory(inputs: Any, device: torch.device) -> str:
    """The line that says how large the batch was, how much memory was in use, and what to try next.

    Args:
        inputs: of the batch; None where there was none yet.
        device: that ran out of memory.
    """
    where = f"out of memory on {device}"
    if device.type == "cuda":
        peak, all_of_it = torch.cuda.max_memory_allocated(device), torch.cuda.mem_get_info(device)[1]
        where += f" (peak {peak / _GIB:.1f} of {all_of_it / _GIB:.1f} GiB)"
    try:
        shape = tuple(first_tensor(inputs, "inputs").shape)
    except FourstepError:
        return f"{where}: use a smaller net"
    smaller = "smaller images (resize)" if len(shape) == 4 else "smaller inputs"  # noqa: PLR2004 - B C H W
    size = shape[0] if shape else 1
    mend = f"try batch_size={size // 2}, or {smaller}" if size > 1 else f"use {smaller}, or a smaller net"
    return f"{where} with a batch of {size}, inputs of shape {shape}: {mend}"


def _free(error: BaseException, device: torch.device) -> None:
    """Let go of what the functions that failed held, which a notebook would keep with the error."""
    failed: BaseException | None = error
    while failed is not None:
        traceback.clear_frames(failed.__traceback__)
        failed = failed.__cause__ or failed.__context__
    gc.collect()
    if device.type in _CACHES:
        getattr(torch, device.type).empty_cache()
