"""Weights that somebody else has made: compared with a model, put into it, written anew as safetensors.

The names here are plain ones: without what `torch.compile`, `DistributedDataParallel` and FSDP put into a model's
names (`_orig_mod.`, `module.`, `_fsdp_wrapped_module.`), on either side, and the file's after `rename`.
"""

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from fourstep.errors import ConfigError, DataFileError, FourstepWarning
from fourstep.files import atomic_write
from fourstep.runs.comparing import Comparison, compare_tensors, first_of, plain_names, types_of
from fourstep.runs.reading import read_tensors, said
from fourstep.runs.tensors import write_safetensors

Rename: TypeAlias = Callable[[str], str]
Named: TypeAlias = dict[str, tuple[str, Any]]  # plain name -> the model's own name and value


def load_foreign_weights(
    model: nn.Module,
    path: str | Path,
    *,
    key: str | None = None,
    rename: Rename | None = None,
    leave_out: str | Sequence[str] = (),
) -> Comparison:
    """Put weights that somebody else has made into a model, which is not touched unless all fit.

    The file may be .safetensors, or what `torch.save` wrote: a state_dict, or a checkpoint that holds one. No code of
    it runs. Names and shapes must be the model's, but for what `leave_out` names. Numbers of another type become the
    model's; where that rounds any, a warning says so.

    Args:
        model: on any device; it may be compiled or wrapped.
        path: the file, or a folder with a model.safetensors in it.
        key: where in a checkpoint the weights are, if it holds several: "model", "ema.model".
        rename: the file's plain name -> the model's, as `lambda name: name.removeprefix("backbone.")`.
        leave_out: names or patterns, such as "fc.*": what the file has under them is left out, and the model keeps
            its own.

    Returns:
        What was loaded (`fitting`), left out, and converted (`other_dtype`).

    Raises:
        ConfigError: `key`, `rename` or `leave_out` cannot be used.
        DataFileError: the file cannot be read without running code, is damaged, or does not fit;
            `compare_weights` tells all differences.

    Warns:
        FourstepWarning: numbers were rounded.

    Example:
        >>> fs.load_foreign_weights(model, "resnet18.pth", leave_out="fc.*")  # doctest: +SKIP
    """
    found, theirs, ours = _compared(model, path, key, rename, leave_out)
    if not found.fits or not found.fitting:
        raise DataFileError(
            f"{path} does not fit the model: {found}. Change the file's names by rename=, name what the model is to "
            "keep of its own by leave_out=['...']; fs.compare_weights tells all"
        )
    values, rounded = {}, []
    for name in found.fitting:
        own_name, own = ours[name]
        values[own_name], is_exact = _as_type(theirs[name], own.dtype, f"{path} holds {said(name)}")
        if not is_exact:
            rounded.append(f"{said(name)} {types_of(theirs[name].dtype, own.dtype)}")
    model.load_state_dict(values, strict=False)
    if rounded:
        warnings.warn(
            f"{path}: numbers were rounded to the model's type in {first_of(rounded)}. Give the model the file's type "
            "before, by model.to(...), to keep them",
            FourstepWarning,
            stacklevel=2,
        )
    return found


def compare_weights(
    model: nn.Module,
    path: str | Path,
    *,
    key: str | None = None,
    rename: Rename | None = None,
    leave_out: str | Sequence[str] = (),
) -> Comparison:
    """Tell how a file's weights fit a model, in full; neither is touched.

    Args:
        model: as for `load_foreign_weights`.
        path: as there.
        key: as there.
        rename: as there.
        leave_out: as there.

    Returns:
        All names, by how they fit.

    Raises:
        ConfigError, DataFileError: the file cannot be read, as there.
    """
    return _compared(model, path, key, rename, leave_out)[0]


def convert_weights(path: str | Path, output: str | Path, *, key: str | None = None) -> dict[str, Tensor]:
    """Write the tensors of any weights file as safetensors, under their own names, bit for bit.

    Args:
        path: the file, as for `load_foreign_weights`.
        output: a new file that ends in .safetensors.
        key: where in a checkpoint the weights are.

    Returns:
        What was written.

    Raises:
        ConfigError, DataFileError: the file cannot be read, or the new one not written.
    """
    if Path(output).suffix != ".safetensors":
        raise ConfigError(f"{output} is no name for safetensors: expected one that ends in .safetensors")
    if Path(output).exists():
        raise DataFileError(f"{output} is there already: expected the name of a new file. Remove it, or take another")
    tensors: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, value in read_tensors(path, key=key).items():
        tensor = value.contiguous()
        if tensor.untyped_storage().nbytes() != tensor.nbytes or tensor.data_ptr() in taken:
            tensor = tensor.clone()  # safetensors takes no parts of others
        taken.add(tensor.data_ptr())
        tensors[name] = tensor
    try:
        with atomic_write(output) as part:
            write_safetensors(tensors, part)
    except ValueError as error:
        raise DataFileError(f"{output} cannot hold these: {error}") from error
    return tensors


def _compared(
    model: nn.Module, path: str | Path, key: str | None, rename: Rename | None, leave_out: str | Sequence[str]
) -> tuple[Comparison, dict[str, Tensor], Named]:
    state: dict[str, Any] = model.state_dict()
    if any(isinstance(value, Tensor) and (is_lazy(value) or value.is_meta) for value in state.values()):
        raise ConfigError("the model has no memory yet: expected one that ran a batch if lazy, and is not on 'meta'")
    ours = {plain: (name, state[name]) for name, plain in plain_names(state).items()}
    theirs: dict[str, Tensor] = {}
    saved = read_tensors(path, key=key)
    for name, plain in plain_names(saved).items():
        new: Any = rename(plain) if rename else plain
        if not isinstance(new, str) or new in theirs:
            problem = f"gives {new!r} for {said(name)}" if not isinstance(new, str) else f"two names become {said(new)}"
            raise ConfigError(f"{path}: {problem}. Expected one name each; see rename=")
        theirs[new] = saved[name]
    return compare_tensors(theirs, {name: value for name, (_, value) in ours.items()}, leave_out), theirs, ours


def _as_type(tensor: Tensor, dtype: torch.dtype, what: str) -> tuple[Tensor, bool]:
    """The tensor in another type, and whether every number is as it was."""
    if tensor.dtype == dtype:
        return tensor, True
    is_whole = not (tensor.is_floating_point() or tensor.is_complex())
    widest = torch.int64 if is_whole else torch.complex128 if tensor.is_complex() else torch.float64
    try:
        new = tensor.to(dtype)
        before, after = tensor.to(widest), new.to(widest)
    except (RuntimeError, TypeError) as error:
        raise DataFileError(
            f"{what} as {tensor.dtype}, which torch cannot convert: expected {dtype}. Save it so"
        ) from error
    is_equal = (before == after) | before.isnan()
    if (~is_equal & (is_whole | (before.isfinite() & ~after.isfinite()))).any():
        raise DataFileError(
            f"{what} as {tensor.dtype}, with numbers too large for the model's {dtype}: expected ones that it can "
            "hold. Give the model the file's type before, by model.to(...)"
        )
    return new, bool(is_equal.all())
