"""Browser part of the Live page: cameras, permission, and a connection test.

`link.js` requests and reports; its reports are read here and put into words.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import streamlit as st
from pydantic import SecretStr
from streamlit_webrtc import get_cloudflare_ice_servers, get_hf_ice_servers, get_twilio_ice_servers

from dashboard._compat import component_key, reported
from dashboard.pages.live.problems import PROBLEMS
from dashboard.pages.live.state import ERRORS, ConnectionProblem
from detector.sentences import _, say
from detector.weights import offline
from service.config import Config, get_config

HERE = Path(__file__).parent
Server = dict[str, Any]
"""As in the browser's RTCConfiguration: urls, and for TURN username and credential."""

_component = st.components.v2.component(
    "unmask_live_link",
    html='<div role="status" aria-live="polite" class="quiet"></div>',
    css=".quiet { position: absolute; width: 1px; height: 1px; overflow: hidden; "
    "clip-path: inset(50%); white-space: nowrap; }",
    js=(HERE / "link.js").read_text("utf-8"),
)


@dataclass(frozen=True)
class Camera:
    """A camera of the browser; `label` is empty until the person has once allowed a camera."""

    id: str
    label: str


@dataclass(frozen=True)
class Seen:
    """What the browser knows of cameras.

    Attributes
    ----------
    secure, api, display : bool
        Whether the page came over HTTPS or from this computer; whether there is a way to cameras;
        and to windows.
    permission : str
        granted, denied, prompt or unknown.
    """

    secure: bool = True
    api: bool = True
    display: bool = True
    permission: str = "unknown"
    cameras: tuple[Camera, ...] = ()


def mount(key: str, data: dict[str, Any], on_answer: Callable[[], None]) -> None:
    """Mount the component with the `data` for link.js; `say` is announced by screen readers."""
    _component(
        key=component_key(key),
        data=data,
        on_seen_change=lambda: None,
        on_answer_change=on_answer,
        on_tested_change=lambda: None,
    )


def report(key: str, name: Literal["seen", "answer", "tested"]) -> dict[str, Any] | None:
    """Return the newest report of a type, if there is one."""
    return reported(key, name)


def seen(key: str) -> Seen | None:
    """Return the last known cameras of the browser; None before the first report."""
    sent = report(key, "seen")
    if sent is None:
        return None
    return Seen(
        secure=bool(sent.get("secure")),
        api=bool(sent.get("api")),
        display=bool(sent.get("display")),
        permission=str(sent.get("permission", "unknown")),
        cameras=tuple(
            Camera(str(one.get("id", "")), str(one.get("label", "")))
            for one in sent.get("cameras") or ()
            if isinstance(one, dict)
        ),
    )


def trouble(seen: Seen | None, *, shared: bool = False) -> ConnectionProblem | None:
    """Return what prevents a start; a missing camera is only known after a request."""
    if seen is None:
        return None
    if not seen.secure:
        return ConnectionProblem.INSECURE
    if not seen.api:
        return ConnectionProblem.NO_API
    if shared:
        return None if seen.display else ConnectionProblem.NO_DISPLAY
    return ConnectionProblem.DENIED if seen.permission == "denied" else None


# --- the connection test ------------------------------------------------------------------------

Grade = Literal["good", "fair", "bad", "none"]
Way = Literal["camera", "window", "direct", "internet", "relay"]

NAMES = {
    "camera": _("Camera"),
    "window": _("Window or tab"),
    "direct": _("Direct link"),
    "internet": _("Through the internet"),
    "relay": _("Through a relay"),
}


@dataclass(frozen=True)
class Finding:
    """One line of the test: `good`, `fair` (may fail), `bad`, `none` (not needed)."""

    way: Way
    grade: Grade
    text: str


