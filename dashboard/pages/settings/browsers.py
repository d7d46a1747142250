"""Settings: pairing of the browser extension, and the API keys of browsers and programs."""

from functools import partial

import streamlit as st

from dashboard import labels, session, url_state
from dashboard.components import cards, controls, typography
from dashboard.components.markup import rich, show
from dashboard.components.tables import code, facts
from detector.sentences import _
from service.pairing import CODE_SECONDS
from service.records.tables import ApiKey

_CODE = "pairing-code"


def draw() -> None:
    """Draw the card: a code for the extension, and the valid keys with a button that revokes."""
    application = session.application()
    text = _(
        "The extension for Chromium and Firefox checks a picture, video or sound of any page with "
        "this server, by a right click. Its folder is <code>extension</code>."
    )
    show(cards.card_head(_("Connect a browser")), typography.text(rich(text)))
    if shown := st.session_state.get(_CODE):
        address = url_state.site() or "http://localhost:8501"
        show(facts([(_("Code"), code(shown)), (_("Address"), code(address))]))
        until = _("Enter both in the extension. The code works once, for {minutes} minutes.")
        typography.caption(until.format(minutes=round(CODE_SECONDS / 60)))
    label = _("Show another code") if shown else _("Show a code")
    if controls.button(label, "add_link", "pair"):
        st.session_state[_CODE] = application.pairing.begin()
        st.rerun()
    if keys := application.keys.in_force():
        typography.section(_("Connected browsers and programs"))
        for key in keys:
            with controls.apart(f"key-{key.id}", wrap=False):
                typography.caption(_described(key), width="content")
                revoke = partial(_revoke, key.id)
                controls.button(_("Revoke"), "link_off", f"revoke-{key.id}", revoke)


def _described(key: ApiKey) -> str:
    used = _("used {day}").format(day=labels.day(key.used)) if key.used else _("never used")
    return f"{labels.plain_markdown(key.name)} · {used}"


def _revoke(id: str) -> None:
    session.application().keys.revoke(id)
    st.session_state.pop(_CODE, None)
