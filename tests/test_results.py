"""The page of the book's results: what it calls the book's spread is what it compares with."""

import re
import sys
from pathlib import Path

import pytest

# the benchmarks are programs, not a package that is installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.book import inside
from benchmarks.book_bands import BOOK, Printed

PRINTED = [(recipe, number, printed) for recipe, numbers in BOOK.items() for number, printed in numbers.items()]


@pytest.mark.parametrize(("recipe", "number", "printed"), PRINTED)
def test_a_band_is_the_spread_that_the_page_shows(recipe: str, number: str, printed: Printed) -> None:
    """From the lowest to the highest in the brackets; none for test accuracies, other data, or without a spread."""
    spread = re.search(r"\[(\S+?)-([\d.]+(?:e-\d)?)\]", printed.text)
    if spread is None or number == "test acc" or recipe.startswith("house prices"):
        assert printed.band is None
    else:
        assert printed.band == (float(spread[1]), float(spread[2]))


def test_a_median_outside_the_band_is_told() -> None:
    """The ends belong to it."""
    book = Printed("2 [1-3]", (1.0, 3.0))
    assert [inside(median, book) for median in (0.99, 1.0, 3.0, 3.01)] == ["**no**", "yes", "yes", "**no**"]
    assert inside(2.0, Printed("2")) == "-"
