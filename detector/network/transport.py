"""Pinned connections: resolve a name, check every address, connect to one of the checked ones."""

import asyncio
import logging
import ssl
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from typing import Any, Self, TypeVar

import httpx

from detector.errors import Canceled
from detector.network.addresses import (
    LinkRefused,
    LinkRules,
    Resolve,
    addresses,
    check_form,
    port_of,
)
from detector.sentences import _
from detector.threads import Supervised

log = logging.getLogger(__name__)

MAX_ADDRESSES = 4  # of a host that are tried in turn
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
T = TypeVar("T")

# Not those of asyncio: a resolver that hangs would be waited for when its loop ends.
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")


async def reach(
    host: str,
    port: int,
    rules: LinkRules,
    resolve: Resolve | None,
    connect: Callable[[str], Coroutine[Any, Any, T]],
    unreached: tuple[type[Exception], ...] = (OSError,),
) -> T:
    """Return `connect(address)` of the first reachable address of a host, after all were checked;
    `unreached` are the exceptions that mean the next is tried. Raise LinkRefused, or the last
    exception."""
    loop = asyncio.get_running_loop()
    found = await loop.run_in_executor(_resolvers, addresses, host, port, rules, resolve)
    *others, last = found[:MAX_ADDRESSES]
    for address in others:
        with suppress(*unreached):
            return await connect(address)
    return await connect(last)


async def pieces(reader: asyncio.StreamReader, read_timeout: float | None) -> AsyncIterator[bytes]:
    """Yield received data; raise TimeoutError after `read_timeout` s without any."""
    while piece := await asyncio.wait_for(reader.read(CHUNK_BYTES), read_timeout):
        yield piece


class PinnedTransport(httpx.AsyncBaseTransport):
    """HTTP transport that resolves each request's host, checks every address, and connects to one
    of them.

    The Host header is unchanged, and TLS is verified for the name (`verify`: by these authorities).
    Proxies of the environment are not used, since they resolve names themselves; connections are
    not reused, since another request may be for another name at the same address."""

    def __init__(
        self,
        rules: LinkRules,
        *,
        resolve: Resolve | None = None,
        verify: ssl.SSLContext | None = None,
    ) -> None:
        self._rules, self._resolve = rules, resolve
        self._inner = httpx.AsyncHTTPTransport(
            verify=True if verify is None else verify,
            trust_env=False,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to an allowed address; raise LinkRefused if there is none."""
        url = check_form(request.url, self._rules)
        # As passed to the resolver: ASCII, IDNA applied.
        host = url.raw_host.decode("ascii").strip("[]")

        async def send(address: str) -> httpx.Response:
            pinned = httpx.Request(
                request.method,
                url.copy_with(host=address),
                headers=request.headers,
                stream=request.stream,
                extensions={**request.extensions, "sni_hostname": host},
            )
            return await self._inner.handle_async_request(pinned)

        unsent = httpx.ConnectError, httpx.ConnectTimeout
        return await reach(host, port_of(url), self._rules, self._resolve, send, unsent)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()


@asynccontextmanager
async def followed(
    client: httpx.AsyncClient,
    request: httpx.Request,
    rules: LinkRules,
    send: Callable[[httpx.Request], Coroutine[Any, Any, httpx.Response]] | None = None,
) -> AsyncIterator[httpx.Response]:
    """Open the response after at most `rules.max_redirects` redirects; raise LinkRefused for more.
    Implemented here because the client reads the body of a redirect, however long."""
    for _hop in range(rules.max_redirects + 1):
        answer = await (send(request) if send else client.send(request, stream=True))
        try:
            if answer.next_request is None:
                yield answer
                return
            request = answer.next_request
        finally:
            await answer.aclose()
    text = _("This link has more than {max_redirects} redirects.")
    raise LinkRefused(text.format(max_redirects=rules.max_redirects), code="link_redirects")


POLL_SECONDS = 0.1  # between checks of the cancellation
CHUNK_BYTES = 1 << 16


async def first_to_end(*works: Coroutine[Any, Any, None]) -> None:
    """Run coroutines concurrently until the first ends; raise its exception."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        done, _pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    for task in done:
        task.result()


class LoopThread(ABC):
    """A thread with an event loop that runs `_main` from entering to leaving, or until `cancel` is
    set; leaving joins it for `join_timeout` s. `port` of 127.0.0.1 is the result of `_ready`, set
    by `_main`."""

    def __init__(self, name: str, cancel: threading.Event, join_timeout: float) -> None:
        self._cancel, self._join_timeout = cancel, join_timeout
        self._ready: Future[int] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._thread = Supervised(
            name, self._run, owner=self, stop=self._end, on_error=self._failed
        )
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        try:
            while not self._ready.done():
                if self._cancel.wait(POLL_SECONDS):
                    raise Canceled
            self.port = self._ready.result()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    @abstractmethod
    async def _main(self) -> None:
        """Set `_ready` to the port, then serve until canceled."""

    def _close(self) -> None:
        self._thread.close(self._join_timeout)

    def _end(self) -> None:
        if self._loop is not None and self._task is not None:
            with suppress(RuntimeError):  # its loop has ended
                self._loop.call_soon_threadsafe(self._task.cancel)

    def _failed(self, error: BaseException) -> None:
        """Pass an error on to the thread that waits for the port; else it is logged."""
        if self._ready.done():
            log.error("the thread %s failed: %s", self._thread.name, type(error).__name__)
        else:
            self._ready.set_exception(error)

    def _run(self) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(self._watched())

    async def _watched(self) -> None:
        self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
        watcher = asyncio.create_task(self._end_when_canceled(self._task))
        try:
            await self._main()
        except BaseException as error:
            if not self._ready.done():
                canceled = isinstance(error, asyncio.CancelledError)
                self._ready.set_exception(Canceled() if canceled else error)
                return
            raise
        finally:
            watcher.cancel()

    async def _end_when_canceled(self, task: asyncio.Task[None] | None) -> None:
        while not self._cancel.is_set():
            await asyncio.sleep(POLL_SECONDS)
        if task is not None:
            task.cancel()
