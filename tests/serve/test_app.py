"""The routes: answers are the network's own, each its own photo's; what is wrong is one line."""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from auxseg.serve.answers import Served
from auxseg.serve.app import make_app
from auxseg.serve.gallery import Gallery
from auxseg.serve.guard import Guard
from auxseg.serve.limits import Limits

from .conftest import photo

HOME = "http://127.0.0.1"


@pytest.fixture
def client(served: Served, folder: Path) -> Iterator[TestClient]:
    app = make_app([served, served], Gallery(folder, served.classes))
    with TestClient(app, base_url=HOME) as client:
        yield client


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def picture(url: str) -> Image.Image:
    head, _, content = url.partition(",")
    assert head == "data:image/png;base64"
    return Image.open(io.BytesIO(base64.b64decode(content)))


def ask(client: TestClient, content: bytes, query: str = "", name: str = "a.png") -> Any:
    return client.post(f"/api/predict{query}", files={"image": (name, content)})


def test_an_answer_is_the_networks(client: TestClient, served: Served) -> None:
    said = ask(client, png(photo(1)), "?probabilities=true&attention=true").json()
    own = served.predictor.predict(photo(1), probabilities=True)
    assert own.mask is not None
    assert own.probabilities is not None
    assert (said["width"], said["height"]) == (40, 31)
    np.testing.assert_array_equal(np.asarray(picture(said["mask"])), own.mask)
    assert said["label"] == own.label
    assert said["box"] == pytest.approx(list(own.box or ()))
    assert [one["pixels"] for one in said["classes"]] == list((own.areas or {}).values())
    for number, url in enumerate(said["probabilities"]):
        shown = np.asarray(picture(url)) / 255
        np.testing.assert_allclose(shown, own.probabilities[number], atol=0.5 / 255 + 1e-6)
    assert 0 < said["uncertainty"] < 1
    assert any(key.startswith("segmentation/encoder-") for key in said["attention"])
    # The page tells classes by their colours.
    colours = [one["colour"] for one in said["classes"]]
    assert len(set(colours)) == len(colours)
    shown = np.asarray(picture(said["mask"]).convert("RGB"))
    expected = np.array([[int(c[n : n + 2], 16) for n in (1, 3, 5)] for c in colours], np.uint8)
    np.testing.assert_array_equal(shown, expected[own.mask])


def test_a_photo_that_its_exif_turns_is_upright(client: TestClient, served: Served) -> None:
    stream, exif = io.BytesIO(), Image.Exif()
    exif[274] = 6
    Image.fromarray(photo(2)).save(stream, "png", exif=exif)
    said = ask(client, stream.getvalue()).json()
    assert (said["width"], said["height"]) == (32, 40)
    own = served.predictor.predict(np.rot90(photo(2), -1).copy()).mask
    np.testing.assert_array_equal(np.asarray(picture(said["mask"])), own)


def test_every_answer_is_of_its_own_photo(served: Served) -> None:
    """Twenty at once, of different sizes."""
    app = make_app([served], limits=Limits(waiting=20))
    photos = {n: np.random.default_rng(n).integers(0, 256, (20 + n, 60 - n, 3), np.uint8)
              for n in range(20)}  # fmt: skip

    async def one(client: httpx.AsyncClient, number: int) -> Any:
        files = {"image": ("same-name.png", png(photos[number]))}
        return (await client.post("/api/predict", files=files)).json()

    async def all_of_them() -> list[Any]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
            return await asyncio.gather(*(one(client, number) for number in photos))

    for number, said in enumerate(asyncio.run(all_of_them())):
        own = served.predictor.predict(photos[number]).mask
        np.testing.assert_array_equal(np.asarray(picture(said["mask"])), own)


def test_a_full_queue_is_told_when_to_come_again(served: Served) -> None:
    app = make_app([served], limits=Limits(waiting=1))

    async def all_of_them() -> list[httpx.Response]:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url=HOME) as client:
            files = {"image": ("a.png", png(photo(0)))}
            return await asyncio.gather(
                *(client.post("/api/predict", files=files) for _ in range(12)),
            )

    found = asyncio.run(all_of_them())
    statuses = {one.status_code for one in found}
    assert statuses == {200, 503}
    for one in found:
        if one.status_code == 503:
            assert int(one.headers["retry-after"]) >= 1
            assert one.json()["error"].startswith("busy")


def test_what_nobody_waits_for_is_not_done(served: Served) -> None:
    """Who leaves while waiting gives up the place in the queue."""
    app = make_app([served], limits=Limits(waiting=8))
    desk, go = app.state.desk, threading.Event()

    async def some_leave() -> int:
        first = asyncio.create_task(desk.run(go.wait, 10))
        gone = [asyncio.create_task(through(app, [*upload(), LEFT])) for _ in range(5)]
        await asyncio.wait(gone, timeout=5)
        inside = desk.inside
        go.set()
        await first
        return int(inside)

    assert asyncio.run(some_leave()) == 1
    desk.close()


