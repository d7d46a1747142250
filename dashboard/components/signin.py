"""Sign-in card: head, identity providers, and the request that starts a session."""

import json
from collections.abc import Iterable

import streamlit as st

from dashboard.components.markup import Text, join, show, tag


def head(title: Text, lead: Text, notice: tuple[str, str, str] | None) -> None:
    """Draw the head of the card; `notice`: the event, the next step, and its ARIA role."""
    parts = [tag("h1", title), tag("p", lead) if lead else ""]
    if notice is not None:
        what, then, role = notice
        parts.append(tag("div", tag("b", what), " ", then, cls="um-said", role=role))
    show(tag("div", *parts, cls="um-account"))


def providers(between: Text, links: Iterable[tuple[str, str]]) -> None:
    """Draw the identity providers, as (address, words)."""
    drawn = join(tag("a", words, href=address, target="_self") for address, words in links)
    show(tag("div", tag("p", between), drawn, cls="um-providers"))


def begin(text: Text, ticket: str, home: str, *, start: str, refused: str) -> None:
    """Draw a line of text, and have the browser exchange a ticket for its cookie.

    The ticket goes in the body of a request: it is in no address, history or log. Paths: `start`
    takes it; `home` comes after it, empty to draw the same page anew; `refused` where it fails.
    """
    to, body, away, where = (_script(value) for value in (start, ticket, refused, home))
    script = f"""fetch({to}, {{method: "POST",
      headers: {{"Content-Type": "application/json"}},
      body: JSON.stringify({{ticket: {body}}})}}).then(answer =>
        answer.ok && !{where} ? location.reload() : location.assign(
          answer.ok ? {where} : {away}));"""
    st.html(
        f"{tag('p', text, role='status')}<script>{script}</script>", unsafe_allow_javascript=True
    )


def _script(value: str) -> str:
    """Return a string of JavaScript that can't end the element it stands in."""
    return json.dumps(value).replace("<", "\\u003c")
