"""The dashboard's server: startup and shutdown, routes and middleware around Streamlit.

Players get videos in byte ranges straight from the disk. Streamlit's own media files would hold
every file in memory while a page shows it.
"""

import asyncio
import math
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import _compat, hosting, i18n, images, installable, session, theme, url_state
from dashboard.cookies import GuestCookie
from dashboard.hosting import base_path
from dashboard.session_routes import routes as session_routes
from detector.errors import InputError
from detector.sentences import _, use
from service import auth
from service.api import PATHS
from service.api.app import CheckedBody
from service.auth.caller import Caller
from service.config import FALLBACK, get_config, set_fallback
from service.limits import RateLimitExceeded
from service.live.viewers import Viewer
from service.records.model import RecordsError
from service.storage.uploads import StorageUnreachable, upload_limit_mb
from service.tasks import previews

_compat.install()

PLAYABLE = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    **{f".{kind}": "audio/ogg" for kind in ("ogg", "oga", "opus")},
    ".jpg": "image/jpeg",
    **{f".{kind}": f"image/{kind}" for kind in ("jpeg", "png", "gif", "webp", "avif")},
}
"""Types a browser may be told; all else is a nameless stream. Never a type that can hold a script.
"""


BOUNDARY = "picture"
PICTURE_SECONDS = 0.05
"""Between two looks for a new picture of a watched camera."""


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load the models and apply retention from the start, with or without visitors; store running
    live sessions at the end."""
    set_fallback(_secrets())
    get_config()
    if limit := upload_limit_mb():
        # The server itself refuses larger bodies while they arrive, so it must know.
        _compat.set_server_option("server.maxUploadSize", limit, "UNMASK_MAX_UPLOAD_MB")
    auth.accounts()
    hosting.prepare()
    try:
        application = session.application()
    except InputError as error:
        raise SystemExit(error.advice) from error
    application.start(then=_import_result, at_rest=_import_rest)
    print(f"unmask: {application.keys.describe()}", file=sys.stderr)
    yield {}
    application.stop()


def _import_result() -> None:
    """Import the modules that the first result would wait a second for."""
    for module in ("dashboard.result", "dashboard.pages.analyze.running"):
        import_module(module)


def _import_rest() -> None:
    """Import the modules that are needed later than the first result: the API."""
    import_module("service.api.app")


def _secrets() -> dict[str, str]:
    try:
        return {name: str(st.secrets.get(name, "")) for name in FALLBACK}
    except FileNotFoundError:
        return {}


def routes() -> list[Route]:
    """Return the routes beside Streamlit's own pages."""
    base = base_path()
    return [
        Route(f"{base}/file/{{token}}/{{given}}", _file, methods=["GET", "HEAD"]),
        Route(f"{base}/shared/{{token}}", _shared, methods=["GET", "HEAD"]),
        # Without these, what fits neither would be answered by Streamlit, with its front page.
        Route(f"{base}/camera/{{token}}", _camera, methods=["GET"]),
        Route(f"{base}/file/{{rest:path}}", _nothing),
        Route(f"{base}/shared/{{rest:path}}", _nothing),
        *installable.routes(),
        *session_routes(),
    ]


def middleware() -> list[Middleware]:
    """Return the middleware of every request, outermost first."""
    kinds = (
        hosting.SecureHeaders, CheckedBody, OriginCheck, IgnoreClientDisconnect,
        RestApi, GuestCookie, FirstPaint, KnownPages,
    )  # fmt: skip
    return [Middleware(kind) for kind in kinds]


