"""The book's files on the network: a table of addresses, and downloads that are whole or not there.

Source: *Dive into Deep Learning*, section 4.10. A file counts as right by its SHA-1, as the book has it.
"""

import hashlib
import os
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fourstep.data.download import download_file
from fourstep.errors import ConfigError, DataFileError, UnknownNameError

DATA_URL = "http://d2l-data.s3-accelerate.amazonaws.com/"
# name -> (address, SHA-1). The book's cells add to it, and so may you.
DATA_HUB: dict[str, tuple[str, str]] = {
    "kaggle_house_train": (f"{DATA_URL}kaggle_house_pred_train.csv", "585e9cc93e70b39160e7921475f9bcd7d31219ce"),
    "kaggle_house_test": (f"{DATA_URL}kaggle_house_pred_test.csv", "fa19780a7b011d9b009e8bff8e99922a8ee2eb90"),
    "time_machine": (f"{DATA_URL}timemachine.txt", "090b5e7e70c295757f55df93cb0a180b9691891a"),
    "airfoil": (f"{DATA_URL}airfoil_self_noise.dat", "76e5be1548fd8222e5074cf0faae75edff8cf93f"),
}
CACHE = os.path.join("..", "data")  # noqa: PTH118 - the book's own text of it
PACKED = (".zip", ".tar", ".gz", ".tgz")


def download(name: str, cache_dir: str | Path = CACHE) -> str:
    """A file of `DATA_HUB`: from the folder where it is there and right, else downloaded into it.

    Args:
        name: in `DATA_HUB`; add your own by `d2l.DATA_HUB["mine"] = (address, SHA-1)`.
        cache_dir: the folder; made where it is missing. A file that you put there by hand, under the name that its
            address ends in, is used.

    Returns:
        The file's path.

    Raises:
        UnknownNameError, ConfigError: no such name, or an entry that is no pair of an address and a SHA-1.
        DataFileError: the file is not to be had, is not the right one, or cannot be written.
    """
    address, sha1 = _look_up(name)
    path = Path(cache_dir) / Path(urlsplit(address).path).name

    def verify(file: Path) -> None:
        found = _sha1(file)
        if found != sha1.lower():
            raise DataFileError(f"{file}: its SHA-1 is {found}, and not {sha1}, as DATA_HUB has it for {name!r}")

    safer = [f"https{address[4:]}"] if address.startswith(DATA_URL) else []
    download_file([*safer, address], path, verify=verify)
    return os.path.join(cache_dir, path.name)  # noqa: PTH118 - a text, as the book's code joins and opens it


def _look_up(name: str) -> tuple[str, str]:
    """The address and SHA-1 of a name."""
    if "://" in name:
        raise ConfigError(
            f"{name!r} is an address: expected a name. Mend: d2l.DATA_HUB['mine'] = (address, its SHA-1), then "
            "d2l.download('mine')"
        )
    if name not in DATA_HUB:
        raise UnknownNameError.of("file in d2l.DATA_HUB", name, DATA_HUB)
    entry: Any = DATA_HUB[name]  # which anybody may have put there
    match entry:
        case [str(address), str(sha1)]:
            return address, sha1
    raise ConfigError(f"DATA_HUB[{name!r}] is {entry!r}: expected a pair (address, SHA-1) of texts")


def _sha1(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            return hashlib.file_digest(opened, lambda: hashlib.sha1(usedforsecurity=False)).hexdigest()
    except OSError as error:
        raise DataFileError(f"{file}: {error.strerror}") from error


def download_extract(name: str, folder: str | None = None) -> str:
    """A zip or tar file of `DATA_HUB`, unpacked beside itself.

    Args:
        name: in `DATA_HUB`.
        folder: the name of the folder that the file unpacks to, where it is not the file's own.

    Returns:
        That folder's path.

    Raises:
        DataFileError: what `download` raises; or a file that is no zip or tar, or that holds something which would
            come to lie outside of its folder.
    """
    path = Path(download(name))
    base, ending = path.parent, path.suffix
    if ending not in PACKED:
        raise DataFileError(f"{path} cannot be unpacked: expected a file that ends in {', '.join(PACKED)}")
    try:
        if ending == ".zip":
            with zipfile.ZipFile(path) as packed:
                packed.extractall(base)  # noqa: S202 - zipfile leaves out what would lead elsewhere
        else:
            with tarfile.open(path) as packed_tar:
                packed_tar.extractall(base, filter="data")
    except (zipfile.BadZipFile, tarfile.TarError, OSError, EOFError, zlib.error, RuntimeError) as error:
        cause = str(error).split("\n", maxsplit=1)[0].rstrip(":")
        kind = "zip file without a password" if ending == ".zip" else "tar file, packed with gzip or not"
        raise DataFileError(f"{path} could not be unpacked ({cause}): expected a {kind}") from error
    own = path.name.removesuffix(ending).removesuffix(".tar")
    return os.path.join(base, folder or own)  # noqa: PTH118 - as above


def download_all() -> None:
    """Every file of `DATA_HUB`, into `../data`.

    Raises:
        DataFileError: the first that is not to be had.
    """
    for name in DATA_HUB:
        download(name)
