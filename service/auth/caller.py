"""One connection to this server: its origin, and the cookies that may identify it. Also the state
that a sign-in passes between its steps, for a server that has not imported Supabase.

A page's connection (`dashboard.session`) and a plain request have the same shape here. Each header
is an untrusted claim; the functions here decide how far it is trusted.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from service.config import get_config
from service.context import Role, is_id

GUEST, SESSION = "unmask", "unmask-session"  # Names of cookies

_NOWHERE = "nowhere.invalid"  # Stands for an invalid name (RFC 2606)
_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")


def digest(secret: str) -> str:
    """Return a one-way digest of a secret, 22 characters."""
    hashed = hashlib.sha256(f"unmask:{secret}".encode()).digest()
    return base64.urlsafe_b64encode(hashed[:16]).decode().rstrip("=")


def public_url() -> str:
    """Return scheme and host from `UNMASK_PUBLIC_URL`; else empty."""
    parts = urlsplit(get_config().public_url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def lower_names(headers: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return headers with lower-case names."""
    return tuple((name.lower(), value) for name, value in headers)


@dataclass(frozen=True)
class Caller:
    """Address, headers and cookies of a connection."""

    peer: str | None  # Address of the connection: perhaps a proxy's. None: this computer
    headers: tuple[tuple[str, str], ...] = ()  # In their order, names in lower case
    cookies: Mapping[str, str] = field(default_factory=dict)
    tls: bool = False  # This server itself speaks TLS

    @classmethod
    def of_request(cls, request: HTTPConnection, *, tls: bool = False) -> Caller:
        """Return the caller of a request to one of the server's own routes."""
        peer = request.client.host if request.client else None
        return cls(peer, lower_names(request.headers.items()), request.cookies, tls)

    def header(self, name: str) -> str:
        """Return the first value of a header; may be empty."""
        return next((value for known, value in self.headers if known == name), "")

    @property
    def secure(self) -> bool:
        """Return whether the browser uses HTTPS. A forged header changes only the sender's own
        cookies."""
        proto = self.header("x-forwarded-proto").split(",")[0].strip()
        return self.tls or proto in ("https", "wss") or public_url().startswith("https://")

    @property
    def address(self) -> str:
        """Return the client's address for rate limits: of the connection itself, or with trusted
        proxies the one that the outermost of them saw; entries further left in X-Forwarded-For are
        untrusted. IPv6 by its /64, which belongs to one subscriber."""
        address = self.peer or "127.0.0.1"
        if hops := get_config().trust_proxy:
            sent = [value for name, value in self.headers if name == "x-forwarded-for"]
            chain = ",".join(sent).split(",") if sent else []
            address = chain[-hops].strip() if len(chain) >= hops else address
        return _counted(address)

    @property
    def loopback(self) -> bool:
        """Return whether the browser runs on this computer, as far as that can be determined. The
        connection comes from a loopback address, no proxy added a header, and the page was opened
        under a loopback name: a proxy on this computer would look local, and so would a foreign
        page whose name resolves to 127.0.0.1 (DNS rebinding). The page of another server here, on
        another port, does not count. `UNMASK_LOCAL=off`: no browser is local; `all`: each that
        reaches the server, from its own pages."""
        if owners := get_config().local:
            return owners == "all" and not self.misled and not self._of_another_server
        return self._direct and _loopback(self._host) and not self._of_another_origin

    @property
    def misled(self) -> bool:
        """Return whether a browser on this computer was led here by a name that is not this
        server's (DNS rebinding). With an operator's public address, or with no local browsers, the
        name is trusted. With `UNMASK_LOCAL=all`, connections come from anywhere (a container's from
        its bridge), so the name alone decides: one without a dot belongs to this network.
        X-Forwarded-For, which a script can set, is ignored then; proxies are those that the
        operator trusts."""
        config = get_config()
        if config.local == "off" or config.space_id or not self.header("host"):
            return False
        if config.local == "all":
            return not config.trust_proxy and not self._of_a_name_here
        return not config.public_url and self._direct and not _loopback(self._host)

    @property
    def from_a_neighbor(self) -> bool:
        """Return whether the page of another server opened this connection: another port is another
        server. With `UNMASK_LOCAL=all`, any page of another origin."""
        if get_config().local == "all":
            return self._of_another_server
        if not self._of_another_origin:
            return False
        if get_config().trust_proxy or self._marked:  # a proxy may have changed the name
            return False
        origin = _hostname(self.header("origin"))
        return origin == self._host or (
            self._direct and _loopback(self._host) and _loopback(origin)
        )

    @property
    def from_extension(self) -> bool:
        """Return whether a browser extension sent this request; pages have other schemes."""
        return self.header("origin").startswith(("chrome-extension://", "moz-extension://"))

    @property
    def _direct(self) -> bool:
        """Return whether the connection comes from this computer without a proxy."""
        return _loopback(self.peer) and not get_config().trust_proxy and not self._marked

    @property
    def _marked(self) -> bool:
        """Return whether a proxy added a header."""
        return any(self.header(name) for name in _FORWARDED)

    @property
    def _host(self) -> str:
        return _hostname(f"//{self.header('host')}")

    @property
    def _of_a_name_here(self) -> bool:
        """Return whether the host name of the request belongs to this server or network."""
        host, public = self._host, public_url()
        return "." not in host or _is_address(host) or (bool(public) and host == _hostname(public))

    @property
    def _of_another_origin(self) -> bool:
        """Return whether the Origin header has another host or port than the request. What the
        browser itself began, such as a share from another app, comes from no page; no script can
        set that header."""
        origin = self.header("origin")
        if self.header("sec-fetch-site") == "none":
            return False
        return bool(origin) and _netloc(origin) != self.header("host").lower()

    @property
    def _of_another_server(self) -> bool:
        """Return whether the Origin header has another port; for when neither operator nor proxy
        names this server."""
        names = {_netloc(public_url())}
        if get_config().trust_proxy:
            names.add(self.header("x-forwarded-host").split(",")[-1].strip().lower())
        return self._of_another_origin and _netloc(self.header("origin")) not in names - {""}

    def cookie(self, name: str) -> str | None:
        """Return the browser's token of this server, if it is valid."""
        value = self.cookies.get(cookie_name(name, self.secure), "")
        return value if is_id(value) else None

    @property
    def origin(self) -> str:
        """Return scheme and host as the browser sees them, without a trailing slash."""
        return public_url() or f"{'https' if self.secure else 'http'}://{self.header('host')}"

    @property
    def from_own_page(self) -> bool:
        """Return whether a page of this server sent this POST, by its Origin header, which no
        script can set."""
        site = self.header("sec-fetch-site")
        if site and site != "same-origin":
            return False
        return bool(self.header("origin")) and not self._of_another_server


