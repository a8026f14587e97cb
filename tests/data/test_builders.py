"""The builders' names: imported when they are asked for, and named where a file is another's."""

from collections.abc import Callable

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


@pytest.mark.parametrize(
    "name", ["x" * 5_000, "x" * 5_000 + ".csv", "a\0b", "a\0b.npz", "\udcff.csv", "/dev/null", "."]
)
@pytest.mark.parametrize(
    "build",
    [
        fs.data.from_images,
        lambda name: fs.data.from_table(name, target="y"),
        lambda name: fs.data.from_file(name, batch_size=2),
        lambda name: fs.data.from_text(name, num_steps=3, batch_size=2),
        fs.data.load_encoding,
    ],
)
def test_a_name_that_no_data_can_have_is_one_line(build: Callable[[str], object], name: str) -> None:
    """Too long, with a zero byte, of half a character, a device, the wrong kind: never the system's own error."""
    with pytest.raises(fs.FourstepError) as caught:
        build(name)
    assert len(str(caught.value).splitlines()) == 1
