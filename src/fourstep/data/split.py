"""Setting samples aside for validation and test, by seed."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from fourstep.errors import ConfigError, DataError
from fourstep.seed import make_generator


def hold_out(
    inputs: Tensor, targets: Tensor, fractions: Mapping[str, Any], *, seed: int, stratify: bool = False
) -> dict[str, tuple[Tensor, Tensor]]:
    """Split samples into `train` and the named others.

    Args:
        inputs: `(N, ...)`.
        targets: `(N, ...)`.
        fractions: name -> share of the samples in (0, 1); together below 1.
        seed: 0 or more; the same seed and N give the same split.
        stratify: give every class the same shares; `targets` are class indices `(N,)`.

    Returns:
        name -> `(inputs, targets)`, samples in their old order, `train` among them. Each sample is in exactly one.

    Raises:
        ConfigError: fractions out of range.
        DataError: a split would be empty, or a class is too small to stratify.
    """
    check_fractions(fractions)
    if stratify and (targets.is_floating_point() or targets.dim() != 1):
        raise ConfigError(
            f"stratify=True with targets of shape {tuple(targets.shape)}, {targets.dtype}: expected class indices"
        )
    groups = _by_class(targets) if stratify else {"": torch.arange(len(targets))}
    parts: dict[str, list[Tensor]] = {name: [] for name in ("train", *fractions)}
    generator = make_generator(seed, "split")
    for label, group in groups.items():
        shuffled = group[torch.randperm(len(group), generator=generator)]
        start = 0
        for name, fraction in fractions.items():
            size = round(len(group) * fraction)
            _check_size(size, len(group), start, name, label, fraction)
            parts[name].append(shuffled[start : start + size])
            start += size
        parts["train"].append(shuffled[start:])
    chosen = {name: torch.cat(indices).sort().values for name, indices in parts.items()}
    return {name: (inputs[indices], targets[indices]) for name, indices in chosen.items()}


def check_fractions(fractions: Mapping[str, Any], instead: str = ", or a pair of arrays") -> None:
    """Refuse shares that leave nothing, or nothing to train on.

    Args:
        fractions: name -> share of the samples.
        instead: what else the setting takes, for the message.

    Raises:
        ConfigError: one is not in (0, 1), or together they are 1 or more.
    """
    for name, fraction in fractions.items():
        if isinstance(fraction, bool) or not isinstance(fraction, int | float) or not 0 < fraction < 1:
            said = repr(fraction).replace("\n", "")[:60]
            raise ConfigError(f"{name}={said}: expected a fraction between 0 and 1{instead}")
    if sum(fractions.values()) >= 1:
        raise ConfigError(
            f"{' + '.join(fractions)} = {sum(fractions.values()):g}: expected less than 1, to leave some to train on"
        )


def _by_class(targets: Tensor) -> dict[str, Tensor]:
    return {f"class {label}": (targets == label).nonzero().flatten() for label in sorted(set(targets.tolist()))}


def _check_size(size: int, samples: int, taken: int, name: str, label: str, fraction: float) -> None:
    if 0 < size < samples - taken:
        return
    where = f"{label} has {samples} samples" if label else f"there are {samples} samples"
    raise DataError(
        f"{name}={fraction:g} cannot be split off: {where}. "
        f"Use another fraction{', or stratify=False' if label else ''}"
    )
