"""Connections that go to the address that was looked at, whatever its name leads to later."""

import asyncio
import ssl
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx

from detector.links.addresses import LinkRules, Resolve, addresses, check_form, port_of

MAX_ADDRESSES = 4  # of a host that are tried in turn

# Not those of asyncio: a resolver that hangs would be waited for when its loop ends.
_resolvers = ThreadPoolExecutor(8, thread_name_prefix="resolve")


async def resolving(host: str, port: int, rules: LinkRules, resolve: Resolve | None) -> list[str]:
    """Return what `addresses` does, without holding up the loop of events."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(_resolvers, addresses, host, port, rules, resolve)


class PinnedTransport(httpx.AsyncBaseTransport):
    """Resolves the host of each request, looks at every address, and connects to one of these.

    The request keeps its Host, and TLS is checked for the name (`verify`: by these authorities). No
    proxy of the environment is asked, which would resolve the name for itself; and no connection is
    kept for another request, which might be for another name at the same address."""

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
        # As it goes to the resolver: ASCII, IDNA applied.
        host = url.raw_host.decode("ascii").strip("[]")
        found = await resolving(host, port_of(url), self._rules, self._resolve)
        for address in found[:MAX_ADDRESSES][:-1]:
            with suppress(httpx.ConnectError, httpx.ConnectTimeout):  # nothing was sent
                return await self._send(request, url, host, address)
        return await self._send(request, url, host, found[:MAX_ADDRESSES][-1])

    async def _send(
        self, request: httpx.Request, url: httpx.URL, host: str, address: str
    ) -> httpx.Response:
        """Send a request for a host to one of its addresses."""
        pinned = httpx.Request(
            request.method,
            url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": host},
        )
        return await self._inner.handle_async_request(pinned)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
