"""The page in a real browser: what is drawn there is in the saved file, at the right pixels."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from auxseg.serve.answers import Served
from auxseg.serve.app import make_app
from auxseg.serve.gallery import Gallery
from auxseg.serve.server import listen, run
from chromium import chromium

from .conftest import photo

playwright = pytest.importorskip("playwright.sync_api")
expect = playwright.expect

#: Larger than the window.
WIDTH, HEIGHT = 2400, 1500


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture
def photos(folder: Path) -> Path:
    """Also one that is larger than the screen, and one that its EXIF data turn."""
    coarse = Image.fromarray(photo(7)).resize((WIDTH, HEIGHT))
    coarse.save(folder / "images" / "large.jpg", quality=90)
    exif = Image.Exif()
    exif[274] = 6  # turned by a quarter: upright it is 300 wide and 400 high
    Image.fromarray(photo(8)).resize((400, 300)).save(folder / "images" / "turned.jpg", exif=exif)
    return folder


@pytest.fixture
def page(browser: Any, served: Served, photos: Path) -> Iterator[Any]:
    """The page of a server that runs in a thread, in a window of a desktop's size."""
    with serving(served, photos) as address:
        opened = browser.new_page(viewport={"width": 1280, "height": 800})
        faults: list[str] = []
        opened.on("pageerror", lambda error: faults.append(str(error)))
        opened.on("console", lambda said: faults.append(said.text) if said.type == "error" else 0)
        opened.goto(address)
        expect(opened.locator("#photos button")).to_have_count(7)
        yield opened
        opened.close()
        assert not [one for one in faults if "status of 4" not in one]


class serving:  # noqa: N801 — a context manager
    def __init__(self, served: Served, folder: Path, other: Served | None = None) -> None:
        self.bound = listen("127.0.0.1", 0)
        app = make_app(
            [served, other or Served("second", served.predictor)], Gallery(folder, served.classes)
        )
        ready = threading.Event()
        # A daemon: uvicorn ends by a signal, which only a main thread can take.
        target = threading.Thread(target=run, args=(app, self.bound, ready.set), daemon=True)
        target.start()
        assert ready.wait(10)

    def __enter__(self) -> str:
        return f"http://127.0.0.1:{self.bound.getsockname()[1]}/"

    def __exit__(self, *error: object) -> None:
        self.bound.close()


def open_photo(page: Any, name: str) -> None:
    page.get_by_role("button", name=name).click()
    expect(page.locator("#status")).to_contain_text(f"{name}: ")
    expect(page.locator("#status")).to_contain_text("pixels.")


def at(page: Any, size: tuple[int, int], point: tuple[float, float]) -> tuple[float, float]:
    """Where in the window a place of the photo is, while the whole photo is shown."""
    box = page.locator("#stage").bounding_box()
    scale = min(box["width"] / size[0], box["height"] / size[1])
    left = box["x"] + (box["width"] - scale * size[0]) / 2
    top = box["y"] + (box["height"] - scale * size[1]) / 2
    return left + scale * point[0], top + scale * point[1]


def set_width(page: Any, pixels: int) -> None:
    page.locator("#width").evaluate(
        "(one, to) => { one.value = to; one.dispatchEvent(new Event('input')); }", pixels
    )


def save(page: Any) -> None:
    page.get_by_role("button", name="Save mask").click()
    expect(page.locator("#status")).to_contain_text("Saved masks/")


def colour(page: Any, point: tuple[float, float]) -> np.ndarray:
    """Of the window, at a place."""
    import io

    shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    return np.array(shot.getpixel((round(point[0]), round(point[1]))), dtype=int)


@pytest.mark.parametrize(
    ("name", "size"), [("large.jpg", (WIDTH, HEIGHT)), ("turned.jpg", (300, 400))]
)
def test_a_stroke_is_saved_where_it_was_drawn(
    name: str, size: tuple[int, int], page: Any, photos: Path
) -> None:
    """A level stroke over what was erased first: its height is the brush's, its ends are round."""
    open_photo(page, name)
    width, height = size
    page.keyboard.press("e")
    set_width(page, 10_000)  # as wide as it gets
    wide = int(page.locator("#width").input_value())
    rows = np.arange(0, height + wide, wide / 2)
    for row in rows:
        page.mouse.move(*at(page, size, (1, min(row, height - 1))))
        page.mouse.down()
        page.mouse.move(*at(page, size, (width - 1, min(row, height - 1))), steps=3)
        page.mouse.up()
    page.keyboard.press("b")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    set_width(page, 40)
    start, end = (0.25 * width, 0.5 * height), (0.75 * width, 0.5 * height)
    page.mouse.move(*at(page, size, start))
    page.mouse.down()
    page.mouse.move(*at(page, size, end), steps=5)
    page.mouse.up()
    save(page)
    found = np.asarray(Image.open(photos / "masks" / f"{Path(name).stem}.png"))
    assert found.shape == (height, width)
    y, x = np.mgrid[:height, :width] + 0.5
    along = np.clip(x, *(start[0], end[0]))
    expected = np.hypot(x - along, y - start[1]) <= 20
    # The mouse stands on whole pixels of the window, which are several of the photo's.
    assert np.count_nonzero((found == 1) != expected) < 0.12 * expected.sum()
    inner, outer = (np.hypot(x - along, y - start[1]) <= 20 + by for by in (-4, 4))
    assert (found[inner] == 1).all()
    assert (found[~outer] == 0).all()


