"""The page that predicts in the browser: what is in it, and that it does what ``predict`` does."""

from __future__ import annotations

import hashlib
import io
import json
import re
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import auxseg
from auxseg.errors import AuxsegError, DataError, UsageError
from auxseg.export import runtime
from auxseg.export.web import export_web, page
from auxseg.runs.directory import RunDirectory
from chromium import chromium
from tiny_run import tiny_run, with_both_classes

pytest.importorskip("onnxscript")

TASKS = ("segmentation", "classification", "bbox")
PARTS = {runtime.SCRIPT: b"let s = '</script>';", runtime.FACTORY: b"f", runtime.WASM: b"w"}
ABOUT: dict[str, Any] = {
    "classes": {"mask": ["background", "</script><b>{{model}}"], "label": []},
    "preset": "unet-1task",
    "auxseg": "1.0",
    "encoder": "vgg16",
    "image_size": 32,
    "weights_licence": None,
    "validation": {"segmentation/iou": 0.5},
}


def archive(path: Path, parts: dict[str, bytes] = PARTS) -> Path:
    """A release as npm's registry has it."""
    with tarfile.open(path, "w:gz") as files:
        for name, content in parts.items():
            member = tarfile.TarInfo(f"package/dist/{name}")
            member.size = len(content)
            files.addfile(member, io.BytesIO(content))
    return path


@pytest.fixture
def known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small archive that is taken for the release."""
    path = archive(tmp_path / "runtime.tgz")
    monkeypatch.setattr(runtime, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_nothing_inside_ends_the_element_it_lies_in() -> None:
    found = page("a <b> {{wasm}}", ABOUT, b"model", PARTS)
    assert "<title>a &lt;b&gt; {{wasm}}</title>" in found
    assert found.count("</script>") == len(re.findall("<script", found)) == 8
    (about,) = re.findall(r'id="about">(.*)</script>', found)
    assert json.loads(about)["classes"]["mask"] == ABOUT["classes"]["mask"]
    assert json.loads(about)["colours"] == ["#000000", "#008cff"]
    assert "Average IoU on its validation photos" in about
    eight = {**ABOUT, "int8": {"iou_int8": 0.25, "iou_fp32": 0.5}}
    assert "0.250" in page("a", eight, b"model", PARTS)
    assert not re.search(r"(src|href)=[\"']?(https?:|//)", found)


def test_the_runtime_is_downloaded_once(
    known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = partial(SimpleHTTPRequestHandler, directory=str(known.parent))
    monkeypatch.setattr(SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{known.name}"
        monkeypatch.setattr(runtime, "URL", url)
        assert runtime.web_runtime() == PARTS
        server.shutdown()
    assert runtime.web_runtime() == PARTS
    (tmp_path / "cache" / "runtime" / known.name).unlink()
    with pytest.raises(DataError, match=r"no connection; --runtime takes the file"):
        runtime.web_runtime()


def test_a_file_that_is_given(known: Path, tmp_path: Path) -> None:
    assert runtime.web_runtime(known) == PARTS
    other = archive(tmp_path / "other.tgz", {**PARTS, runtime.WASM: b"other"})
    with pytest.raises(DataError, match=r"other\.tgz: is not onnxruntime-web 1\.\d+"):
        runtime.web_runtime(other)
    with pytest.raises(DataError, match=r"gone\.tgz: no such file"):
        runtime.web_runtime(tmp_path / "gone.tgz")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tiny_run(tmp_path_factory, "unet-3task") as out:
        yield with_both_classes(out, np.asarray(colours(64, 64, 0)))


def test_what_cannot_be_is_said_and_leaves_nothing(
    run: Path, known: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match="mine is there already"):
        export_web(RunDirectory(run), mine, runtime=known)
    monkeypatch.chdir(mine)
    with pytest.raises(UsageError, match="is the folder that you are in"):
        export_web(RunDirectory(run), Path(), runtime=known)
    with pytest.raises(UsageError, match=r"--out: 'bad\\udcff' is not UTF-8"):
        export_web(RunDirectory(run), tmp_path / "bad\udcff", runtime=known)
    with pytest.raises(UsageError, match="--format web: shows masks"):
        export_web(RunDirectory(run), tmp_path / "out", tasks=("bbox",), runtime=known)
    with pytest.raises(UsageError, match="no output 'depth'"):
        export_web(
            RunDirectory(run), tmp_path / "out", tasks=("segmentation", "depth"), runtime=known
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "runtime.tgz"]


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder, with the real runtime; skips where that cannot be had."""
    out = tmp_path_factory.mktemp("web") / "my pets"
    try:
        export_web(RunDirectory(run), out, tasks=TASKS)
    except AuxsegError as error:
        pytest.skip(f"onnxruntime-web cannot be downloaded here: {error}")
    return out


