"""One connection to this server: where it comes from, and which cookies it may be known by.

The same questions are asked of a page's connection (`dashboard.session`) and of a plain request, so
both are brought into one shape. Everything in a header is a stranger's
claim; the functions here say how far each is believed.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from service.config import get_config

GUEST, SESSION = "unmask", "unmask-session"
"""Cookies: which browser this is; who is signed in with it."""

_TOKEN = re.compile(r"[A-Za-z0-9_-]{22}")
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
"""Headers of which a proxy sets at least one."""


def token() -> str:
    """22 URL-safe characters, 128 random bits."""
    return secrets.token_urlsafe(16)


def digest(secret: str) -> str:
    """22 characters from which the secret can't be found; the same for the same secret."""
    hashed = hashlib.sha256(f"unmask:{secret}".encode()).digest()
    return base64.urlsafe_b64encode(hashed[:16]).decode().rstrip("=")


def public_url() -> str:
    """Scheme and host that people use, from `UNMASK_PUBLIC_URL`; else empty."""
    parts = urlsplit(get_config().public_url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def trusted_proxies() -> int:
    """How many proxies of ours a request passes: `UNMASK_TRUST_PROXY`, else none."""
    return get_config().trust_proxy


def lower_names(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return headers with their names in lower case."""
    return tuple((name.lower(), value) for name, value in headers)


@dataclass(frozen=True)
class Caller:
    """What is known of the other end.

    Attributes
    ----------
    peer : str or None
        Address of the connection itself: a proxy's, where there is one. None: this computer.
    headers : tuple of (str, str)
        In their order, names in lower case.
    cookies : mapping
    tls : bool
        This server itself speaks TLS.
    """

    peer: str | None
    headers: tuple[tuple[str, str], ...] = ()
    cookies: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False

    @classmethod
    def of_request(cls, request: HTTPConnection, *, tls: bool = False) -> Caller:
        """Return the connection of a request to one of our routes."""
        peer = request.client.host if request.client else None
        return cls(peer, lower_names(request.headers.items()), request.cookies, tls)

    def header(self, name: str) -> str:
        """The first value, or nothing."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def secure(self) -> bool:
        """Whether the browser is reached by HTTPS. Who lies about it only changes the cookies of
        their own browser."""
        proto = self.header("x-forwarded-proto").split(",")[0].strip()
        return self.tls or proto in ("https", "wss") or public_url().startswith("https://")

    @property
    def address(self) -> str:
        """The client's address, to count by: the connection's own, or with trusted proxies the one
        that the outermost of them saw. What stands further left in X-Forwarded-For anybody may
        have written. IPv6 by its /64, of which one person has all."""
        address = self.peer or "127.0.0.1"
        if hops := trusted_proxies():
            chain = [
                part.strip()
                for name, value in self.headers
                if name == "x-forwarded-for"
                for part in value.split(",")
            ]
            if len(chain) >= hops:
                address = chain[-hops]
        return _counted(address)

    @property
    def loopback(self) -> bool:
        """Whether the browser runs on this computer, as far as that can be told.

        The connection comes from a loopback address, no proxy left its mark, and the page was
        opened under a loopback name: a proxy on this computer would look local, and so would a
        stranger's page that had its own name resolve to 127.0.0.1. `UNMASK_LOCAL=off` says that
        nobody is; `all`, that everybody who can reach the server is.
        """
        if wish := get_config().local:
            return wish == "all"
        if not _loopback(self.peer) or trusted_proxies():
            return False
        if any(self.header(name) for name in _FORWARDED):
            return False
        origin = self.header("origin")
        names = [_hostname(f"//{self.header('host')}"), *([_hostname(origin)] if origin else [])]
        return all(_loopback(name) for name in names)

    def cookie(self, name: str) -> str | None:
        """A token of ours, if the browser has it and it can be one."""
        value = self.cookies.get(cookie_name(name, self.secure), "")
        return value if _TOKEN.fullmatch(value) else None

    @property
    def origin(self) -> str:
        """Scheme and host as the browser sees them, without a slash at the end."""
        return public_url() or f"{'https' if self.secure else 'http'}://{self.header('host')}"

    @property
    def from_own_page(self) -> bool:
        """Whether a page of ours sent this request, and not somebody else's in the same browser.
        Browsers name the page's origin with every POST and let no script change it."""
        site = self.header("sec-fetch-site")
        if site and site != "same-origin":
            return False
        origin = urlsplit(self.header("origin")).netloc
        known = {self.header("host"), urlsplit(public_url()).netloc} - {""}
        return origin in known


def cookie_name(name: str, secure: bool) -> str:
    """With HTTPS, browsers hold `__Host-` to this one host: no neighbor under the same domain can
    set it."""
    return f"__Host-{name}" if secure else name


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or "nowhere"
    except ValueError:
        return "nowhere"


def _loopback(address: str | None) -> bool:
    if address is None or address == "localhost":
        return True
    try:
        return _unmapped(address).is_loopback
    except ValueError:
        return False


def _unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address, of IPv4 where it is one: a socket of both kinds says ::ffff:127.0.0.1, which
    Python before 3.13 does not take for loopback. ValueError where it is none."""
    parsed = ipaddress.ip_address(address)
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def _counted(address: str) -> str:
    try:
        parsed = _unmapped(address.strip("[]"))
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
