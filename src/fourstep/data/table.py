"""A table to a data set in one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fourstep.data.dataset import Data


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is asked for of a table, whole or in folds; see `from_table`."""

    target: str | Sequence[str]
    batch_size: int
    stratify: bool
    group: str | None
    time: str | None
    kinds: Mapping[str, str] | None
    task: str | None
    skip_missing_targets: bool
    seed: int
    name: str | None


def from_table(
    source: Any,
    *,
    target: str | Sequence[str],
    batch_size: int = 64,
    val: float | None = None,
    test: float | None = 0.2,
    stratify: bool = False,
    group: str | None = None,
    time: str | None = None,
    kinds: Mapping[str, str] | None = None,
    task: str | None = None,
    skip_missing_targets: bool = False,
    seed: int = 0,
    name: str | None = None,
) -> Data:
    """A data set from a table: a CSV, TSV or Parquet file, or a DataFrame of pandas or polars.

    Every row becomes one float32 row `(D,)`: numbers of mean 0 and deviation 1, then a code for each category, as
    `fourstep.models.TableNet` takes them. Whatever is learnt is learnt from the training rows alone and kept in
    `data.encoding`; printed, it says what was found and done, a line per column:

    - a *number*: missing values become the median, and a further number of 0 or 1 marks them where training rows lack
      some. Where no value is below 0 and the largest is above 20 times the median of those above 0, the logarithm of
      1 + value / that median is taken.
    - a *category* is text with few different values: at most 50, or half as many as rows. In files codes as 02134 are
      text too, where one of the first rows has one that begins with 0. Its codes are 0 for what
      training did not have, then the values in the order of the alphabet, then one for missing values, if it had any.
    - a *date*, as 2020-12-31, 2020/12/31, 31.12.2020 or 12/31/2020, the first also with a time, becomes days since
      1970, year, month, day of the week and hour, each as a number. Where slashes leave open which is the month, it is
      refused.
    - *text* and *identifiers* are left out, as are columns that are constant or empty. An identifier is whole numbers
      that are all different and count no further than the rows, text that is different in most rows, or more than 50
      values under a name such as `id`, `user_id` or `PassengerId`.

    Empty values, and NA, N/A, NaN, NULL and null in files, are missing. Rows in messages count from 1 below the header.

    Args:
        source: a path, or a frame. Separated values begin with a line of names; the separator is found.
        target: the column to predict; several are several values, or several yes and no.
        batch_size: rows per batch, 1 or more.
        val: what to choose by while training: a share of the rows in (0, 1); None for none.
        test: what to judge by: likewise.
        stratify: keep each class's share the same in every split.
        group: a column of which no value is in two splits, such as a patient's name; it is no input.
        time: a column by which `test` is the latest rows and `val` the latest before these.
        kinds: column -> `number`, `category`, `date`, `text` or `identifier`, where what was found is wrong.
        task: `regression`: targets `(N, L)`, float32. `classes`: indices `(N,)`, int64. `labels`: L columns of 0 and 1,
            `(N, L)`, float32. None finds it: classes are texts, truth values and up to 20 different whole numbers.
        skip_missing_targets: leave out rows without target, which are refused otherwise.
        seed: fixes the split and the order of every epoch; 0 or more.
        name: what the data set is called; the file's name where it is None.

    Returns:
        `Data` with `train`, and `val` and `test` where they were asked for.

    Raises:
        ConfigError: a setting out of range, or a name that no column bears.
        DataError: what cannot be trained on, by row and column.
        DataFileError: a file that is missing, ragged, or not UTF-8, by line.
        MissingExtraError: polars is not installed; for pandas frames pyarrow too.

    >>> import polars
    >>> houses = polars.DataFrame({"rooms": [2, 3, 4, 5], "town": ["a", "b", "a", "b"], "price": [1.5, 2.5, 3.5, 4.5]})
    >>> data = from_table(houses, target="price", batch_size=2, test=0.25)
    >>> data.encoding.num_numbers, data.encoding.category_sizes
    (1, (3,))
    """
    from fourstep.data.tables.building import build  # noqa: PLC0415 - polars is optional, and slow to import

    fractions = {split: share for split, share in (("val", val), ("test", test)) if share is not None}
    wanted = Wanted(
        target=target,
        batch_size=batch_size,
        stratify=stratify,
        group=group,
        time=time,
        kinds=kinds,
        task=task,
        skip_missing_targets=skip_missing_targets,
        seed=seed,
        name=name,
    )
    return build(source, wanted, fractions)