@pytest.fixture
def opened(made: Path, tmp_path: Path) -> Iterator[Any]:
    """The page as it is opened from a disk: the file alone, in another folder."""
    from playwright.sync_api import expect

    alone = tmp_path / "sent.html"
    alone.write_bytes((made / "index.html").read_bytes())
    with chromium() as browser:
        shown = browser.new_page(viewport={"width": 1280, "height": 800})
        faults: list[str] = []
        shown.on("pageerror", lambda error: faults.append(str(error)))
        shown.on("console", lambda said: faults.append(said.text) if said.type == "error" else 0)
        asked: list[str] = []
        shown.on("request", lambda request: asked.append(request.url))
        shown.goto(alone.as_uri())
        expect(shown.locator("#status")).to_have_text("Choose a photo to begin.", timeout=30_000)
        yield shown
        shown.close()
        assert not faults
        assert {url.partition(":")[0] for url in asked} <= {"file", "blob", "data"}


def colours(height: int, width: int, seed: int) -> Image.Image:
    """Smooth, as photos are."""
    draw = np.random.default_rng(seed)
    coarse = Image.fromarray(draw.integers(0, 256, (6, 6, 3), dtype=np.uint8))
    return coarse.resize((width, height), Image.Resampling.BICUBIC)


def choose(opened: Any, *paths: Path) -> None:
    from playwright.sync_api import expect

    opened.locator("#files").set_input_files([str(path) for path in paths])
    expect(opened.locator("#status")).to_contain_text(f"{paths[0].name}: ", timeout=30_000)
    expect(opened.locator("#status")).to_contain_text(" pixels", timeout=30_000)


def set_opacity(opened: Any, percent: int) -> None:
    opened.locator("#opacity").evaluate(
        "(one, to) => { one.value = to; one.dispatchEvent(new Event('input')); }", percent
    )


def mask_of(opened: Any) -> Image.Image:
    with opened.expect_download() as got:
        opened.get_by_role("button", name="Download mask").click()
    found: Image.Image = Image.open(io.BytesIO(Path(got.value.path()).read_bytes()))
    return found


@pytest.mark.thorough
def test_masks_are_those_of_predict(opened: Any, run: Path, tmp_path: Path) -> None:
    """Of a photo larger than the screen, one that EXIF data turn, and a tiny one."""
    exif = Image.Exif()
    exif[274] = 6
    pictures = {
        "large.png": (colours(1500, 2400, 0), {}),
        "turned.jpg": (colours(300, 400, 1), {"exif": exif, "quality": 95}),
        "tiny.png": (colours(9, 13, 2), {}),
    }
    predictor = auxseg.load(run)
    for name, (picture, settings) in pictures.items():
        picture.save(tmp_path / name, **settings)
        expected = predictor.predict(tmp_path / name)
        choose(opened, tmp_path / name)
        found = mask_of(opened)
        assert found.mode == "P"
        assert expected.mask is not None
        assert found.size == expected.mask.shape[::-1]
        # Browsers decode JPEG otherwise than Pillow does; PNG not.
        assert 0.1 < expected.mask.mean() < 0.9
        wrong = (np.asarray(found) != expected.mask).mean()
        assert wrong < (0.02 if name.endswith("jpg") else 0.001), name
        assert expected.label is not None
        said = opened.locator("#found").text_content()
        assert said == f"class {expected.label} ({round(100 * (expected.probability or 0))} %)"
        assert said in (opened.locator("#status").text_content() or "")
        share = f"{100 * (expected.mask == 1).mean():.1f} %"
        if name.endswith("png"):
            assert opened.locator("#classes .share").nth(1).text_content() == share
    palette = found.convert("RGB")
    assert {colour for _, colour in palette.getcolors(9999) or ()} <= {(0, 0, 0), (0, 140, 255)}


