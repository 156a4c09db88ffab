"""``auxseg serve``: starts, answers, and ends in order."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from . import photos
from .command import auxseg, start

pytest.importorskip("uvicorn")
httpx = pytest.importorskip("httpx")


def test_a_server_answers_what_was_asked_before_it_was_told_to_end(
    trained: Path, tmp_path: Path
) -> None:
    server = start("serve", trained, "--port", "0", "--accelerator", "cpu")
    try:
        assert server.stdout is not None
        line = server.stdout.readline()
        assert line.startswith("open http://127.0.0.1:")
        address = line.split()[1].rstrip(";")
        with urllib.request.urlopen(f"{address}healthz") as answer:
            assert json.load(answer) == {"status": "ok", "inside": 0}
        photo = photos.write(tmp_path / "a.png", photos.photo(1, 3000, 2000)).read_bytes()
        found: list[Any] = []

        def ask() -> None:
            files = {"image": ("a.png", photo)}
            query = "?probabilities=true&attention=true"
            found.append(httpx.post(f"{address}api/predict{query}", files=files, timeout=60))

        asking = [threading.Thread(target=ask) for _ in range(3)]
        for one in asking:
            one.start()
        while httpx.get(f"{address}healthz").json()["inside"] < 3:
            pass
        server.send_signal(signal.SIGTERM)
        for one in asking:
            one.join(60)
        assert [one.status_code for one in found] == [200, 200, 200]
        out, err = server.communicate(timeout=60)
        assert (server.returncode, err) == (0, "")
        assert out == "ended; nothing is left to answer\n"
    finally:
        server.kill()


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (("--port", "70000"), 2, ("--port", "70000")),
        (("--host", "192.0.2.7"), 2, ("192.0.2.7", "cannot be listened on")),
        (("--photos", "nowhere"), 1, ("nowhere",)),
        (("--compare", "nowhere"), 1, ("nowhere",)),
        (("--ignore-index", "3"), 2, ("--photos",)),
        (("--token", "ü"), 2, ("--token",)),
    ],
)
def test_what_cannot_be_served_is_one_line(
    line: tuple[str, ...], status: int, words: tuple[str, ...], trained: Path
) -> None:
    auxseg("serve", trained, "--accelerator", "cpu", *line).failed(status, *words)


def test_photos_of_other_classes(trained: Path, tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "photos", count=3)
    (root / "classes.txt").write_text("background\ndisc\n", encoding="utf-8")
    auxseg("serve", trained, "--photos", root).failed(2, "background, disc", "animal")


@pytest.mark.thorough
def test_without_its_packages_it_says_what_to_install(trained: Path) -> None:
    code = "import sys; sys.modules['fastapi'] = None; from auxseg.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", trained], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "fastapi is missing; pip install 'auxseg[serve]'" in done.stderr
