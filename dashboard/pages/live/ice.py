"""Which servers help a browser and this server to find each other (ICE; docs/live.md).

A browser on this computer needs none, and then none is asked: nothing leaves the machine. For any
other browser a STUN server tells both ends their public addresses, and where a network lets no UDP
through, a TURN server passes the video on.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr
from streamlit_webrtc import get_cloudflare_ice_servers, get_hf_ice_servers, get_twilio_ice_servers

from detector.weights import offline
from service.config import Config, get_config

log = logging.getLogger(__name__)

Server = dict[str, Any]
"""As in the browser's RTCConfiguration: urls, and for TURN username and credential."""

PUBLIC_STUN = "stun:stun.l.google.com:19302"
"""Asked only where nothing else is set and the browser is on another machine."""
HERE = {"localhost", "127.0.0.1", "::1"}
_NONE = {"none", "off", "0"}


def servers(page: str | None, config: Config | None = None) -> list[Server]:
    """Return ICE servers for a visitor's page; none for a browser here, unless configured."""
    config = config or get_config()
    stun = config.stun
    named: list[Server] = []
    if stun.lower() not in _NONE:
        named = [{"urls": url} for url in _addresses(stun)]
    if turn := _addresses(config.turn_url):
        named.append(
            {
                "urls": turn,
                "username": config.turn_username,
                "credential": config.turn_credential.get_secret_value(),
            }
        )
        return named
    if page is None or urlsplit(page).hostname in HERE or offline():
        return named
    if lent := _lent(config):
        return [*named, *lent]
    if named or stun:
        return named
    return [{"urls": PUBLIC_STUN}]


def has_relay(servers: Sequence[Server]) -> bool:
    """Return whether a TURN server is among them."""
    return any(url.startswith(("turn:", "turns:")) for url in urls(servers))


def urls(servers: Sequence[Server]) -> list[str]:
    """Return every address among them."""
    every = (server["urls"] for server in servers)
    return [url for urls in every for url in ([urls] if isinstance(urls, str) else urls)]


def _addresses(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _lent(config: Config) -> list[Server]:
    """Return the provider's relay servers, or none; a hub token is sent only from a Space."""
    providers: tuple[tuple[str, tuple[str, SecretStr | None], Callable[..., Any]], ...] = (
        (
            "Cloudflare",
            (config.cloudflare_turn_key_id, config.cloudflare_turn_key_api_token),
            get_cloudflare_ice_servers,
        ),
        ("Twilio", (config.twilio_account_sid, config.twilio_auth_token), get_twilio_ice_servers),
        (
            "Hugging Face",
            (config.space_id, config.hf_token),
            lambda _space, token: get_hf_ice_servers(token),
        ),
    )
    for provider, (name, secret), ask in providers:
        if not (name and secret):
            continue
        try:
            return [dict(server) for server in ask(name, secret.get_secret_value())]
        except Exception as error:  # each provider fails in its own way; the page goes on without
            log.warning("no relay from %s: %s", provider, type(error).__name__)
    return []
