"""Files by their address on the web: fetched only from where a stranger's link may lead.

A link comes from a stranger, and so do the answers of the server it names: either may lead to the
machine that fetches, or to its neighbors. So each address is looked at after its name is resolved,
the connection goes to the very address that was looked at, and every redirect begins anew. Webhooks
are called by the same rule.

Off unless UNMASK_LINKS says otherwise: who fetches tells a server that the file is looked at.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from detector.links.names import is_link, name_of

if TYPE_CHECKING:
    from detector.links.addresses import LinkRefused, LinkRules
    from detector.links.downloader import available as pages_allowed
    from detector.links.fetch import FetchedLink, allowed, check, fetch, fetch_to, opener, rules

__all__ = [
    "FetchedLink",
    "LinkRefused",
    "LinkRules",
    "allowed",
    "check",
    "fetch",
    "fetch_to",
    "is_link",
    "name_of",
    "opener",
    "pages_allowed",
    "rules",
]

_ADDRESSES = {"LinkRefused", "LinkRules"}


def __getattr__(name: str) -> Any:
    """Import what fetches when it is asked for: httpx is of the extra `full`."""
    if name == "pages_allowed":
        return import_module("detector.links.downloader").available
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "addresses" if name in _ADDRESSES else "fetch"
    return getattr(import_module(f"{__name__}.{module}"), name)
