"""Text elements in the look of the project.

A piece is returned, for beside something else in one element; what draws one puts it into the
container at hand, or into the place `at`.
"""

from collections.abc import Callable
from functools import partial

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard.components.markup import Text, Width, icon, join, show, tag

text = partial(tag, "p")
"""Plain text."""
small_print = partial(tag, "p", cls="um-caption")
subheading = partial(tag, "h3", cls="um-h3")
"""A head within a card."""
name = partial(tag, "h2")
"""The name of what is shown in a narrow card."""
small = partial(tag, "span", cls="um-caption")
"""Small print within a line."""
caution = partial(tag, "span", cls="um-warn")
"""What to mind, within a line."""
outcome = partial(tag, "p", cls="um-say")
"""A sentence that stands out a little: read first."""


def heading(text: Text, *, space: bool = False) -> Markup:
    """Return the head of a card, with room above where it is not the first."""
    return tag("h2", text, cls=f"um-h2{' um-space' if space else ''}")


def strong(text: Text, tone: str = "") -> Markup:
    """Return words that stand out within a line, in a state's color where there is one."""
    return tag("b", text, cls=f"um-ink {tone}" if tone else "")


def with_icon(symbol: str, text: Text) -> Markup:
    """Return small print after an icon."""
    return tag("p", icon(symbol), text, cls="um-caption um-after")


def concern(head: Text, why: Text) -> Markup:
    """Return a warning and its reason, announced to screen readers."""
    said = tag("p", strong(head), cls="um-warn")
    return tag("div", said, small_print(why), cls="um-concern", role="status")


def small_paragraphs(*paragraphs: Text) -> Markup:
    """Return paragraphs of small print."""
    return join(map(small_print, paragraphs))


def unseen(text: Text) -> Markup:
    """Return text for screen readers only."""
    return tag("span", " ", text, cls="um-quiet")


def conclusion(text: Text) -> Markup:
    """Return the outcome of a session, announced to screen readers."""
    return tag("p", tag("b", text), role="status")


def _drawn(piece: Callable[..., Markup]) -> Callable[..., None]:
    """Return the function that draws a piece."""

    def draw(
        text: Text, *, width: Width = "stretch", at: DeltaGenerator | None = None, **look: bool
    ) -> None:
        show(piece(text, **look), width=width, at=at)

    return draw


title = _drawn(heading)
"""The head of a card."""
section = _drawn(subheading)
chapter = _drawn(partial(tag, "h3", cls="um-sub"))
"""A head within a dialog or a long card, in the type of titles."""
paragraph = _drawn(text)
say = _drawn(outcome)
lead = _drawn(partial(tag, "p", cls="um-say second"))
"""The line under the title of the front page."""
alert = _drawn(partial(tag, "p", cls="um-warn", role="alert"))
"""What went wrong; a screen reader says it at once."""
quiet = _drawn(partial(tag, "p", cls="um-quiet", role="status", aria_live="polite"))
"""A live region for screen readers alone."""


def _line(cls: str, text: Text, *, after: bool = False, announced: bool = False) -> Markup:
    """Return a line with space above (`after`), announced if asked (`announced`)."""
    role = "status" if announced else None
    return tag("p", text, cls=f"{cls}{' um-after' if after else ''}", role=role)


caption = _drawn(partial(_line, "um-caption"))
"""Small print."""
warning = _drawn(partial(_line, "um-warn"))
"""What to mind."""


def notice(text: Text, *, announced: bool = True) -> None:
    """Draw a notice."""
    show(_line("um-said", text, announced=announced))


def flash(said: str, refused: str = "") -> None:
    """Draw the messages that the last action left in the session under these keys, once."""
    if text := st.session_state.pop(said, ""):
        notice(text)
    if text := st.session_state.pop(refused, "") if refused else "":
        alert(text)


def know(*parts: Text) -> None:
    """Draw the content of a popover: paragraphs and tables."""
    show(tag("div", *parts, cls="um-know"))
