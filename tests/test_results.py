"""The page of the book's results: its bands are those that it shows, and remaking it keeps what others measured."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest

# the benchmarks are programs, not a package that is installed
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.book import inside, kept_section, page
from benchmarks.book_bands import BOOK, Printed
from benchmarks.houses import KINDS, MISSING, NUMBERS, ROWS, write_houses

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


def test_a_page_made_anew_keeps_a_section_as_it_stands(tmp_path: Path) -> None:
    """Also one that itself says how it was made; a section that is not there is empty."""
    path, section = tmp_path / "results.md", "\n## NiN\n\nTen seeds.\nMade with care, as Made with love.\n"
    path.write_text(page([], {}, section), encoding="utf-8")

    assert kept_section(path, "NiN") == section
    assert page([], {}, kept_section(path, "NiN")) == path.read_text(encoding="utf-8")
    assert kept_section(path, "VGG") == ""


def test_the_houses_are_a_file_of_the_book_s_shape(tmp_path: Path) -> None:
    """Read back it has its numbers, its kinds and its gaps; a seed makes it, and no price is near 0."""
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        write_houses(tmp_path / name, seed)
    houses = pd.read_csv(tmp_path / "one")
    features = houses.drop(columns=["Id", "SalePrice"])

    assert (len(houses), len(features.columns)) == (ROWS, NUMBERS + KINDS)
    assert len(features.select_dtypes("number").columns) == NUMBERS
    assert features.isna().to_numpy().mean() == pytest.approx(MISSING, abs=0.005)
    assert houses["SalePrice"].min() > 50_000
    same, other = ((tmp_path / name).read_bytes() for name in ("same", "other"))
    assert (tmp_path / "one").read_bytes() == same != other
