"""Which function builds a data set from which file, to be named where one was given to another."""

from pathlib import Path

from fourstep.errors import ConfigError
from fourstep.files import is_folder

TABLES = (".csv", ".tsv", ".parquet")
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm")
TEXTS = (".txt", ".md")
ARRAYS = (".npz", ".npy")
_WHOSE = (
    ("a table", "from_table(path, target=...)", TABLES),
    ("a picture", "from_images(folder)", PICTURES),
    ("a text", "from_text(path, num_steps=..., batch_size=...)", TEXTS),
    ("an array", "from_file(path, batch_size=...)", ARRAYS),
)


def check_builder(path: str | Path, builder: str) -> None:
    """Refuse a file that another function is for, by its ending, and a folder where it is not for `from_images`.

    Args:
        path: what was given.
        builder: the function's name.

    Raises:
        ConfigError: another function is for it.
    """
    ending = Path(path).suffix.lower()
    for what, call, endings in _WHOSE:
        if ending in endings and not call.startswith(builder):
            raise ConfigError(f"{path} is {what}, which {builder} does not read. Mend: fourstep.data.{call}")
    if is_folder(path):
        raise ConfigError(
            f"{path} is a folder, which {builder} does not read. Mend: fourstep.data.from_images(folder) for pictures, "
            "or name a file in it"
        )
