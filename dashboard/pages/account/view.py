"""The Account page: sign in, make an account, choose a password, sign out.

With UNMASK_SIGN_IN=required it also stands in the place of every other page until somebody signed
in.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

import streamlit as st

from dashboard import labels, session
from dashboard.components import signin, typography
from dashboard.components.markup import rich, show, tag
from dashboard.components.tables import facts
from dashboard.hosting import base_path
from dashboard.i18n import LazyDict, _, advice, say
from service import auth, limits
from service.auth.config import Accounts
from service.auth.problems import SENTENCES, AccountError, account_error
from service.auth.steps import AuthReturnContext
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

NOTICES: LazyDict[str, tuple[str, str]] = LazyDict(
    lambda: {
        "confirmed": (_("Your address is confirmed."), _("Sign in with your password.")),
        "signed_out": (_("You are signed out."), ""),
        "changed": (_("Your password is changed."), _("All other browsers were signed out.")),
        "cookies": (
            _("This browser keeps no cookie of this page."),
            _("Sign in with your password, or open the page in a window of its own."),
        ),
    }
)
"""What another page or a link may have us say; all else is a problem of `SENTENCES`."""
ROLES: LazyDict[Role, str] = LazyDict(
    lambda: {
        Role.VIEWER: _("Viewer: reads results"),
        Role.ANALYST: _("Analyst: analyzes files"),
        Role.ADMIN: _("Admin: also changes what holds for everybody here"),
    }
)
SENT: LazyDict[str, str] = LazyDict(
    lambda: {
        "confirm": _(
            "Open the link in it to confirm your address. If you have an account already, sign in "
            "instead."
        ),
        "link": _("If this address has an account here, the link in it signs you in."),
        "reset": _("If this address has an account here, the link in it leads to a new password."),
    }
)

_VIEW, _EMAIL, _SAY, _SENT = "account-view", "account-email", "account-say", "account-sent"
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")


def outside() -> bool:
    """Whether this person has to sign in before they see any page."""
    kept = auth.accounts()
    return (
        kept is not None and kept.required and session.current_user().kind is not PrincipalKind.USER
    )


def warn() -> None:
    """Say it above a page, when somebody's account can't be asked and they are a guest for now."""
    if error := session.sign_in_error():
        meanwhile = _("Until then you work as a guest.")
        typography.warning(f"{advice(error)} {meanwhile}", announced=True)


def draw(*, gate: bool = False) -> None:
    """Draw the page.

    Parameters
    ----------
    gate : bool
        In the place of another page, to which a sign-in leads back.
    """
    kept = auth.accounts()
    with (
        st.container(horizontal_alignment="center", key="account"),
        st.container(border=True, width=WIDTH, key="card-account"),
    ):
        if kept is None:
            _head(_("There are no accounts here"), _("What you analyze is kept for this browser."))
            return
        person = session.current_user()
        if person.kind is PrincipalKind.USER:
            _account(person)
        elif st.session_state.get(_VIEW) == "sent":
            _sent()
        elif st.session_state.get(_VIEW) == "up":
            _sign_up(gate)
        else:
            _sign_in(kept, gate)


# --- not signed in --------------------------------------------------------------------------------


def _sign_in(kept: Accounts, gate: bool) -> None:
    lead = (
        _("Only people with an account can work here.")
        if kept.required
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
    _providers(kept)
    with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
        st.button(_("Create an account"), type="tertiary", on_click=_view, args=("up",))
    if st.session_state.get(_SAY) == "unconfirmed":
        st.button(_("Send the confirmation again"), on_click=_resend, key="resend")
    if entered:
        _try(lambda: _enter(email, password, gate))
    elif link:
        _try(lambda: _send("link", email))
    elif reset:
        _try(lambda: _send("reset", email))


def _enter(email: str, password: str, gate: bool) -> None:
    if not password:
        raise account_error("wrong")
    service, place = _service(), _place()
    _begin_session(service.sign_in(_address(email), password, place), gate)


def _sign_up(gate: bool) -> None:
    _head(_("Create an account"), _("An e-mail address and a password are all it takes."))
    with st.form("sign-up", border=False):
        email = _email_field()
        password = st.text_input(
            _("Password, at least {number} characters").format(number=SHORTEST),
            type="password",
            autocomplete="new-password",
            key="sign-up-password",
        )
        made = st.form_submit_button(_("Create account"), type="primary", width="stretch")
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(_("I have an account"), type="tertiary", on_click=_view, args=("in",))
    if made:
        _try(lambda: _make(email, password, gate))


def _make(email: str, password: str, gate: bool) -> None:
    email = _address(email)
    _check_password(password)
    grant = _service().sign_up(email, password, _place())
    if grant is not None:
        _begin_session(grant, gate)
    else:
        _wait_for("confirm", email)


def _send(what: str, email: str) -> None:
    email = _address(email)
    send: dict[str, Callable[..., None]] = {
        "link": _service().send_link,
        "reset": _service().send_reset,
        "confirm": _service().send_confirmation,
    }
    send[what](email, _place())
    _wait_for(what, email)


def _wait_for(what: str, email: str) -> None:
    st.session_state[_VIEW], st.session_state[_SENT] = "sent", what
    st.session_state[_EMAIL] = email
    st.session_state.pop(_SAY, None)
    st.rerun()


def _sent() -> None:
    """An e-mail is on its way."""
    email, what = st.session_state.get(_EMAIL, ""), st.session_state.get(_SENT, "link")
    _head(_("Look in your inbox"), SENT[what])
    wrote = _(
        "We wrote to {email}. The link works once, for an hour. If nothing comes, look in the spam "
        "folder."
    )
    typography.paragraph(rich(wrote, email=tag("b", email)))
    with st.container(horizontal=True):
        st.button(_("Back"), on_click=_view, args=("in",))
        again = st.button(_("Send it again"), type="tertiary")
    if again:
        _try(lambda: _send(what, email))


def _resend() -> None:
    try:
        _service().send_confirmation(st.session_state.get(_EMAIL, ""), _place())
    except AccountError as error:
        st.session_state[_SAY] = error.code
    else:
        st.session_state[_VIEW], st.session_state[_SENT] = "sent", "confirm"
        st.session_state.pop(_SAY, None)


def _providers(kept: Accounts) -> None:
    if not kept.providers:
        return
    through = _("Continue with {provider}")
    signin.providers(
        _("or"),
        [
            (f"{base_path()}/session/with/{name}", through.format(provider=PROVIDERS[name]))
            for name in kept.providers
        ],
    )


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
    rows = [
        (_("E-mail"), person.email),
        (_("Role"), ROLES[person.role]),
        (
            _("Limit"),
            _("{files} an hour").format(files=labels.count(most, "file", "files"))
            if most
            else _("none"),
        ),
    ]
    show(facts(rows))
    with st.container(horizontal=True, key="actions-account"):
        st.button(_("Sign out"), icon=":material/logout:", on_click=_leave, key="sign-out")
        everywhere = st.button(_("Sign out everywhere"), key="sign-out-everywhere")
        change = st.button(_("Change the password"), key="change-password")
    how = _("To change the password we send a link to your address.")
    typography.caption(how)
    if everywhere:
        _try(_leave_everywhere)
    elif change:
        _try(lambda: _change(person.email))


def _new_password() -> None:
    _head(_("Choose a new password"), _("All other browsers will be signed out."))
    with st.form("new-password", border=False):
        password = st.text_input(
            _("New password, at least {number} characters").format(number=SHORTEST),
            type="password",
            autocomplete="new-password",
            key="new-password-field",
        )
        chosen = st.form_submit_button(_("Save it"), type="primary", width="stretch")
    with st.container(horizontal=True, horizontal_alignment="center"):
        st.button(_("Sign out"), type="tertiary", on_click=_leave, key="sign-out")
    if chosen:
        _try(lambda: _choose(password))


def _choose(password: str) -> None:
    _check_password(password)
    signed_in = session.current_session()
    if signed_in is None:
        raise account_error("signed_out")
    _service().set_password(signed_in, password)
    st.session_state[_SAY] = "changed"
    st.rerun()


def _change(email: str) -> None:
    _service().send_reset(email, _place())
    st.session_state[_SAY] = ""
    st.toast(_("A link to a new password is on its way to you."), icon=":material/mail:")


def _leave() -> None:
    if signed_in := session.current_session():
        _service().sign_out(signed_in)
    _forget()


def _leave_everywhere() -> None:
    if signed_in := session.current_session():
        _service().sign_out_everywhere(signed_in)
    _forget()
    st.rerun()


def _forget() -> None:
    """Nothing of the person stays in this tab."""
    st.session_state.clear()
    st.query_params.clear()
    st.session_state[_SAY] = "signed_out"


# --- what they share ------------------------------------------------------------------------------


def _head(title: str, lead: str) -> None:
    """The head of the card, and what there is to say."""
    code = st.session_state.get(_SAY)
    if code is None and (asked := st.query_params.get("said")):
        code = asked if asked in NOTICES or asked in SENTENCES else "account"
    said = None
    if code:
        what, then = map(say, NOTICES.get(code) or SENTENCES[code])
        role = "status" if code in NOTICES else "alert"
        said = (what, then, role)
    signin.head(title, lead, said)


def _email_field() -> str:
    address: str = st.text_input(
        _("E-mail"),
        value=st.session_state.get(_EMAIL, ""),
        max_chars=254,
        autocomplete="username",
        key=f"email-{st.session_state.get(_VIEW, 'in')}",
    )
    return address


def _view(view: str) -> None:
    st.session_state[_VIEW] = view
    st.session_state[_SAY] = ""


def _try(act: Callable[[], None]) -> None:
    """Do it; what went wrong is said at the next drawing of the card."""
    st.query_params.pop("said", None)
    try:
        act()
    except AccountError as error:
        st.session_state[_SAY] = error.code
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
    """Give the browser its cookie, and draw the page anew. One that keeps no cookie is signed in
    for this tab."""
    service, place = _service(), _place()
    for key in (_VIEW, _EMAIL, _SAY, _SENT):
        st.session_state.pop(key, None)
    if not place.browser:
        session.attach_session(service.begin_tab_session(grant))
        st.rerun()
    ticket = service.ticket(grant, place.browser)
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


def _place() -> AuthReturnContext:
    return AuthReturnContext.of(session.page_caller(), base_path())