@pytest.mark.thorough
def test_undo_redo_and_an_earlier_mask(page: Any, photos: Path) -> None:
    before = np.asarray(Image.open(photos / "masks" / "0.png"))
    open_photo(page, "0.png")
    expect(page.locator("#found")).to_contain_text("the mask in the folder")
    page.keyboard.press("f")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    page.mouse.click(*at(page, (40, 30), (5.5, 20.5)))  # below the diagonal
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Redo").click()
    page.keyboard.press("Control+z")
    expect(page.get_by_role("button", name="Undo")).to_be_disabled()
    save(page)
    np.testing.assert_array_equal(np.asarray(Image.open(photos / "masks" / "0.png")), before)
    page.keyboard.press("Control+Shift+z")
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_contain_text("masks-before/0-2.png")
    found = np.asarray(Image.open(photos / "masks" / "0.png"))
    rows, columns = np.mgrid[:30, :40]
    # Filling stops at the diagonal, which hangs together by corners alone.
    np.testing.assert_array_equal(found, (rows >= columns).astype(np.uint8))


@pytest.mark.thorough
def test_a_polygon(page: Any, photos: Path) -> None:
    open_photo(page, "3.png")
    page.locator("#repredict").click()
    page.keyboard.press("p")
    page.locator("#classes").get_by_label("background", exact=True).check()
    for corner in ((0.1, 0.1), (39.9, 0.1), (39.9, 32.9), (0.1, 32.9)):
        page.mouse.click(*at(page, (40, 33), corner))
    page.keyboard.press("Enter")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    for corner in ((10, 5), (30, 5), (30, 25), (10, 25)):
        page.mouse.click(*at(page, (40, 33), corner))
    page.keyboard.press("Enter")
    save(page)
    found = np.asarray(Image.open(photos / "masks" / "3.png"))
    expected = np.zeros((33, 40), np.uint8)
    expected[5:25, 10:30] = 1
    assert np.count_nonzero(found != expected) <= 40  # a row or column, where rounding decides


def test_by_keyboard_alone(page: Any, photos: Path) -> None:
    """Tab to a photo, Enter, tab to the picture, a cross that arrows move, Space draws."""
    page.locator("#photos button[data-key=n2]").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("2.png: 40 × 32 pixels.")
    page.locator("#stage").focus()
    page.keyboard.press("e")
    set_width(page, 2)
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    before = page.locator("#hover").text_content()
    page.keyboard.press("Space")
    expect(page.locator("#status")).to_contain_text("background")
    x, y = map(int, before.split(":")[0].split(","))
    page.keyboard.press("Control+s")
    expect(page.locator("#status")).to_contain_text("Saved masks/2.png")
    found = np.asarray(Image.open(photos / "masks" / "2.png"))
    assert (x, y) == (23, 16)
    assert found[y, x] == 0
    assert page.locator("#stage").get_attribute("aria-label").startswith("2.png: ")


@pytest.mark.thorough
def test_opacity_changes_what_is_seen(page: Any) -> None:
    open_photo(page, "1.png")
    page.keyboard.press("b")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    set_width(page, 12)
    place = at(page, (40, 31), (10.5, 8.5))  # beside the cross
    page.mouse.click(*place)
    seen = {}
    for opacity in (0, 100):
        page.locator("#opacity").evaluate(
            "(one, to) => { one.value = to; one.dispatchEvent(new Event('input')); }", opacity
        )
        page.wait_for_timeout(200)
        seen[opacity] = colour(page, place)
    assert np.abs(seen[0] - photo(1)[8, 10]).max() <= 12  # the photo comes as a JPEG
    assert np.abs(seen[100] - (0, 140, 255)).max() <= 2


@pytest.mark.thorough
def test_dropped_photos_and_what_is_none(page: Any, tmp_path: Path) -> None:
    Image.fromarray(photo(3)).save(tmp_path / "mine.png")
    page.locator("#files").set_input_files(str(tmp_path / "mine.png"))
    expect(page.locator("#status")).to_contain_text("mine.png: 40 × 33 pixels.")
    expect(page.locator("#found")).to_contain_text("uncertainty")
    expect(page.get_by_role("button", name="Save mask")).to_be_hidden()
    with page.expect_download() as got:
        page.get_by_role("button", name="Download", exact=True).click()
    assert got.value.suggested_filename == "mine_mask.png"
    assert Image.open(got.value.path()).size == (40, 33)
    (tmp_path / "none.png").write_bytes(b"no photo")
    page.locator("#files").set_input_files(str(tmp_path / "none.png"))
    expect(page.locator("#error")).to_contain_text("is no photo; allowed are .jpg")


