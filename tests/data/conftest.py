"""IDX files to read, and a server to download from."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray


def idx_bytes(values: NDArray[np.uint8]) -> bytes:
    """The array as an IDX file, written after the format's description."""
    return bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


@pytest.fixture
def to_idx() -> Callable[[NDArray[np.uint8]], bytes]:
    """The function that writes an array as an IDX file."""
    return idx_bytes


@pytest.fixture
def no_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache folder, not the user's."""
    monkeypatch.setenv("FOURSTEP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Mirror(ThreadingHTTPServer):
    """Serves one file in many ways; the first part of the path says how.

    `good` honours Range, `plain` ignores it, `wrong` has another whole file; `half` closes the connection half-way at
    the first request, `halves` and `nothing` do so at every request, half-way and before any byte; `hang` answers
    nothing and `stall` no more than half until the test is over; `gate` waits for `opened` and then is `good`; others
    are 404.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        content = np.random.default_rng(0).integers(0, 256, (50, 28, 28), np.uint8)
        self.unpacked = idx_bytes(content)
        self.sha256 = hashlib.sha256(self.unpacked).hexdigest()
        self.file = gzip.compress(self.unpacked, mtime=0)
        self.asked: list[tuple[str, str | None]] = []  # (path, Range header)
        self.arrived = threading.Event()
        self.opened = threading.Event()
        self.closing = threading.Event()

    def url(self, way: str) -> str:
        """The address of the file served that way."""
        return f"http://127.0.0.1:{self.server_port}/{way}/images.gz"


class Answer(BaseHTTPRequestHandler):
    """One request."""

    server: Mirror

    def do_GET(self) -> None:
        """Answer in the way that the path says."""
        server, way = self.server, self.path.split("/")[1]
        is_first = not server.asked
        server.asked.append((way, self.headers["Range"]))
        server.arrived.set()
        shares = {"plain": 1, "halves": 0.5, "nothing": 0, "stall": 0.5}
        if way == "gate":
            server.opened.wait(20)
        if way in ("good", "gate", "half"):
            self.send(server.file, share=0.5 if way == "half" and is_first else 1)
        elif way in shares:
            self.send(server.file, share=shares[way], ranges=False)
        elif way == "wrong":
            self.send(gzip.compress(idx_bytes(np.zeros((50, 28, 28), np.uint8))))
        elif way != "hang":
            self.send_error(404)
        if way in ("hang", "stall"):
            server.closing.wait(20)

    def send(self, content: bytes, *, share: float = 1, ranges: bool = True) -> None:
        """Announce all of the content from where it was asked for, and send a share of it."""
        asked = self.headers["Range"]
        begin = int(asked.removeprefix("bytes=").removesuffix("-")) if asked and ranges else 0
        if begin and begin >= len(content):
            self.send_error(416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(content) - begin))
        self.end_headers()
        self.wfile.write(content[begin : begin + int((len(content) - begin) * share)])
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's own name
        """Say nothing."""


@pytest.fixture
def mirror(monkeypatch: pytest.MonkeyPatch) -> Iterator[Mirror]:
    """A running server on this machine alone."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Mirror()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.closing.set()
    server.opened.set()
    server.shutdown()
    thread.join()
    server.server_close()
