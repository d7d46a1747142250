"""The Account page: sign in, sign up, set a password, sign out.

With UNMASK_SIGN_IN=required it also replaces every other page until a person has signed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from dashboard import labels, session
from dashboard.components import controls, signin, typography
from dashboard.components.markup import rich, show
from dashboard.components.tables import facts
from dashboard.hosting import base_path
from dashboard.i18n import advice
from detector.sentences import _, say
from service import auth, limits
from service.auth.caller import Accounts, AuthReturnContext
from service.auth.problems import SENTENCES, AccountError, account_error
from service.config import PROVIDERS
from service.context import Principal, PrincipalKind, Role

if TYPE_CHECKING:
    from supabase_auth.types import Session as Grant

    from service.auth.flows import AuthService


WIDTH = 460
"""px; a form of two fields, not a page of them."""
SHORTEST = 8
"""characters of a new password; the account server may ask for more."""
LONGEST = 72
"""bytes of a password that bcrypt, which Supabase keeps it with, looks at."""

_FORM = "account-view"
"""Which form is shown: "in", "up", or "sent" when an e-mail is on its way."""
_EMAIL = "account-email"
"""The address that was entered last."""
_SENT = "account-sent"
"""What that e-mail is for: a key of `SENT_TEXTS`."""
_NOTICE = "account-say"
"""Code of what is to be said."""
NOTICES = {
    "confirmed": (_("Your address is confirmed."), _("Sign in with your password.")),
    "signed_out": (_("You are signed out."), ""),
    "changed": (_("Your password is changed."), _("All other browsers were signed out.")),
    "cookies": (
        _("This browser keeps no cookie of this page."),
        _("Sign in with your password, or open the page in a window of its own."),
    ),
}
"""What another page or a link may have us say; all else is a problem of `SENTENCES`."""
ROLES = {
    Role.VIEWER: _("Viewer: reads results"),
    Role.ANALYST: _("Analyst: analyzes files"),
    Role.ADMIN: _("Admin: also changes what holds for everybody here"),
}
SENT_TEXTS = {
    "confirm": _(
        "Open the link in it to confirm your address. If you have an account already, sign in "
        "instead."
    ),
    "link": _("If this address has an account here, the link in it signs you in."),
    "reset": _("If this address has an account here, the link in it leads to a new password."),
}

_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def outside() -> bool:
    """Return whether this person must sign in before any page."""
    accounts = auth.accounts()
    signed_in = session.current_user().kind is PrincipalKind.USER
    return accounts is not None and accounts.required and not signed_in


def warn() -> None:
    """Show above a page that the account can't be queried and the person is a guest for now."""
    if error := session.sign_in_error():
        meanwhile = _("Until then you work as a guest.")
        typography.warning(f"{advice(error)} {meanwhile}", announced=True)


def draw(*, gate: bool = False) -> None:
    """Draw the page, or as a `gate` in place of another page that a sign-in leads back to."""
    accounts = auth.accounts()
    with (
        st.container(horizontal_alignment="center", key="account"),
        st.container(border=True, width=WIDTH, key="card-account"),
    ):
        if accounts is None:
            _head(_("There are no accounts here"), _("What you analyze is kept for this browser."))
            return
        person, form = session.current_user(), st.session_state.get(_FORM)
        if person.kind is PrincipalKind.USER:
            _account(person)
        elif form == "sent":
            _sent()
        elif form == "up":
            _sign_up(gate)
        else:
            _sign_in(accounts, gate)


def _centered() -> DeltaGenerator:
    return st.container(horizontal=True, horizontal_alignment="center")


# --- not signed in --------------------------------------------------------------------------------


