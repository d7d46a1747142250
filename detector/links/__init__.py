"""Files by their address on the web: fetched only from where a stranger's link may lead.

A link comes from a stranger, and so do the answers of the server it names: either may lead to the
machine that fetches, or to its neighbors. So each address is looked at after its name is resolved,
the connection goes to the very address that was looked at, and every redirect begins anew. Webhooks
are called by the same rule.

Off unless UNMASK_LINKS says otherwise: who fetches tells a server that the file is looked at.
"""

from typing import Any

from detector.links.names import is_link as is_link
from detector.links.names import name_of as name_of

try:
    from detector.links.addresses import LinkRefused as LinkRefused
    from detector.links.addresses import LinkRules as LinkRules
    from detector.links.downloader import pages_allowed as pages_allowed
    from detector.links.fetch import FetchedLink as FetchedLink
    from detector.links.fetch import allowed as allowed
    from detector.links.fetch import check as check
    from detector.links.fetch import fetch as fetch
    from detector.links.fetch import fetch_to as fetch_to
    from detector.links.fetch import opener as opener
    from detector.links.fetch import rules as rules
except ModuleNotFoundError as error:
    if error.name != "httpx":  # of the extra `full`
        raise

    def __getattr__(name: str) -> Any:
        raise ModuleNotFoundError("There is no httpx.", name="httpx")
