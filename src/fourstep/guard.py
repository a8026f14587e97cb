"""What is not finite never reaches the weights: loss and gradients are looked at before the update.

On a CPU that costs a sum per parameter, and the answer is there before the update. On another device the same is
looked at there, without waiting: gradients that are not finite become zeros, and the answer is read when the device is
waited for anyway, a few times a second at most.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.optim import Optimizer

from fourstep.causes import find_cause
from fourstep.errors import ConfigError, FourstepError, NonFiniteError, UnknownNameError
from fourstep.finite import gradients_are_finite, is_finite, screen_gradients
from fourstep.runs.checkpoint import prune_checkpoints, save_checkpoint
from fourstep.runs.folder import FAILED
from fourstep.show.lines import say

if TYPE_CHECKING:
    from fourstep.run import Run  # a guard reads its run; at run time it is given it and imports nothing

NonFinite: TypeAlias = Literal["stop", "skip", "rollback"]

POLICIES = ("stop", "skip", "rollback")
MOST_IN_A_ROW = 3  # updates left out, or goings back to one place; then something is wrong that this does not mend


class Guard:
    """Stops a run, leaves out an update, or goes back, before what is not finite changes the weights.

    Args:
        run: what is guarded.
        policy: `"stop"` raises; `"skip"` leaves the update out, and raises after three in a row; `"rollback"` leaves
            it out and puts weights and optimizer back to where the last epoch ended, and raises after three times.
        has_folder: the run is kept.

    Attributes:
        skipped: updates that were left out so far.
        left_out: the running batch's update was; an epoch sets it back for every batch.

    Raises:
        UnknownNameError: another policy.
        ConfigError: `"rollback"` without a folder, which has nothing to go back to.
    """

    def __init__(self, run: "Run", policy: Any, *, has_folder: bool) -> None:
        if policy not in POLICIES:
            raise UnknownNameError.of("policy for what is not finite", str(policy), POLICIES)
        if policy == "rollback" and not has_folder:
            raise ConfigError("non_finite='rollback' goes back to what a folder holds: give the run folder=...")
        self.run, self.policy = run, policy
        self.skipped = 0  # updates
        self._in_a_row = 0
        self.left_out = False  # this batch's update, whose record is still to come
        self._group_out = self._screened = False  # an earlier micro-batch's was; this one is looked at on its device
        self._watches = self._has_stepped = False  # a loop by hand; and since when it was asked last
        self._flags: list[tuple[int, Tensor]] = []  # of batches on a device, by number; not read yet
        self._stuck: Tensor | None = None  # one of them was bad, and nothing may change until it was answered

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
        if getattr(optimizer, "found_inf", None) is not None:  # a fused one leaves the update out itself
            return
        are_finite = gradients_are_finite(optimizer)
        if are_finite is None:
            self._screen(None, None)
            return
        self.left_out = not are_finite
        if self.left_out:
            self._refuse(None)
        elif self._in_a_row:
            self._end_row()

    def is_between_updates(self) -> bool:
        """Has the loop updated since this was asked last? Else it adds gradients up, which no checkpoint holds."""
        if self.policy == "rollback":  # in every step, so that where it goes on does not depend on the clock
            self.read()
        stepped, self._has_stepped = self._has_stepped, False
        return stepped or not self._watches

    def passes(self, loss: Tensor, items: int | Tensor | None) -> bool:
        """Look at a batch's mean loss and at the gradients before the update; False where the update is left out."""
        if self._group_out:  # one of its micro-batches was bad, and an update of the others would be another one
            self._drop_gradients()
            return False
        are_finite = gradients_are_finite(self.run.optimizer) if loss.is_cpu else None
        if are_finite is None:
            self._screen(loss, items)
            return True
        sound = math.isfinite(float(loss)) or (items is not None and not items)  # the mean of no items is NaN
        if not (sound and are_finite):
            self._refuse(loss)
            self._group_out = True
            return False
        if self._in_a_row:
            self._end_row()
        return True

    def _end_row(self) -> None:
        if self.policy != "rollback":  # which is forgiven at the next place to go back to
            self._in_a_row = 0

    def forgive(self) -> None:
        """The run has come to a new place to go back to."""
        if self.policy == "rollback":
            self._in_a_row = 0

    def _screen(self, loss: Tensor | None, items: int | Tensor | None) -> None:
        """Look on the device, and remember the answer for `read`."""
        if self._stuck is None:
            self._stuck = torch.zeros((), dtype=torch.bool, device=self.run.device)
        flag = screen_gradients(self.run.optimizer, loss, items, self._stuck)
        self._flags.append((self.run.epoch.batch_number if self.run.epoch else 0, flag))
        self._stuck = self._stuck | (flag != 0)
        self._screened = True

    def begin_group(self) -> None:
        """The next update's batches come."""
        self.left_out = self._group_out = self._screened = False
        if self.policy == "skip":
            self._stuck = None

    def read(self) -> None:
        """Answer what was found on a device since the last time, which waits for it; on a CPU there is nothing to do.

        Raises:
            NonFiniteError: as for an update that is left out.
        """
        if not self._flags:
            return
        numbers, flags = zip(*self._flags, strict=True)
        self._flags, self._stuck = [], None
        for number, flag in zip(numbers, torch.stack(flags).tolist(), strict=True):
            if not flag:
                self._end_row()
                continue
            try:
                self._answer(self._describe("training loss" if flag > 1 else "gradients", number))
            except NonFiniteError:
                self.run.recorder.failed = True  # its sums hold the batch
                raise
            if self.policy != "skip":  # nothing after it has changed the weights
                break

    def sound(self, loss: Any) -> Tensor | None:
        """Where a batch was looked at on its device and the run goes on all the same: does it count?"""
        if not self._screened or self.policy == "stop" or not isinstance(loss, Tensor):
            return None
        return torch.isfinite(loss.detach()).all()

    def has_skipped(self, loss: Any) -> bool:
        """Is the batch's update left out, as far as `before_step` and the loss say? Asked once for every batch."""
        skipped, self.left_out = self.left_out, False
        if self.policy != "stop" and isinstance(loss, Tensor) and loss.is_cpu:  # recorded before the update
            skipped = skipped or not is_finite(loss.detach())
        return skipped

    def state_dict(self) -> dict[str, int]:
        """What decides whether the next bad batch may be skipped."""
        return {"skipped": self.skipped, "in_a_row": self._in_a_row}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on from what `state_dict` gave."""
        self.skipped, self._in_a_row = state["skipped"], state["in_a_row"]

    def _refuse(self, loss: Tensor | None) -> None:
        """Take the gradients away, as an optimizer passes over what has none; then as `_answer`."""
        message = self._describe("gradients" if loss is None or math.isfinite(float(loss)) else "training loss", None)
        self._drop_gradients()
        self._answer(message)

    def _drop_gradients(self) -> None:
        for group in self.run.optimizer.param_groups:
            for parameter in group["params"]:
                parameter.grad = None

    def _answer(self, message: str) -> None:
        """Do as the policy says; the update is left out already.

        Raises:
            NonFiniteError: the policy is to stop, or too many were left out.
        """
        self._in_a_row += 1
        if self.policy == "stop" or self._in_a_row > MOST_IN_A_ROW:
            raise NonFiniteError(message)
        if self.policy == "skip" and not all(map(is_finite, self.run.model.buffers())):
            raise NonFiniteError(f"{message}. The model's running statistics have taken it in: use 'rollback'")
        self.skipped += 1
        done = "The update was left out"
        if self.policy == "rollback" and self.run.keeper is not None:
            done = f"The weights are those of step {self.run.keeper.go_back():,} again"
        if self.run.show != "none":
            say(f"{message}. {done}")

    def _describe(self, what: str, number: int | None) -> str:
        """One line: where it happened, what was the first thing that was not finite, where the batch is, the mend.

        Args:
            what: was not finite.
            number: of a batch of this epoch that went by; None for the one that is at hand.
        """
        run, epoch = self.run, self.run.epoch
        where = f"step {run.step + 1:,}"
        batch, indices = None, None
        if epoch is not None and (number or epoch.batch is not None):
            with torch.random.fork_rng(enabled=number is not None):
                batch = epoch.find(number) if number else epoch.batch
            number = number or epoch.batch_number
            indices = epoch.indices(number)
            where = f"batch {number} of epoch {epoch.number}"
        rate = run.optimizer.param_groups[0].get("lr")
        where += f" with lr {rate:g}" if isinstance(rate, int | float) else ""
        inputs, targets = batch or (None, None)
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
