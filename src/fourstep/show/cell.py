"""One place below a notebook's cell, whose content is updated; nothing else of the cell's output is touched.

It needs no more than `display_id`, which Jupyter, VS Code and Colab have.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from fourstep.show.pace import Pace

Content: TypeAlias = Mapping[str, Any]  # MIME type -> what is shown by it


class Cell:
    """Shows what grows. What comes too soon after the last time is shown when the cell ends, also by an error.

    Args:
        shell: the notebook's.
        draw: gives the content; told by `is_last` whether the cell ends, and nothing may be left out.
        pace: how often.
    """

    def __init__(self, shell: Any, draw: Callable[..., Content], pace: Pace) -> None:
        self._shell, self._draw, self._pace = shell, draw, pace
        self._handle: Any = None
        self._run = 0  # of a cell, under which the content stands
        self._is_waiting = False

    def refresh(self) -> None:
        """Show the content as it is now, unless it was shown a moment ago: then at the end of the cell."""
        is_new = self._run != self._shell.execution_count  # the place went with its cell's output: a new one here
        if is_new:
            self._run, self._handle = self._shell.execution_count, None
        if is_new or self._pace.is_due():
            with self._pace.drawing():
                self._show(self._draw(is_last=False))
        if not self._is_waiting:
            self._is_waiting = True
            self._shell.events.register("post_run_cell", self.finish)

    def finish(self, _result: object = None) -> None:
        """Show the content as it is now, for the last time in this cell."""
        if self._is_waiting:
            self._is_waiting = False
            self._shell.events.unregister("post_run_cell", self.finish)
            self._show(self._draw(is_last=True))

    def _show(self, content: Content) -> None:
        from IPython.display import display  # noqa: PLC0415 - a notebook has it

        if self._handle is None:
            self._handle = display(content, raw=True, display_id=True)  # type: ignore[no-untyped-call] # no types
        else:
            self._handle.update(content, raw=True)
