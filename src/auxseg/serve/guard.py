"""Who may ask, and how: token, host and origin; bodies that are too large, or come too slowly."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auxseg.serve.limits import Limits

#: What a browser may load: nothing from elsewhere.
POLICY = "default-src 'self'; img-src 'self' data: blob:; frame-ancestors 'none'"
#: Names under which only this machine is reached.
LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
#: Paths that anybody may ask for: they tell nothing of photos or networks.
OPEN = frozenset({"/", "/healthz", "/page.css", "/masks.js", "/serve.js", "/docs", "/openapi.json"})


class Guard:
    """In front of the routes.

    Args:
        token: what a request has to bring, as ``Authorization: Bearer TOKEN``; None on this
            machine alone, where the host that the browser asked for has to be this machine, so
            that no other page can ask in its name.
    """

    def __init__(self, app: ASGIApp, limits: Limits, token: str | None) -> None:
        self.app, self.limits, self.token = app, limits, token
        self.receiving = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refusal = self._refusal(scope, headers)
        if refusal is not None:
            await refusal(scope, receive, _with_policy(send))
            return
        if scope["method"] not in ("POST", "PUT"):
            await self.app(scope, receive, _with_policy(send))
            return
        if self.receiving >= self.limits.receiving:
            busy = refuse(503, "busy; try again in 2 s", {"Retry-After": "2"})
            await busy(scope, receive, _with_policy(send))
            return
        self.receiving += 1
        try:
            await self.app(scope, self._bounded(receive), _with_policy(send))
        finally:
            self.receiving -= 1

    def _refusal(self, scope: Scope, headers: Headers) -> JSONResponse | None:
        """Why a request is not let in; None if it is."""
        host = _host(f"//{headers.get('host', '')}")
        if self.token is None and host not in LOCAL:
            return refuse(421, f"host {host!r} is not this machine")
        if self.token is not None and scope["path"] not in OPEN:
            given = headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return refuse(401, "token: missing or wrong", {"WWW-Authenticate": "Bearer"})
        origin = headers.get("origin")
        if self.token is None and scope["path"] not in OPEN:
            # A token is asked for where a proxy may stand in between, which changes the host.
            written = scope["method"] not in ("GET", "HEAD")
            if written and origin and _netloc(origin) != headers.get("host"):
                return refuse(403, f"origin {origin} may not write here")
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return refuse(403, "another page may not ask here")
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self.limits.bytes:
            return refuse(413, _too_large(self.limits))
        return None

    def _bounded(self, receive: Receive) -> Receive:
        """Hands on a body as long as it is neither too large nor too slow."""
        arrived, whole, end = 0, False, time.monotonic() + self.limits.seconds

        async def bounded() -> Message:
            nonlocal arrived, whole
            try:
                # Once all is here, what follows is only the client's leaving.
                left = None if whole else end - time.monotonic()
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                text = f"the body took over {self.limits.seconds:g} s to arrive"
                raise HTTPException(408, text) from None
            arrived += len(message.get("body", b""))
            if arrived > self.limits.bytes:
                raise HTTPException(413, _too_large(self.limits))
            whole = not message.get("more_body", False)
            return message

        return bounded


def _host(url: str) -> str:
    """The name of a host; empty where there is none that can be read."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:
        return ""


def refuse(status: int, text: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """One line that says why not."""
    return JSONResponse({"error": text}, status, headers=dict(headers or {}))


def _too_large(limits: Limits) -> str:
    return f"the body has more than {limits.bytes / 1e6:.0f} million bytes"


def _with_policy(send: Send) -> Send:
    async def with_policy(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] += [
                (b"content-security-policy", POLICY.encode()),
                (b"x-content-type-options", b"nosniff"),
                (b"cross-origin-resource-policy", b"same-origin"),
                (b"referrer-policy", b"no-referrer"),
                (b"cache-control", b"no-store"),
            ]
        await send(message)

    return with_policy
