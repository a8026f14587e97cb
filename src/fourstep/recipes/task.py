"""What is asked of a model by its data: the loss that it learns by, and what is measured beside it."""

from collections.abc import Callable
from typing import Any

from torch import nn

from fourstep.data.dataset import Data
from fourstep.errors import ConfigError, UnknownNameError
from fourstep.metrics import LogRMSE, Metric, absolute_error, accuracy

_ON_REQUEST: dict[str, Callable[[], Metric]] = {"log_rmse": LogRMSE}  # of a regression


def make_loss(data: Data) -> nn.Module:
    """Cross-entropy for classes, and for yes and no in several columns its form for two; squared error for values."""
    if data.classes:
        return nn.CrossEntropyLoss()
    return nn.BCEWithLogitsLoss() if _task(data) == "labels" else nn.MSELoss()


def make_metrics(data: Data, wanted: tuple[str, ...] = ()) -> dict[str, Metric] | None:
    """The accuracy of classes, and of yes and no; for the values of a table how far predictions are off, on average.

    Args:
        data: what is trained on.
        wanted: further ones, for a regression: `log_rmse`.

    Raises:
        UnknownNameError: there is no such metric.
        ConfigError: it is of a regression, and the targets are classes.
    """
    for name in wanted:
        if name not in _ON_REQUEST:
            raise UnknownNameError.of("metric", name, _ON_REQUEST)
    is_yes_or_no = bool(data.classes) or _task(data) == "labels"
    if is_yes_or_no and wanted:
        raise ConfigError(f"metrics={','.join(wanted)}: it is of a regression, and the targets are classes")
    if is_yes_or_no:
        return {"accuracy": accuracy}
    own: dict[str, Metric] = {"error": absolute_error} if _task(data) == "regression" else {}
    return {**own, **{name: _ON_REQUEST[name]() for name in wanted}} or None


def _task(data: Data) -> str:
    """Of a table; empty for other data."""
    encoding: Any = data.encoding
    return encoding.target.task if encoding is not None and encoding.kind == "table" else ""
