"""What is not finite never reaches the weights: loss and gradients are looked at before the update.

On a CPU that costs a sum per parameter. On other devices it would make every step wait, so that there a loss that is
not finite is seen where a row is written.
"""

import copy
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fourstep.errors import FourstepError, NonFiniteError, UnknownNameError
from fourstep.nesting import map_tensors
from fourstep.runs.checkpoint import prune_checkpoints, save_checkpoint
from fourstep.show.lines import say

if TYPE_CHECKING:
    from fourstep.run import Run  # a guard reads its run; at run time it is given it and imports nothing

NonFinite: TypeAlias = Literal["stop", "skip"]

POLICIES = ("stop", "skip")
MOST_SKIPPED = 3  # updates one after the other; then something is wrong that skipping does not mend
NAMED = 5  # samples that an error lists
FAILED = "failed"  # the folder for batches, in a run's


def gradients_are_finite(optimizer: Optimizer) -> bool:
    """Are all gradients on the CPU finite? True also where they are elsewhere: to look would wait for the device."""
    total = 0.0
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            gradient = parameter.grad
            if gradient is None:
                continue
            if not gradient.is_cpu:
                return True
            total += float(gradient.abs().sum() if gradient.is_complex() else gradient.sum())
    # NaN and infinity survive every sum; a sum of finite numbers may overflow too
    return math.isfinite(total) or not _bad_gradients(optimizer)


def _bad_gradients(optimizer: Optimizer) -> list[Tensor]:
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    return [one for one in parameters if one.grad is not None and not _is_finite(one.grad)]


def _is_finite(tensor: Tensor) -> bool:
    tensor = tensor.coalesce().values() if tensor.is_sparse else tensor
    return bool(torch.isfinite(tensor).all())


class Guard:
    """Stops a run, or leaves out an update, before a loss or gradient that is not finite changes the weights.

    Args:
        run: what is guarded.
        policy: `"stop"` raises; `"skip"` leaves the update out, and raises after three in a row.

    Attributes:
        skipped: updates that were left out so far.
        left_out: the running batch's update was; an epoch sets it back for every batch.

    Raises:
        UnknownNameError: another policy.
    """

    def __init__(self, run: "Run", policy: Any) -> None:
        if policy not in POLICIES:
            raise UnknownNameError.of("policy for what is not finite", str(policy), POLICIES)
        self.run, self.policy = run, policy
        self.skipped = 0  # updates
        self._in_a_row = 0
        self.left_out = False  # this batch's update, whose record is still to come
        self._watches = self._has_stepped = False  # a loop by hand; and since when it was asked last

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look at the gradients before every `optimizer.step()` of a loop by hand."""
        register: Any = getattr(self.run.optimizer, "register_step_pre_hook", None)
        hook = None if register is None else register(self.before_step)
        self._watches = hook is not None
        try:
            yield
        finally:
            self._watches = False
            if hook is not None:
                hook.remove()

    def before_step(self, optimizer: Optimizer, *_: Any) -> None:
        """Look at the gradients; torch's hook before `optimizer.step()`."""
        self._has_stepped = True
        self.left_out = not gradients_are_finite(optimizer)
        if self.left_out:
            self._refuse(None)
        else:
            self._in_a_row = 0

    def is_between_updates(self) -> bool:
        """Has the loop updated since this was asked last? Else it adds gradients up, which no checkpoint holds."""
        stepped, self._has_stepped = self._has_stepped, False
        return stepped or not self._watches

    def passes(self, loss: Tensor, items: int | Tensor | None) -> bool:
        """Look at a batch's mean loss and at the gradients before the update; False where the update is left out."""
        if not loss.is_cpu:
            return True
        sound = math.isfinite(float(loss)) or (items is not None and not items)  # the mean of no items is NaN
        if not (sound and gradients_are_finite(self.run.optimizer)):
            self._refuse(loss)
            return False
        self._in_a_row = 0
        return True

    def has_skipped(self, loss: Any) -> bool:
        """Is the batch's update left out, as far as `before_step` and the loss say? Asked once for every batch."""
        skipped, self.left_out = self.left_out, False
        if self.policy == "skip" and isinstance(loss, Tensor) and loss.is_cpu:  # recorded before the update
            skipped = skipped or not _is_finite(loss.detach())
        return skipped

    def state_dict(self) -> dict[str, int]:
        """What decides whether the next bad batch may be skipped."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what `state_dict` gave."""
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]

    def _refuse(self, loss: Tensor | None) -> None:
        """Raise, or take the gradients away: an optimizer passes over what has none.

        Raises:
            NonFiniteError: the policy is to stop, or too many were skipped.
        """
        error = NonFiniteError(self._describe(loss))
        self._in_a_row += 1
        if self.policy == "stop" or self._in_a_row > MOST_SKIPPED:
            raise error
        for group in self.run.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
        self.skipped += 1
        if self.run.show != "none":
            say(f"{error}. The update was left out")

    def _describe(self, loss: Tensor | None) -> str:
        """One line: where it happened, what was the first thing that was not finite, where the batch is, the mend."""
        run, epoch = self.run, self.run.epoch
        what = "gradients" if loss is None or math.isfinite(float(loss)) else "training loss"
        where = f"step {run.step + 1:,}"
        inputs, targets, indices = None, None, None
        if epoch is not None and epoch.batch is not None:
            inputs, targets = epoch.batch
            indices = epoch.indices()
            where = f"batch {epoch.batch_number} of epoch {epoch.number}"
        rate = run.optimizer.param_groups[0].get("lr")
        where += f" with lr {rate:g}" if isinstance(rate, int | float) else ""
        cause = find_cause(run.model, run.optimizer, inputs, indices)
        kept = self._keep_batch(inputs, targets, indices, cause)
        return f"the {what} became NaN or infinite in {where}: {cause}. No update was made{kept}"

    def _keep_batch(self, inputs: Any, targets: Any, indices: list[int] | None, cause: str) -> str:
        """Put batch and weights into the run's folder, where there is one; a failing disk must not hide the error."""
        run = self.run
        if run.keeper is None or run.keeper.folder is None or inputs is None:
            return ""
        batch = {"inputs": inputs, "targets": targets, "indices": indices, "cause": cause}
        try:
            place, parts = run.keeper.folder.path / FAILED, {"model": run.model.state_dict(), "batch": batch}
            kept = save_checkpoint(place, run.step, parts)
            prune_checkpoints(place, [kept.path])
        except (FourstepError, OSError) as error:
            return f", and the batch could not be kept ({error})"
        return f", and the batch is in {kept.path}"