@pytest.mark.thorough
def test_opacity_classes_and_errors(opened: Any, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    def pixels() -> bytes:
        return bytes(opened.locator("#stage").screenshot())

    for number in range(2):
        colours(60, 80, number).save(tmp_path / f"{number}.png")
    choose(opened, *(tmp_path / f"{number}.png" for number in range(2)))
    expect(opened.locator("#photos button")).to_have_count(2)
    expect(opened.locator("#stage")).to_have_attribute("aria-label", re.compile("0.png: animal"))
    seen = [pixels()]
    for opacity in (0, 100):
        set_opacity(opened, opacity)
        seen.append(pixels())
    opened.locator("#classes").get_by_label("animal").uncheck()
    seen.append(pixels())
    assert seen[1] == seen[3]  # the photo and the box alone
    assert len(set(seen)) == 3
    opened.get_by_role("button", name="1.png").click()
    expect(opened.locator("#status")).to_contain_text("1.png: 80 × 60 pixels")
    (tmp_path / "none.png").write_bytes(b"no photo")
    opened.locator("#files").set_input_files(str(tmp_path / "none.png"))
    error = opened.locator("#error")
    expect(error).to_contain_text("none.png: this browser cannot read it as a photo")
    # What is still shown is named, and marked in the list.
    expect(opened.locator("#stage")).to_have_attribute("aria-label", re.compile("1.png"))
    expect(opened.locator("#status")).to_contain_text("1.png: 80 × 60 pixels")
    expect(opened.locator("#photos [aria-current=true]")).to_have_text("1.png")
    opened.locator("#files").set_input_files(str(tmp_path / "0.png"))
    expect(opened.locator("#status")).to_contain_text("0.png: 80 × 60 pixels")
    expect(opened.locator("#photos button")).to_have_count(3)


@pytest.mark.thorough
def test_nothing_of_the_photo_before_shines_through(opened: Any, tmp_path: Path) -> None:
    """A photo whose right half is transparent, which is black to the network, too."""
    half = np.dstack([np.asarray(colours(60, 80, 0)), np.full((60, 80), 255, np.uint8)])
    half[:, 40:, 3] = 0
    Image.fromarray(half).save(tmp_path / "half.png")
    Image.new("RGB", (80, 60), (250, 250, 250)).save(tmp_path / "white.png")

    def stage() -> list[int]:
        code = "one => [...one.getContext('2d').getImageData(70, 30, 1, 1).data]"
        return list(opened.locator("#stage").evaluate(code))

    set_opacity(opened, 0)
    choose(opened, tmp_path / "white.png")
    assert stage()[0] > 200
    choose(opened, tmp_path / "half.png")
    assert stage() == [0, 0, 0, 255]
    set_opacity(opened, 0)
    assert stage() == [0, 0, 0, 255]


@pytest.mark.thorough
def test_a_picture_too_long_for_a_canvas_is_read_smaller(opened: Any, tmp_path: Path) -> None:
    colours(20, 70_000, 0).save(tmp_path / "long.png")
    choose(opened, tmp_path / "long.png")
    assert "16384 × 4 pixels (read smaller than it is)" in opened.locator("#status").text_content()
    assert "nothing but background" not in opened.locator("#status").text_content()


@pytest.mark.thorough
def test_the_downloaded_picture_has_mask_and_box(opened: Any, tmp_path: Path) -> None:
    colours(60, 80, 0).save(tmp_path / "a.png")
    choose(opened, tmp_path / "a.png")
    with opened.expect_download() as got:
        opened.get_by_role("button", name="Download picture").click()
    picture = np.asarray(Image.open(got.value.path()).convert("RGB")).astype(int)
    assert got.value.suggested_filename == "a_overlay.png"
    assert (np.abs(picture - (216, 30, 63)).max(axis=2) <= 2).any()


@pytest.mark.thorough
def test_photos_dropped_while_the_network_loads_wait(made: Path, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    colours(60, 80, 0).save(tmp_path / "early.png")
    content = list((tmp_path / "early.png").read_bytes())
    with chromium() as browser:
        shown = browser.new_page()
        shown.goto((made / "index.html").as_uri(), wait_until="commit")
        shown.wait_for_function("() => document.body !== null && document.scripts.length > 0")
        shown.evaluate(
            """bytes => {
                const data = new DataTransfer();
                data.items.add(new File([new Uint8Array(bytes)], "early.png"));
                dispatchEvent(new DragEvent("drop", { dataTransfer: data, cancelable: true }));
            }""",
            content,
        )
        expect(shown.locator("#status")).to_contain_text("early.png: 80 × 60", timeout=30_000)


@pytest.mark.thorough
def test_on_a_phone(opened: Any, tmp_path: Path) -> None:
    opened.set_viewport_size({"width": 390, "height": 844})
    colours(300, 200, 0).save(tmp_path / "a.png")
    choose(opened, tmp_path / "a.png")
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")
    box = opened.locator("#stage").bounding_box()
    assert box["width"] > 300
    assert box["height"] > 300


@pytest.mark.thorough
def test_what_lies_beside_the_page(made: Path) -> None:
    assert sorted(path.name for path in made.iterdir()) == [
        *("LICENCE-onnxruntime.txt", "index.html", "labels.json", "model.onnx")
    ]
    for file in made.iterdir():
        assert str(Path(auxseg.__file__).parent).encode() not in file.read_bytes(), file.name
    photo = np.asarray(colours(50, 70, 0))
    one, other = (auxseg.load(path).predict(photo).mask for path in (made, made / "model.onnx"))
    np.testing.assert_array_equal(one, other)
    labels = json.loads((made / "labels.json").read_text(encoding="utf-8"))
    assert labels["classes"]["mask"] == ["background", "animal"]
    assert labels["answers"]["segmentation"] == "mask"
    assert "Microsoft" in (made / "LICENCE-onnxruntime.txt").read_text(encoding="utf-8")
