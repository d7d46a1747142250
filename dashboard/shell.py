"""What stands around every page: its title, the logo, the navigation, the style sheet."""

from __future__ import annotations

import logging
from pathlib import Path

import streamlit as st

from dashboard import session, theme, url_state
from dashboard.components import status_cards, style
from dashboard.i18n import LazyDict, _
from dashboard.pages.account import view as account
from dashboard.pages.analyze import view
from service import auth
from service.context import PrincipalKind
from service.error_reports import fault_of
from service.records.model import RecordsError

log = logging.getLogger(__name__)

_ASSETS = Path(__file__).parent / "assets"
_PAGES = Path(__file__).parent.parent / "pages"

PAGES: LazyDict[str, str] = LazyDict(
    lambda: {
        "analyze.py": _("Analyze"),
        "live.py": _("Live"),
        "compare.py": _("Compare"),
        "evaluate.py": _("Evaluate"),
        "history.py": _("History"),
        "models.py": _("Models"),
        "settings.py": _("Settings"),
    }
)
"""File in pages/ and title, in the order of the navigation; the first is the front page. A page is
listed when it works."""


def draw() -> None:
    """Draw the page the address asks for."""
    st.set_page_config(
        page_title="Unmask",
        page_icon=str(_ASSETS / "mark.svg"),
        layout="wide",
        menu_items={},
    )
    session.application().start()
    style.apply()
    st.logo(_logo("logo.svg"), size="large", icon_image=_logo("logo.svg"))
    pages = [
        st.Page(_PAGES / file, title=title, default=not number)
        for number, (file, title) in enumerate(PAGES.items())
    ]
    if auth.accounts():
        title = _("Account") if session.current_user().kind is PrincipalKind.USER else _("Sign in")
        pages.append(st.Page(_PAGES / "account.py", title=title))
    outside = account.outside()
    page = st.navigation(pages, position="hidden" if outside else "top")
    try:
        if (token := url_state.link()) is not None:
            # Open to whoever was given it, also where every page asks for an account.
            view.shared(token)
        elif outside:
            account.draw(gate=True)
        else:
            account.warn()
            page.run()
    except RecordsError as error:
        log.warning("a page needs records that can't be used: %s", error.code)
        status_cards.show(status_cards.unreachable(error))
    except Exception as error:
        fault = fault_of(error)
        log.exception("a page failed, reference %s", fault.reference)
        status_cards.show(status_cards.page_failed(fault))


def _logo(file: str) -> str:
    """An SVG in the colors of the person's theme: as a picture it can't follow the page's CSS."""
    svg = (_ASSETS / file).read_text("utf-8")
    colors = theme.palette()
    return svg.replace(theme.LIGHT.accent, colors.accent).replace(theme.LIGHT.text, colors.text)
