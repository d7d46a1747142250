"""What differs from place to place: a laptop, a container, a Space of Hugging Face."""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import _compat
from detector import media, paths
from detector.config import move_data
from detector.errors import UnmaskError
from service import logs
from service.config import get_config

log = logging.getLogger(__name__)

SPACE_FRAMES = ("https://huggingface.co", "https://*.hf.space")
"""Who shows a Space's page in a frame."""


def in_space() -> bool:
    """Whether this is a Space of Hugging Face."""
    return bool(get_config().space_id)


def base_path() -> str:
    """Return what stands before every path of ours: "" or "/something"."""
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}" if base else ""


def prepare() -> None:
    """Called once, when the server starts, before anybody came."""
    logs.install()
    frames()
    _find_room()
    if in_space():
        # A Space's page stands in a frame of another site, where browsers keep its cookies back:
        # with the check, which compares one, every upload there would be refused.
        _compat.set_server_option("server.enableXsrfProtection", False, "SPACE_ID")
    _keep_parsers_apart()


def _find_room() -> None:
    """See that the data folder can be written to.

    Raises
    ------
    SystemExit
        It can't, and results would be lost without a word. A Space's storage may come and go, and
        what it says of itself is that nothing there is kept: it uses the container's own disk.
    """
    folder = paths.data()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths.write(folder / ".writable", "")
        (folder / ".writable").unlink()
    except OSError as error:
        own = Path(tempfile.gettempdir()) / "unmask"
        if not in_space() or folder == own:
            raise SystemExit(
                f"The data folder {folder} can't be written to ({error.strerror}). Give it to the "
                f"user who runs Unmask, or name another one in UNMASK_DATA."
            ) from None
        log.warning("the storage can't be written to (%s): nothing is kept", error.strerror)
        move_data(own)
        _find_room()


def _keep_parsers_apart() -> None:
    if not get_config().sandbox:
        log.warning("uploads are parsed in the server's own process (UNMASK_SANDBOX=off)")
        return
    try:
        media.isolate()
    except UnmaskError as error:
        log.warning("%s %s", error.message, error.hint)


def frames() -> tuple[str, ...]:
    """Origins that may show our pages in a frame, besides our own."""
    return (*(SPACE_FRAMES if in_space() else ()), *get_config().frame_by)


class SecureHeaders:
    """Middleware: what every answer tells the browser not to do.

    - guess another type than the stated one;
    - name our addresses to other sites: they open results;
    - be shown in a stranger's frame, where clicks can be stolen;
    - give a page anything of the device but camera, microphone and full screen.

    A header that a route set itself stays.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        around = " ".join(("'self'", *frames()))
        self.headers = {
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": (
                f"frame-ancestors {around}; base-uri 'self'; object-src 'none'"
            ),
            "Permissions-Policy": (
                "camera=(self), microphone=(self), fullscreen=(self), geolocation=(), payment=(), "
                "usb=(), serial=(), bluetooth=(), hid=(), midi=(), display-capture=(self)"
            ),
        }
        if not frames():
            self.headers["X-Frame-Options"] = "SAMEORIGIN"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self.headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, with_headers)
