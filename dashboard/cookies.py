"""Cookies: the server gives each browser one of its own, out of reach of any script."""

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard import hosting, session
from service.auth.caller import GUEST, Caller, cookie_name
from service.context import new_id

GUEST_TTL = 365 * 24 * 3600
"""s; browsers keep no cookie for much longer."""


class GuestCookie:
    """Middleware: a page that goes to a browser without our cookie takes one along.

    The page's WebSocket brings it back, so the first script run already knows the browser.
    """

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

    Where another site may show the app in a frame (a Space), a Lax cookie would not be sent from
    there. A partitioned one is, and only below that site: it says nothing of a person elsewhere.
    What changes something checks where a request comes from, so it need not be Lax for that.
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
