"""The commands at the beginning of the README, in order, on thirty masks: no more is needed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from . import photos
from .command import auxseg, start

README = Path(__file__).resolve().parents[2] / "README.md"

#: So that it takes seconds: what a user leaves to the program.
TINY = ("--width", "0.05", "--weights", "none", "--image-size", "32", "--steps", "8")


def commands() -> list[list[str]]:
    """The lines of the block below "Your own photos", as words, without comments."""
    text = README.read_text(encoding="utf-8").partition("## Your own photos")[2]
    block = text.partition("```\n")[2].partition("```")[0]
    return [shlex.split(line, comments=True) for line in block.splitlines()]


@pytest.mark.thorough
def test_from_thirty_masks_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    httpx = pytest.importorskip("httpx")
    pytest.importorskip("onnxruntime")
    pytest.importorskip("uvicorn")
    install, check, fit, predict, serve = commands()
    assert install[:2] == ["make", "install"]
    assert [words[:2] for words in (check, fit, predict, serve)] == [
        *(["auxseg", "data"], ["auxseg", "fit"], ["auxseg", "predict"], ["auxseg", "serve"])
    ]
    monkeypatch.chdir(tmp_path)
    photos.folder(Path("photos"), count=40, masks=range(30))
    for number in range(90, 93):
        photos.write(Path("new-photos", f"{number}.jpg"), photos.photo(number))

    said = auxseg(*check[1:]).succeeded().out
    assert "with mask: 30" in said
    assert said.splitlines()[-1].split() == ["next:", *fit]

    said = auxseg(*fit[1:], *TINY).succeeded().out
    assert "The masks agree with yours by an average IoU of" in said
    assert "What would help most:" in said
    run = Path("runs/photos")
    assert (run / "model.onnx").stat().st_size > 1000
    assert (run / "report" / "report.html").is_file()

    auxseg(*predict[1:]).succeeded()
    assert len(list(Path("predictions").glob("*_mask.png"))) == 3

    server = start(*serve[1:], "--port", "0")
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1].rstrip(";")
        assert "Choose photos" in httpx.get(address).text
        said = json.loads(httpx.get(f"{address}api/photos").text)
        assert [one["has_mask"] for one in said] == [True] * 30 + [False] * 10
        corrected = Image.fromarray(photos.mask(35))
        corrected.save("corrected.png")
        sent = {"mask": Path("corrected.png").read_bytes()}
        assert httpx.put(f"{address}api/photos/35/mask", files=sent).status_code == 200
    finally:
        server.terminate()
        server.wait(30)
    np.testing.assert_array_equal(np.asarray(Image.open("photos/masks/35.png")), photos.mask(35))

    # The loop: what was held back is held back again, and the new mask is trained on.
    again = auxseg(*fit[1:-1], "runs/second", *TINY, "--split", run / "split.csv").succeeded()
    first, second = (Path(one, "split.csv").read_text() for one in ("runs/photos", "runs/second"))
    assert first == second
    assert "(21 with a mask)" in again.out
