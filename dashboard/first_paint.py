"""The style sheet in the page itself, so that what is drawn first stands where it stays.

A script run brings the same style sheet (`theme.apply`), but only after the browser has drawn the
first of the page without it: then everything would move.
"""

from __future__ import annotations

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboard import theme

_END = b"</body>"
_ABOUT_THE_FILE = ("etag", "last-modified")


class FirstPaint:
    """Middleware: puts the style sheet at the end of Streamlit's one HTML page: after the styles
    that its script puts into the head, which would win otherwise."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.style = f"<style>{theme.first_paint()}</style>".encode()

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
            body = body.replace(_END, self.style + _END, 1)
            headers = MutableHeaders(scope=start)
            headers["content-length"] = str(len(body))
            for name in _ABOUT_THE_FILE:  # of a file that is not what is sent
                if name in headers:
                    del headers[name]
            await send(start)
            await send({"type": "http.response.body", "body": body})

        # Whole and as it is: neither "not changed", since our part may have, nor compressed.
        plain = [
            (name, value)
            for name, value in scope["headers"]
            if name not in (b"accept-encoding", b"if-none-match", b"if-modified-since", b"range")
        ]
        await self.app({**scope, "headers": plain}, receive, with_style)


def _wants_a_page(scope: Scope) -> bool:
    """Whether a browser goes to a page; scripts, fonts and pictures are asked for otherwise."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