def findings(
    tested: dict[str, Any], servers: Sequence[Server], local: bool, *, shared: bool = False
) -> list[Finding]:
    """Return a browser's test in words; `tested` is link.js's, `local`: the same computer."""
    kinds = {str(kind) for kind in tested.get("kinds") or ()}
    errors = [one for one in tested.get("errors") or () if isinstance(one, dict)]
    error = str(tested.get("camera") or "")
    fault = ERRORS.get(error, ConnectionProblem.BUSY) if error else None
    given = _("The browser can share one.") if shared else _("The browser gave it.")
    source: Way = "window" if shared else "camera"
    out = [
        Finding(source, "bad" if fault else "good", say(PROBLEMS[fault].text) if fault else given)
    ]
    if fault in (ConnectionProblem.INSECURE, ConnectionProblem.NO_API):
        return out
    if kinds & {"host", "prflx"}:
        text = _("Works on this computer.") if local else _("Works in the same network.")
        out.append(Finding("direct", "good", text))
    else:
        text = _("The browser offers no address: WebRTC is switched off.")
        out.append(Finding("direct", "bad", text))
    out.append(_stun(kinds, servers, local))
    out.append(_turn(kinds, errors, servers, local))
    return out


def _stun(kinds: set[str], servers: Sequence[Server], local: bool) -> Finding:
    if "srflx" in kinds:
        text = _("UDP gets out, and a STUN server saw this network’s address.")
        return Finding("internet", "good", text)
    if not any(url.startswith("stun:") for url in server_urls(servers)):
        text = _("Not needed on this computer.") if local else _("No STUN server is set.")
        return Finding("internet", "none", text)
    if "relay" in kinds:
        return Finding("internet", "fair", _("No public address; the relay takes its place."))
    text = _(
        "No answer from the STUN server: this network seems to block UDP. Without a relay a video "
        "link comes up only to a server in the same network."
    )
    return Finding("internet", "fair" if local else "bad", text)


def _turn(
    kinds: set[str], errors: Sequence[dict[str, Any]], servers: Sequence[Server], local: bool
) -> Finding:
    if "relay" in kinds:
        return Finding("relay", "good", _("The TURN server passes video on."))
    if not has_relay(servers):
        text = (
            _("Not needed on this computer.")
            if local
            else _("None is set. Who runs this server can set one: UNMASK_TURN_URL.")
        )
        return Finding("relay", "none", text)
    refused = any(
        one.get("code") == 401 and str(one.get("url", "")).startswith("turn") for one in errors
    )
    why = (
        _("The TURN server refuses the user name or password that are set here.")
        if refused
        else _("The TURN server doesn’t answer from this network.")
    )
    return Finding("relay", "bad", why)


def conclusion(findings: Sequence[Finding], local: bool) -> str:
    """Return the summary of the test in one sentence."""
    by = {one.way: one.grade for one in findings}
    if by.get("camera") == "bad":
        return _("A picture can’t come up yet: the camera is the reason.")
    if by.get("window") == "bad":
        return _("A picture can’t come up: this browser shares no window.")
    if by.get("direct") == "bad":
        return _("This browser can’t make a video link.")
    if local or "good" in (by.get("internet"), by.get("relay")):
        return _("Everything that a video link needs is there.")
    return _("A video link will come up in the same network; from elsewhere it probably won’t.")


# --- servers that help both ends to find each other -----------------------------------------------
#
# ICE, see docs/live.md. A browser on this computer needs no server, and then none is asked: nothing
# leaves the machine. For any other browser a STUN server tells both ends their public addresses,
# and where a network lets no UDP through, a TURN server passes the video on.


log = logging.getLogger(__name__)


PUBLIC_STUN = "stun:stun.l.google.com:19302"
"""Asked only where nothing else is set and the browser is on another machine."""
LOCAL_HOSTS = {"localhost", "127.0.0.1", "::1"}
_NONE = {"none", "off", "0"}


def ice_servers(page: str | None, config: Config | None = None) -> list[Server]:
    """Return the ICE servers for a visitor's page; none for a local browser, unless configured."""
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
    if page is None or urlsplit(page).hostname in LOCAL_HOSTS or offline():
        return named
    if lent := _lent(config):
        return [*named, *lent]
    if named or stun:
        return named
    return [{"urls": PUBLIC_STUN}]


def has_relay(servers: Sequence[Server]) -> bool:
    """Return whether a TURN server is among them."""
    return any(url.startswith(("turn:", "turns:")) for url in server_urls(servers))


def server_urls(servers: Sequence[Server]) -> list[str]:
    """Return all their URLs."""
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
