"""Downloads of user-supplied URLs with protection against server-side request forgery (SSRF).

A URL and the answers of its server are untrusted: both may point to this machine or its network.
Each address is checked after its name is resolved, the connection is pinned to the checked address,
and every redirect starts over. Webhooks are called by the same rules.

Off unless UNMASK_LINKS is set: a download tells the server that the file is being examined."""

from typing import Any

from detector.links.names import is_link as is_link
from detector.links.names import name_of as name_of

try:
    from detector.links.fetch import FetchedLink as FetchedLink
    from detector.links.fetch import allowed as allowed
    from detector.links.fetch import check as check
    from detector.links.fetch import fetch as fetch
    from detector.links.fetch import fetch_to as fetch_to
    from detector.links.fetch import opener as opener
    from detector.links.fetch import pages_allowed as pages_allowed
    from detector.links.fetch import rules as rules
    from detector.network.addresses import LinkRefused as LinkRefused
    from detector.network.addresses import LinkRules as LinkRules
except ModuleNotFoundError as error:
    if error.name != "httpx":  # of the extra `full`
        raise

    def __getattr__(name: str) -> Any:
        raise ModuleNotFoundError("There is no httpx.", name="httpx")