def cookie_name(name: str, secure: bool) -> str:
    """Return the cookie's name; `__Host-` over HTTPS, so that no subdomain can set it."""
    return f"__Host-{name}" if secure else name


def _hostname(url: str) -> str:
    try:
        return urlsplit(url).hostname or _NOWHERE
    except ValueError:
        return _NOWHERE


def _netloc(url: str) -> str:
    try:
        return urlsplit(url).netloc.lower()
    except ValueError:
        return ""


def _loopback(address: str | None) -> bool:
    if address is None or address == "localhost":
        return True
    try:
        return _unmapped(address).is_loopback
    except ValueError:
        return False


def _is_address(host: str) -> bool:
    try:
        return bool(_unmapped(host))
    except ValueError:
        return False


def _unmapped(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return ::ffff:127.0.0.1 as IPv4 (Python < 3.13). Raise ValueError for an invalid address."""
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


@dataclass(frozen=True)
class Accounts:
    """Address and key of the Supabase project with the accounts."""

    url: str
    key: str
    required: bool = False  # Nobody works here without one
    providers: tuple[str, ...] = ()  # Of `service.config.PROVIDERS`
    default_role: Role = Role.ANALYST
    days: float = 30.0  # A browser stays signed in


class Purpose(StrEnum):
    """Purpose of a sign-in flow that left the browser."""

    CONFIRM = "confirm"
    LINK = "link"
    RESET = "reset"
    OAUTH = "oauth"


@dataclass(frozen=True)
class Pending:
    """A sign-in flow between its steps."""

    purpose: Purpose
    browser: str  # Digest of the cookie of the browser that began
    verifier: str = ""  # PKCE; empty where the library gives none
    email: str = ""  # Whom an e-mail went to


@dataclass(frozen=True)
class SignedIn:
    """Result of a sign-in flow."""

    cookie: str  # For the browser
    ttl: float  # s
    reset: bool = False  # A new password is to be chosen


@dataclass(frozen=True)
class AuthReturnContext:
    """Origin of a sign-in flow."""

    browser: str  # Digest of its cookie; empty where it keeps none
    address: str  # To count by
    origin: str  # Scheme, host and base path of this server, as that browser sees it

    @classmethod
    def of(cls, caller: Caller, base_path: str) -> AuthReturnContext:
        """Return the context of a flow that this caller begins; `base_path` is "" or
        "/something"."""
        secret = caller.cookie(GUEST)
        browser = digest(secret) if secret else ""
        return cls(browser, caller.address, f"{caller.origin}{base_path}")

    def back(self, nonce: str) -> str:
        """Return the redirect address of a flow."""
        return f"{self.origin}/session/return/{nonce}"
