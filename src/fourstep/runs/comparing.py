"""How named tensors fit the ones that are expected: by name, by shape, by type."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor

from fourstep.errors import ConfigError
from fourstep.runs.reading import said
from fourstep.runs.tensors import Place, place_of

NAMED = 3  # names that an error lists before it counts
MARKS = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}  # of torch.compile, FSDP, checkpointing


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How a file's weights fit: every name is in one of the fields, and those of `other_dtype` are in `fitting`, too.

    The pairs are (the file's, the model's). Of a tensor that the model shares under two names, the file may lack one.
    """

    fitting: tuple[str, ...]  # equal in name and shape
    left_out: tuple[str, ...]  # by `leave_out`, from the file or of the model
    missing: tuple[str, ...]  # the model has it, the file does not
    excess: tuple[str, ...]  # the file has it, the model does not
    other_shape: Mapping[str, tuple[torch.Size, torch.Size]]
    other_kind: Mapping[str, tuple[torch.dtype, torch.dtype]]  # whole numbers for fractions, say: not converted
    torn: tuple[str, ...]  # one tensor under two names in the model, two different ones in the file
    other_dtype: Mapping[str, tuple[torch.dtype, torch.dtype]]  # converted to the model's

    @property
    def fits(self) -> bool:
        """Nothing is missing, in excess, torn, or of another shape or kind."""
        return not (self.missing or self.excess or self.other_shape or self.other_kind or self.torn)

    def __str__(self) -> str:
        """One line: what fits, and the first few of what does not."""
        shapes = [f"{said(name)} {tuple(file)} for {tuple(own)}" for name, (file, own) in self.other_shape.items()]
        kinds = [f"{said(name)} {types_of(*pair)}" for name, pair in self.other_kind.items()]
        dtypes = [f"{said(name)} {types_of(*pair)}" for name, pair in self.other_dtype.items()]
        found = {
            "it lacks": [said(name) for name in self.missing],
            "it has in excess": [said(name) for name in self.excess],
            "it has in another shape": shapes,
            "it has as another kind of number": kinds,
            "it has two values for one shared tensor of the model's in": [said(name) for name in self.torn],
            "it has in another type": dtypes,
            "left out": [said(name) for name in self.left_out],
        }
        return "; ".join(
            [f"{len(self.fitting)} fit", *(f"{what} {first_of(names)}" for what, names in found.items() if names)]
        )


def types_of(file: torch.dtype, own: torch.dtype) -> str:
    """`float16 for float32`."""
    return f"{file} for {own}".replace("torch.", "")


def first_of(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def plain_names(names: Iterable[str]) -> dict[str, str]:
    """Each name -> the name without what torch's wrappers put into it; all as they are where two would become one."""
    given = list(names)
    plain = [".".join(part for part in name.split(".") if part not in MARKS) for name in given]
    while "module." in {name[:7] for name in plain} <= {"module.", "n_avera"}:  # as of DistributedDataParallel
        plain = [name.removeprefix("module.") for name in plain]
    return dict(zip(given, plain if len(set(plain)) == len(given) else given, strict=True))


def compare_tensors(
    theirs: Mapping[str, Tensor], ours: Mapping[str, Any], leave_out: str | Sequence[str] = ()
) -> Comparison:
    """Compare what a file has with what is expected.

    Args:
        theirs: the file's, by plain name.
        ours: the model's; what is no tensor, as a module's extra state, no file has.
        leave_out: names or patterns of what is not compared.

    Raises:
        ConfigError: a pattern of `leave_out` fits no name.
    """
    names = list(dict.fromkeys([*ours, *theirs]))
    left_out = _matching(names, [leave_out] if isinstance(leave_out, str) else leave_out)
    both = [name for name in names if name in theirs and isinstance(ours.get(name), Tensor) and name not in left_out]
    same = dict.fromkeys(name for name in both if theirs[name].shape == ours[name].shape)
    types = {name: (theirs[name].dtype, ours[name].dtype) for name in same if theirs[name].dtype != ours[name].dtype}
    other_kind = {name: pair for name, pair in types.items() if _kind(pair[0]) != _kind(pair[1])}
    shared: dict[Place, list[str]] = {}
    for name in same:
        if ours[name].numel():  # all that are empty lie at the same place
            shared.setdefault(place_of(ours[name]), []).append(name)
    torn = {name for first, *more in shared.values() for name in more if not _is_same(theirs[first], theirs[name])}
    return Comparison(
        fitting=tuple(name for name in same if name not in other_kind and name not in torn),
        left_out=tuple(left_out),
        missing=tuple(name for name in ours if name not in left_out and _is_missing(ours[name], name, theirs, shared)),
        excess=tuple(name for name in theirs if name not in ours and name not in left_out),
        other_shape={name: (theirs[name].shape, ours[name].shape) for name in both if name not in same},
        other_kind=other_kind,
        torn=tuple(name for name in same if name in torn and name not in other_kind),
        other_dtype={name: pair for name, pair in types.items() if name not in other_kind and name not in torn},
    )


def _matching(names: list[str], patterns: Sequence[str]) -> dict[str, None]:
    """The names that a pattern covers, in their order."""
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ConfigError(
                f"leave_out {pattern!r} fits no name of the file or the model: there are {first_of(names)}. "
                "Patterns are as 'fc.*'"
            )
    return {name: None for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)}


def _is_missing(own: Any, name: str, theirs: Mapping[str, Tensor], shared: Mapping[Place, list[str]]) -> bool:
    """Not there, nor under another name of the same tensor; and what is no tensor never is there."""
    if not isinstance(own, Tensor):
        return True
    return name not in theirs and place_of(own) not in shared


def _is_same(one: Tensor, two: Tensor) -> bool:
    """In type and in every bit: not every type can be compared as numbers."""
    bits = [tensor.reshape(-1).view(torch.uint8) for tensor in (one, two)]
    return one.dtype == two.dtype and torch.equal(*bits)


def _kind(dtype: torch.dtype) -> str:
    if dtype.is_complex or dtype.is_floating_point:
        return "complex" if dtype.is_complex else "fraction"
    return "truth" if dtype == torch.bool else "whole number"
