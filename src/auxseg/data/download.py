"""One file from the web, whole or not at all: resumes where it broke off, then checks the hash."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pooch
import requests
import urllib3
from filelock import FileLock
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from auxseg.errors import DataError

_CHUNK = 1 << 18
#: Seconds to connect, and between two packets.
_TIMEOUT = (10, 60)


def download(url: str, path: Path, known_hash: str) -> Path:
    """Fetches ``url`` to ``path`` unless the file is there with the right hash already.

    What has arrived lies beside it as ``NAME.part`` until it is complete, and the next call goes
    on from there. Progress is shown on stderr if that is a terminal. Processes that ask for the
    same file wait for one another.

    Args:
        known_hash: ``md5:…`` or ``sha256:…``; of the latter the first digits will do.

    Raises:
        DataError: no connection, a server's error, a full disk, or a wrong hash (which leaves no
            file behind); one line that names the URL.
    """
    # pooch announces every download on stderr; the progress bar says as much.
    pooch.get_logger().setLevel("WARNING")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with _locked(path):
            _retrieve(url, path, known_hash)
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        resume = "; the next try resumes from there" if _beside(path, ".part").exists() else ""
        raise DataError(f"{url}: {_reason(error)}{resume}") from error
    except ValueError as error:  # pooch's answer to a wrong hash
        raise DataError(f"{url}: the file does not have the hash {known_hash}") from error
    except OSError as error:
        raise DataError(f"{url}: cannot be written to {path} ({error.strerror})") from error
    return path


def _retrieve(url: str, path: Path, known_hash: str) -> None:
    """pooch's own, which knows whole hashes alone."""
    kind, _, digits = known_hash.partition(":")
    whole = len(digits) == 2 * hashlib.new(kind).digest_size
    pooch.retrieve(
        url,
        known_hash if whole else None,
        fname=path.name,
        path=path.parent,
        downloader=_Resuming(path),
    )
    if not whole and not pooch.file_hash(str(path), alg=kind).startswith(digits):
        path.unlink()
        raise ValueError(known_hash)


class _Resuming:
    """A downloader as pooch asks for, which keeps what arrived before a broken connection."""

    def __init__(self, target: Path) -> None:
        self._part = _beside(target, ".part")

    def __call__(self, url: str, output_file: str, _pooch: Any) -> None:
        if not self._fetch(url):
            # What lay there was longer than the file, so it was another file's.
            self._part.unlink()
            self._fetch(url)
        shutil.move(self._part, output_file)

    def _fetch(self, url: str) -> bool:
        """Appends what is missing; False if the server says that too much is there already."""
        have = self._part.stat().st_size if self._part.exists() else 0
        # identity: the hash is that of the file, not of some encoding on the way.
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if have and response.status_code == requests.codes.requested_range_not_satisfiable:
                return response.headers.get("Content-Range", f"bytes */{have}") == f"bytes */{have}"
            response.raise_for_status()
            if not _continues(response, have):
                have = 0
            self._append(response, have)
        return True

    def _append(self, response: requests.Response, have: int) -> None:
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        with self._part.open("ab" if have else "wb") as file, _bar(self._part.stem) as progress:
            task = progress.add_task("", total=total, completed=have)
            # raw: the bytes as they come, even where the server calls a .gz file an encoding.
            for chunk in response.raw.stream(_CHUNK, decode_content=False):
                file.write(chunk)
                progress.advance(task, len(chunk))
            arrived = file.tell()
        if total is not None and arrived < total:
            raise requests.ConnectionError(f"broke off after {arrived} of {total} bytes")


def _continues(response: requests.Response, have: int) -> bool:
    """Whether the answer begins where our file ends: servers may ignore the Range header."""
    start = response.headers.get("Content-Range", "").removeprefix("bytes ").split("-")[0]
    return response.status_code == requests.codes.partial_content and start == str(have)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Lets one process at a time write ``path``, and leaves no lock file behind."""
    lock = _beside(path, ".lock")
    try:
        with FileLock(lock):
            yield
    finally:
        # Windows does not remove a file that the next process holds: that process will.
        with suppress(PermissionError):
            lock.unlink(missing_ok=True)


@contextmanager
def _bar(name: str) -> Iterator[Progress]:
    columns = (
        TextColumn(name),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
        yield bar


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.HTTPError):
        return f"the server answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, (requests.Timeout, urllib3.exceptions.TimeoutError)):
        return "the server does not answer in time"
    if isinstance(error, requests.ConnectionError) and "broke off" in str(error):
        return str(error)
    if isinstance(error, urllib3.exceptions.ProtocolError):
        return "the connection broke off"
    if isinstance(error, requests.ConnectionError):
        return "no connection"
    return f"download failed ({type(error).__name__})"
