"""The server around the pages: what runs from its start to its end, and the files it hands out.

A player gets its video from here in ranges, straight from the disk. Streamlit's own way would hold
every file in memory for as long as somebody looks at it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Protocol

import streamlit as st
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from streamlit import config, net_util

from dashboard import backend
from dashboard.uploads import upload_limit_mb

# To compare the address of a visitor's page with this machine's, Streamlit would ask a stranger's
# server for the latter. Nothing leaves this machine. (At the start: .streamlit/config.toml)
net_util.get_external_ip = lambda: None

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


class Named(Protocol):
    """A job, or a record of one."""

    @property
    def key(self) -> str: ...


@asynccontextmanager
async def lifespan(app: st.App) -> AsyncIterator[dict[str, Any]]:
    """Load the models and delete old files from the first moment on, visitors or not."""
    if limit := upload_limit_mb():
        # The server itself refuses larger bodies while they arrive, so it must know.
        config.set_option("server.maxUploadSize", limit, "UNMASK_MAX_UPLOAD_MB")
    backend.start()
    yield {}


def routes() -> list[Route]:
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return [Route(f"{'/' if base else ''}{base}/file/{{token}}", _file, methods=["GET", "HEAD"])]


def file_url(job: Named) -> str | None:
    """Address of a job's media for the person's browser; None where no server runs (tests)."""
    address = st.context.url
    if not address or not st.runtime.exists():
        return None
    return f"{address.rstrip('/')}/file/{job.key}"


def _file(request: Request) -> Response:
    upload = backend.jobs().uploads.find(request.path_params["token"])
    if upload is None:
        return PlainTextResponse("This file is not kept here.", status_code=404)
    return FileResponse(
        upload.path,
        media_type=PLAYABLE.get(upload.path.suffix, "application/octet-stream"),
        headers={
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; media-src 'self'; sandbox",
            "Cache-Control": "private, max-age=3600",
        },
    )
