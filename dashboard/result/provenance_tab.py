"""The Provenance tab: what the file says of its origin, and what that is worth."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from dashboard import words
from detector.origin import Fact, Provenance
from detector.report.words import credential_rows, earlier
from detector.results import Analysis

NOTE = (
    "All of this can be written by anybody, and most of it is lost when a file is sent on. That "
    "something is missing says nothing either way."
)
SHOWN = 24
"""facts"""
STATES: dict[str, tuple[words.BadgeColor, str, str]] = {
    "none": ("gray", "do_not_disturb_on", "None"),
    "trusted": ("green", "check_circle", "Valid, trusted"),
    "untrusted": ("orange", "help", "Valid, not trusted here"),
    "invalid": ("red", "warning", "Invalid"),
    "elsewhere": ("gray", "link", "Kept elsewhere"),
    "unreadable": ("gray", "help", "Can't be read"),
}
"""Of a signed origin: color, icon, word."""


def draw(analysis: Analysis) -> None:
    """Draw the tab."""
    found = analysis.provenance
    if found is None:
        st.html(
            "<p class='um-caption'>Results of an earlier version have no provenance: analyze the "
            "file again.</p>"
        )
        return
    st.html(f"<p class='um-caption'>{NOTE}</p>")
    color, icon, word = STATES[found.credential.state]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html("<h3 class='um-h3'>Signed origin (C2PA)</h3>", width="content")
        st.badge(word, icon=f":material/{icon}:", color=color)
    rows = credential_rows(found.credential)
    st.html(f"<p>{words.escape(rows[0][1])}</p>" + _facts(rows[1:]))
    _sentences(found, analysis)
    if found.facts:
        st.html("<h3 class='um-h3'>What it says of itself</h3>" + table(found.facts[:SHOWN]))
        if len(found.facts) > SHOWN:
            more = len(found.facts) - SHOWN
            st.html(f"<p class='um-caption'>{more} more are in the JSON report.</p>")
    _place(found)
    if found.hashes:
        hashes = [(words.clock(h.time) if h.time is not None else "Picture", h.phash)
                  for h in found.hashes]  # fmt: skip
        st.html(
            f"<h3 class='um-h3'>Perceptual hash</h3>{_facts(hashes)}"
            "<p class='um-caption'>Copies of a picture differ in few of the 64 bits.</p>"
        )


def _sentences(found: Provenance, analysis: Analysis) -> None:
    """What follows from the facts; what could not be read; an earlier verdict."""
    said = [*found.findings, *found.unread]
    if found.earlier is not None:
        said.append(earlier(found.earlier, analysis.media))
    for sentence in said:
        st.html(note("info", words.escape(sentence)))


def _place(found: Provenance) -> None:
    if found.place is None:
        return
    spot = f"{found.place.latitude:.5f}, {found.place.longitude:.5f}"
    st.html(
        "<h3 class='um-h3'>Where it was recorded, by its own account</h3>"
        + note(
            "location_on",
            f"<b>{spot}</b> ({words.escape(found.place.source)}). This may be somebody's home. "
            "It goes into downloads unless you leave it out, under Download.",
        )
    )


def note(icon: str, html: str) -> str:
    """HTML of a sentence with an icon before it."""
    return (
        f"<div class='um-reason'><span class='um-icon' aria-hidden='true'>{icon}</span>"
        f"<div>{html}</div></div>"
    )


def table(facts: Sequence[Fact]) -> str:
    """HTML of what a file says of itself. Every value is a stranger's."""
    body = "".join(
        f"<tr><th scope='row'>{words.escape(f.name)}</th>"
        f"<td data-label='Says' class='um-any'>{words.escape(f.value)}</td>"
        f"<td data-label='Where'>{words.escape(f.source)}</td></tr>"
        for f in facts
    )
    return (
        "<table class='um-table'><thead><tr><th scope='col'>Fact</th><th scope='col'>Says</th>"
        f"<th scope='col'>Where</th></tr></thead><tbody>{body}</tbody></table>"
    )


def _facts(rows: Sequence[tuple[str, str]]) -> str:
    cells = "".join(f"<dt>{words.escape(n)}</dt><dd>{words.escape(v)}</dd>" for n, v in rows)
    return f"<dl class='um-facts'>{cells}</dl>" if cells else ""
