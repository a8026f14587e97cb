"""A run's whole state at one moment, and how it is put back: what a checkpoint holds."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fourstep.epoch import Epoch
from fourstep.errors import RunFolderError
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
        "stopped": None if run.stopped is None else run.stopped.reason,
        "seconds": run.announcer.seconds,
    }
    return {"model": run.model.state_dict(), "state": state}


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
        run.optimizer.load_state_dict(state["optimizer"])
    except (ValueError, KeyError) as error:
        raise RunFolderError(f"{path} does not fit the optimizer: {error}. Make it as the run made it") from error
    run.model.load_state_dict(parts["model"])
    for name, thing in run.registered.items():
        write_state(thing, state["registered"][name])
    run.history.load_state_dict(state["history"])
    run.step, run.epochs_done, run.seconds = step, state["epochs_done"], state["seconds"]
    set_generator_states(state["generators"], run.generators)
    if state["epoch"] is None:
        return None
    epoch = Epoch(run, state["epochs_done"] + 1)
    epoch.load_state_dict(state)
    return epoch
