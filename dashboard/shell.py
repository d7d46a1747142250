"""The frame of every page: title, logo, navigation, style sheet, error card."""

import logging
from contextlib import suppress
from pathlib import Path

import streamlit as st
from streamlit.errors import FragmentHandledException

from dashboard import session, theme, url_state
from dashboard.components import color_scheme, status_cards, style
from dashboard.pages import live
from dashboard.pages.account import view as account
from dashboard.pages.analyze import view
from detector.errors import InputError
from detector.sentences import _
from service.context import PrincipalKind
from service.records.model import RecordsError, fault_of
from service.storage.uploads import StorageUnreachable

log = logging.getLogger(__name__)

_ASSETS = Path(__file__).parent / "assets"


def prepare() -> None:
    """Set the title, the language, the style and the logo, before the navigation."""
    st.set_page_config(
        page_title="Unmask", page_icon=str(_ASSETS / "mark.svg"), layout="wide", menu_items={}
    )
    session.application().start()
    with suppress(InputError):  # an account whose project does not answer
        session.load_language()
    style.apply()
    color_scheme.follow()
    st.logo(_logo("logo.svg"), size="large", icon_image=_logo("logo.svg"))


def account_title() -> str:
    """Return the title of the Account page for this person."""
    user = session.current_user().kind is PrincipalKind.USER
    return _("Account") if user else _("Sign in")


def must_sign_in() -> bool:
    """Return whether this person must sign in before any page."""
    return account.outside()


def draw(page: st.Page) -> None:
    """Draw a page, or in its place a shared result, the sign-in, or an error."""
    if page.url_path != "live":
        # Streamlit forgets what a page does not draw, and "Keep: Nothing" must not become "Scores".
        state = st.session_state
        state.update({key: state[key] for key in live.CHOICES if key in state})
    try:
        if (token := url_state.link()) is not None:
            # Open to whoever was given it, also where every page asks for an account.
            view.shared(token)
        elif must_sign_in():
            account.draw(gate=True)
        else:
            account.warn()
            page.run()
    except FragmentHandledException:
        raise  # its card is drawn
    except Exception as error:
        show_failure(error)


def show_failure(error: Exception) -> bool:
    """Draw the card of an exception in a page, a fragment or a callback, and log its details.
    Return True, which suppresses Streamlit's own box."""
    if isinstance(error, RecordsError | StorageUnreachable):
        log.warning("a page needs what can't be used: %s", error.code)
        status_cards.show(status_cards.unreachable(error))
        return True
    fault = fault_of(error)
    log.error("a page failed, reference %s", fault.reference, exc_info=error)
    status_cards.show(status_cards.page_failed(fault))
    return True


def _logo(file: str) -> str:
    """Return the logo in the theme's colors, which an <img> can't take from the page's CSS."""
    svg = (_ASSETS / file).read_text("utf-8")
    colors = theme.palette()
    return svg.replace(theme.LIGHT.accent, colors.accent).replace(theme.LIGHT.text, colors.text)
