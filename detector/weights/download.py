"""File download over HTTPS: resumed, limited, verified by sha256, with mirrors."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies

from detector import paths
from detector.config import get_config
from detector.errors import WeightsError
from detector.sentences import _

if TYPE_CHECKING:
    import httpx

    from detector.weights.entry import WeightFile

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""Called with the bytes on disk so far and the bytes in all, of all files of a model."""

CHUNK = 1 << 18  # bytes written between two progress calls
TIMEOUT = 20.0  # s without a byte before a download is aborted
SLOW_SECONDS = 60.0  # s for an answer to begin, and over which the least rate is measured
LEAST_RATE = 1 << 10  # bytes/s; a server that drips a byte in time would never end else
TRIES = 3  # attempts of an interrupted download; each resumes it
SPARE = 64 << 20  # bytes left free on the disk after a download
MAX_SIZE = 16 << 30  # bytes of a file whose size nobody stated

HUB = "https://huggingface.co"

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def offline() -> bool:
    """Return True if this installation must not use the network (UNMASK_OFFLINE=1)."""
    return get_config().offline


def require_online(what: str) -> None:
    """Raise WeightsError (code "offline") if the network must not be used."""
    if offline():
        text = _("{what} is not downloaded: this installation is offline (UNMASK_OFFLINE is set).")
        raise WeightsError(text.format(what=what), code="offline")


def endpoint() -> str:
    """Return the URL of the hub: huggingface.co, or HF_ENDPOINT."""
    return get_config().hf_endpoint.rstrip("/") or HUB


def download(file: WeightFile, path: Path, on_progress: Progress) -> None:
    """Download one file, as `.part` until it is complete and verified. `on_progress(done, size)` in
    bytes may raise to stop; received data are kept. Raise WeightsError: "offline", "no_connection",
    "connection_lost", "disk_full", "refused" (401, 403), "download_failed" or
    "weights_corrupted"."""
    assert file.url is not None
    require_online(path.name)
    addresses = [file.url, *file.mirrors]
    for number, address in enumerate(addresses, start=1):
        try:
            asyncio.run(_download_from(address, file, path, on_progress))
            return
        except WeightsError as error:
            if number == len(addresses) or error.code in {"disk_full", "offline"}:
                raise


async def _download_from(address: str, file: WeightFile, path: Path, on_progress: Progress) -> None:
    import httpx

    from detector.network.addresses import LinkRefused

    if address.startswith(HUB + "/"):
        address = endpoint() + address.removeprefix(HUB)
    part = path.with_name(path.name + ".part")
    try:
        first = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise WeightsError(
            _("{address} is not an address: {error}.").format(address=repr(address), error=error)
        ) from error
    check_space(path, file.size or 0, part)
    of_hub = urlsplit(address).netloc == urlsplit(endpoint()).netloc
    headers = {"Authorization": f"Bearer {token}"} if of_hub and (token := _token()) else {}
    async with httpx.AsyncClient(
        follow_redirects=True,
        max_redirects=5,
        timeout=TIMEOUT,
        event_hooks={"request": [partial(_check_redirect, first)]},
        headers=headers,  # httpx drops it at redirects to another host
        transport=_transport(first),
    ) as client:
        for attempt in range(TRIES):
            before = part.stat().st_size if part.is_file() else 0
            try:
                await _receive(client, address, file, part, on_progress)
                break
            except LinkRefused as error:
                if error.code == "link_unknown_host":
                    raise no_connection(address, error, broke=False) from error
                raise WeightsError(error.message) from error
            except httpx.TransportError as error:
                grew = part.is_file() and part.stat().st_size > before
                if attempt + 1 == TRIES or not grew:
                    raise no_connection(address, error, broke=bool(before or grew)) from error
            except httpx.HTTPStatusError as error:
                raise refused(address, error.response.status_code) from error
            except httpx.HTTPError as error:
                raise _unreachable(address, first_line(error)) from error
    try:
        if file.sha256 is not None:  # else the user named the address, and the content is checked
            verify(part, file, remedy=_("The download was thrown away. Try again later."))
    except WeightsError:
        part.unlink()
        raise
    os.replace(part, path)


