"""Data in folds: every sample is judged once, by a model that has not seen it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fourstep.data.arrays import from_arrays
from fourstep.data.batches import Batches
from fourstep.data.dataset import Data
from fourstep.data.samples import choose
from fourstep.data.split import check_labels, deal_folds
from fourstep.data.table import Wanted
from fourstep.errors import ConfigError


class Folds:
    """One `Data` per fold, each made when it is asked for.

    Args:
        num_folds: 2 or more.
        make: the data of one of them, from 0.

    >>> folds = k_fold(([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]), folds=2, batch_size=2)
    >>> [(data.train.num_items, data.val.num_items) for data in folds]
    [(2, 2), (2, 2)]
    """

    def __init__(self, num_folds: int, make: Callable[[int], Data]) -> None:
        self._num_folds, self._make = num_folds, make

    def __len__(self) -> int:
        return self._num_folds

    def __getitem__(self, index: int) -> Data:
        if not 0 <= index < len(self):
            raise IndexError(f"fold {index} of {len(self)}: expected 0..{len(self) - 1}")  # which ends a loop
        return self._make(index)

    def __iter__(self) -> Iterator[Data]:
        return map(self._make, range(len(self)))


def k_fold(
    source: Any,
    *,
    folds: int = 5,
    target: str | Sequence[str] | None = None,
    batch_size: int = 64,
    stratify: bool = False,
    group: str | None = None,
    kinds: Mapping[str, str] | None = None,
    task: str | None = None,
    skip_missing_targets: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> Folds:
    """Data sets for cross-validation (K 折交叉验证): in each, one fold is `val` and all others are `train`.

    What is learnt of a table is learnt anew in each, from its training rows alone.

    Args:
        source: a table, as `from_table` takes it; or a pair of arrays `(inputs, targets)`, as `from_arrays` does.
        folds: 2 or more; their sizes differ by one sample at most, but for `group`.
        target: of a table, as all that follows but `batch_size`, `stratify`, `seed` and `name`; see `from_table`.
        batch_size: samples per batch, 1 or more.
        stratify: give every fold each class's share, within one sample.
        group: a column of which no value is in two folds.
        kinds: column -> kind, where what was found is wrong.
        task: `regression`, `classes` or `labels`; None finds it.
        skip_missing_targets: leave out rows without target, which are refused otherwise.
        seed: fixes the folds and the order of every epoch; 0 or more.
        name: what the data set is called.

    Returns:
        An iterable of `Data`, with `len`.

    Raises:
        ConfigError: a setting out of range, or one that arrays do not have.
        DataError: what cannot be trained on.
        DataFileError: a file that is missing or damaged.
    """
    if isinstance(source, tuple | list):
        if target is not None or group is not None or kinds or task is not None or skip_missing_targets:
            raise ConfigError(
                "k_fold of arrays with target, group, kinds, task or skip_missing_targets: these are of tables. Leave "
                "them out"
            )
        return _fold_arrays(source, folds, batch_size, stratify=stratify, seed=seed, name=name or "arrays")
    if target is None:
        raise ConfigError("k_fold of a table without target: expected target='the column to predict'")
    from fourstep.data.tables.building import load_folds, make_fold  # noqa: PLC0415 - polars is optional, slow to import

    wanted = Wanted(
        target=target,
        batch_size=batch_size,
        stratify=stratify,
        group=group,
        time=None,
        kinds=kinds,
        task=task,
        skip_missing_targets=skip_missing_targets,
        seed=seed,
        name=name,
    )
    table, rows = load_folds(source, wanted, folds)
    return Folds(len(rows), lambda index: make_fold(table, rows, index, wanted))


def _fold_arrays(pair: Sequence[Any], folds: int, batch_size: int, *, stratify: bool, seed: int, name: str) -> Folds:
    if len(pair) != 2:  # noqa: PLR2004 - a pair
        raise ConfigError(f"source has {len(pair)} parts: expected a table, or a pair (inputs, targets)")
    whole = from_arrays(pair[0], pair[1], batch_size=batch_size).train
    assert isinstance(whole, Batches), "from_arrays makes Batches"  # noqa: S101 - our own bug
    inputs, targets = whole.inputs, whole.targets
    if stratify:
        check_labels(targets)
    dealt = deal_folds(whole.num_items, folds, seed=seed, labels=targets if stratify else None)

    def make(index: int) -> Data:
        train, held = ((dealt != index).nonzero().flatten(), (dealt == index).nonzero().flatten())
        val = choose(inputs, held), choose(targets, held)
        return from_arrays(
            choose(inputs, train), choose(targets, train), val=val, batch_size=batch_size, seed=seed, name=name
        )

    return Folds(folds, make)