def find_cause(model: nn.Module, optimizer: Optimizer, inputs: Any, indices: list[int] | None) -> str:
    """What was not finite first, and what to do about it: samples, a parameter, a module's output, a gradient."""
    bad = _bad_samples(inputs)
    if bad:
        named = [indices[row] for row in bad] if indices is not None else bad
        which = ", ".join(map(str, named[:NAMED])) + (f" and {len(named) - NAMED} more" if len(named) > NAMED else "")
        return f"the inputs of sample{'s' * (len(named) > 1)} {which} hold NaN or infinity: clean or leave out these"
    for name, parameter in model.named_parameters():
        if not _is_finite(parameter):
            return f"the weights {name!r} are not finite: use a smaller lr"
    module = None if inputs is None else _first_bad_module(model, inputs)
    if module is not None:
        return f"first in the output of {module}: use a smaller lr, clip the gradients, or scale the inputs"
    tensors = _bad_gradients(optimizer)
    names = [name for name, parameter in model.named_parameters() if any(parameter is tensor for tensor in tensors)]
    if names:
        return f"first in the gradient of {names[-1]!r}: use a smaller lr, or look for a root or a division at 0"
    return "use a smaller lr, clip the gradients, or look for NaN in the inputs"


def _bad_samples(inputs: Any) -> list[int]:
    """The rows of a batch that are not finite; of the first tensor where there are several."""
    if not isinstance(inputs, Tensor) or not inputs.is_floating_point() or inputs.dim() == 0:
        return []
    finite = torch.isfinite(inputs).reshape(len(inputs), -1).all(1)
    return [int(row) for row in (~finite).nonzero()]


def _first_bad_module(model: nn.Module, inputs: Any) -> str | None:
    """The first module without children whose output is not finite, run again on a copy of the model."""
    found: list[str] = []
    try:
        twin = copy.deepcopy(model)
        for name, module in twin.named_modules():
            if not any(True for _ in module.children()):
                module.register_forward_hook(_note(f"{name or 'model'!r} ({type(module).__name__})", found))
        with torch.no_grad(), torch.random.fork_rng():
            twin(map_tensors(Tensor.clone, inputs))
    except Exception:  # noqa: BLE001 - whatever the user's model does; then nothing is known
        return found[0] if found else None
    return found[0] if found else None


def _note(name: str, found: list[str]) -> Any:
    def hook(module: nn.Module, inputs: Any, outputs: Any) -> None:  # noqa: ARG001 - torch passes them
        def look(tensor: Tensor) -> Tensor:
            if tensor.is_floating_point() and not _is_finite(tensor):
                found.append(name)
            return tensor

        map_tensors(look, outputs)

    return hook
