"""Link download: one file by HTTP within limits of size and time."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from threading import Event
from typing import Any, BinaryIO, TypeVar

import httpx

from detector import __version__, plugins
from detector.config import get_config
from detector.errors import Canceled, MediaError
from detector.links.names import name_of
from detector.media.files import safe_name, sniff
from detector.media.limits import MAX_BYTES, SNIFF_BYTES
from detector.network.addresses import WEB_PORTS, LinkRefused, LinkRules, Resolve, parse
from detector.network.transport import CHUNK_BYTES, POLL_SECONDS, PinnedTransport, followed
from detector.provenance.text import clean
from detector.schema.origin import FileSource, Posted
from detector.sentences import _

MAX_PAGE = 1 << 18  # bytes of a page that are read: its head
_NAMES = {
    "title": ("og:title", "twitter:title"),
    "by": ("article:author", "author", "og:article:author", "twitter:creator", "parsely-author"),
    "date": ("article:published_time", "og:article:published_time", "date", "datepublished"),
    "site": ("og:site_name",),
}
"""Names of `meta` elements in order of preference."""


class _Meta(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.content: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "meta":
            given = dict(attrs)
            name = given.get("property") or given.get("name") or given.get("itemprop") or ""
            self.content.setdefault(name.lower(), given.get("content") or "")


def of_page(page: bytes) -> dict[str, str]:
    """Return the metadata in a page's head (Open Graph, article tags): title, by, date, site."""
    parser = _Meta()
    parser.feed(page[:MAX_PAGE].decode("utf-8", "replace"))
    return {
        key: text
        for key, names in _NAMES.items()
        if (text := next(filter(None, map(parser.content.get, names)), ""))
    }


def posted_by(*stated: Mapping[str, str]) -> Posted | None:
    """Merge the metadata of pages, earlier ones first; None without author and date."""
    texts: dict[str, str] = {}
    for one in reversed(stated):
        texts.update({key: clean(value) for key, value in one.items()})
    return Posted(**texts) if texts.get("by") or texts.get("date") else None


T = TypeVar("T")
OnProgress = Callable[[int, int], object]
"""Called with the received and the total bytes; 0 if unknown."""

HEADERS = {
    "User-Agent": f"Unmask/{__version__}",
    "Accept": "video/*, image/*, audio/*, */*;q=0.5",
    # Uncompressed: a decompression bomb never expands here.
    "Accept-Encoding": "identity",
}
_BY_HAND = "Download the file yourself and send it."
_STATUS = {
    401: _("requires a login"),
    403: _("is not public: its server refuses access"),
    404: _("is broken: its file does not exist any more"),
    410: _("is broken: its file does not exist any more"),
    429: _("was requested too often; its server asks us to wait"),
    451: _("is blocked for legal reasons, says its server"),
}


@dataclass(frozen=True)
class FetchedLink:
    """A downloaded file."""

    name: str  # By its URL, safe to display
    size: int  # bytes
    source: FileSource | None = None
    """Author and date of the post, if a page states them."""


@dataclass(frozen=True)
class _Fetch:
    rules: LinkRules
    resolve: Resolve | None
    verify: ssl.SSLContext | None
    on_progress: OnProgress = lambda done, total: None
    cancel: Event | None = None


def allowed() -> bool:
    """Return True if links are fetched here (UNMASK_LINKS, unless UNMASK_OFFLINE)."""
    config = get_config()
    return config.links and not config.offline


def rules(max_bytes: int) -> LinkRules:
    """Return the rules of this installation with this size limit."""
    config = get_config()
    ports = WEB_PORTS | frozenset(config.links_ports)
    return LinkRules(max_bytes=max_bytes, ports=ports, private=config.links_private)


def fetch(
    url: str,
    target: BinaryIO,
    rules: LinkRules,
    *,
    on_progress: OnProgress = lambda done, total: None,
    cancel: Event | None = None,
    resolve: Resolve | None = None,
    verify: ssl.SSLContext | None = None,
) -> FetchedLink:
    """Download the file behind a link.

    Parameters
    ----------
    url : str
    target : binary file
        Empty, open for writing and reading; positioned at its beginning afterwards.
    rules : LinkRules
    on_progress : callable
        Called with received and total bytes after each piece; an exception stops the download.
    cancel : Event, optional
        Once set, the download ends, also while no data arrive.
    resolve, verify
        As in `PinnedTransport`.

    Raises
    ------
    LinkRefused
        There is no file; the message is the reason.
    MediaError
        The file is no video, picture or sound.
    Canceled
    """
    host = check(url, rules).host
    try:
        job = _Fetch(rules, resolve, verify, on_progress, cancel)
        return _fetch(url, target, job)
    except asyncio.CancelledError as error:
        raise Canceled from error
    except (TimeoutError, httpx.TimeoutException) as error:
        raise LinkRefused(
            _(
                "{host} is too slow: the file was not here after {seconds} s, or nothing "
                "came for {silence} s."
            ).format(
                host=host, seconds=f"{rules.seconds:.0f}", silence=f"{rules.read_timeout:.0f}"
            ),
            code="link_slow",
            hint=_BY_HAND,
        ) from error
    except httpx.ConnectError as error:
        secure = "CERTIFICATE" in str(error).upper() or "SSL" in str(error).upper()
        raise LinkRefused(
            _("No secure connection to {host}: its certificate is not valid for that name.").format(
                host=host
            )
            if secure
            else _("No connection to {host}.").format(host=host),
            code="link_unreachable",
        ) from error
    except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
        text = _("{host} closed the connection, or sent an invalid response.")
        raise LinkRefused(text.format(host=host), code="link_broken", hint=_BY_HAND) from error