@pytest.mark.thorough
def test_what_is_downloaded_is_what_was_drawn(page: Any) -> None:
    """Also after it was saved; as a palette image."""
    open_photo(page, "1.png")
    page.keyboard.press("b")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    set_width(page, 10_000)
    page.mouse.click(*at(page, (40, 31), (20.5, 15.5)))
    save(page)
    with page.expect_download() as got:
        page.get_by_role("button", name="Download", exact=True).click()
    mask = Image.open(got.value.path())
    assert mask.mode == "P"
    assert mask.convert("RGB").getpixel((20, 15)) == (0, 140, 255)
    assert np.asarray(mask)[15, 20] == 1


@pytest.mark.thorough
def test_unsaved_changes_are_asked_about(page: Any) -> None:
    """No: the photo and the network stay, with what was drawn."""
    open_photo(page, "1.png")
    page.keyboard.press("b")
    page.locator("#classes").get_by_label("animal", exact=True).check()
    page.mouse.click(*at(page, (40, 31), (10.5, 8.5)))
    asked: list[str] = []

    def no(dialog: Any) -> None:
        asked.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", no)
    page.get_by_role("button", name="2.png").click()
    page.locator("#network").select_option("1")
    expect(page.locator("#network")).to_have_value("0")
    assert len(asked) == 2
    assert "not saved" in asked[0]
    expect(page.get_by_role("button", name="Undo")).to_be_enabled()
    save(page)
    page.locator("#network").select_option("1")
    expect(page.locator("#status")).to_contain_text("1.png: ")
    assert len(asked) == 2


@pytest.mark.thorough
def test_photos_are_found_by_name(page: Any) -> None:
    page.get_by_label("Find photos by name").fill("LARGE")
    expect(page.locator("#photos button:visible")).to_have_count(1)
    open_photo(page, "large.jpg")
    page.get_by_label("Find photos by name").fill("")
    expect(page.locator("#photos button:visible")).to_have_count(7)


@pytest.mark.thorough
def test_next_goes_through_all_photos_without_a_mask(page: Any) -> None:
    chosen = page.locator("#photos button[aria-current=true]")
    seen = [""]
    for _ in range(6):
        page.locator("#next").dispatch_event("click")
        expect(chosen).not_to_have_attribute("data-key", seen[-1])
        seen.append(chosen.get_attribute("data-key"))
        name = re.escape(chosen.text_content().partition(".")[0])
        expect(page.locator("#status")).to_have_text(re.compile(rf"^{name}\.\w+: .* pixels"))
    assert len(set(seen[1:])) == 6


@pytest.mark.thorough
def test_a_network_of_other_classes_cannot_write_into_the_folder(
    browser: Any, served: Served, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Served("other", served.predictor)
    monkeypatch.setattr(
        Served,
        "classes",
        property(
            lambda self: ("sky", "plant") if self.name == "other" else ("background", "animal")
        ),
    )
    with serving(served, photos, other) as address:
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.goto(address)
        open_photo(page, "1.png")
        expect(page.get_by_role("button", name="Save mask")).to_be_visible()
        page.locator("#network").select_option("1")
        expect(page.locator("#status")).to_contain_text("has other classes than the folder")
        expect(page.get_by_role("button", name="Save mask")).to_be_hidden()
        expect(page.locator("#classes")).to_contain_text("plant")
        page.close()


@pytest.mark.thorough
def test_a_mask_that_cannot_be_read_is_told(page: Any, photos: Path) -> None:
    Image.fromarray(np.zeros((3, 4), np.uint8)).save(photos / "masks" / "3.png")
    page.get_by_role("button", name="3.png").click()
    expect(page.locator("#status")).to_contain_text("3.png: 4 × 3 pixels")
    expect(page.locator("#status")).to_contain_text("this is the prediction")


@pytest.mark.thorough
def test_two_networks_and_attention(page: Any) -> None:
    open_photo(page, "1.png")
    expect(page.locator("#other")).to_be_hidden()
    page.locator("#beside").check()
    expect(page.locator("#other")).to_be_visible()
    page.locator("#attention").select_option("show")
    expect(page.locator("#attention option", has_text="encoder").first).to_be_attached()


@pytest.mark.thorough
def test_on_a_phone_nothing_is_cut_off(page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    open_photo(page, "1.png")
    assert page.evaluate_handle("document.documentElement.scrollWidth").json_value() <= 390
    for name in ("Save mask", "Undo", "Whole photo"):
        box = page.get_by_role("button", name=name).bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390
        assert box["height"] >= 36  # for a finger
