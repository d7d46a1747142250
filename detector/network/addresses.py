"""URL and address rules: the schemes, ports and network addresses that a link may use."""

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

import httpx

from detector.errors import InputError
from detector.sentences import _

MAX_URL = 2000  # characters
WEB_PORTS = frozenset({80, 443})
_UNICAST_IPV6 = ipaddress.ip_network("2000::/3")
"""All allocated unicast IPv6. The prefix that translates to IPv4 (64:ff9b::/96) lies outside."""
_REFUSED = (
    ipaddress.ip_network("2002::/16"),  # 6to4: leads to an IPv4 address, which may be private
    ipaddress.ip_network("2001::/32"),  # Teredo: the same
    ipaddress.ip_network("3fff::/20"),  # of documents (RFC 9637), unknown to Python 3.11
    ipaddress.ip_network("192.88.99.0/24"),  # 6to4 relays
    # Answer the machines of a cloud with its secrets, though they look like public addresses.
    ipaddress.ip_network("168.63.129.16/32"),
    ipaddress.ip_network("192.0.0.0/24"),
    ipaddress.ip_network("100.100.100.200/32"),
)
_METADATA = (ipaddress.ip_network("fd00:ec2::254/128"), ipaddress.ip_network("fd20:ce::254/128"))
"""The same, among private addresses."""
_SHARED = ipaddress.ip_network("100.64.0.0/10")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolve = Callable[[str, int], list[str]]  # A name and a port -> network addresses; raises OSError


class LinkRefused(InputError):
    """Raised for a URL that may not be fetched, or that gave nothing to analyze."""

    default_code = "link_refused"


@dataclass(frozen=True)
class LinkRules:
    """Allowed targets and limits of a link."""

    max_bytes: int = 500 << 20
    max_redirects: int = 5
    seconds: float = 120.0  # For all of it: resolution, redirects, the file
    read_timeout: float = 20.0  # s without a byte
    ports: frozenset[int] | None = WEB_PORTS  # None: any
    private: bool = False
    """Allow addresses of this machine and its networks too; cloud metadata addresses never."""
    networks: tuple[Network, ...] = ()  # If not empty, the only private networks allowed
    public: bool = True  # Also the addresses of the Internet


def read_url(text: str) -> httpx.URL | None:
    """Parse a URL with a host; return None for any other text."""
    try:
        url = httpx.URL(text.strip()) if len(text) <= MAX_URL else None
    except (httpx.InvalidURL, ValueError, UnicodeError):
        return None
    return url if url is not None and url.host else None


def parse(url: str, rules: LinkRules) -> httpx.URL:
    """Parse and check a URL without resolving it; raise LinkRefused."""
    if (parsed := read_url(url)) is None:
        raise LinkRefused(_("This is not an address of a file on the web."), code="link_invalid")
    return check_form(parsed, rules)


def check_form(url: httpx.URL, rules: LinkRules) -> httpx.URL:
    """Return the URL if scheme, port and parts are allowed; raise LinkRefused."""
    if url.scheme not in ("http", "https") or not url.host:
        raise LinkRefused(_("Only addresses with https:// or http:// are fetched."))
    if url.userinfo:
        text = _("An address with a name or a password in it is not fetched.")
        raise LinkRefused(text, hint=_("Download the file yourself and send it."))
    check_port(port_of(url), rules)
    return url


def check_port(port: int, rules: LinkRules) -> None:
    """Raise LinkRefused for a port that is not allowed."""
    if not 0 < port < 65536:
        raise LinkRefused(_("There is no port {url}.").format(url=port))
    if rules.ports is not None and port not in rules.ports:
        text = _("Port {port} is not fetched from; files come by 80 or 443.")
        raise LinkRefused(text.format(port=port), code="link_port")


def port_of(url: httpx.URL) -> int:
    """Return the port of a URL, explicit or by its scheme."""
    return url.port or (443 if url.scheme == "https" else 80)


def addresses(host: str, port: int, rules: LinkRules, resolve: Resolve | None = None) -> list[str]:
    """Resolve a host; raise LinkRefused if it is unknown or any of its addresses is not allowed."""
    try:
        found = (resolve or system_resolve)(host, port)
    except (OSError, UnicodeError):
        found = []
    if not found:
        raise LinkRefused(
            _("There is no server called {host}.").format(host=host), code="link_unknown_host"
        )
    if not all(_may_lead(address, rules) for address in found):
        text = _("{host} is not on the public Internet, and nothing else is fetched from.")
        raise LinkRefused(text.format(host=host), code="link_private")
    return found


def system_resolve(host: str, port: int) -> list[str]:
    """Resolve by this computer's resolver."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(info[4][0]) for info in found))


def is_public(address: str) -> bool:
    """Return True for an address of the public Internet."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address) and parsed not in _UNICAST_IPV6:
        return False
    if any(parsed in network for network in _REFUSED):
        return False
    return parsed.is_global and not parsed.is_multicast


def may_connect(address: str, *, private: bool = False) -> bool:
    """Return True if a network address may be connected to."""
    if is_public(address):
        return True
    if not private:
        return False
    parsed = _parsed(address)
    if any(parsed in network for network in (*_REFUSED, *_METADATA)):
        return False
    odd = parsed.is_link_local or parsed.is_multicast or parsed.is_unspecified
    reserved = parsed.is_reserved and not parsed.is_loopback  # ::1 is both
    return (parsed.is_private or parsed in _SHARED) and not odd and not reserved


def _may_lead(address: str, rules: LinkRules) -> bool:
    if is_public(address):
        return rules.public
    named = any(_parsed(address) in network for network in rules.networks)
    return may_connect(address, private=rules.private or named)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return an address; an IPv4-mapped one of IPv6 as IPv4."""
    parsed = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        return parsed.ipv4_mapped or parsed
    return parsed