def check(url: str, limits: LinkRules | None = None) -> httpx.URL:
    """Check a URL without resolving it; raise LinkRefused."""
    if not allowed():
        text = _("Links are not fetched here: this installation takes files only.")
        raise LinkRefused(text, code="links_off", hint=_BY_HAND)
    return parse(url, limits or rules(MAX_BYTES))


def pages_allowed() -> bool:
    """Return True if videos of web pages are downloaded here: switched on, and a package of
    `plugins.pages` is installed."""
    config = get_config()
    return config.ytdlp and config.links and not config.offline and bool(plugins.pages())


def opener(url: str) -> Callable[[Path], tuple[Path, FileSource | None]]:
    """Return a function that downloads a link into a folder (`fetch_to`)."""

    def bring(folder: Path) -> tuple[Path, FileSource | None]:
        path = folder / "link"
        return path, fetch_to(url, path).source

    return bring


def fetch_to(url: str, path: Path) -> FetchedLink:
    """Download a link to a new file under `rules` (`fetch`)."""
    with path.open("x+b") as file:
        return fetch(url, file, rules(MAX_BYTES))


def _fetch(url: str, target: BinaryIO, job: _Fetch) -> FetchedLink:
    try:
        return asyncio.run(_cancelable(_within(url, target, job), job.cancel))
    except LinkRefused as error:
        if error.code != "link_page" or not pages_allowed():
            raise
    target.seek(0)
    stated = of_page(target.read(MAX_PAGE))
    target.seek(0)
    target.truncate()
    [download, *_others] = plugins.pages()
    name, size, posted = download(
        url.strip(),
        target,
        job.rules,
        on_bytes=lambda count: job.on_progress(count, 0),
        cancel=job.cancel,
        resolve=job.resolve,
    )
    target.flush()
    sniff(target)
    target.seek(0)
    by = posted_by(posted, stated)
    return FetchedLink(safe_name(name), size, FileSource(posted=by) if by is not None else None)


async def _cancelable(work: Coroutine[Any, Any, T], cancel: Event | None) -> T:
    """Return the result of `work`; cancel it once `cancel` is set."""
    task = asyncio.create_task(work)
    while cancel is not None and not task.done():
        await asyncio.wait([task], timeout=POLL_SECONDS)
        if cancel.is_set():
            task.cancel()
    return await task


async def _within(url: str, target: BinaryIO, job: _Fetch) -> FetchedLink:
    rules = job.rules
    transport = PinnedTransport(rules, resolve=job.resolve, verify=job.verify)
    async with (
        asyncio.timeout(rules.seconds),
        httpx.AsyncClient(
            transport=transport,
            # Cookies are never sent back.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            headers=HEADERS,
            timeout=rules.read_timeout,
            trust_env=False,
            follow_redirects=False,
        ) as client,
    ):
        request = client.build_request("GET", parse(url, rules))
        async with followed(client, request, rules) as answer:
            return await _receive(answer, target, job)


async def _receive(answer: httpx.Response, target: BinaryIO, job: _Fetch) -> FetchedLink:
    """Write a response's body, and refuse unsupported content as early as possible."""
    most = job.rules.max_bytes
    status = answer.status_code
    if status != 200:
        what = _STATUS.get(
            status, _("gave no file: its server answered {status}").format(status=status)
        )
        raise LinkRefused(
            _("This link {what}.").format(what=what), code="link_status", hint=_BY_HAND
        )
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdigit() else 0
    if total > most:
        raise _too_large(most)
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        text = _("This link gives packed data that we did not ask for, and we don't unpack it.")
        raise LinkRefused(text, code="link_packed", hint=_BY_HAND)
    count, sniffed = 0, False
    async for piece in answer.aiter_raw(CHUNK_BYTES):
        count += len(piece)
        if count > most:
            raise _too_large(most)
        target.write(piece)
        job.on_progress(count, total)
        if not sniffed and count >= SNIFF_BYTES:
            _sniff(target)
            sniffed = True
            target.seek(count)
    if not count:
        raise LinkRefused(_("There is nothing behind this link: an empty file."), code="empty")
    target.flush()
    _sniff(target)  # an index at the end may reference other files
    target.seek(0)
    return FetchedLink(name_of(str(answer.url)), count)


def _sniff(file: BinaryIO) -> None:
    file.flush()
    try:
        sniff(file)
    except MediaError as error:
        file.seek(0)
        head = file.read(SNIFF_BYTES).lstrip().lower()
        if error.code == "unsupported" and (b"<html" in head or head.startswith(b"<!doctype")):
            text = _("This link leads to a page, not to a video or a picture.")
            hint = _("Open it, and copy the address of the video or picture itself.")
            raise LinkRefused(text, code="link_page", hint=hint) from None
        raise


def _too_large(most: int) -> LinkRefused:
    text = _("The file behind this link is larger than {most} MB, the limit here.")
    hint = _("Cut out the part that matters.")
    return LinkRefused(text.format(most=f"{most / (1 << 20):,.0f}"), code="too_large", hint=hint)
