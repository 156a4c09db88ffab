"""The routes of ``auxseg serve``.

FastAPI evaluates the annotations of routes, which name what is local to their function: they may
not be postponed (``from __future__ import annotations``).
"""

import asyncio
import html
import io
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any, BinaryIO, TypeVar

from fastapi import FastAPI, File, Query, Request, Response, UploadFile
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse
from PIL import Image
from starlette.exceptions import HTTPException

from auxseg.errors import AuxsegError
from auxseg.pages import PAGES
from auxseg.palette import mask_picture
from auxseg.serve.answers import Served, answer, as_url, packed
from auxseg.serve.desk import BusyError, Desk
from auxseg.serve.gallery import Gallery
from auxseg.serve.guard import Guard, refuse
from auxseg.serve.limits import Limits
from auxseg.serve.uploads import TooLargeError, read_mask, read_photo

T = TypeVar("T")

#: Seconds between two looks whether the network is idle, so that a further photo can be scored.
PAUSE = 0.05
#: Seconds between two looks whether a client is still there.
GONE = 0.25
#: So many photos of the folder are read at once.
AT_ONCE = 2
#: Quality of the photos of the folder as the page gets them.
QUALITY = 92


def make_app(
    networks: Sequence[Served],
    gallery: Gallery | None = None,
    *,
    limits: Limits | None = None,
    token: str | None = None,
) -> FastAPI:
    """The application, to be run by any ASGI server, in one process.

    Args:
        networks: the first one answers unless another is asked for; it is the one that scores.
        gallery: photos whose masks are corrected.
        token: see :class:`auxseg.serve.guard.Guard`.
    """
    limits = limits or Limits()
    desk = Desk(limits.waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        scoring = asyncio.create_task(_score_all(desk, gallery, networks[0]))
        yield
        scoring.cancel()
        desk.close()

    app = FastAPI(
        title="auxseg",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json",
    )
    app.add_middleware(Guard, limits=limits, token=token)
    app.state.desk = desk

    @app.exception_handler(BusyError)
    async def busy(request: Request, error: BusyError) -> JSONResponse:
        return refuse(503, str(error), {"Retry-After": str(error.seconds)})

    @app.exception_handler(AuxsegError)
    async def wrong(request: Request, error: AuxsegError) -> JSONResponse:
        return refuse(413 if isinstance(error, TooLargeError) else 422, str(error))

    @app.exception_handler(RequestValidationError)
    async def malformed(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return refuse(422, f"{'.'.join(map(str, first['loc'][1:]))}: {first['msg']}")

    @app.exception_handler(HTTPException)
    async def other(request: Request, error: HTTPException) -> JSONResponse:
        return refuse(error.status_code, str(error.detail))

    @app.get("/", include_in_schema=False)
    async def page() -> FileResponse:
        return FileResponse(PAGES / "serve.html")

    @app.get("/page.css", include_in_schema=False)
    async def style() -> FileResponse:
        return FileResponse(PAGES / "page.css")

    @app.get("/masks.js", include_in_schema=False)
    async def shared() -> FileResponse:
        return FileResponse(PAGES / "masks.js", media_type="text/javascript")

    @app.get("/serve.js", include_in_schema=False)
    async def script() -> FileResponse:
        return FileResponse(PAGES / "serve.js", media_type="text/javascript")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(_docs(app.openapi()))

    @app.get("/healthz")
    async def healthz() -> dict[str, Any]:
        """Whether the server answers, and how many photos are with the network."""
        return {"status": "ok", "inside": desk.inside}

    @app.get("/api/about")
    async def about() -> dict[str, Any]:
        """The networks with their classes, the number of photos in the folder, and the limits."""
        return {
            "networks": [one.about() for one in networks],
            "photos": None if gallery is None else len(gallery),
            "classes": None if gallery is None else list(gallery.classes),
            "ignores": gallery is not None and gallery.ignores,
            "limits": {"bytes": limits.bytes, "pixels": limits.pixels},
        }

    @app.post("/api/predict")
    async def predict(
        request: Request,
        image: Annotated[UploadFile, File(description="a photo, in any format that auxseg reads")],
        network: Annotated[int, Query(ge=0, lt=len(networks))] = 0,
        probabilities: bool = False,
        attention: bool = False,
        raw: bool = False,
    ) -> dict[str, Any]:
        """What a network says of a photo: mask, classes, box (auxseg.serve.answers.answer)."""
        work = partial(
            _answer_upload,
            *(networks[network], image.file, limits.pixels),
            probabilities=probabilities,
            attention=attention,
            raw=raw,
        )
        return await _while_wanted(request, desk.run(work))

    if gallery is not None:
        _add_gallery(app, gallery, networks, desk)
    return app


def _answer_upload(
    served: Served, stream: BinaryIO, pixels: int, **options: bool
) -> dict[str, Any]:
    return answer(served, read_photo(stream, pixels), **options)


def _add_gallery(app: FastAPI, gallery: Gallery, networks: Sequence[Served], desk: Desk) -> None:
    """The routes about a folder's photos, which are known by their number."""

    def known(number: int) -> int:
        if not 0 <= number < len(gallery):
            raise HTTPException(404, f"photo {number}: there are 0 to {len(gallery) - 1}")
        return number

    few = asyncio.Semaphore(AT_ONCE)

    async def in_thread(work: Callable[[], T]) -> T:
        async with few:
            return await asyncio.to_thread(work)

    @app.get("/api/photos")
    async def photos() -> list[dict[str, Any]]:
        """Every photo of the folder: number, name, has_mask, uncertainty (null until known)."""
        return await asyncio.to_thread(gallery.listed)

    @app.get("/api/photos/{number}/image")
    async def image(number: int) -> Response:
        """A photo as JPEG, upright, in its own size."""

        def encoded() -> bytes:
            stream = io.BytesIO()
            Image.fromarray(gallery.read(known(number))).save(stream, "jpeg", quality=QUALITY)
            return stream.getvalue()

        return Response(await in_thread(encoded), media_type="image/jpeg")

    @app.get("/api/photos/{number}/prediction")
    async def prediction(
        request: Request,
        number: int,
        network: Annotated[int, Query(ge=0, lt=len(networks))] = 0,
        attention: bool = False,
    ) -> dict[str, Any]:
        """As POST /api/predict, with probabilities."""

        def work() -> dict[str, Any]:
            photo = gallery.read(known(number))
            return answer(
                networks[network], photo, probabilities=True, attention=attention, raw=True
            )

        return await _while_wanted(request, desk.run(work))

    @app.get("/api/photos/{number}/mask")
    async def mask(number: int) -> dict[str, Any]:
        """The mask that is in the folder, as in a prediction; null without one."""

        def work() -> dict[str, Any]:
            found = gallery.mask(known(number))
            if found is None:
                return {"mask": None, "pixels": None}
            return {"mask": as_url(mask_picture(found)), "pixels": packed(found)}

        return await in_thread(work)

    @app.put("/api/photos/{number}/mask")
    async def save(
        number: int, mask: Annotated[UploadFile, File(description="a PNG file of class numbers")]
    ) -> dict[str, Any]:
        """Saves a mask, whole or not at all; an earlier one is kept in masks-before/."""

        def work() -> str | None:
            height, width = gallery.read(known(number)).shape[:2]
            kept = gallery.save(number, read_mask(mask.file, (height, width)))
            return None if kept is None else kept.name

        before = await in_thread(work)
        return {"saved": gallery.photos[number].mask.name, "before": before}


async def _score_all(desk: Desk, gallery: Gallery | None, served: Served) -> None:
    """Finds out of photo after photo how certain a network is, while nobody asks for anything."""
    if gallery is None or "segmentation" not in served.predictor.tasks:
        return
    while True:
        number = await asyncio.to_thread(lambda: next(gallery.unscored(), None))
        if number is None or not desk.idle:
            await asyncio.sleep(PAUSE if number is not None else 20 * PAUSE)
            continue
        await desk.run(gallery.score, number, served)


async def _while_wanted(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work, which is given up while it still waits if the client leaves."""
    task = asyncio.ensure_future(work)
    while not task.done():
        await asyncio.wait({task}, timeout=GONE)
        if not task.done() and await request.is_disconnected():
            task.cancel()
    return await task


def _docs(schema: dict[str, Any]) -> str:
    """The routes as a page; FastAPI's own fetches its scripts from elsewhere."""
    rows = []
    for path, methods in schema["paths"].items():
        for method, about in methods.items():
            rows.append(
                f"<tr><td><code>{method.upper()} {html.escape(path)}</code></td>"
                f"<td>{html.escape(about.get('description', ''))}</td></tr>"
            )
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><title>auxseg: API</title>"
        "<link rel=stylesheet href=page.css><main class=docs><h1>API</h1>"
        f"<table>{''.join(rows)}</table>"
        "<p>Machine-readable: <a href=openapi.json>openapi.json</a></p></main></html>"
    )
