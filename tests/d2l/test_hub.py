"""The book's downloads: whole or not there, checked, and from a folder where they lie already."""

import gzip
import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import fourstep as fs
from fourstep import d2l


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing."""


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder whose files can be downloaded as `DATA_URL + name`; the current folder is another one, empty."""
    folder, here = tmp_path / "served", tmp_path / "book" / "chapter"
    folder.mkdir()
    here.mkdir(parents=True)
    monkeypatch.chdir(here)
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    monkeypatch.setattr(d2l.hub, "DATA_URL", f"http://127.0.0.1:{server.server_port}/")
    yield folder
    server.shutdown()
    server.server_close()
    thread.join()


def offer(folder: Path, name: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Serve the content, and enter it into the hub under its name without the ending."""
    (folder / name).write_bytes(content)
    entry = (d2l.hub.DATA_URL + name, hashlib.sha1(content, usedforsecurity=False).hexdigest())
    monkeypatch.setitem(d2l.DATA_HUB, name.split(".", maxsplit=1)[0], entry)


def test_a_file_is_fetched_once(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Into `../data`, as the book has it; afterwards no network is needed."""
    offer(serve, "words.txt", b"the time machine", monkeypatch)
    path = d2l.download("words")
    assert path == "../data/words.txt"
    assert Path(path).read_bytes() == b"the time machine"
    (serve / "words.txt").unlink()
    assert d2l.download("words") == path
    assert d2l.download("words", cache_dir="../data") == path


def test_a_damaged_file_is_fetched_again(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is not right on the server never comes to the name; no half file is left under it."""
    offer(serve, "words.txt", b"the time machine", monkeypatch)
    path = Path(d2l.download("words", "here"))
    path.write_bytes(b"half")
    assert Path(d2l.download("words", "here")).read_bytes() == b"the time machine"
    path.unlink()
    (serve / "words.txt").write_bytes(b"another")
    with pytest.raises(fs.DataFileError, match=r"the file it gave is not the right one.*into here by hand"):
        d2l.download("words", "here")
    assert not path.exists()


def test_packed_files_are_unpacked(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zip and a tar, into the folder that they hold or the one that is named."""
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as packed:
        packed.writestr("hot/dog.txt", "one")
    offer(serve, "hot.zip", held.getvalue(), monkeypatch)
    assert Path(d2l.download_extract("hot"), "dog.txt").read_text() == "one"
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as packed_tar:
        member = tarfile.TarInfo("inner/cat.txt")
        member.size = 3
        packed_tar.addfile(member, io.BytesIO(b"two"))
    offer(serve, "voc.tar.gz", held.getvalue(), monkeypatch)
    assert d2l.download_extract("voc") == "../data/voc"
    assert Path(d2l.download_extract("voc", "inner"), "cat.txt").read_text() == "two"


def test_nothing_is_unpacked_outside_of_its_folder(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tar that leads out is refused, and what claims to be a zip but is none, and what is neither."""
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w") as packed_tar:
        member = tarfile.TarInfo("../../out.txt")
        member.size = 3
        packed_tar.addfile(member, io.BytesIO(b"out"))
    offer(serve, "evil.tar", held.getvalue(), monkeypatch)
    offer(serve, "none.zip", b"no zip", monkeypatch)
    offer(serve, "plain.txt", b"text", monkeypatch)
    with pytest.raises(fs.DataFileError, match=r"evil\.tar could not be unpacked .*outside"):
        d2l.download_extract("evil")
    assert not list(serve.parent.rglob("out.txt"))
    with pytest.raises(fs.DataFileError, match=r"none\.zip could not be unpacked \(.*\): expected a zip file"):
        d2l.download_extract("none")
    with pytest.raises(fs.DataFileError, match=r"plain\.txt cannot be unpacked: expected a file that ends in \.zip"):
        d2l.download_extract("plain")


def test_a_wrong_digest_of_one_s_own_is_told(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the one that the file has, so that it can be corrected; capitals are as good."""
    content = b"x,y\n1,2\n"
    offer(serve, "mine.csv", content, monkeypatch)
    address, right = d2l.DATA_HUB["mine"]
    monkeypatch.setitem(d2l.DATA_HUB, "mine", (address, "0" * 40))
    with pytest.raises(fs.DataFileError, match=rf"its SHA-1 is {right}, and not {'0' * 40}, as DATA_HUB has it"):
        d2l.download("mine")
    monkeypatch.setitem(d2l.DATA_HUB, "mine", (address, right.upper()))
    assert Path(d2l.download("mine")).read_bytes() == content


def test_what_cannot_be_unpacked_is_one_line(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A table packed with gzip, which is no tar, and a zip whose content is damaged; a .tgz is a tar."""
    offer(serve, "table.csv.gz", gzip.compress(b"x,y"), monkeypatch)
    with pytest.raises(
        fs.DataFileError, match=r"table\.csv\.gz could not .*: expected a tar file, packed with gzip or"
    ):
        d2l.download_extract("table")
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.txt", "abc" * 1000)
    damaged = bytearray(held.getvalue())
    damaged[36:40] = b"\xff\xff\xff\xff"  # of the deflated bytes, behind the header and the name
    offer(serve, "bad.zip", bytes(damaged), monkeypatch)
    with pytest.raises(fs.DataFileError, match=r"bad\.zip could not be unpacked .*: expected a zip file"):
        d2l.download_extract("bad")
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode="w:gz") as packed_tar:
        member = tarfile.TarInfo("short/a.txt")
        member.size = 3
        packed_tar.addfile(member, io.BytesIO(b"abc"))
    offer(serve, "short.tgz", held.getvalue(), monkeypatch)
    assert (Path(d2l.download_extract("short")) / "a.txt").read_text(encoding="utf-8") == "abc"


def test_an_unknown_name_says_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the whole table; and an address is no name."""
    with pytest.raises(fs.UnknownNameError, match="did you mean 'airfoil'") as caught:
        d2l.download("airfoils")
    assert len(str(caught.value)) < 100
    with pytest.raises(fs.ConfigError, match=r"is an address: expected a name\. Mend: d2l\.DATA_HUB"):
        d2l.download("http://example.org/x.zip")
    monkeypatch.setitem(d2l.DATA_HUB, "odd", "http://example.org/x.zip")
    with pytest.raises(fs.ConfigError, match=r"DATA_HUB\['odd'\] is .*: expected a pair"):
        d2l.download("odd")


def test_all_of_them(serve: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every name of the table."""
    for name in list(d2l.DATA_HUB):
        monkeypatch.delitem(d2l.DATA_HUB, name)
    offer(serve, "a.txt", b"a", monkeypatch)
    offer(serve, "b.txt", b"b", monkeypatch)
    d2l.download_all()
    assert {path.name for path in Path("../data").glob("*.txt")} == {"a.txt", "b.txt"}
