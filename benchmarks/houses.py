"""A file of houses and their prices, made up, of the shape of the book's: 1,460 rows, 36 numbers, 43 kinds, gaps."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

ROWS, NUMBERS, KINDS = 1460, 36, 43
MISSING = 0.06  # of the values


def write_houses(path: Path, seed: int) -> None:
    """The file, as comma-separated values with `NA` in the gaps: `Id`, the features, and `SalePrice`.

    Prices follow a quality that the numbers tell of; none is near 0, where logarithms would make most of the error.
    """
    generator = np.random.default_rng(seed)
    quality = generator.normal(size=ROWS).clip(-2.5, 2.5)
    columns: dict[str, Any] = {"Id": np.arange(1, ROWS + 1)}
    for index in range(NUMBERS):
        own = generator.normal(size=ROWS)
        columns[f"Number{index}"] = np.round(1000 + 300 * (0.5 * quality + own))
    for index in range(KINDS):
        kinds = np.array([f"kind {kind}" for kind in range(2 + index % 8)], dtype=object)
        columns[f"Kind{index}"] = kinds[generator.integers(len(kinds), size=ROWS)]
    for name, values in columns.items():
        if name != "Id":
            columns[name] = values.astype(object)
            columns[name][generator.random(ROWS) < MISSING] = None
    noise = 0.1 * generator.normal(size=ROWS).clip(-2.5, 2.5)
    columns["SalePrice"] = np.round((180_000 + 40_000 * quality) * (1 + noise), -2).astype(int)
    pd.DataFrame(columns).to_csv(path, index=False, na_rep="NA")
