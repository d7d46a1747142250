"""Refuse pages of strangers in a browser of this computer before a page is drawn.

A browser lets any page open a WebSocket and names that page in `Origin`; DNS rebinding shows in
`Host`. Both are checked for connections from this computer and where everybody is the owner
(`UNMASK_LOCAL=all`). Elsewhere callers are guests by a cookie, which only a page of the same name
on another port could use: that one is refused too."""

from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.hosting import base_path
from detector.sentences import _
from service.auth.caller import Caller

READS = frozenset({"GET", "HEAD", "OPTIONS"})
METRICS = "/_stcore/metrics"
"""Streamlit's own counters: sessions, caches, file names."""


class OriginCheck:
    """Middleware: refuse what a stranger's page asks of a server on its reader's computer (421 for
    a name that is not ours, 403 for another origin), and Streamlit's counters to who is elsewhere
    (404)."""

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
        elif scope.get("method") not in READS and caller.from_a_neighbor:  # a WebSocket has none
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
