"""A list of augmentations, checked once and applied in its order."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from torch import nn

from fourstep.data.draws import Augment, Draws
from fourstep.data.samples import scale_bytes
from fourstep.errors import ConfigError, DataError
from fourstep.seed import derive_seed


@runtime_checkable
class Checking(Protocol):
    """An augmentation that looks at all targets before it is used."""

    def check(self, targets: Any) -> None: ...  # noqa: D102


def check_augment(augment: Any, targets: Any, seed: int) -> tuple[Augment, ...]:
    """The augmentations, in their order.

    Raises:
        ConfigError: one of them is none, or the seed is out of range.
        DataError: the targets do not fit.
    """
    if callable(augment) or not isinstance(augment, list | tuple):
        kind = f"class {augment.__name__}" if isinstance(augment, type) else type(augment).__name__
        raise ConfigError(f"augment is a {kind}: expected a list, such as [fourstep.data.augment.Flip()]")
    for place, one in enumerate(augment):
        name = f"augment[{place}]"
        if isinstance(one, nn.Module):
            kind = type(one).__name__
            raise ConfigError(f"{name} is the module {kind}: expected a function of a batch, as per_sample({kind}())")
        if isinstance(one, type) or not callable(one):
            kind = f"the class {one.__name__}" if isinstance(one, type) else f"a {type(one).__name__}"
            raise ConfigError(
                f"{name} is {kind}: expected an object such as Flip(), or a function (inputs, targets, draws) -> "
                "(inputs, targets)"
            )
        if isinstance(one, Checking):
            one.check(targets)
    if augment:
        derive_seed(seed, "augment")  # a bad seed is refused here, not in the first pass
    return tuple(augment)


def apply_augment(augment: Sequence[Augment], inputs: Any, targets: Any, draws: Draws) -> tuple[Any, Any]:
    """A batch after all augmentations; bytes are scaled first.

    Raises:
        DataError: one of them gave no pair.
    """
    inputs = scale_bytes(inputs)
    for place, one in enumerate(augment):
        pair: Any = one(inputs, targets, draws.at(place))
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004 - a pair
            found = f"{type(pair).__name__}{f' of {len(pair)}' if isinstance(pair, tuple) else ''}"
            raise DataError(
                f"augment[{place}] gave a {found}: expected a pair (inputs, targets). A transform of single samples is "
                "passed as fourstep.data.augment.per_sample(transform)"
            )
        inputs, targets = pair
    return inputs, targets
