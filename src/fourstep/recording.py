"""An epoch's numbers: added up batch by batch without waiting for the device, read where a row is written."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, device

from fourstep.errors import DataError, NonFiniteError
from fourstep.events import Position
from fourstep.history import History
from fourstep.losses import check_shapes, count_items, mean_loss, was_summed
from fourstep.meters import Meters
from fourstep.metrics import Metric


class Recorder:
    """The sums of the running epoch, and the rows that they become.

    Attributes:
        history: the rows so far.
        results: what was measured in the running epoch, `split/metric`.
        failed: the loss became NaN or infinite.
    """

    def __init__(self, metrics: Mapping[str, Metric], where: device) -> None:
        self.history = History()
        self.results: dict[str, float] = {}
        self.failed = False
        self._meters = Meters(metrics, where)

    def start_epoch(self) -> None:
        """Forget the last epoch's sums."""
        self.results = {}
        self._meters.reset()

    def record(
        self, loss: Tensor, outputs: Any, targets: Any, items: int | Tensor | None, sound: Tensor | None = None
    ) -> None:
        """Add a batch; `Epoch.record` says what the arguments are. Where `sound` is false its loss counts for none."""
        if not isinstance(loss, Tensor):
            raise DataError(
                f"record was given a loss of type {type(loss).__name__}: expected the tensor, before .item()"
            )
        check_shapes(outputs, targets)
        if items is None:
            items = count_items(None, targets)
        if loss.requires_grad or loss.dim():
            loss = mean_loss(loss.detach(), items, is_sum=was_summed(loss, targets))
        self._meters.add_loss(loss, items if sound is None else sound * items)
        self._meters.add_outputs(outputs, targets)

    def read(self) -> int | None:
        """Wait for the device and update `results`.

        Returns:
            The first batch of the epoch, from 1, whose loss was not finite; None where all were.
        """
        self.results |= {f"train/{name}": value for name, value in self._meters.compute().items()}
        bad = self._meters.loss.first_bad_batch
        self.failed = bad is not None
        return bad

    def state_dict(self) -> dict[str, Any]:
        """The running epoch's sums; the history has a state of its own. Waits for the device."""
        return {"results": dict(self.results), "meters": self._meters.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on in the middle of an epoch."""
        self.results = dict(state["results"])
        self._meters.load_state_dict(state["meters"])

    def add_row(self, where: Position, seconds: float, lr: Any) -> dict[str, float]:
        """Append what was measured so far to the history, and return it; an lr that is no number is left out."""
        row = {"epoch": where["epochs_done"], "step": where["step"], **self.results}
        if isinstance(lr, int | float | Tensor):
            row["lr"] = float(lr)
        row |= {"seconds": seconds, "examples_per_second": where["examples_per_second"]}
        self.history.append(row)
        return row


def non_finite_error(batch: int, epoch: int | None, lr: Any, last: float | None = None) -> NonFiniteError:
    """The error for a loss that became NaN or infinite.

    Args:
        batch: the first bad one of its epoch, from 1.
        epoch: from 1; None where it is not known.
        lr: the optimizer's, a number, where it has one.
        last: the last mean loss that was finite, where there was one.
    """
    where = f"batch {batch}" + ("" if epoch is None else f" of epoch {epoch}")
    rate = "" if lr is None else f" with lr {lr:g}"
    after = "" if last is None else f", after a loss of {last:.3g}"
    return NonFiniteError(
        f"the training loss became NaN or infinite in {where}{rate}{after}: use a smaller lr, clip the gradients, "
        "or look for NaN in the inputs"
    )
