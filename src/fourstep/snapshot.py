"""A run's whole state at one moment, and how it is put back: what a checkpoint holds."""

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.epoch import Epoch
from fourstep.errors import FourstepError, RunFolderError
from fourstep.runs.weights import check_fit
from fourstep.seed import generator_states, set_generator_states
from fourstep.stateful import read_state, write_state

if TYPE_CHECKING:
    from fourstep.run import Run  # at run time it is given, and nothing is imported


def take_snapshot(run: "Run", epoch: Epoch | None) -> dict[str, Any]:
    """Everything that the rest of a run depends on.

    Args:
        run: between two steps.
        epoch: in whose middle it is; None between two epochs.

    Returns:
        `model`, its state; and `state`, a tree of all else. Waits for the device.
    """
    state = {
        "optimizer": run.optimizer.state_dict(),
        "generators": generator_states(run.device, run.generators),
        "registered": {name: read_state(thing) for name, thing in run.registered.items()},
        "history": run.history.state_dict(),
        "epochs_done": run.epochs_done,
        "epoch": None if epoch is None else epoch.state_dict(),
        "guard": run.guard.state_dict(),
        "stopped": None if run.stopped is None else run.stopped.reason,
        "seconds": run.announcer.seconds,
    }
    return {"model": run.model.state_dict(), "state": state}


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Whatever is wrong with what a checkpoint holds, in one line."""
    try:
        yield
    except FourstepError:
        raise
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError, StopIteration) as error:
        raise RunFolderError(
            f"{path} does not fit the run ({type(error).__name__}: {error}): expected what a run with these metrics, "
            "hooks and generators has saved"
        ) from error


def restore_snapshot(run: "Run", parts: Mapping[str, Any], step: int, path: Path) -> Epoch | None:
    """Put a run back to where `take_snapshot` found it.

    Args:
        run: made by the same script.
        parts: what `take_snapshot` gave.
        step: updates done then.
        path: where it comes from, for the errors.

    Returns:
        The epoch in whose middle it goes on; None between two epochs.

    Raises:
        RunFolderError: model, optimizer or what was registered are others; the model is not touched then.
        ValueError, TypeError, ...: something else does not fit; `reading` makes one line of it.
    """
    state = parts["state"]
    missing = [name for name in run.registered if name not in state["registered"]]
    if missing:
        raise RunFolderError(
            f"{path} does not hold the state of {missing[0]!r}, which this run registers: expected "
            f"{', '.join(map(repr, state['registered'])) or 'none'}. Register the same, or choose another folder"
        )
    check_fit(run.model, parts["model"], path)
    try:
        _check_groups(state["optimizer"], run.optimizer)
        run.optimizer.load_state_dict(state["optimizer"])
    except (ValueError, KeyError) as error:
        raise RunFolderError(f"{path} does not fit the optimizer: {error}. Make it as the run made it") from error
    _keep_types(run.optimizer, state["optimizer"]["state"])
    load_model(run.model, parts["model"])
    for name, thing in run.registered.items():
        write_state(thing, state["registered"][name])
    run.guard.load_state_dict(state["guard"])
    run.history.load_state_dict(state["history"])
    run.step, run.epochs_done, run.seconds = step, int(state["epochs_done"]), float(state["seconds"])
    set_generator_states(state["generators"], run.generators)
    if state["epoch"] is None:
        return None
    epoch = Epoch(run, run.epochs_done + 1)
    epoch.load_state_dict(state)
    return epoch


def _check_groups(state: Any, optimizer: Optimizer) -> None:
    """Refuse what the optimizer would take and fail on later: a right hash says nothing of who wrote a file.

    Raises:
        ValueError: a setting is of another kind than the optimizer's own.
    """
    for saved, own in zip(state["param_groups"], optimizer.param_groups, strict=False):
        for name, value in saved.items():
            if name in own and not _is_alike(value, own[name]):
                raise ValueError(f"its {name} is {str(value)[:60]!r}")


def _is_alike(value: Any, own: Any) -> bool:
    """Can one setting of an optimizer stand for the other?"""
    if isinstance(own, int | float | Tensor) and not isinstance(own, bool):
        return isinstance(value, int | float | Tensor) and not isinstance(value, bool)
    if isinstance(own, list | tuple):
        return isinstance(value, list | tuple)
    return own is None or value is None or isinstance(value, type(own))


def restore_weights(run: "Run", parts: Mapping[str, Any]) -> None:
    """Put model and optimizer alone back; what is set for the optimizer, such as its lr, stays as it is now."""
    saved = parts["state"]["optimizer"]["state"]
    run.optimizer.load_state_dict({"state": saved, "param_groups": run.optimizer.state_dict()["param_groups"]})
    _keep_types(run.optimizer, saved)
    load_model(run.model, parts["model"])


def load_model(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Put a checkpoint's state into a model of the same classes: what migrates older versions' state has no work."""
    current: Any = OrderedDict(state)
    current._metadata = getattr(model.state_dict(), "_metadata", None)  # noqa: SLF001 - torch's own place for versions
    model.load_state_dict(current)


def _keep_types(optimizer: Optimizer, saved: Mapping[int, Mapping[str, Any]]) -> None:
    """Undo that torch casts an optimizer's state to its parameter's type, as of float32 copies of bfloat16 weights."""
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for index, values in saved.items():
        state = optimizer.state.get(parameters[index], {})
        for name, value in values.items():
            if isinstance(value, Tensor) and isinstance(state.get(name), Tensor) and state[name].dtype != value.dtype:
                state[name] = value.to(state[name].device)
