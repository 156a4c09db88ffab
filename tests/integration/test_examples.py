"""The scripts in examples/ run as their users run them."""

from __future__ import annotations

import functools
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

from tiny_run import with_both_classes

from . import photos

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def run(script: str, *arguments: str | Path, cache: Path) -> str:
    """Runs a script; what it printed."""
    done = subprocess.run(
        [sys.executable, EXAMPLES / script, *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "AUXSEG_CACHE": str(cache)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_script_is_listed_and_tested() -> None:
    scripts = {path.name for path in EXAMPLES.glob("*.py")}
    listed = set(re.findall(r"^\| `(\w+\.py)`", (EXAMPLES / "README.md").read_text(), re.M))
    tested = set(
        re.findall(r"(?:run|start)\(\s*\"(\w+\.py)\"", Path(__file__).read_text(encoding="utf-8"))
    )
    assert scripts == listed == tested


@pytest.mark.thorough
def test_first_model_and_its_file_alone(tmp_path: Path) -> None:
    """Of two steps: the shortest there is."""
    pytest.importorskip("onnxruntime")
    root = photos.folder(tmp_path / "photos", count=12)
    out = tmp_path / "run"
    line = ("--steps", "2", "--minutes", "1", "--weights", "none", "--out", out)
    said = run("first_model.py", root, *line, cache=tmp_path / "cache")
    assert re.search(r"^average IoU 0\.\d+ ", said, re.M)
    for name in ("held-out.png", "first-photo.png"):
        assert min(Image.open(out / name).size) > 30
    photo = root / "images" / "00.jpg"
    mask = tmp_path / "mask.png"
    said = run("onnx_alone.py", out / "model.onnx", photo, "--out", mask, cache=tmp_path)
    assert np.asarray(Image.open(mask)).shape == (photos.HEIGHT, photos.WIDTH)
    assert re.search(r"^class 0: [\d.]+%$", said, re.M)


@pytest.mark.thorough
def test_own_dataset(tmp_path: Path) -> None:
    line = ("--count", "16", "--steps", "2", "--weights", "none", "--out", tmp_path / "run")
    said = run("own_dataset.py", *line, cache=tmp_path / "cache")
    assert "unet-3task on " in said
    assert "16 photos to train on (16 with a mask), 40 to validate on" in said
    assert re.search(r"^IoU 0\.\d{3}$", said, re.M)
    assert min(Image.open(tmp_path / "run" / "validation.png").size) > 100


@pytest.mark.thorough
def test_own_loop(tmp_path: Path) -> None:
    said = run("own_loop.py", "--steps", "2", cache=tmp_path)
    assert re.search(r"^step 2 \{'segmentation': [\d.]+, 'classification': [\d.]+\}$", said, re.M)
    assert "IoU of the things in 32 new images" in said


@pytest.mark.thorough
def test_a_script_of_the_export_page_equals_the_runs_masks(
    trained: Path, tmp_path: Path, cache: Path
) -> None:
    """Of the network that the fixture trained; up to pixels between two classes."""
    pytest.importorskip("onnxruntime")
    import auxseg
    from auxseg.export import export

    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    with_both_classes(copy, photos.photo(1, 90, 70))
    model = export(copy, tmp_path / "model.onnx").path
    photo = photos.write(tmp_path / "a.png", photos.photo(1, 90, 70))
    mask = tmp_path / "mask.png"
    run("onnx_alone.py", model, photo, "--out", mask, cache=cache)
    own = auxseg.load(copy).predict(photo).mask
    assert own is not None
    assert 0.05 < own.mean() < 0.95
    assert (np.asarray(Image.open(mask)) != own).mean() < 0.01


#: Of label_studio_sdk, which brings 70 packages, what the script uses: here every value is kept.
STAND_IN = "def mask2rle(mask):\n    return mask.ravel().tolist()\n"


@pytest.mark.thorough
def test_label_studio_s_backend(trained: Path, tmp_path: Path) -> None:
    """By its protocol; docs/serve.md says what was tried with Label Studio itself."""
    import auxseg

    brush = tmp_path / "stand-in" / "label_studio_sdk" / "converter" / "brush.py"
    brush.parent.mkdir(parents=True)
    brush.write_text(STAND_IN, encoding="utf-8")
    run = Path(shutil.copytree(trained, tmp_path / trained.name))
    predictor = auxseg.load(with_both_classes(run, photos.photo(1, 90, 70)))
    photo = photos.write(tmp_path / "photos" / "a.png", photos.photo(1, 90, 70))
    asked: list[tuple[str, str | None]] = []

    class Studio(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append((self.path, self.headers.get("Authorization")))
            super().do_GET()

        def log_message(self, *_: object) -> None: ...

    handler = functools.partial(Studio, directory=str(photo.parent))
    config = (
        '<View><Image name="img" value="$picture"/><BrushLabels name="mask" toName="img">'
        '<Label value="animal"/></BrushLabels></View>'
    )
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as studio:
        threading.Thread(target=studio.serve_forever, daemon=True).start()
        hostname = f"http://127.0.0.1:{studio.server_address[1]}"
        with start("label_studio_backend.py", run, path=tmp_path / "stand-in") as backend:
            assert requests.get(f"{backend}/health", timeout=9).json()["status"] == "UP"
            about = {"hostname": hostname, "access_token": "secret"}
            said = requests.post(f"{backend}/setup", json=about, timeout=9).json()
            assert said == {"model_version": trained.name}
            tasks = [{"data": {"picture": "/a.png"}}]
            ask = {"tasks": tasks, "label_config": config}
            found = requests.post(f"{backend}/predict", json=ask, timeout=60).json()["results"]
        studio.shutdown()
    assert asked == [("/a.png", "Token secret")]
    own = predictor.predict(photo).mask
    assert own is not None
    assert 0.5 <= found[0]["score"] <= 1
    regions = found[0]["result"]
    assert len(regions) == 1
    for region in regions:
        assert (region["from_name"], region["to_name"]) == ("mask", "img")
        assert region["value"]["brushlabels"] == ["animal"]
        assert (region["original_height"], region["original_width"]) == own.shape
        np.testing.assert_array_equal(
            np.reshape(region["value"]["rle"], own.shape), 255 * (own == 1)
        )


@contextmanager
def start(script: str, *arguments: object, path: Path) -> Iterator[str]:
    """The address of a script that serves, on a free port, while the block runs."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    line = [sys.executable, EXAMPLES / script, *map(str, arguments), "--port", str(port)]
    serving = subprocess.Popen(line, env={**os.environ, "PYTHONPATH": str(path)})
    try:
        for _ in range(300):
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            assert serving.poll() is None
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        serving.terminate()
        serving.wait(20)
