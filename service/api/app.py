"""The API as one ASGI application, around the service that a server composed."""

import json
import logging
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi_offline import FastAPIOffline
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Send
from starlette.types import Scope as Connection

from detector import __version__
from detector.errors import UnmaskError
from service import metrics
from service.api import errors
from service.api.connections import CheckedBody
from service.api.routes import routers
from service.application import Application

log = logging.getLogger("unmask.api")

_REQUEST_ID = re.compile(r"[\w.-]{1,64}")
_DESCRIPTION = """\
Was a face in this video or picture made or altered by a machine? A likelihood with its evidence,
never a fact. Send a file to `/v1/analyses`; read docs/api.md for the rest.
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
    """Return the API as a server of its own, which composes its application when it starts."""
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
    """Middleware: a request's id, headers of every answer, and one line of JSON in the log.

    The line names the route, never the address: an analysis's id opens it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Connection, receive: Receive, send: Send) -> None:
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
