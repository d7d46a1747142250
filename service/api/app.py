"""The REST API as one ASGI application, on top of the service that the server composed."""

import asyncio
import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPMethod
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from detector import __version__, paths
from detector.errors import UnmaskError
from service import auth, metrics, startup
from service.api import errors
from service.api.routes import routers
from service.application import Application
from service.config import get_config

log = logging.getLogger("unmask.api")
HEADER_SECONDS = 20.0  # from the first byte, or the connection, to the end of the headers
BODY_SECONDS, BODY_RATE = 30.0, 1000.0
"""for which a body is waited for, and how many of its bytes earn another second: one that comes
byte by byte holds no place either"""
KEEP_ALIVE_SECONDS = 30
MAX_MESSAGE_BYTES = 5 << 20  # of a WebSocket; a frame may have 4 MB
CLOSE_SECONDS = 15  # s that requests get to end when the server stops

METHODS = frozenset({*HTTPMethod, "WEBSOCKET"})
"""Labels of requests in the metrics; a client may invent others."""
_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_DESCRIPTION = """\
Was a face, the whole picture or a voice made or altered by a machine? A likelihood with its
evidence, never a fact. Send a file to `/v1/analyses`; read docs/api.md for the rest.
"""


def create_app(application: Callable[[], Application], **options: Any) -> FastAPI:
    """Return the API of the server that `application` gives; `options` are FastAPI's."""
    app = FastAPIOffline(
        docs_url="/docs",
        redoc_url=None,
        title="Unmask",
        version=__version__,
        description=_DESCRIPTION,
        license_info={"name": "Apache-2.0"},
        openapi_url="/openapi.json",
        responses=errors.described(errors.MEANINGS),
        **options,
    )
    app.state.application = application
    errors.install(app)
    for router in routers():
        for route in router.routes:
            if isinstance(route, APIRoute):  # its title would be the name of the function
                route.summary = re.split(r"[.:,;](?:\s|$)", route.description, maxsplit=1)[0]
        app.include_router(router)
    app.add_middleware(CheckedBody)
    app.add_middleware(RequestLog)
    return app


def alone(make: Callable[[], Application]) -> FastAPI:
    """Return the API as a server of its own, which composes its application at startup."""
    made: list[Application] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        try:
            application = make()
        except UnmaskError as error:
            raise SystemExit(error.advice) from error
        made.append(application)
        application.start()
        log.info("%s", application.keys.describe())
        yield
        application.stop()

    return create_app(lambda: made[-1], lifespan=lifespan)


class RequestLog:
    """Middleware: add the request id and headers to each response, and log one line of JSON. The
    line names the route, never the address: an analysis's id opens it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        scope.setdefault("state", {})["request_id"] = request_id
        begun, status = time.monotonic(), 0

        async def with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = request_id
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            await self.app(scope, receive, with_headers)
        finally:
            route = getattr(scope.get("route"), "path", "none")
            elapsed = time.monotonic() - begun
            method = scope.get("method", "WEBSOCKET")
            method = method if method in METHODS else "OTHER"  # any word is one, and each a series
            metrics.REQUESTS.labels(method, route, str(status)).inc()
            metrics.REQUEST_SECONDS.labels(route).observe(elapsed)
            line = {
                "request_id": request_id,
                "method": method,
                "route": route,
                "status": status or None,
                "ms": round(1000 * elapsed, 1),
                "principal": scope["state"].get("principal"),
            }
            log.info("%s", json.dumps(line))


class TimedProtocol(H11Protocol):
    """uvicorn's protocol with timeouts for headers and bodies, not only for idle connections."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._timer is None and (before is None or before.response_complete):
            self._start()
        super().data_received(data)
        if self.cycle is not before:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if self.transport.get_protocol() is self:  # no WebSocket took over
            self.transport.close()


class CheckedBody:
    """Middleware: refuse a request with two lengths (smuggling) or a stalled body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            await _refuse(400, "Content-Length and Transfer-Encoding contradict each other.")(
                scope, receive, send
            )
            return
        more, late, begun = True, False, False
        left = BODY_SECONDS

        async def timed() -> Message:
            nonlocal more, late, left
            if not more:
                return await receive()
            asked = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                late, more = True, False
                return {"type": "http.disconnect"}
            earned = len(message.get("body", b"")) / BODY_RATE
            left = min(BODY_SECONDS, left + earned - (time.monotonic() - asked))
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            if late and not begun:
                return  # in place of what the application makes of it
            begun = True
            await send(message)

        try:
            await self.app(scope, timed, watched)
        except Exception:
            if not late:
                raise
        if late and not begun:
            await _refuse(408, "The rest of the request did not come.")(scope, receive, send)


def _refuse(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status_code=status, headers={"Connection": "close"})


def serve(host: str, port: int) -> None:
    """Run the server until it is stopped."""
    form = "%(asctime)s %(levelname)s %(message)s"
    logging.basicConfig(level=logging.WARNING, format=form, force=True)
    for name in ("unmask", "service", "uvicorn"):
        logging.getLogger(name).setLevel(logging.INFO)
    get_config()
    auth.accounts()
    startup.prepare()
    uvicorn.run(
        alone(lambda: Application(paths.data())),
        host=host,
        port=port,
        http=TimedProtocol,
        # Whom to believe about where a request is from is `service.auth.caller`'s to say; and an
        # analysis's address opens it, so it stands in no log.
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_config=None,
        ws_max_size=MAX_MESSAGE_BYTES,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=CLOSE_SECONDS,
    )
