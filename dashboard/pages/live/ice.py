"""Which servers help a browser and this server to find each other (ICE; docs/live.md).

A browser on this computer needs none, and then none is asked: nothing leaves the machine. For any
other browser a STUN server tells both ends their public addresses, and where a network lets no UDP
through, a TURN server passes the video on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from streamlit_webrtc import (
    get_cloudflare_ice_servers,
    get_hf_ice_servers,
    get_twilio_ice_servers,
)

from detector.weights import offline

log = logging.getLogger(__name__)

Server = dict[str, Any]
"""As in the browser's RTCConfiguration: urls, and for TURN username and credential."""

PUBLIC_STUN = "stun:stun.l.google.com:19302"
"""Asked only where nothing else is set and the browser is on another machine."""
HERE = {"localhost", "127.0.0.1", "::1"}
_NONE = {"none", "off", "0"}


def servers(page: str | None, env: Mapping[str, str] = os.environ) -> list[Server]:
    """The servers for a visitor.

    Parameters
    ----------
    page : str or None
        Address of the page as the visitor's browser knows it; None without a browser.
    env : mapping
        `UNMASK_STUN` (addresses, commas between; "none" for no STUN at all), `UNMASK_TURN_URL`
        with `UNMASK_TURN_USERNAME` and `UNMASK_TURN_CREDENTIAL`; or a provider's own variables:
        `CLOUDFLARE_TURN_KEY_ID` and `CLOUDFLARE_TURN_KEY_API_TOKEN`, `TWILIO_ACCOUNT_SID` and
        `TWILIO_AUTH_TOKEN`, on a Hugging Face Space `HF_TOKEN`.

    Returns
    -------
    list of dict
        Empty for a browser on this computer, unless the operator named servers.
    """
    stun = env.get("UNMASK_STUN", "").strip()
    named: list[Server] = []
    if stun.lower() not in _NONE:
        named = [{"urls": url} for url in _addresses(stun)]
    if turn := _addresses(env.get("UNMASK_TURN_URL", "")):
        named.append(
            {
                "urls": turn,
                "username": env.get("UNMASK_TURN_USERNAME", ""),
                "credential": env.get("UNMASK_TURN_CREDENTIAL", ""),
            }
        )
        return named
    if page is None or urlsplit(page).hostname in HERE or offline():
        return named
    if lent := _lent(env):
        return [*named, *lent]
    if named or stun:
        return named
    return [{"urls": PUBLIC_STUN}]


def has_relay(servers: Sequence[Server]) -> bool:
    """Whether a TURN server is among them."""
    return any(url.startswith(("turn:", "turns:")) for url in urls(servers))


def urls(servers: Sequence[Server]) -> list[str]:
    """Every address among them."""
    return [
        url
        for server in servers
        for url in ([server["urls"]] if isinstance(server["urls"], str) else server["urls"])
    ]


def _addresses(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _lent(env: Mapping[str, str]) -> list[Server]:
    """Servers of the provider whose credentials are set; none if it doesn't answer.

    A token of the Hugging Face hub is used for this on a Space only: elsewhere it is there to
    download models, and nobody expects it to be sent anywhere else.
    """
    providers: tuple[tuple[tuple[str, ...], Callable[..., Any]], ...] = (
        (("CLOUDFLARE_TURN_KEY_ID", "CLOUDFLARE_TURN_KEY_API_TOKEN"), get_cloudflare_ice_servers),
        (("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"), get_twilio_ice_servers),
        (("HF_TOKEN", "SPACE_ID"), lambda token, _space: get_hf_ice_servers(token)),
    )
    for names, ask in providers:
        values = [env.get(name, "") for name in names]
        if not all(values):
            continue
        try:
            return [dict(server) for server in ask(*values)]
        except Exception as error:  # each provider fails in its own way; the page goes on without
            log.warning("no relay from %s: %s", names[0], type(error).__name__)
    return []