def _sign_in(accounts: Accounts, gate: bool) -> None:
    lead = (
        _("Only people with an account can work here.")
        if accounts.required
        else _("Your analyses are then kept for you, wherever you sign in.")
    )
    _head(_("Sign in"), lead)
    with st.form("sign-in", border=False):
        email = _email_field()
        password = st.text_input(
            _("Password"), type="password", autocomplete="current-password", key="sign-in-password"
        )
        entered = st.form_submit_button(_("Sign in"), type="primary", width="stretch")
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            link = st.form_submit_button(_("Send me a sign-in link"), type="tertiary")
            reset = st.form_submit_button(_("Forgot the password?"), type="tertiary")
    if accounts.providers:
        through, start = _("Continue with {provider}"), f"{base_path()}/session/with"
        links = [
            (f"{start}/{n}", through.format(provider=PROVIDERS[n])) for n in accounts.providers
        ]
        signin.providers(_("or"), links)
    with _centered():
        show_up = partial(_show_form, "up")
        controls.button(_("Create an account"), on_click=show_up, kind="tertiary")
    if st.session_state.get(_NOTICE) == "unconfirmed" and controls.button(
        _("Send the confirmation again"), key="resend"
    ):
        _send("confirm", st.session_state.get(_EMAIL, ""))
    if entered:
        with _refusals():
            if not password:
                raise account_error("wrong")
            _begin_session(_service().sign_in(_address(email), password, _return_context()), gate)
    elif link or reset:
        _send("link" if link else "reset", email)


def _sign_up(gate: bool) -> None:
    _head(_("Create an account"), _("An e-mail address and a password are all it takes."))
    with st.form("sign-up", border=False):
        email = _email_field()
        password = _new_password_field(
            _("Password, at least {number} characters"), "sign-up-password"
        )
        sent = st.form_submit_button(_("Create account"), type="primary", width="stretch")
    with _centered():
        show_in = partial(_show_form, "in")
        controls.button(_("I have an account"), on_click=show_in, kind="tertiary")
    if sent:
        with _refusals():
            email = _address(email)
            _check_password(password)
            grant = _service().sign_up(email, password, _return_context())
            if grant is not None:
                _begin_session(grant, gate)
            else:
                _show_sent("confirm")


def _send(purpose: str, email: str) -> None:
    with _refusals():
        send: dict[str, Callable[..., None]] = {
            "link": _service().send_link,
            "reset": _service().send_reset,
            "confirm": _service().send_confirmation,
        }
        send[purpose](_address(email), _return_context())
        _show_sent(purpose)


def _sent() -> None:
    """Show that an e-mail was sent."""
    email = st.session_state.get(_EMAIL, "")
    purpose = st.session_state.get(_SENT, "link")
    _head(_("Look in your inbox"), say(SENT_TEXTS[purpose]))
    text = _(
        "We wrote to {email}. The link works once, for an hour. If nothing comes, look in the spam "
        "folder."
    )
    typography.paragraph(rich(text, email=typography.strong(email)))
    with st.container(horizontal=True):
        controls.button(_("Back"), on_click=partial(_show_form, "in"))
        again = controls.button(_("Send it again"), kind="tertiary")
    if again:
        _send(purpose, email)


# --- signed in ------------------------------------------------------------------------------------


def _account(person: Principal) -> None:
    signed_in = session.current_session()
    if signed_in is None:  # signed out in another tab, a moment ago
        st.rerun()
    service = _service()
    if service.needs_new_password(signed_in):
        _new_password()
        return
    _head(_("Your account"), "")
    most = limits.files_per_hour(PrincipalKind.USER)
    rate = _("{files} an hour").format(files=labels.count(most, "file", "files"))
    show(
        facts(
            [
                (_("E-mail"), person.email),
                (_("Role"), say(ROLES[person.role])),
                (_("Limit"), rate if most else _("none")),
            ]
        )
    )
    with st.container(horizontal=True, key="actions-account"):
        controls.button(_("Sign out"), "logout", "sign-out", _sign_out)
        everywhere = controls.button(_("Sign out everywhere"), key="sign-out-everywhere")
        change = controls.button(_("Change the password"), key="change-password")
    typography.caption(_("To change the password we send a link to your address."))
    if everywhere:
        with _refusals():
            _sign_out(everywhere=True)
            st.rerun()
    elif change:
        with _refusals():
            service.send_reset(person.email, _return_context())
            st.session_state[_NOTICE] = ""
            text = _("A link to a new password is on its way to you.")
            st.toast(text, icon=":material/mail:")


