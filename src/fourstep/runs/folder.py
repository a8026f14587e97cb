"""A run's folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import device, nn

from fourstep.data.batches import Data
from fourstep.events import Event
from fourstep.history import History


class RunFolder:
    """A run's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path, data: Data, where: device, settings: Mapping[str, Any]) -> "RunFolder":
        """Make it."""
        return cls(Path(path))

    def append_row(self, event: Event) -> None:
        """Write it."""

    def finish(self, history: History, model: nn.Module | None) -> None:
        """Write it."""