class KnownPages:
    """Middleware: answer 404 for a path that is no page; Streamlit would serve its front page with
    200."""

    _OTHERS = ("_stcore/", "component/", "app/", "session/")
    """Paths under which HTML is no front page."""

    _PAGES = url_state.PAGES | {"", "index.html"}

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.base = app, base_path()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(self.base).strip("/")
        if scope["type"] != "http" or path in self._PAGES or path.startswith(self._OTHERS):
            await self.app(scope, receive, send)
            return
        replaced = False

        async def checked(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start":
                kind = Headers(raw=message["headers"]).get("content-type", "")
                replaced = message["status"] == 200 and kind.startswith("text/html")
                if replaced:
                    with use(i18n.of_request(Headers(scope=scope).get("accept-language", ""))):
                        refusal = PlainTextResponse(_("There is no such page."), status_code=404)
                    await refusal(scope, receive, send)
            if not replaced:
                await send(message)

        await self.app(scope, receive, checked)


class IgnoreClientDisconnect:
    """Middleware: ignore a client that disconnects during an upload; Streamlit's uploader logs
    sixty lines of traceback for each."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with suppress(ClientDisconnect):
            await self.app(scope, receive, send)


class RestApi:
    """Middleware: pass the API's paths to the API (`service.api`), under the address of
    the pages."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.base = app, base_path()
        self._making = threading.Lock()
        self._made: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope.get("path", "").removeprefix(self.base)
        if scope["type"] in ("http", "websocket") and PATHS.fullmatch(path):
            made = await run_in_threadpool(self._make) if self._made is None else self._made
            await made({**scope, "root_path": self.base}, receive, send)
        else:
            await self.app(scope, receive, send)

    def _make(self) -> ASGIApp:
        """Import the API lazily: FastAPI takes most of a second, which pages need not wait for."""
        with self._making:
            if self._made is None:
                from service.api.app import create_app

                self._made = create_app(session.application)
            return self._made


def _file(request: Request) -> Response:
    """Return the media of a record to the holder of its pass."""
    uploads, params = session.application().jobs.uploads, request.path_params
    try:
        path = uploads.admit(params["token"], params["given"])
    except StorageUnreachable:
        return _refuse(request, 503)
    return _media(request, path)


def _shared(request: Request) -> Response:
    """Return the media behind a valid share link."""
    try:
        address = session.request_caller(request).address
        shared = session.application().shared(request.path_params["token"], address)
        path = session.application().jobs.uploads.path(shared.record) if shared else None
    except RateLimitExceeded as error:
        refusal = _refuse(request, 429)
        refusal.headers["Retry-After"] = str(math.ceil(error.retry_after))
        return refusal
    except (RecordsError, StorageUnreachable):
        return _refuse(request, 503)
    return _media(request, path)


def _camera(request: Request) -> Response:
    """Stream a network camera's picture to the holder of its pass."""
    viewer = session.application().viewers.find(request.path_params["token"])
    if viewer is None:
        return _refuse(request, 404)
    return StreamingResponse(
        _pictures(viewer),
        media_type=f"multipart/x-mixed-replace; boundary={BOUNDARY}",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _pictures(viewer: Viewer) -> AsyncIterator[bytes]:
    """Yield each new picture as a part of a multipart JPEG stream."""
    last: np.ndarray | None = None
    while not viewer.ended:
        picture = viewer.picture()
        if picture is not None and picture is not last:
            last = picture
            body = await run_in_threadpool(images.jpeg, picture)
            head = f"--{BOUNDARY}\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}"
            yield f"{head}\r\n\r\n".encode() + body + b"\r\n"
        await asyncio.sleep(PICTURE_SECONDS)


def _nothing(request: Request) -> Response:
    return _refuse(request, 404)


def _media(request: Request, path: Path | None) -> Response:
    if path is not None and url_state.COPY in request.query_params:
        path = path.parent / previews.NAME
    if path is None or not path.is_file():
        return _refuse(request, 404)
    return FileResponse(
        path,
        media_type=PLAYABLE.get(path.suffix, "application/octet-stream"),
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
            "Cache-Control": "max-age=3600, private",
        },
    )


def _refuse(request: Request, status: int) -> Response:
    with use(i18n.of_request(request.headers.get("accept-language", ""))):
        texts = {
            404: _("This file is not kept here."),
            429: _("Too many links that lead nowhere from this address."),
            503: _("This file can't be reached just now."),
        }
        return PlainTextResponse(texts[status], status_code=status)


READS = frozenset({"GET", "HEAD", "OPTIONS"})
METRICS = "/_stcore/metrics"
"""Streamlit's own counters: sessions, caches, file names."""


class OriginCheck:
    """Middleware: refuse requests of foreign pages to a local server (421 for another host name,
    403 for another origin), and Streamlit's metrics to remote clients (404).

    A browser lets any page open a WebSocket and names that page in `Origin`; DNS rebinding shows in
    `Host`. Both are checked for connections from this computer and where everybody is the owner
    (`UNMASK_LOCAL=all`). Elsewhere callers are guests by a cookie, which only a page of the same
    name on another port could use: that one is refused too. The API alone answers a browser
    extension, whose origin no page can have and which needs a key there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.metrics = app, f"{base_path()}{METRICS}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        caller = Caller.of_request(HTTPConnection(scope))
        if caller.misled:
            text = _("This server is not known by that name. Open {address}.").format(
                address=f"http://localhost:{(scope.get('server') or ('', 80))[1]}"
            )
            hint = _("Where that name is right, set UNMASK_PUBLIC_URL to it.")
            answer = PlainTextResponse(f"{text} {hint}", 421)
        elif (
            scope.get("method") not in READS
            and caller.from_a_neighbor
            and not (
                caller.from_extension and PATHS.fullmatch(scope["path"].removeprefix(base_path()))
            )
        ):  # a WebSocket has no method
            answer = PlainTextResponse(_("Another page can't open this one."), 403)
        elif scope["path"] == self.metrics and not caller.loopback:
            answer = PlainTextResponse(_("There is nothing here."), 404)
        else:
            await self.app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
        else:
            await answer(scope, receive, send)


_ABOUT_THE_FILE = ("etag", "last-modified")


class FirstPaint:
    """Middleware: add the style sheet, the server's address, the browser's language, and what makes
    the page installable to Streamlit's HTML page.

    The first drawing then has its final layout (`components.style.apply` comes with the first run
    only), and Streamlit's script does not look for its server below the page's own address. Both go
    to the end of the page: the styles that Streamlit's script puts into the head would override
    Unmask's otherwise; the script itself waits for the whole page.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        script = _compat.backend_script(f"{hosting.base_path()}/")
        self.ours = f"<style>{theme.first_paint()}</style><script>{script}</script>".encode()
        self.head = installable.head().encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or not _wants_a_page(scope):
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def with_style(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/html"):
                    start = message
                    return
            if start is None or message["type"] != "http.response.body":
                await send(message)
                return
            body += message.get("body", b"")
            if message.get("more_body"):
                return
            body = body.replace(_compat.PAGE_END, self.ours + _compat.PAGE_END, 1)
            body = body.replace(b"</head>", self.head + b"</head>", 1)
            with use(i18n.of_request(Headers(scope=scope).get("accept-language", ""))):
                body = body.replace(_compat.PAGE_START, i18n.html_tag().encode(), 1)
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(body))
            for name in _ABOUT_THE_FILE:  # of a file that is not what is sent
                if name in headers:
                    del headers[name]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        # Whole and as it is: ours can't be put into what is compressed or cut.
        plain = hosting.unconditional(scope, b"accept-encoding", b"range")
        await self.app(plain, receive, with_style)


def _wants_a_page(scope: Scope) -> bool:
    """Return whether a browser navigates to a page, rather than loads scripts, fonts or
    pictures."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
