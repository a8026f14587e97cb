"""Setting samples aside for validation and test, by seed."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fourstep.data.samples import check_samples, choose, in_words
from fourstep.errors import ConfigError, DataError
from fourstep.seed import make_generator


def hold_out(
    inputs: Any,
    targets: Any,
    fractions: Mapping[str, Any],
    *,
    seed: int,
    stratify: bool = False,
    classes: Sequence[str] = (),
) -> dict[str, tuple[Any, Any]]:
    """Split samples into `train` and the named others.

    Args:
        inputs: `(N, ...)`, or a nesting of such tensors. Of `Mapped` nothing is copied.
        targets: likewise.
        fractions: name -> share of the samples in (0, 1); together below 1.
        seed: 0 or more; the same seed and N give the same split.
        stratify: give every class the same shares; `targets` are class indices `(N,)`.
        classes: the classes' names, for messages.

    Returns:
        name -> `(inputs, targets)`, samples in their old order, `train` among them. Each sample is in exactly one.

    Raises:
        ConfigError: fractions out of range.
        DataError: a split would be empty, or a class is too small to stratify.
    """
    check_fractions(fractions)
    size = check_samples({"inputs": inputs, "targets": targets})
    if stratify:
        check_labels(targets)
    groups = _by_class(targets, classes) if stratify else {"": torch.arange(size)}
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
    return {name: (choose(inputs, indices), choose(targets, indices)) for name, indices in chosen.items()}


def check_labels(targets: Any) -> None:
    """Refuse targets by which no split can be stratified.

    Raises:
        ConfigError: they are no class indices `(N,)`.
    """
    if not isinstance(targets, Tensor) or targets.is_floating_point() or targets.dim() != 1:
        shape = f"shape {tuple(targets.shape)}, {targets.dtype}" if isinstance(targets, Tensor) else in_words(targets)
        raise ConfigError(f"stratify=True with targets of {shape}: expected class indices")


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


def deal_folds(num_samples: int, folds: Any, *, seed: int, labels: Tensor | None = None) -> Tensor:
    """Deal samples to folds of equal size, within one.

    Args:
        num_samples: N.
        folds: 2 or more, at most N.
        seed: 0 or more; the same seed, N and labels give the same folds.
        labels: class indices `(N,)`, where every fold is to have each class's share, within one sample.

    Returns:
        The fold of every sample, `(N,)`, from 0.

    Raises:
        ConfigError: folds out of range.
    """
    if isinstance(folds, bool) or not isinstance(folds, int) or not 2 <= folds <= num_samples:  # noqa: PLR2004 - or nothing is left to train on
        raise ConfigError(f"folds={folds!r} of {num_samples} samples: expected a whole number from 2 to {num_samples}")
    order = torch.randperm(num_samples, generator=make_generator(seed, "folds"))
    if labels is not None:
        order = order[labels[order].sort(stable=True).indices]
    dealt = torch.empty(num_samples, dtype=torch.int64)
    dealt[order] = torch.arange(num_samples) % folds
    return dealt


def _by_class(targets: Tensor, classes: Sequence[str]) -> dict[str, Tensor]:
    labels = sorted(set(targets.tolist()))
    return {f"class {classes[i] if classes else i}": (targets == i).nonzero().flatten() for i in labels}


def _check_size(size: int, samples: int, taken: int, name: str, label: str, fraction: float) -> None:
    if 0 < size < samples - taken:
        return
    where = f"{label} has {samples} samples" if label else f"there are {samples} samples"
    raise DataError(
        f"{name}={fraction:g} cannot be split off: {where}. "
        f"Use another fraction{', or stratify=False' if label else ''}"
    )