@pytest.mark.parametrize(
    ("content", "status", "words"),
    [
        (b"", 422, "is no photo"),
        (b"<svg></svg>", 422, ".jpg"),
        (png(photo(0))[:300], 422, "image"),
        (png(np.zeros((3000, 3000, 3), np.uint8)), 413, "3000 × 3000"),
        (png(np.zeros((9000, 12000), np.uint8)), 413, "million"),
    ],
    ids=["empty", "svg", "cut", "pixels", "bomb"],
)
def test_what_is_no_photo(content: bytes, status: int, words: str, served: Served) -> None:
    with TestClient(make_app([served], limits=Limits(pixels=8_000_000)), base_url=HOME) as client:
        said = ask(client, content)
        assert said.status_code == status
        assert words in said.json()["error"]
        assert client.get("/healthz").json() == {"status": "ok", "inside": 0}


def test_no_name_is_taken_from_a_client(client: TestClient, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    for name in ("../../x.png", "/etc/passwd", "a\x00b.png", "ü" * 300):
        assert ask(client, png(photo(0)), name=name).status_code == 200
    put = client.put(
        "/api/photos/1/mask", files={"mask": ("../../../x.png", png(np.zeros((31, 40), np.uint8)))}
    )
    assert put.json() == {"saved": "1.png", "before": None}
    assert set(folder.rglob("*")) - set(before) == {folder / "masks" / "1.png"}


def test_the_folder_is_listed_shown_and_saved_to(client: TestClient, folder: Path) -> None:
    assert client.get("/api/about").json()["photos"] == 5
    assert [one["name"] for one in client.get("/api/photos").json()][:2] == ["0.png", "1.png"]
    shown = Image.open(io.BytesIO(client.get("/api/photos/2/image").content))
    assert shown.size == (40, 32)
    assert client.get("/api/photos/2/mask").json() == {"mask": None, "pixels": None}
    said = client.get("/api/photos/2/prediction?network=1").json()
    mask = np.asarray(picture(said["mask"])).copy()
    mask[3, 5] ^= 1
    sent = np.dstack([mask, mask, mask, np.full_like(mask, 255)])  # as a canvas would give it
    answer = client.put("/api/photos/2/mask", files={"mask": ("m", png(sent))})
    assert answer.json() == {"saved": "2.png", "before": None}
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "masks" / "2.png")), mask)
    said = client.get("/api/photos/2/mask").json()
    np.testing.assert_array_equal(np.asarray(picture(said["mask"])), mask)
    assert gzip.decompress(base64.b64decode(said["pixels"])) == mask.tobytes()
    # What the server gives may be sent back as it is.
    content = base64.b64decode(said["mask"].partition(",")[2])
    client.put("/api/photos/3/mask", files={"mask": ("m", content)})  # of another size: refused
    assert not (folder / "masks" / "3.png").exists()
    assert client.put("/api/photos/2/mask", files={"mask": ("m", content)}).status_code == 200
    np.testing.assert_array_equal(np.asarray(Image.open(folder / "masks" / "2.png")), mask)


@pytest.mark.parametrize(
    ("path", "content", "status", "words"),
    [
        ("/api/photos/5/mask", png(np.zeros((31, 40), np.uint8)), 404, "0 to 4"),
        ("/api/photos/-1/mask", png(np.zeros((31, 40), np.uint8)), 404, "0 to 4"),
        ("/api/photos/1/mask", png(np.zeros((40, 31), np.uint8)), 422, "its photo has 40 × 31"),
        ("/api/photos/1/mask", png(np.full((31, 40), 2, np.uint8)), 422, "holds 2"),
        ("/api/photos/1/mask", b"GIF89a", 422, "no PNG file"),
        ("/api/photos/1/mask", png(np.full((31, 40, 3), (0, 1, 0), np.uint8)), 422, "in colours"),
        ("/api/photos/one/mask", png(np.zeros((31, 40), np.uint8)), 422, '{"error":"number: '),
        ("/api/other", b"", 404, ""),
    ],
)
def test_what_cannot_be_saved(
    path: str, content: bytes, status: int, words: str, client: TestClient, folder: Path
) -> None:
    answer = client.put(path, files={"mask": ("m.png", content)})
    assert answer.status_code == status
    assert words in answer.text
    assert [one.name for one in (folder / "masks").iterdir()] == ["0.png"]


def test_photos_get_their_rank_while_nobody_asks(client: TestClient) -> None:
    for _ in range(200):
        known = [one["uncertainty"] for one in client.get("/api/photos").json()]
        if all(one is not None for one in known[1:]):
            break
        client.portal.call(asyncio.sleep, 0.05)  # type: ignore[union-attr]
    assert known[0] is None
    assert all(0 < one < 1 for one in known[1:]), known


