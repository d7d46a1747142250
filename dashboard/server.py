"""The server around the pages: what runs from its start to its end, and the files it hands out.

A player gets its video from here in ranges, straight from the disk. Streamlit's own way would hold
every file in memory for as long as somebody looks at it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route

from dashboard import _compat, hosting, i18n, session, url_state
from dashboard.cookies import GuestCookie
from dashboard.first_paint import FirstPaint
from dashboard.hosting import base_path
from dashboard.i18n import _
from dashboard.session_routes import routes as session_routes
from service import auth
from service.config import FALLBACK, get_config, set_fallback
from service.records.model import RecordsError
from service.storage import previews
from service.storage.uploads import upload_limit_mb

_compat.install()

PLAYABLE = {
    ".mp4": "video/mp4",
    ".m4v": "video/mp4",
    ".mov": "video/mp4",
    ".webm": "video/webm",
    ".mkv": "video/webm",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".gif": "image/gif",
    ".webp": "image/webp",
    ".avif": "image/avif",
}
"""Types a browser may be told; all else is a nameless stream. Never a type that can hold a script.
"""


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load the models and delete old files from the first moment on, visitors or not; keep live
    sessions that are still on at the end."""
    set_fallback(_secrets())
    get_config()
    if limit := upload_limit_mb():
        # The server itself refuses larger bodies while they arrive, so it must know.
        _compat.set_server_option("server.maxUploadSize", limit, "UNMASK_MAX_UPLOAD_MB")
    auth.accounts()
    hosting.prepare()
    try:
        application = session.application()
    except RecordsError as error:
        raise SystemExit(error.advice) from error
    application.start()
    yield {}
    application.stop()


def _secrets() -> dict[str, str]:
    """What stands in Streamlit's file of secrets; most installations have none."""
    try:
        return {name: str(st.secrets.get(name, "")) for name in FALLBACK}
    except FileNotFoundError:
        return {}


def routes() -> list[Route]:
    """Return what the server answers beside Streamlit's own pages."""
    return [
        Route(f"{base_path()}/file/{{token}}/{{given}}", _file, methods=["GET", "HEAD"]),
        Route(f"{base_path()}/shared/{{token}}", _shared, methods=["GET", "HEAD"]),
        # Without these, what fits neither would be answered by Streamlit, with its front page.
        Route(f"{base_path()}/file/{{rest:path}}", _nothing),
        Route(f"{base_path()}/shared/{{rest:path}}", _nothing),
        *session_routes(),
    ]


def middleware() -> list[Middleware]:
    """Return what every request goes through, outermost first."""
    return [
        Middleware(hosting.SecureHeaders),
        Middleware(GuestCookie),
        Middleware(FirstPaint),
    ]


def _file(request: Request) -> Response:
    """The media of a record, for who was given its pass by a page."""
    asked = request.path_params
    return _media(request, session.application().jobs.uploads.admit(asked["token"], asked["given"]))


def _shared(request: Request) -> Response:
    """The media behind a link, for as long as it is in force."""
    try:
        shared = session.application().shared(request.path_params["token"])
    except RecordsError:
        with _language_of(request):
            return PlainTextResponse(_("This file can't be reached just now."), status_code=503)
    return _media(
        request, session.application().jobs.uploads.path(shared.record) if shared else None
    )


def _nothing(request: Request) -> Response:
    return _media(request, None)


def _media(request: Request, path: Path | None) -> Response:
    if path is not None and url_state.COPY in request.query_params:
        path = path.parent / previews.NAME
    if path is None or not path.is_file():
        with _language_of(request):
            return PlainTextResponse(_("This file is not kept here."), status_code=404)
    return FileResponse(
        path,
        media_type=PLAYABLE.get(path.suffix, "application/octet-stream"),
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
            "Cache-Control": "max-age=3600, private",
        },
    )


def _language_of(request: Request) -> AbstractContextManager[None]:
    return i18n.use_locale(request.headers.get("accept-language", ""))
