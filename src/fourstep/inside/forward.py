"""A forward pass, watched from outside: which module is at work, what it was given, and what it gave.

The hooks are torch's global ones, and not a module's own: a module with a hook of its own takes another way through
some of torch's layers (a transformer's fast path), and what is watched must do as it does alone.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from fourstep.inside.failing import explain_failure


class Visit:
    """One call of one module.

    Attributes:
        module: which one.
        name: its path in the model, `""` for the model itself; None for one that the model does not hold.
        depth: how many other calls it is inside of.
        arguments: what it was called with, by position; None when it has ended, so that nothing is kept alive.
        multiply_adds: of its own code, not of the modules that it calls; `counts.Counting` adds them.
        has_unknown: an operation whose multiply-adds are not known was among them.
        kept_bytes: what its own code keeps for the backward pass; likewise.
        outputs: what it gave, as far as who watches keeps it.
        calls_others: other modules were called inside of it.
    """

    def __init__(self, module: nn.Module, name: str | None, depth: int, arguments: tuple[Any, ...]) -> None:
        self.module, self.name, self.depth = module, name, depth
        self.arguments: tuple[Any, ...] | None = arguments
        self.multiply_adds = 0
        self.has_unknown = False
        self.kept_bytes = 0
        self.outputs: Any = None
        self.calls_others = False


Enter: TypeAlias = Callable[[Visit], None]
Leave: TypeAlias = Callable[[Visit, Any], None]


class Watch:
    """Who is at work: the innermost call is the last of `open`."""

    def __init__(self, model: nn.Module, enter: Enter, leave: Leave) -> None:
        self.open: list[Visit] = []
        self._names = {id(module): name for name, module in model.named_modules()}
        self._enter, self._leave = enter, leave
        self._thread = threading.get_ident()

    def _on_call(self, module: nn.Module, arguments: tuple[Any, ...]) -> None:
        if threading.get_ident() != self._thread:  # another model at work meanwhile
            return
        visit = Visit(module, self._names.get(id(module)), len(self.open), arguments)
        if self.open:
            self.open[-1].calls_others = True
        self.open.append(visit)
        self._enter(visit)

    def _on_return(self, module: nn.Module, _: tuple[Any, ...], outputs: Any) -> None:
        if threading.get_ident() != self._thread:
            return
        while self.open:
            visit = self.open.pop()
            if visit.module is module:  # else one whose error was caught on the way
                self._leave(visit, outputs)
                visit.arguments = None
                return


@contextmanager
def watching(model: nn.Module, leave: Leave, enter: Enter = lambda _: None) -> Iterator[Watch]:
    """Watch all calls of modules in the block; no hook is left behind, also after an error.

    Args:
        model: whose modules have names; others that are called are told too.
        leave: called when a module has given its outputs, inner ones first.
        enter: called before a module's forward.

    Raises:
        DataError: a module's forward has failed; the error names it, with the shapes and the mend.
    """
    watch = Watch(model, enter, leave)
    hooks = register_module_forward_pre_hook(watch._on_call), register_module_forward_hook(watch._on_return)  # noqa: SLF001 - its own class
    try:
        yield watch
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        explain_failure(watch.open[-1] if watch.open else None, error)
    finally:
        for hook in hooks:
            hook.remove()