async def _check_redirect(first: httpx.URL, request: httpx.Request) -> None:
    """Raise WeightsError for a request without TLS, or a redirect to an internal address."""
    url = request.url
    plain = url.host in _LOOPBACK and first.host in _LOOPBACK
    if url.scheme != "https" and not plain:
        text = _("{url} is not an https address; nothing was downloaded.")
        raise WeightsError(text.format(url=url))
    if url.host != first.host and _leads_inside(url.host) and not _leads_inside(first.host):
        text = _(
            "{host} redirects to {host_}, which is not on the public Internet; "
            "nothing was downloaded."
        )
        raise WeightsError(text.format(host=first.host, host_=url.host))


def _leads_inside(host: str) -> bool:
    """Return True if a host resolves to a non-public address; an unknown name may be a proxy's."""
    from detector.network.addresses import is_public, system_resolve

    try:
        return not all(map(is_public, system_resolve(host.strip("[]"), 443)))
    except (OSError, UnicodeError):
        return False


def _transport(first: httpx.URL) -> httpx.AsyncBaseTransport | None:
    """Return a transport that connects to the addresses that were checked, private ones only if the
    first host is; None where a proxy of the environment resolves the names."""
    from detector.network.addresses import LinkRules
    from detector.network.transport import PinnedTransport

    if not getproxies().keys().isdisjoint({"http", "https", "all"}):
        return None
    return PinnedTransport(LinkRules(ports=None, private=_leads_inside(first.host)))


async def _pieces(response: httpx.Response, address: str) -> AsyncIterator[bytes]:
    """Yield pieces of at least CHUNK bytes; raise WeightsError below LEAST_RATE."""
    buffer = bytearray()
    since, received = time.monotonic(), 0
    async for piece in response.aiter_raw():  # as it is read: a piece of a size would be waited for
        buffer += piece
        received += len(piece)
        elapsed = time.monotonic() - since
        slow = elapsed >= SLOW_SECONDS and received < LEAST_RATE * elapsed
        if slow or len(buffer) >= CHUNK:
            yield bytes(buffer)
            buffer.clear()
        if slow:
            text = _("only {came} bytes came in {elapsed} s")
            raise _unreachable(address, text.format(came=f"{received:,}", elapsed=f"{elapsed:.0f}"))
        if elapsed >= SLOW_SECONDS:
            since, received = time.monotonic(), 0
    if buffer:
        yield bytes(buffer)


def check_space(path: Path, size: int, part: Path | None = None) -> None:
    """Raise WeightsError ("disk_full") unless the disk has room for the rest of `size`."""
    have = part.stat().st_size if part and part.is_file() else 0
    free = shutil.disk_usage(path.parent).free
    need = max(0, size - have) + SPARE
    if free < need:
        raise WeightsError(
            _("The disk of {parent} has {free} bytes free, {name} needs {need}.").format(
                parent=path.parent, free=f"{free:,}", name=path.name, need=f"{need:,}"
            ),
            code="disk_full",
        )


def refused(address: str, status: int) -> WeightsError:
    """Return the error for an HTTP status."""
    if status in {401, 403}:
        page, why, hint = address, _("it needs an account"), ""
        if address.startswith(endpoint() + "/"):
            page = address.split("/resolve/")[0]
            why = _("its terms have to be accepted with your account, or it is private")
            hint = _("Open {page}, accept the terms there, then set HF_TOKEN.").format(page=page)
            if _token():
                hint = _(
                    "Open {page}, accept the terms there, and check that HF_TOKEN is of that "
                    "account."
                ).format(page=page)
        text = _("{page} may not be downloaded ({status}): {why}.")
        return WeightsError(
            text.format(page=page, status=status, why=why), code="refused", hint=hint
        )
    if status == 404:
        return WeightsError(
            _(
                "{address} could not be downloaded: the server answered 404, there is no such file."
            ).format(address=address),
            code="download_failed",
            hint=_("Its owner may have moved or deleted it."),
        )
    return _unreachable(address, _("the server answered {status}").format(status=status))


def _token() -> str | None:
    from huggingface_hub import get_token

    return get_token()


