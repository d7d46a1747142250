"""Lines of text in the look of the project. What they are given is escaped, unless it is `Markup`.

Each draws itself into the container at hand, or into the place `at`.
"""

import streamlit as st
from markupsafe import Markup
from streamlit.delta_generator import DeltaGenerator

from dashboard.components.markup import Text, Width, icon, join, show, tag


def title(text: Text, *, space: bool = False, width: Width = "stretch") -> None:
    """Draw the head of a card, with room above where it is not the first."""
    show(heading(text, space=space), width=width)


def section(text: Text, *, width: Width = "stretch") -> None:
    """Draw a head within a card."""
    show(subheading(text), width=width)


def chapter(text: Text) -> None:
    """Draw a head within a dialog or a long card, in the type of titles."""
    show(tag("h3", text, cls="um-sub"))


def paragraph(content: Text, *, width: Width = "stretch") -> None:
    """Draw plain text."""
    show(text(content), width=width)


def text(content: Text) -> Markup:
    """Return plain text, for beside something else in one piece."""
    return tag("p", content)


def say(text: Text) -> None:
    """Draw a sentence that stands out a little: an outcome, read first."""
    show(outcome(text))


def caption(
    text: Text,
    *,
    after: bool = False,
    announced: bool = False,
    width: Width = "stretch",
    at: DeltaGenerator | None = None,
) -> None:
    """Draw small print, with room above (`after`), read by screen readers (`announced`)."""
    role = "status" if announced else None
    show(
        tag("p", text, cls=f"um-caption{' um-after' if after else ''}", role=role),
        width=width,
        at=at,
    )


def small_print(text: Text) -> Markup:
    """Return small print, for beside something else in one piece."""
    return tag("p", text, cls="um-caption")


def small_paragraphs(*paragraphs: Text) -> Markup:
    """Return paragraphs of small print."""
    return join(small_print(text) for text in paragraphs)


def notice(text: Text, *, announced: bool = True) -> None:
    """Draw what just happened, or what is to be known."""
    show(tag("p", text, cls="um-said", role="status" if announced else None))


def alert(text: Text) -> None:
    """Draw what went wrong; a screen reader says it at once."""
    show(tag("p", text, cls="um-warn", role="alert"))


def flash(notice: str, refused: str = "") -> None:
    """Draw the messages that the last action left in the session under these keys, once."""
    if text := st.session_state.pop(notice, ""):
        show(tag("p", text, cls="um-said", role="status"))
    if text := st.session_state.pop(refused, "") if refused else "":
        alert(text)


def know(*paragraphs: Text) -> None:
    """Draw what there is to know, as it stands in a popover."""
    show(tag("div", *(tag("p", text) for text in paragraphs), cls="um-know"))


def lead(text: Text) -> None:
    """Draw the line under the title of the front page."""
    show(tag("p", text, cls="um-say second"))


def quiet(text: Text) -> None:
    """Draw a live region for screen readers alone."""
    show(tag("p", text, cls="um-quiet", role="status", aria_live="polite"))


def with_icon(symbol: str, text: Text) -> Markup:
    """Return small print after an icon."""
    return tag("p", icon(symbol), text, cls="um-caption um-after")


def warning(text: Text, *, announced: bool = False) -> None:
    """Draw what to mind."""
    show(tag("p", text, cls="um-warn", role="status" if announced else None))


def subheading(text: Text) -> Markup:
    """Return a head within a card."""
    return tag("h3", text, cls="um-h3")


def heading(text: Text, *, space: bool = False) -> Markup:
    """Return the head of a card."""
    return tag("h2", text, cls=f"um-h2{' um-space' if space else ''}")


def name(text: Text) -> Markup:
    """Return the name of what is shown in a narrow card."""
    return tag("h2", text)


def strong(text: Text, tone: str = "") -> Markup:
    """Return words that stand out within a line, in a state's color where there is one."""
    return tag("b", text, cls=f"um-ink {tone}" if tone else "")


def small(text: Text) -> Markup:
    """Return small print within a line."""
    return tag("span", text, cls="um-caption")


def caution(text: Text) -> Markup:
    """Return what to mind, within a line."""
    return tag("span", text, cls="um-warn")


def concern(head: Text, why: Text) -> Markup:
    """Return what came up and is to be minded, and why; a screen reader says it when it comes."""
    said = tag("p", strong(head), cls="um-warn")
    return tag("div", said, tag("p", why, cls="um-caption"), cls="um-concern", role="status")


def unseen(text: Text) -> Markup:
    """Return what a screen reader alone reads, within a line."""
    return tag("span", " ", text, cls="um-quiet")


def outcome(text: Text) -> Markup:
    """Return a sentence that stands out a little, for beside something else in one piece."""
    return tag("p", text, cls="um-say")


def conclusion(text: Text) -> Markup:
    """Return what a session ended with; a screen reader says it when it comes."""
    return tag("p", tag("b", text), role="status")
