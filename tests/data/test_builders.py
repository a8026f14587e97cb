"""The builders' names: imported when they are asked for, and named where a file is another's."""

import pytest

import fourstep as fs
from fourstep.data.builders import check_builder


def test_builders_are_there_when_they_are_asked_for() -> None:
    """All of them are listed; a name that is not there is an error as in any module."""
    assert {"from_text", "from_series", "from_file", "from_dataset", "from_arrays"} <= set(dir(fs.data))
    assert all(callable(getattr(fs.data, name)) for name in dir(fs.data) if name.startswith("from_"))
    with pytest.raises(AttributeError, match=r"module 'fourstep\.data' has no attribute 'from_nothing'"):
        fs.data.from_nothing  # noqa: B018 - it is the asking


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a.parquet", "a.parquet is a table, which from_x does not read"),
        ("A.JPEG", "A.JPEG is a picture"),
        ("a.md", "a.md is a text"),
        ("a.npz", "a.npz is an array"),
    ],
)
def test_another_builder_is_named(path: str, said: str) -> None:
    """By the file's ending; its own builder, and endings that nobody knows, are passed."""
    with pytest.raises(fs.ConfigError, match=said):
        check_builder(path, "from_x")

    check_builder("a.csv", "from_table")
    check_builder("a.xyz", "from_x")