async def _receive(
    client: httpx.AsyncClient, address: str, file: WeightFile, part: Path, on_progress: Progress
) -> None:
    have = part.stat().st_size if part.is_file() else 0
    if file.size is not None and have >= file.size:  # whole, or never ours: the hash decides
        return
    # Uncompressed: a compressed response could be neither resumed nor measured.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    async with AsyncExitStack() as stack:
        try:
            async with asyncio.timeout(SLOW_SECONDS):
                answer = client.stream("GET", address, headers=headers)
                response = await stack.enter_async_context(answer)
        except TimeoutError as error:
            why = _("the server gave no answer within {slow_seconds} s")
            raise _unreachable(address, why.format(slow_seconds=f"{SLOW_SECONDS:.0f}")) from error
        if response.status_code == 416:
            if file.size is None:  # complete, or the hash will fail
                return
            part.unlink()
            raise _unreachable(
                address, _("the server refused to go on where it stopped; ask again")
            )
        response.raise_for_status()
        resumed = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if not (response.status_code == 206 and resumed):
            have = 0
        length = response.headers.get("Content-Length", "")
        stated = have + int(length) if length.isdigit() else None
        size = file.size or stated or 0
        most = file.size or min(stated or MAX_SIZE, MAX_SIZE)
        if file.size is None:
            check_space(part, size - have)
        with part.open("ab" if have else "wb") as out:
            on_progress(have, max(size, have))
            async for piece in _pieces(response, address):
                have += len(piece)
                if have > most:
                    out.close()
                    part.unlink()
                    text = _("it sends more than the {most} bytes stated")
                    raise _unreachable(address, text.format(most=f"{most:,}"))
                out.write(piece)
                on_progress(have, max(size, have))
            out.flush()
            os.fsync(out.fileno())
    if have < size:
        text = _("it stopped after {have} of {size} bytes; ask again to go on")
        raise _unreachable(address, text.format(have=f"{have:,}", size=f"{size:,}"))


def no_connection(address: str, error: Exception, *, broke: bool = False) -> WeightsError:
    """Return the error for a failed or (`broke`) lost connection, and log the cause."""
    host = urlsplit(address).hostname or address
    log.info("%s could not be reached: %r", address, error)
    if "CERTIFICATE" in str(error).upper():
        text = _("No secure connection to {host}: this computer does not trust its certificate.")
        hint = _("The usual reason is a proxy or virus scanner that inspects connections.")
        return WeightsError(text.format(host=host), code="download_failed", hint=hint)
    if broke:
        text = _("The connection to {host} broke off.")
        hint = _("What was received is kept; the next try goes on from there.")
        return WeightsError(text.format(host=host), code="connection_lost", hint=hint)
    text = _("No connection to {host}.")
    hint = _("Try again when there is one.")
    return WeightsError(text.format(host=host), code="no_connection", hint=hint)


def _unreachable(address: str, why: str) -> WeightsError:
    return WeightsError(
        _("{address} could not be downloaded: {why}.").format(address=address, why=why.rstrip(".")),
        code="download_failed",
        hint=_("What was received is kept; the next try goes on from there."),
    )


def verify(path: Path, file: WeightFile, *, remedy: str = "") -> None:
    """Raise WeightsError unless a file has the entry's sha256."""
    actual = digest(path)
    if actual != file.sha256:
        expected = (
            _("{size} bytes with sha256").format(size=f"{file.size:,}")
            if file.size is not None
            else "sha256"
        )
        raise WeightsError(
            _(
                "The weight file {path} is not the one the manifest states: "
                "expected {expected} {sha256}, "
                "found {st_size} bytes with sha256 {actual}."
            ).format(
                path=path,
                expected=expected,
                sha256=file.sha256,
                st_size=f"{path.stat().st_size:,}",
                actual=actual,
            ),
            code="weights_corrupted",
            hint=remedy,
        )


def digest(path: Path) -> str:
    """Return the sha256 of a file in hex, cached until its size or time changes."""
    try:
        stat = path.stat()
        return _digest(path.resolve(), stat.st_size, stat.st_mtime_ns)
    except OSError as error:
        text = _("The weight file {path} can't be read: {strerror}.")
        raise WeightsError(text.format(path=path, strerror=error.strerror)) from error


@cache
def _digest(path: Path, _size: int, _changed: int) -> str:
    return paths.sha256(path)


def first_line(error: Exception) -> str:
    """Return the first line of an exception's message."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
