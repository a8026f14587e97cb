"""Cross-validation of a recipe's table: trained once for each fold, judged on the rows that it was not shown."""

import statistics
from collections.abc import Iterator, Sequence

from fourstep.errors import check_count
from fourstep.recipes.build import make_parts_for, train_parts
from fourstep.recipes.own import make_folds
from fourstep.recipes.settings import Recipe


def train_folds(recipe: Recipe, folds: int) -> Iterator[dict[str, float]]:
    """Train a table's recipe for each fold, from the same first weights.

    Args:
        recipe: of a table.
        folds: how many, 2 or more.

    Yields:
        Of each fold's last row what was measured: `"train/loss"`, `"val/loss"` and so on.

    Raises:
        FourstepError: what the folds and `fit` raise.
    """
    check_count("folds", folds)
    for data in make_folds(recipe, folds):
        last = train_parts(recipe, make_parts_for(recipe, data), show="none").history.rows[-1]
        yield {name: value for name, value in last.items() if name.startswith(("train/", "val/"))}


def fold_line(number: int, row: dict[str, float]) -> str:
    """A fold's numbers as the command prints them.

    >>> fold_line(2, {"train/loss": 0.25, "val/loss": 0.5})
    'fold 2: train loss 0.25, val loss 0.5'
    """
    return f"fold {number}: " + ", ".join(f"{name.replace('/', ' ')} {value:.4g}" for name, value in row.items())


def mean_line(rows: Sequence[dict[str, float]]) -> str:
    """The mean over the folds, and their deviation.

    >>> mean_line([{"val/loss": 1.0}, {"val/loss": 2.0}])
    'mean of 2 folds: val loss 1.5 +- 0.7071'
    """
    parts = []
    for name in rows[0]:
        values = [row[name] for row in rows]
        parts.append(f"{name.replace('/', ' ')} {statistics.mean(values):.4g} +- {statistics.stdev(values):.2g}")
    return f"mean of {len(rows)} folds: " + ", ".join(parts)
