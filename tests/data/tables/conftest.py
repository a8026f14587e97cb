"""A table of every kind of column."""

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def people() -> pd.DataFrame:
    """300 rows with a value missing here and there: an identifier, numbers, a category, dates, truth, text, `price`."""
    generator = np.random.default_rng(0)
    rows = 300
    table = pd.DataFrame(
        {
            "Id": np.arange(1, rows + 1),
            "age": generator.normal(40, 10, rows).round(1),
            "income": np.exp(generator.normal(10, 2, rows)),
            "town": generator.choice(["Xi'an", "Ürümqi", "a, b"], rows),
            "since": pd.date_range("2020-01-30", periods=rows, freq="7h").strftime("%Y-%m-%d %H:%M:%S"),
            "married": generator.random(rows) < 0.5,
            "name": [f"Mr {row} Foo" for row in range(rows)],
            "constant": 1,
            "price": generator.normal(size=rows),
        }
    )
    for row, column in enumerate(["age", "town", "since"]):
        table.loc[generator.choice(rows, 30, replace=False), column] = None
        table.loc[row, "age"] = None
    return table