def test_the_page_and_its_api_come_from_here_alone(client: TestClient) -> None:
    for path in ("/", "/page.css", "/masks.js", "/serve.js", "/docs", "/openapi.json"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert not re.search(r"(src|href)=[\"']?https?:|@import|url\(\s*['\"]?http", answer.text)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
    routes = client.get("/openapi.json").json()["paths"]
    assert {"/api/predict", "/healthz", "/api/photos/{number}/mask"} <= set(routes)
    assert "POST /api/predict" in client.get("/docs").text


def test_without_a_folder_there_are_no_photos(served: Served) -> None:
    with TestClient(make_app([served]), base_url=HOME) as client:
        assert client.get("/api/about").json()["photos"] is None
        assert client.get("/api/photos").status_code == 404


# -- who may ask ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "localhost:8000"}, 200),
        ({"host": "[::1]:8000"}, 200),
        ({"host": "127.0.0.1"}, 200),
        ({"host": "evil.example"}, 421),
        ({"host": "localhost.evil.example"}, 421),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1"}, 200),
        ({"content-length": "50000001"}, 413),
        ({"content-length": "many"}, 413),
        ({"host": "["}, 421),
        ({"host": "a]b"}, 421),
        ({"origin": "http://["}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "same-origin"}, 200),
    ],
)
def test_on_this_machine_only_its_own_pages_may_ask(
    headers: dict[str, str], status: int, client: TestClient
) -> None:
    request = client.build_request(
        "POST", "/api/predict", files={"image": ("a.png", png(photo(0)))}
    )
    request.headers.update(headers)
    assert client.send(request).status_code == status


def test_elsewhere_a_token_is_needed(served: Served) -> None:
    app = make_app([served], token="secret-t")
    with TestClient(app, base_url="http://192.0.2.1") as client:
        for path in ("/", "/healthz", "/serve.js"):
            assert client.get(path).status_code == 200
        for given in (None, "Bearer wrong", "secret", "Bearer "):
            headers = {} if given is None else {"authorization": given}
            assert client.get("/api/about", headers=headers).status_code == 401
        elsewhere = {"origin": "https://proxy.example", "authorization": "Bearer secret-t"}
        sent = {"image": ("a.png", png(photo(0)))}
        assert client.post("/api/predict", files=sent, headers=elsewhere).status_code == 200
        right = {"authorization": "Bearer secret-t"}
        assert client.get("/api/about", headers=right).status_code == 200


LEFT = {"type": "http.disconnect"}


def upload() -> list[Any]:
    """A photo on its way."""
    head = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    return body(head + png(photo(0)) + b"\r\n--x--\r\n")


async def through(guard: Any, messages: list[Any], pause: float = 0.0) -> int:
    """The status of a POST whose body comes in these messages."""
    sent: list[Any] = []

    async def receive() -> Any:
        if pause:
            await asyncio.sleep(pause)
        return messages.pop(0) if len(messages) > 1 or messages[0] is not LEFT else LEFT

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/api/predict",
        "query_string": b"",
        "headers": [
            (b"host", b"localhost"),
            (b"content-type", b"multipart/form-data; boundary=x"),
        ],
    }
    await guard(scope, receive, send)
    return int(sent[0]["status"]) if sent else 0


def body(*pieces: bytes) -> list[Any]:
    return [
        {"type": "http.request", "body": piece, "more_body": number < len(pieces) - 1}
        for number, piece in enumerate(pieces)
    ]


def guarded(served: Served, **limits: Any) -> Guard:
    return Guard(make_app([served], limits=Limits(**limits)), Limits(**limits), None)


def test_a_body_without_a_length_is_counted(served: Served) -> None:
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    pieces = body(start, *([b"0" * 1000] * 20))
    assert asyncio.run(through(guarded(served, bytes=9000), pieces)) == 413


def test_a_body_that_comes_too_slowly_is_given_up(served: Served) -> None:
    start = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n'
    pieces = body(start, *([b"0"] * 50))
    assert asyncio.run(through(guarded(served, seconds=0.2), pieces, pause=0.05)) == 408


def test_more_uploads_than_may_come_at_once(served: Served) -> None:
    guard = guarded(served, receiving=1, seconds=5.0)

    async def two() -> list[int]:
        slow = asyncio.create_task(through(guard, body(b"--x\r\n", b"", b"", b"--x--"), 0.1))
        await asyncio.sleep(0.02)
        second = await through(guard, body(b""))
        return [second, await slow]

    second, first = asyncio.run(two())
    assert second == 503
    assert first != 503
    assert guard.receiving == 0
