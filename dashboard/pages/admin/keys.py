"""Keys of the API: made, shown once, withdrawn."""

from datetime import UTC, datetime, timedelta
from functools import partial

import streamlit as st

from dashboard import labels, session
from dashboard.components import cards, controls, typography
from dashboard.i18n import LazyDict, _, advice
from detector.errors import UnmaskError
from service.context import Scope
from service.records.api_keys import MAX_NAME, PREFIX, ApiKey

_SCOPES: LazyDict[Scope, str] = LazyDict(
    lambda: {
        Scope.READ: _("Read results"),
        Scope.ANALYZE: _("Analyze and delete"),
        Scope.MODELS: _("Download models"),
        Scope.METRICS: _("Figures of the server"),
    }
)
_STATES: LazyDict[str, str] = LazyDict(
    lambda: {"in force": _("Active"), "expired": _("Expired"), "revoked": _("Withdrawn")}
)
_NEW_KEY = "admin-key"
"""Session state: the key that was just made, shown while its dialog is open and kept nowhere."""
DAYS = (7, 30, 90, 365, 0)
"""that a key may be in force; 0: for good"""


def draw() -> None:
    """Draw the keys with what each may do."""
    with st.container(border=True, key="card-admin-keys"):
        with controls.apart("admin-keys-head"):
            cards.introduced(
                _("API keys"),
                _("A key is shown once, when it is made; a hash of it is kept."),
                width="content",
            )
            if controls.button(_("Make a key"), "key", "admin-key-make", kind="primary"):
                st.session_state.pop(_NEW_KEY, None)
                st.dialog(_("Make a key"), on_dismiss=_forget)(_make)()
        known = session.application().keys.all()
        if not known:
            typography.caption(_("No key has been made."))
        for key in known:
            _row(key)


def _row(key: ApiKey) -> None:
    now = datetime.now(UTC)
    ends = _("until {date}").format(date=labels.day(key.expires)) if key.expires else _("for good")
    used = _("last used {date}").format(date=labels.day(key.used)) if key.used else _("never used")
    may = ", ".join(_SCOPES[scope] for scope in key.scopes)
    quota = [
        labels.count(key.files_per_hour, "file an hour", "files an hour")
        if key.files_per_hour
        else "",
        labels.count(key.files_per_day, "file a day", "files a day") if key.files_per_day else "",
    ]
    begins = f"{PREFIX}_{key.id[:4]}…"
    line = " · ".join(part for part in (begins, may, *quota, ends, used) if part)
    with controls.apart(f"admin-key-{key.id}"):
        cards.named(f"{key.name} · {_STATES[key.state(now)]}", line)
        if key.state(now) == "in force" and controls.button(
            _("Withdraw"), "block", f"admin-withdraw-{key.id}", kind="tertiary"
        ):
            st.dialog(_("Withdraw a key"))(_withdraw)(key)


def _withdraw(key: ApiKey) -> None:
    text = _("Programs that use “{name}” are refused from now on. This can’t be undone.")
    typography.paragraph(text.format(name=key.name))
    run = partial(_revoke, key)
    if controls.button(_("Withdraw it"), "block", "admin-withdrawn", run, kind="primary"):
        st.rerun()


def _revoke(key: ApiKey) -> None:
    if session.current_user().may_administer:
        session.application().keys.revoke(key.id)


def _forget() -> None:
    st.session_state.pop(_NEW_KEY, None)


def _make() -> None:
    if text := st.session_state.get(_NEW_KEY):
        typography.paragraph(_("Copy it now: it is shown this once."))
        st.code(text, language=None, wrap_lines=True)
        typography.caption(_("Send it as the header “Authorization: Bearer …”."))
        if controls.button(_("Done"), "check", "admin-key-done", kind="primary"):
            _forget()
            st.rerun()
        return
    name = st.text_input(_("Whose, or what for"), max_chars=MAX_NAME, key="admin-key-name")
    scopes = controls.choose_any(
        _("It may"), _SCOPES, (Scope.READ, Scope.ANALYZE), "admin-key-scopes"
    )
    spans = {days: labels.days(days) if days else _("For good") for days in DAYS}
    days = controls.choose(_("In force for"), spans, 90, "admin-key-days")
    left, right = st.columns(2)
    hourly = left.number_input(
        _("Files an hour, at most"), min_value=1, value=None, step=1, key="admin-key-hour"
    )
    daily = right.number_input(
        _("Files a day, at most"), min_value=1, value=None, step=1, key="admin-key-day"
    )
    if not controls.button(_("Make it"), "key", "admin-key-made", kind="primary"):
        return
    if not session.current_user().may_administer:
        return
    try:
        _key, text = session.application().keys.add(
            name or "",
            tuple(scopes),
            ttl=timedelta(days=days) if days else None,
            files_per_hour=hourly,
            files_per_day=daily,
        )
    except UnmaskError as error:
        typography.alert(advice(error))
        return
    st.session_state[_NEW_KEY] = text
    st.rerun(scope="fragment")
