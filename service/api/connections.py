"""What a client may do with a connection before its request is answered: no half of a request holds
a place for long, and none has two lengths."""

import asyncio
import time
from typing import Any

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 20.0  # from the first byte, or the connection, to the end of the headers
BODY_SECONDS, BODY_RATE = 30.0, 1000.0
"""for which a body is waited for, and how many of its bytes earn another second: one that comes
byte by byte holds no place either"""


class TimedProtocol(H11Protocol):
    """uvicorn's protocol, which times out headers and bodies too, not only idle connections."""

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._start()

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        if self._timer is None and (before is None or before.response_complete):
            self._start()
        super().data_received(data)
        if self.cycle is not before:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _start(self) -> None:
        self._timer = self.loop.call_later(HEADER_SECONDS, self._close)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _close(self) -> None:
        self._timer = None
        if self.transport.get_protocol() is self:  # no WebSocket took over
            self.transport.close()


class CheckedBody:
    """Middleware: refuse a request of two lengths (smuggling), or whose body stops coming."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if "transfer-encoding" in headers and "content-length" in headers:
            await _refuse(400, "Content-Length and Transfer-Encoding contradict each other.")(
                scope, receive, send
            )
            return
        more, late, begun = True, False, False
        left = BODY_SECONDS

        async def timed() -> Message:
            nonlocal more, late, left
            if not more:
                return await receive()
            asked = time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), left)
            except TimeoutError:
                late, more = True, False
                return {"type": "http.disconnect"}
            earned = len(message.get("body", b"")) / BODY_RATE
            left = min(BODY_SECONDS, left + earned - (time.monotonic() - asked))
            more = message["type"] == "http.request" and message.get("more_body", False)
            return message

        async def watched(message: Message) -> None:
            nonlocal begun
            if late and not begun:
                return  # in place of what the application makes of it
            begun = True
            await send(message)

        try:
            await self.app(scope, timed, watched)
        except Exception:
            if not late:
                raise
        if late and not begun:
            await _refuse(408, "The rest of the request did not come.")(scope, receive, send)


def _refuse(status: int, sentence: str) -> PlainTextResponse:
    return PlainTextResponse(sentence, status_code=status, headers={"Connection": "close"})
