"""Differences between hosts: a laptop, a container, a Hugging Face Space."""

from collections.abc import Callable

import streamlit as st
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import _compat
from service import startup
from service.config import get_config

SPACE_FRAMES = ("https://huggingface.co", "https://*.hf.space")
"""Who shows a Space's page in a frame."""


def in_space() -> bool:
    """Return whether this is a Hugging Face Space."""
    return bool(get_config().space_id)


def base_path() -> str:
    """Return the prefix of every path of this server: "" or "/something"."""
    base = str(st.get_option("server.baseUrlPath")).strip("/")
    return f"/{base}" if base else ""


def prepare() -> None:
    """Prepare the server before the first visitor."""
    frames()
    startup.prepare()
    if in_space():
        # A Space's page stands in a frame of another site, where browsers keep its cookies back:
        # with the check, which compares one, every upload there would be refused.
        _compat.set_server_option("server.enableXsrfProtection", False, "SPACE_ID")


def frames() -> tuple[str, ...]:
    """Return the origins that may embed the pages, besides the server's own."""
    return (*(SPACE_FRAMES if in_space() else ()), *get_config().frame_by)


class SecureHeaders:
    """Middleware: security headers of every response, against

        - content sniffing;
        - referrers: addresses open results;
        - framing by other sites (clickjacking);
        - device permissions except camera, microphone and full screen.

    A header that a route has set stays.
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
                "usb=(), serial=(), hid=(), midi=(), display-capture=(self)"
            ),
        }
        if not frames():
            self.headers["X-Frame-Options"] = "SAMEORIGIN"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        def add(headers: MutableHeaders) -> None:
            for name, value in self.headers.items():
                headers.setdefault(name, value)

        await self.app(scope, receive, with_headers(send, add))


def with_headers(send: Send, change: Callable[[MutableHeaders], None]) -> Send:
    """Return a `send` that adds headers to a response."""

    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return changed


def unconditional(scope: Scope, *others: bytes) -> Scope:
    """Return a request without conditional headers (304 would have no page to change) and without
    `others`."""
    left_out = (b"if-none-match", b"if-modified-since", *others)
    return {**scope, "headers": [(k, v) for k, v in scope["headers"] if k not in left_out]}
