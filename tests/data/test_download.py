"""A download resumes where it broke off, and nothing wrong ever lies under the file's name."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from auxseg.data.download import download
from auxseg.errors import DataError

CONTENT = np.random.default_rng(0).bytes(700_000)
HASH = "md5:" + hashlib.md5(CONTENT).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves CONTENT under any path; the attributes say how badly.

    Attributes:
        break_after: bytes after which the connection breaks; None to send all.
        ranges: whether Range requests are understood.
        requests: the Range header of each request so far.
    """

    break_after: int | None = None
    ranges = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.bin"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        requested = self.headers.get("Range")
        self.server.requests.append(requested)
        if self.path != "/file.bin":
            self.send_error(404)
            return
        start = int(requested[6:-1]) if requested and self.server.ranges else 0
        if start >= len(CONTENT):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(CONTENT)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(CONTENT[start:][: self.server.break_after])

    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "new" / "file.bin"


def files(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir())


def test_downloads_once(server: Server, target: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert download(server.url, target, HASH) == target
    assert target.read_bytes() == CONTENT
    assert download(server.url, target, HASH) == target
    assert server.requests == [None]
    assert files(target) == ["file.bin"]
    # No progress bar where stderr is not a terminal.
    assert capfd.readouterr() == ("", "")


def test_sha256_is_understood(server: Server, target: Path) -> None:
    download(server.url, target, "sha256:" + hashlib.sha256(CONTENT).hexdigest())
    assert target.read_bytes() == CONTENT


def test_broken_connection_keeps_the_part_and_the_next_call_resumes(
    server: Server, target: Path
) -> None:
    server.break_after = 300_000
    with pytest.raises(DataError, match=r"http://.*file\.bin: .*broke off.*resumes") as caught:
        download(server.url, target, HASH)
    assert "\n" not in str(caught.value)
    assert files(target) == ["file.bin.part"]
    part = target.with_name("file.bin.part").read_bytes()
    assert 0 < len(part) <= 300_000
    assert CONTENT.startswith(part)
    server.break_after = None
    download(server.url, target, HASH)
    assert target.read_bytes() == CONTENT
    assert server.requests == [None, f"bytes={len(part)}-"]
    assert files(target) == ["file.bin"]


def test_server_without_ranges_starts_afresh(server: Server, target: Path) -> None:
    server.ranges = False
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT[:1000])
    download(server.url, target, HASH)
    assert target.read_bytes() == CONTENT


def test_a_complete_part_is_taken(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT)
    download(server.url, target, HASH)
    assert target.read_bytes() == CONTENT
    assert server.requests == [f"bytes={len(CONTENT)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(server: Server, target: Path) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(CONTENT + b"more")
    download(server.url, target, HASH)
    assert target.read_bytes() == CONTENT


def test_wrong_hash_leaves_no_file(server: Server, target: Path) -> None:
    with pytest.raises(DataError, match=r"file\.bin: the file does not have the hash md5:0") as e:
        download(server.url, target, "md5:" + "0" * 32)
    assert "\n" not in str(e.value)
    assert files(target) == []


def test_damaged_part_is_found_by_its_hash_and_the_next_call_mends_it(
    server: Server, target: Path
) -> None:
    target.parent.mkdir()
    target.with_name("file.bin.part").write_bytes(bytes(1000))
    with pytest.raises(DataError, match="hash"):
        download(server.url, target, HASH)
    download(server.url, target, HASH)
    assert target.read_bytes() == CONTENT


def test_http_error_is_one_line_with_the_url(server: Server, target: Path) -> None:
    url = server.url.replace("file.bin", "gone")
    with pytest.raises(DataError, match=rf"{url}: the server answers 404 Not Found$"):
        download(url, target, HASH)
    assert files(target) == []


def test_no_server_is_one_line_with_the_url(target: Path) -> None:
    with Server() as server:
        url = server.url
    with pytest.raises(DataError, match=rf"{url}: no connection$"):
        download(url, target, HASH)


def test_an_address_that_is_none_is_not_called_a_wrong_hash(target: Path) -> None:
    with pytest.raises(DataError, match="nowhere: download failed"):
        download("nowhere", target, HASH)


def test_processes_that_ask_together_download_once(server: Server, target: Path) -> None:
    threads = [threading.Thread(target=download, args=(server.url, target, HASH)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.read_bytes() == CONTENT
    assert server.requests == [None]