def _new_password() -> None:
    _head(_("Choose a new password"), _("All other browsers will be signed out."))
    with st.form("new-password", border=False):
        label = _("New password, at least {number} characters")
        password = _new_password_field(label, "new-password-field")
        chosen = st.form_submit_button(_("Save it"), type="primary", width="stretch")
    with _centered():
        controls.button(_("Sign out"), "", "sign-out", _sign_out, kind="tertiary")
    if chosen:
        with _refusals():
            _check_password(password)
            signed_in = session.current_session()
            if signed_in is None:
                raise account_error("signed_out")
            _service().set_password(signed_in, password)
            st.session_state[_NOTICE] = "changed"
            st.rerun()


def _sign_out(*, everywhere: bool = False) -> None:
    """End the session and clear this tab's state."""
    if signed_in := session.current_session():
        service = _service()
        end = service.sign_out_everywhere if everywhere else service.sign_out
        end(signed_in)
    st.session_state.clear()
    st.query_params.clear()
    st.session_state[_NOTICE] = "signed_out"


# --- what they share ------------------------------------------------------------------------------


def _head(title: str, lead: str) -> None:
    """Draw the head of the card with its messages."""
    code = st.session_state.get(_NOTICE)
    if code is None and (code := st.query_params.get("said")):
        code = code if code in NOTICES or code in SENTENCES else "account"
    notice = None
    if code:
        text, then = map(say, NOTICES.get(code) or SENTENCES[code])
        notice = (text, then, "status" if code in NOTICES else "alert")
    signin.head(title, lead, notice)


def _email_field() -> str:
    return st.text_input(
        _("E-mail"),
        value=str(st.session_state.get(_EMAIL, "")),
        max_chars=254,
        autocomplete="username",
        key=f"email-{st.session_state.get(_FORM, 'in')}",
    )


def _new_password_field(label: str, key: str) -> str:
    label = label.format(number=SHORTEST)
    return st.text_input(label, type="password", autocomplete="new-password", key=key)


@contextmanager
def _refusals() -> Iterator[None]:
    """Store errors raised inside and redraw the card with them."""
    st.query_params.pop("said", None)
    try:
        yield
    except AccountError as error:
        st.session_state[_NOTICE] = error.code
        st.rerun()


def _address(email: str) -> str:
    email = email.strip()
    st.session_state[_EMAIL] = email
    if not _MAIL.fullmatch(email):
        raise account_error("address")
    return email


def _check_password(password: str) -> None:
    if len(password) < SHORTEST:
        raise account_error("short")
    if len(password.encode()) > LONGEST:
        raise account_error("long")


def _begin_session(grant: Grant, gate: bool) -> None:
    """Set the cookie and reload; a browser without cookies is signed in for this tab."""
    service, context = _service(), _return_context()
    for key in (_FORM, _EMAIL, _NOTICE, _SENT):
        st.session_state.pop(key, None)
    if not context.browser:
        session.attach_session(service.begin_tab_session(grant))
        st.rerun()
    ticket = service.ticket(grant, context.browser)
    home = "" if gate else f"{base_path()}/"
    signin.begin(
        _("Signing in…"),
        ticket,
        home,
        start=f"{base_path()}/session/begin",
        refused=f"{base_path()}/account?said=cookies",
    )
    st.stop()


def _service() -> AuthService:
    service = auth.auth_service()
    assert service is not None  # else this page has no accounts to work with
    return service


def _return_context() -> AuthReturnContext:
    return AuthReturnContext.of(session.page_caller(), base_path())


def _show_form(name: str) -> None:
    """Show another form."""
    st.session_state[_FORM], st.session_state[_NOTICE] = name, ""


def _show_sent(purpose: str) -> None:
    """Switch to the note that an e-mail was sent."""
    st.session_state[_FORM], st.session_state[_SENT] = "sent", purpose
    st.session_state.pop(_NOTICE, None)
    st.rerun()
