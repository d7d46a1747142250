"""Cookies: the server sets one for each browser, unreadable for scripts."""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard import hosting, session
from service.auth.caller import GUEST, Caller, cookie_name
from service.context import new_id

GUEST_TTL = 365 * 24 * 3600
"""s; browsers keep no cookie for much longer."""


class GuestCookie:
    """Middleware: set the cookie with the first page of a browser. The page's WebSocket sends it
    back, so the first script run already knows the browser."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] == "GET":
            caller = session.request_caller(HTTPConnection(scope))
            if caller.cookie(GUEST) is None:
                scope, send = hosting.unconditional(scope), _with_cookie(send, caller)
        await self.app(scope, receive, send)


def _with_cookie(send: Send, caller: Caller) -> Send:
    def add(headers: MutableHeaders) -> None:
        if headers.get("content-type", "").startswith("text/html"):
            headers.append("set-cookie", cookie(GUEST, new_id(), caller, GUEST_TTL))
            # Never one browser's cookie from a cache to another.
            headers["cache-control"] = "no-store"

    return hosting.with_headers(send, add)


def cookie(name: str, value: str, caller: Caller, ttl: int) -> str:
    """Return a Set-Cookie header; `ttl` in s.

    If another site may embed the app (a Space), browsers would not send a Lax cookie from there. A
    partitioned one is sent, only below that site, so it identifies no person elsewhere.
    State-changing requests check their origin, so they need no Lax cookie.
    """
    framed = caller.secure and bool(hosting.frames())
    parts = [
        f"{cookie_name(name, caller.secure)}={value}",
        f"Max-Age={ttl}",
        "Path=/",
        "HttpOnly",
        f"SameSite={'None' if framed else 'Lax'}",
        *["Secure"] * caller.secure,
        *["Partitioned"] * framed,
    ]
    return "; ".join(parts)
